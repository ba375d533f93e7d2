"""A fleet over several processes: bots change their `instance`, and nobody is told of that."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from exporter.model.states import BotStatus
from tests.contract.alerts.promtool import firing_at, judge, scene
from tests.contract.alerts.world import (
    ALTTPR,
    EXPORTER,
    FLEET,
    JOB,
    LOBBY_1,
    LOBBY_2,
    OOTR,
    RESTING,
    Bot,
    Series,
    Value,
    always,
    elsewhere,
    fleet,
    gone,
    name,
)

A, B, C = ("10.0.0.1:9977", "10.0.0.2:9977", "10.0.0.3:9977")
DOWN: Final = replace(OOTR, status=BotStatus.CONNECTION_ERROR, state="disconnected", reason="http_5xx")
STARTING: Final = replace(LOBBY_1, status=BotStatus.UNKNOWN, state="disconnected")


def member(instance: str, *bots: Bot, members: int = 2, unowned: int = 0, also: Series | None = None) -> Series:
    """Return what one process of a cluster exports: itself, and its own bots only."""
    own = {
        name("bot_exporter_cluster_up"): always(1),
        name("bot_exporter_cluster_instances"): always(members),
        name("bot_exporter_cluster_bots_owned"): always(len(bots)),
        name("bot_exporter_cluster_bots_unowned"): always(unowned),
        name("bot_exporter_cluster_takeovers_total"): always(0),
        name("bot_exporter_cluster_leases_lost_total"): always(0),
    }
    return elsewhere({**EXPORTER, **own, **fleet(*bots), **(also or {})}, instance)


def dead(instance: str, since: int, *bots: Bot) -> Series:
    """Return a process that dies: all that is left is that it cannot be scraped."""
    up = elsewhere({name("up"): lambda minute: float(minute < since)}, instance)
    return {**only(member(instance, *bots), lambda minute: minute < since), **up}


def only(series: Series, when: Any) -> dict[str, Value]:
    """Return series that are there in some minutes only."""

    def limited(value: Value) -> Value:
        return lambda minute: value(minute) if when(minute) else gone(minute)

    return {each: limited(value) for each, value in series.items()}


def told(minute: int, *expected: Mapping[str, str]) -> dict[str, Any]:
    return firing_at(minute, [{**each} for each in expected])


def names(minutes: Iterable[int], *expected: str) -> list[dict[str, Any]]:
    samples = [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in sorted(expected)]
    query = 'group by (alertname) (ALERTS{alertstate="firing",alertname!="Watchdog"})'
    return [{"expr": query, "eval_time": f"{minute}m", "exp_samples": samples} for minute in minutes]


@pytest.mark.parametrize("overlap", [0, 1])
def test_a_bot_that_moves_again_and_again_is_nobodys_trouble(overlap: int, tmp_path: Path) -> None:
    """Every 10 minutes to the other process; there it is not known to work for a minute. Sometimes both show it."""
    here = only(fleet(LOBBY_1), lambda minute: minute // 10 % 2 == 0 and minute % 10 >= 1)
    there = only(fleet(LOBBY_1), lambda minute: minute // 10 % 2 == 1 and minute % 10 >= 1)
    late = only(fleet(STARTING), lambda minute: minute // 10 % 2 == 0 and minute % 10 <= overlap)
    late_there = only(fleet(STARTING), lambda minute: minute // 10 % 2 == 1 and minute % 10 <= overlap)

    def either(first: Series, second: Series) -> dict[str, Value]:
        def one(series: str) -> Value:
            return lambda minute: next(
                (found for each in (first, second) if (found := each.get(series, gone)(minute)) is not None), None
            )

        return {series: one(series) for series in first.keys() | second.keys()}

    seen = {
        **member(A, ALTTPR, also=either(late, here)),
        **member(B, OOTR, LOBBY_2, *RESTING, also=either(late_there, there)),
    }
    judge([scene("moves", seen, 120, queries=names(range(5, 121, 5)))], tmp_path)


def test_a_bot_that_is_down_is_told_once_wherever_it_runs(tmp_path: Path) -> None:
    """It moves in the fifth minute, with both processes showing it in one scrape: the wait goes on."""
    before, after = only(fleet(DOWN), lambda minute: minute <= 5), only(fleet(DOWN), lambda minute: minute >= 5)
    seen = {**member(A, ALTTPR, LOBBY_1, also=before), **member(B, LOBBY_2, also=after)}
    alert = {"alertname": "BotDown", "bot": "ootr", "platform": "racetime", "severity": "warning", **JOB}
    words = (
        "ootr does not work, although others do. Reason: http_5xx. It tries again by itself; see what it says at "
        f"http://{B}/status/bots/ootr"
    )
    text = {
        "alertname": "BotDown",
        "eval_time": "16m",
        "exp_alerts": [
            {
                "exp_labels": {key: value for key, value in alert.items() if key != "alertname"},
                "exp_annotations": {
                    "summary": "A bot is down.",
                    "description": words,
                    "runbook_url": "https://runbooks.example.org/bot-exporter/BotDown.md",
                },
            }
        ],
    }
    judge([scene("moved", seen, 20, queries=[told(14), told(16, alert)], texts=[text])], tmp_path)


def test_a_platform_is_down_when_no_process_has_a_bot_of_it_that_works(tmp_path: Path) -> None:
    other = replace(ALTTPR, status=BotStatus.CONNECTION_ERROR, reason="http_5xx")
    partly = {**member(A, other, LOBBY_1), **member(B, OOTR, LOBBY_2)}
    wholly = {**member(A, other, LOBBY_1), **member(B, DOWN, LOBBY_2)}
    alert = {"alertname": "BotAllDown", "platform": "racetime", "scope": "platform", "severity": "critical", **JOB}
    judge(
        [
            scene("in one process", partly, 10, queries=[told(10)]),
            scene("in all", wholly, 10, queries=[told(4), told(6, alert)]),
        ],
        tmp_path,
    )


def test_a_process_without_bots_is_fine_and_a_cluster_without_any_is_not(tmp_path: Path) -> None:
    """Without the database no bot runs anywhere."""
    spare = {**member(A, *FLEET), **member(B)}
    none = {**member(A), **member(B)}
    alert = {"alertname": "BotAllDown", "scope": "empty", "severity": "critical", **JOB}
    judge(
        [
            scene("one rests", spare, 30, queries=names((10, 30))),
            scene("no bot anywhere", none, 10, queries=[told(10, alert)]),
        ],
        tmp_path,
    )


def test_one_of_three_that_is_down_is_a_ticket_and_all_three_are_a_page(tmp_path: Path) -> None:
    """The others have taken its bots over. With all of them gone nobody says that there were several."""
    one = {**dead(A, 3, ALTTPR, LOBBY_1), **member(B, OOTR), **member(C, LOBBY_2)}
    one |= elsewhere(only(fleet(ALTTPR, LOBBY_1), lambda minute: minute >= 4), B)
    every = {**dead(A, 3, ALTTPR, LOBBY_1), **dead(B, 3, OOTR), **dead(C, 3, LOBBY_2)}
    ticket = {"alertname": "BotExporterDown", "instance": A, "scope": "one_of_several", "severity": "warning", **JOB}
    pages = [{"alertname": "BotExporterDown", "instance": each, "severity": "critical", **JOB} for each in (A, B, C)]
    judge(
        [
            scene("one", one, 30, queries=[told(4), told(6, ticket), told(30, ticket)]),
            scene("all", every, 10, queries=[told(10, *pages)]),
        ],
        tmp_path,
    )


def test_a_process_that_is_discovered_no_more_is_told_by_those_that_took_its_bots(tmp_path: Path) -> None:
    """GET /sd forgets who is gone: the target vanishes with all its series."""
    vanished = only(member(A, ALTTPR, LOBBY_1), lambda minute: minute < 3)
    took = elsewhere({name("bot_exporter_cluster_takeovers_total"): lambda minute: 2.0 * (minute >= 4)}, B)
    seen = {**vanished, **member(B, OOTR, LOBBY_2), **took}
    seen |= elsewhere(only(fleet(ALTTPR, LOBBY_1), lambda minute: minute >= 4), B)
    alert = {"alertname": "BotExporterLost", "severity": "warning", **JOB}
    judge([scene("forgotten", seen, 50, queries=[told(8), told(10, alert), told(30, alert), told(50)])], tmp_path)


def test_a_bot_is_unowned_when_nobody_knows_an_owner(tmp_path: Path) -> None:
    """A process that is cut off from the database sees no owner of any bot, and is alone with that."""
    alone = {**member(A, unowned=4), **member(B, *FLEET)}
    everybody = {**member(A, OOTR, unowned=2), **member(B, LOBBY_1, unowned=2)}
    alert = {"alertname": "BotUnowned", "severity": "warning", **JOB}
    judge(
        [
            scene("one is cut off", alone, 30, queries=names((10, 30))),
            scene("all know none", everybody, 10, queries=[told(4), told(6, alert)]),
        ],
        tmp_path,
    )


def test_a_rolling_restart_leaves_bots_for_new_work(tmp_path: Path) -> None:
    """One drains for half an hour: the others' bots count. When all drain nobody is told that none is available."""
    busy = replace(LOBBY_1, state="in_lobby", available=False)
    draining = {name("bot_exporter_draining"): always(1)}
    one = {**member(A, busy, also=draining), **member(B, ALTTPR, LOBBY_2)}
    both_busy = {**member(A, busy, also=draining), **member(B, ALTTPR, replace(busy, name="lobby-2"))}
    every = {**member(A, busy, also=draining), **member(B, ALTTPR, replace(busy, name="lobby-2"), also=draining)}
    alert = {"alertname": "BotNoneAvailable", "platform": "dota2", "severity": "warning", **JOB}
    judge(
        [
            scene("one drains", one, 30, queries=names((30,))),
            scene("the other one is busy", both_busy, 30, queries=[told(30, alert)]),
            scene("all drain", every, 30, queries=names((30,))),
        ],
        tmp_path,
    )
