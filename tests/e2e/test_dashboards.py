"""Every query of every dashboard finds something in a real Prometheus that scraped a real fleet."""

import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.contract.dashboards.shipped import Json, Target, choices, dashboards, filled, panels, targets, variables
from tests.e2e.busy_fleet import DOTA2, RACETIME, BusyFleet, busy_fleet
from tests.e2e.command import LIMIT_S
from tests.eventually import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL: Final = ".+"
SPAN_S: Final = 600.0
"""The time shown: all that the fleet has lived, also on a slow machine."""
GRAFANAS: Final = {"__rate_interval": "4s", "__range": "15m"}
"""Grafana's own variables, for a scrape every 500 ms."""
START_S: Final = (
    "min_over_time(bot_exporter_config_last_reload_success_timestamp_seconds[15m]) - process_start_time_seconds"
)
"""How long the start took until the configuration was read."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="fleet")
async def _fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BusyFleet]:
    """One fleet for all tests; everything has happened to it."""
    async with busy_fleet(tmp_path_factory.mktemp("dashboards")) as running:
        await running.live()
        yield running


async def answers(fleet: BusyFleet, expr: str, *, now: bool, span_s: float = SPAN_S) -> list[Json]:
    """Return the series of the answer that have at least one number."""
    at = time.time()
    if now:
        data = await fleet.server.ask("query", query=expr, time=str(at))
    else:
        data = await fleet.server.ask("query_range", query=expr, start=str(at - span_s), end=str(at), step="1")
    assert data["resultType"] in {"vector", "matrix", "scalar"}
    series = data["result"] if data["resultType"] != "scalar" else [{"metric": {}, "value": data["result"]}]
    return [each for each in series if any(not math.isnan(value) for value in numbers(each))]


def numbers(series: Json) -> list[float]:
    return [float(value) for _, value in series.get("values", [series.get("value")])]


def worlds(target: Target) -> list[Mapping[str, str]]:
    """Return what may be chosen: a page about one bot is looked at for each of them, and one has to have an answer."""
    everything = dict.fromkeys(variables(dashboards()[target.dashboard]), ALL) | GRAFANAS
    if target.dashboard != "bot-exporter-bot":
        return [everything]
    return [everything | {"bot": bot} for bot in (*RACETIME, *DOTA2)]


OF_ONE_PROCESS: Final = [each for each in targets() if "bot_exporter_cluster_" not in each.expr]
"""The others have no answer where one process runs the fleet: tests/contract/dashboards/test_several.py asks them."""


@pytest.mark.parametrize("target", OF_ONE_PROCESS, ids=str)
async def test_every_panel_has_an_answer(fleet: BusyFleet, target: Target) -> None:
    async def of_all_worlds() -> list[Json]:
        asked = [await answers(fleet, filled(target.expr, each), now=target.instant) for each in worlds(target)]
        return [series for some in asked for series in some]

    found = await until(of_all_worlds, limit_s=LIMIT_S, told=lambda: target.expr)
    for label in re.findall(r"\{\{(\w+)\}\}", target.legend):
        assert all(each["metric"].get(label) for each in found), (label, found[0])


@pytest.mark.parametrize("name", dashboards())
async def test_every_variable_offers_what_there_is(fleet: BusyFleet, name: str) -> None:
    (instance,) = (key for (key,) in await fleet.server.query("bot_exporter_build_info", "instance"))
    expected = {
        "job": {"bot-exporter"},
        "instance": {instance},
        "platform": {"racetime", "dota2"},
        "bot": {*RACETIME, *DOTA2},
        "category": set(RACETIME),
    }
    for label, (selector, _) in choices(dashboards()[name]).items():
        assert await offered(fleet, filled(selector, dict.fromkeys(expected, ALL)), label) == expected[label]


async def test_a_choice_narrows_the_next_one(fleet: BusyFleet) -> None:
    selector, _ = choices(dashboards()["bot-exporter-fleet"])["bot"]
    chosen = {"job": "bot-exporter", "instance": ALL, "platform": "racetime"}
    assert await offered(fleet, filled(selector, chosen), "bot") == set(RACETIME)
    assert await offered(fleet, filled(selector, chosen | {"job": "another"}), "bot") == set()


async def offered(fleet: BusyFleet, selector: str, label: str) -> set[str]:
    """Return the values of a variable, as Grafana asks for them."""
    at = time.time()
    values = await fleet.server.ask(
        f"label/{label}/values", **{"match[]": selector, "start": str(at - SPAN_S), "end": str(at)}
    )
    return set(values)


@pytest.mark.parametrize("name", dashboards())
async def test_every_mark_has_its_moment(fleet: BusyFleet, name: str) -> None:
    for mark in dashboards()[name]["annotations"]["list"]:
        expr = filled(mark["expr"], {"job": ALL, "instance": ALL})
        (series,) = await answers(fleet, expr, now=False)
        assert series["metric"]["instance"]
        moments = set(numbers(series))
        if "useValueForTime" in mark:
            (start_s,) = (await fleet.server.query(START_S)).values()
            late = mark["name"] == "Configuration reloaded" and start_s > 10  # a start so slow looks like a reload
            assert len(moments) == 1 + late, mark
            assert abs(max(moments) / 1000 - time.time()) < 600
        else:
            assert moments == {1}


# --- what the answers mean ---


def panel_of(name: str, title: str) -> Json:
    (found,) = [panel for panel in panels(dashboards()[name]) if panel["title"] == title]
    return found


async def shown(fleet: BusyFleet, name: str, title: str, ref: int = 0, **chosen: str) -> dict[str, Any]:
    """Return what one query of a panel shows now: the words of its mapping, or the numbers, by the legend."""
    panel = panel_of(name, title)
    target = panel["targets"][ref]
    world = dict.fromkeys(variables(dashboards()[name]), ALL) | GRAFANAS | chosen
    mappings = panel["fieldConfig"]["defaults"].get("mappings") or [{"options": {}}]
    words = mappings[0]["options"]
    found = {}
    for each in await answers(fleet, filled(target["expr"], world), now=True):
        legend = target["legendFormat"]
        for label in re.findall(r"\{\{(\w+)\}\}", legend):
            legend = legend.replace(f"{{{{{label}}}}}", each["metric"][label])
        value = numbers(each)[-1]
        found[legend] = words[f"{value:g}"]["text"] if words else value
    return found


async def until_shown(fleet: BusyFleet, expected: Mapping[str, Any], *panel: str, ref: int = 0, **chosen: str) -> None:
    await until(lambda: shown(fleet, panel[0], panel[1], ref, **chosen), expected.__eq__, LIMIT_S)


async def until_answered(fleet: BusyFleet, expr: str, fits: Callable[[list[Json]], bool]) -> list[Json]:
    """Ask until the answer fits: one scrape that came too late empties an answer for a moment."""
    return await until(lambda: answers(fleet, expr, now=True), fits, LIMIT_S, told=lambda: expr)


VERDICTS: Final = {
    "alttpr": "Connected",
    "ootr": "Connected",
    "smz3": "Connection Error",
    "sm": "Auth Failed",
    "hosting": "Connected",
    "played": "Connected",
    "unlucky": "Connected",
    "kicked": "Connection Error",
    "mailed": "Auth Failed",
    "limited": "Auth Failed",
    "resting": "Disconnected",
}


async def test_the_verdicts_are_those_of_the_bots(fleet: BusyFleet) -> None:
    await until_shown(fleet, VERDICTS, "bot-exporter-fleet", "How did the verdict on each bot change?")
    for bot, words in VERDICTS.items():
        await until_shown(fleet, {bot: words}, "bot-exporter-bot", "Does it work?", bot=bot)


async def test_the_states_are_those_of_the_bots(fleet: BusyFleet) -> None:
    for bot, state in {"hosting": "in_lobby", "alttpr": "in_race", "ootr": "online", "sm": "disconnected"}.items():
        await until_shown(fleet, {bot: state}, "bot-exporter-bot", "What is it doing?", bot=bot)


async def test_the_figures_at_the_top_are_right(fleet: BusyFleet) -> None:
    """Of eleven bots ootr is in maintenance and resting is switched off; of the other nine four work."""
    page = "bot-exporter-fleet"
    await until_shown(fleet, VERDICTS, page, "How did the verdict on each bot change?")
    for title, expected in {
        "Do the bots that should work do so?": pytest.approx(4 / 9),
        "How many are down that should work?": 5,
        "How many are refused by their service?": 3,
        "How many wait for a guard code?": 1,
        "How many rest?": 2,
        "Does the exporter drain?": "no",
        "Can every exporter be scraped?": "yes",
    }.items():
        await until_shown(fleet, {"": expected}, page, title)
    await until_shown(fleet, {"racetime": 0, "dota2": 2}, page, "How many can take new work?")
    await until_shown(fleet, {"": 1}, "bot-exporter-work", "How many lobbies are open?")
    await until_shown(fleet, {"": 2}, "bot-exporter-work", "How many bots can take a lobby?")


async def test_the_rows_of_a_table_fit_together(fleet: BusyFleet) -> None:
    """The queries of a table have the labels in common by which Grafana merges their rows, one row a bot."""
    panel = panel_of("bot-exporter-fleet", "What is each bot doing, and why is it not connected?")
    world = dict.fromkeys(variables(dashboards()["bot-exporter-fleet"]), ALL) | GRAFANAS
    common = {"job", "platform", "bot"}
    for target in panel["targets"]:
        found = await until_answered(fleet, filled(target["expr"], world), bool)
        rows = [tuple(each["metric"][label] for label in sorted(common)) for each in found]
        assert len(rows) == len(set(rows)), target["expr"]
        labels = {label for each in found for label in each["metric"]}
        assert labels in (common, common | {"reason"}, common | {"instance"})


async def test_only_open_lobbies_have_rows(fleet: BusyFleet) -> None:
    panel = panel_of("bot-exporter-work", "Which lobbies are open, and for how long?")
    world = dict.fromkeys(variables(dashboards()["bot-exporter-work"]), ALL) | GRAFANAS
    for target in panel["targets"]:
        await until_answered(
            fleet, filled(target["expr"], world), lambda found: [each["metric"]["bot"] for each in found] == ["hosting"]
        )


async def test_the_alerts_table_has_what_its_links_need(fleet: BusyFleet) -> None:
    expected = {"BotAuthFailed", "BotDown", "BotSteamRateLimited"}
    panel = panel_of("bot-exporter-fleet", "Which alerts fire or are about to, and what is to be done?")
    world = {"job": "bot-exporter", "instance": ALL}
    expr = filled(panel["targets"][0]["expr"], world)

    async def names() -> set[str]:
        return {each["metric"]["alertname"] for each in await answers(fleet, expr, now=True)}

    assert "Watchdog" not in await until(names, expected.issubset, LIMIT_S)
