"""The figures of a fleet as they are now."""

import pytest

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import EntrantStatus, RaceState
from exporter.model.status import Maintenance
from exporter.stats import BotStats
from tests.unit.metrics.rig import RACING, Rig, connected, dealer, race, racer

ALPHA = {"bot": "alpha", "platform": "racetime"}


async def test_a_bot_that_works() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), *connected("alpha"), ev.TokenIssued("alpha", 12.0, 999.0))
    page = await rig.page()
    assert page.value("bot_info", **ALPHA, category="alttp") == 1
    assert page.by("state", "bot_state") == {"disconnected": 0, "connecting": 0, "online": 1, "in_race": 0}
    assert [word for word, value in page.by("status", "bot_status").items() if value] == ["connected"]
    assert len(page.by("status", "bot_status")) == 5
    assert not any(page.by("reason", "bot_status_reason").values())
    assert (page.value("bot_up", **ALPHA), page.value("bot_available", **ALPHA)) == (1, 1)
    assert page.value("bot_connected_since_timestamp_seconds", **ALPHA) == 12.0
    assert page.value("bot_token_expiry_timestamp_seconds", **ALPHA) == 999.0


async def test_what_is_not_known_is_absent() -> None:
    rig = Rig()
    rig.apply(racer("alpha"))
    page = await rig.page()
    assert not [name for name, labels in page.series("bot_") if "timestamp" in name and ("bot", "alpha") in labels]
    assert page.value("bot_exporter_config_last_reload_success_timestamp_seconds") is None


async def test_only_bots_that_stand_for_a_category_name_one() -> None:
    rig = Rig()
    rig.apply(dealer("bravo"))
    page = await rig.page()
    assert page.value("bot_info", bot="bravo", platform="tables", category="") == 1
    assert not page.series("bot_race")


@pytest.mark.parametrize("obstacle", ["maintenance", "draining", "busy", "off"])
async def test_an_obstacle_makes_a_bot_unavailable(obstacle: str) -> None:
    rig = Rig()
    rig.apply(racer("alpha"), *connected("alpha"))
    match obstacle:
        case "maintenance":
            rig.apply(ev.MaintenanceBegan("alpha", 20.0, Maintenance(None, "tea", None)))
        case "draining":
            rig.process.draining = True
        case "busy":
            rig.apply(ev.StateEntered("alpha", 20.0, "in_race"))
        case "off":
            rig.apply(ev.BotStopped("alpha", 20.0))
    page = await rig.page()
    assert page.value("bot_available", **ALPHA) == 0
    assert page.value("bot_maintenance", **ALPHA) == (obstacle == "maintenance")
    assert page.value("bot_active", **ALPHA) == (obstacle != "off")
    assert page.value("bot_exporter_draining") == (obstacle == "draining")


async def test_a_room_counts_once_whoever_follows_it() -> None:
    rig = Rig()
    view = race("one-1", RaceState.OPEN, EntrantStatus.READY, EntrantStatus.READY, EntrantStatus.NOT_READY)
    rig.apply(
        racer("alpha", "alttp"),
        racer("delta", "alttp"),
        racer("echo", "sm"),
        ev.RaceUpdated("alpha", 2.0, view),
        ev.RaceUpdated("delta", 3.0, view),
        ev.RoomConnected("delta", 4.0, "alttp/one-1"),
    )
    page = await rig.page()
    races = page.by("status", "bot_races", category="alttp")
    assert races == {str(state): float(state is RaceState.OPEN) for state in RaceState}
    assert set(page.by("status", "bot_races", category="sm").values()) == {0}
    entrants = page.by("status", "bot_race_entrants", category="alttp")
    assert {status: count for status, count in entrants.items() if count} == {"ready": 2, "not_ready": 1}
    assert len(entrants) == len(EntrantStatus)
    assert page.by("bot", "bot_race_rooms", connected="true") == {"alpha": 0, "delta": 1, "echo": 0}
    assert page.by("bot", "bot_race_rooms", connected="false") == {"alpha": 1, "delta": 0, "echo": 0}


async def test_the_oldest_race_of_each_current_status() -> None:
    rig = Rig()
    rig.apply(
        racer("alpha"),
        ev.RaceUpdated("alpha", 5.0, race("one-1")),
        ev.RaceUpdated("alpha", 7.0, race("two-2")),
        ev.RaceUpdated("alpha", 8.0, race("three-3", RaceState.PENDING)),
        ev.RaceUpdated("alpha", 9.0, race("four-4", RaceState.FINISHED)),
    )
    name = "bot_race_oldest_state_since_timestamp_seconds"
    assert (await rig.page()).by("status", name) == {"open": 5, "pending": 8}
    rig.apply(ev.RaceUpdated("alpha", 11.0, race("one-1", RaceState.PENDING)))
    assert (await rig.page()).by("status", name) == {"open": 7, "pending": 8}


async def test_sockets_are_counted_where_they_are() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), racer("delta"))
    stats = rig.bot_stats["alpha"] = BotStats()
    rig.bot_stats["stranger"] = BotStats()
    stats.messages_received, stats.messages_sent, stats.unknown_messages = 5, 3, 1
    stats.protocol_errors["bad_json"] += 2
    page = await rig.page()
    assert page.by("bot", "bot_messages_received_total") == {"alpha": 5, "delta": 0}
    assert page.by("bot", "bot_messages_sent_total") == {"alpha": 3, "delta": 0}
    assert page.by("bot", "bot_unknown_messages_total") == {"alpha": 1, "delta": 0}
    assert page.series("bot_protocol_errors_total") == {
        ("bot_protocol_errors_total", frozenset({*ALPHA.items(), ("kind", "bad_json")})): 2
    }


async def test_the_exporter_tells_of_itself() -> None:
    rig = Rig()
    rig.http.observe("/status", "GET", 200, 0.02)
    rig.http.observe("/status", "GET", 200, 20.0)
    rig.loop.lag.observe(0.001)
    rig.process.unexpected_transitions = 4
    rig.process.config_ok, rig.process.config_loaded_at = False, 3.0
    page = await rig.page()
    assert page.value("bot_exporter_http_requests_total", route="/status", method="GET", code="200") == 2
    durations = page.by("le", "bot_exporter_http_request_duration_seconds_bucket", route="/status")
    assert (durations["0.01"], durations["0.025"], durations["10.0"], durations["+Inf"]) == (0, 1, 1, 2)
    assert page.by("le", "bot_exporter_event_loop_lag_seconds_bucket")["0.001"] == 1
    assert page.value("bot_exporter_unexpected_transitions_total") == 4
    assert page.value("bot_exporter_config_last_reload_successful") == 0
    assert page.value("bot_exporter_config_last_reload_success_timestamp_seconds") == 3
    assert [dict(labels)["version"] for _, labels in page.series("bot_exporter_build_info")] == ["1.2.3"]


@pytest.mark.parametrize("accept", [None, "application/openmetrics-text"])
async def test_label_values_are_escaped(accept: str | None) -> None:
    rig, awkward = Rig(), 'a "quoted" \\ back\\nslash\nand a line, with {braces}=\u2603'
    rig.apply(ev.BotAdded("alpha", 1.0, replace(RACING), awkward, active=True))
    page = await rig.page(accept)
    assert page.value("bot_info", **ALPHA, category=awkward) == 1
    assert len(page.by("status", "bot_races", category=awkward)) == len(RaceState)
