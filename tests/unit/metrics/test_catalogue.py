"""The catalogue and the page say the same."""

import re

import pytest

from exporter.metrics.catalogue import FAMILIES, GROUPS, Family, Kind, Stability, family_names
from exporter.metrics.figures import BOT_VALUES, CATEGORY_VALUES
from exporter.metrics.values import HISTOGRAMS, OWN_VALUES
from exporter.model import events as ev
from exporter.stats import BotStats
from tests.unit.metrics.rig import Rig, connected, race, racer, rich_fleet

OURS = [family for family in FAMILIES.values() if family.stability is not Stability.EXTERNAL]


def test_names_are_unique() -> None:
    assert len(FAMILIES) == sum(len(group.families) for group in GROUPS)


@pytest.mark.parametrize("family", OURS, ids=lambda family: family.name)
def test_a_family_keeps_the_conventions(family: Family) -> None:
    assert re.fullmatch(r"bot_[a-z0-9_]+", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.name.endswith("_seconds") or family.kind is not Kind.HISTOGRAM
    assert family.help.endswith(".")
    assert all(label.values or label.source for label in family.labels)
    assert {"job", "instance", "le"}.isdisjoint(family.label_names)
    if "bot" in family.label_names:
        assert family.label_names[:2] == ("bot", "platform")


def test_every_family_has_one_source_of_values() -> None:
    sources = [*BOT_VALUES, *CATEGORY_VALUES, *OWN_VALUES, *HISTOGRAMS]
    assert sorted(sources) == sorted(family.name for family in OURS)
    assert {name for name in BOT_VALUES if FAMILIES[name].label_names[:1] != ("bot",)} == set()


@pytest.mark.parametrize("accept", [None, "application/openmetrics-text"])
async def test_the_page_of_a_rich_fleet_has_the_whole_catalogue_and_nothing_else(accept: str | None) -> None:
    page = await rich_fleet().page(accept)
    shown = {family.name: family for family in page.families}
    assert set(shown) == {family.openmetrics_name for family in FAMILIES.values()}
    for family in FAMILIES.values():
        samples = shown[family.openmetrics_name].samples
        assert shown[family.openmetrics_name].type == family.kind
        assert {sample.name for sample in samples} == set(family.sample_names)
        assert {frozenset(sample.labels) - {"le"} for sample in samples} == {frozenset(family.label_names)}
        assert all(sample.timestamp is None for sample in samples)


async def test_label_values_are_the_ones_of_the_catalogue() -> None:
    page = await rich_fleet().page()
    for family in OURS:
        for label in family.labels:
            if label.values:
                shown = {dict(labels)[label.name] for name, labels in page.series() if name in family.sample_names}
                assert shown <= set(label.values), f"{family.name}: {label.name}"


async def test_one_bot_is_enough_to_show_every_family() -> None:
    rig = Rig()
    rig.apply(
        racer("alpha"),
        *connected("alpha"),
        ev.TokenIssued("alpha", 13.0, 99.0),
        ev.RaceUpdated("alpha", 14.0, race("one-1")),
        ev.BotCrashed("alpha", 15.0, "oops", 16.0),
        *connected("alpha", at=16.0),
        ev.BotCrashed("alpha", 19.0, "oops", 20.0),
        ev.ConnectStarted("alpha", 21.0),
    )
    rig.bot_stats["alpha"] = BotStats()
    before = {family.name for family in (await rig.page()).families}
    absent = {
        "bot_connected_since_timestamp_seconds",
        "bot_next_retry_timestamp_seconds",
        "bot_protocol_errors",
        "bot_exporter_config_last_reload_success_timestamp_seconds",
        "bot_exporter_web_config_reload_successful",
        "bot_exporter_http_requests",
        "bot_exporter_http_request_duration_seconds",
        "bot_steam_logon_queue_length",
        "bot_steam_logon_cooldown_until_timestamp_seconds",
        "bot_steam_outage",
    } | {
        each.openmetrics_name
        for each in FAMILIES.values()
        if each.name.startswith(("bot_lobb", "bot_exporter_cluster"))
    }
    assert {family.openmetrics_name for family in FAMILIES.values()} - before == absent


def test_a_family_answers_to_all_its_names() -> None:
    assert family_names(["bot_up"]) == {"bot_up"}
    assert family_names(["bot_crashes_total", "bot_disconnects"]) == {"bot_crashes_total", "bot_disconnects_total"}
    assert family_names(["bot_connect_duration_seconds_bucket"]) == {"bot_connect_duration_seconds"}
    assert family_names(["bot_connect_duration_seconds"]) == {"bot_connect_duration_seconds"}
    assert family_names(["bot_up_total", "", "nonsense"]) == frozenset()
