"""What is counted when something happens."""

import pytest

from exporter.errors import AuthReason, FailureReason
from exporter.model import events as ev
from exporter.model.states import DisconnectReason, RaceState
from tests.unit.metrics.rig import Rig, connected, dealer, race, racer


async def test_a_bot_is_counted_from_zero_for_every_word_of_its_platform() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), dealer("bravo"))
    page = await rig.page()
    zero = dict.fromkeys
    assert page.value("bot_connection_attempts_total", bot="alpha", platform="racetime") == 0
    assert page.by("reason", "bot_connection_failures_total", bot="alpha") == zero(("refused", "timeout", "other"), 0)
    assert page.by("reason", "bot_connection_failures_total", bot="bravo") == zero(("dns", "other"), 0)
    assert page.by("reason", "bot_auth_failures_total", bot="bravo") == zero(("guard_code_required", "other"), 0)
    assert page.by("reason", "bot_disconnects_total", bot="bravo") == zero(("kicked", "network", "other"), 0)
    states = ("disconnected", "connecting", "lounge", "at_table")
    assert page.by("state", "bot_state_transitions_total", bot="bravo") == zero(states, 0)
    outcomes = ("finished", "cancelled", "partitioned")
    assert page.by("outcome", "bot_races_finished_total", bot="alpha") == zero(outcomes, 0)


async def test_a_connection_that_fails_and_comes_back() -> None:
    rig = Rig()
    rig.apply(
        dealer("bravo"),
        ev.ConnectStarted("bravo", 2.0),
        ev.ConnectionFailed("bravo", 3.0, FailureReason.DNS, "no such host", 4.0, DisconnectReason.NETWORK),
        *connected("bravo", "lounge", at=5.0),
        ev.ConnectionFailed("bravo", 60.0, FailureReason.OTHER, "kicked", 61.0, DisconnectReason.KICKED),
        *connected("bravo", "lounge", at=61.0),
        ev.BotCrashed("bravo", 80.0, "oops", 81.0),
    )
    page = await rig.page()
    bot = {"bot": "bravo", "platform": "tables"}
    assert page.value("bot_connection_attempts_total", **bot) == 3
    assert page.value("bot_reconnects_total", **bot) == 1
    assert page.value("bot_crashes_total", **bot) == 1
    assert page.by("reason", "bot_connection_failures_total", **bot) == {"dns": 1, "other": 1}
    assert page.by("reason", "bot_disconnects_total", **bot) == {"kicked": 1, "network": 0, "other": 1}
    transitions = page.by("state", "bot_state_transitions_total", **bot)
    assert transitions == {"disconnected": 3, "connecting": 3, "lounge": 2, "at_table": 0}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ev.BotStopped("alpha", 20.0), "operator"),
        (ev.CredentialsRefused("alpha", 20.0, AuthReason.OTHER, "no", None), "token"),
        (ev.BotCrashed("alpha", 20.0, "oops", 21.0), "other"),
        (ev.Disconnected("alpha", 20.0, DisconnectReason.SHUTDOWN), "shutdown"),
        (ev.StateEntered("alpha", 20.0, "disconnected"), "other"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_an_event_that_ends_a_connection_says_how(event: ev.Event, reason: str) -> None:
    rig = Rig()
    rig.apply(racer("alpha"), *connected("alpha"), event)
    counts = (await rig.page()).by("reason", "bot_disconnects_total", bot="alpha")
    assert {word: count for word, count in counts.items() if count} == {reason: 1}


async def test_an_attempt_that_fails_is_no_disconnect() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), ev.ConnectStarted("alpha", 2.0))
    rig.apply(ev.ConnectionFailed("alpha", 3.0, FailureReason.TIMEOUT, "", 4.0, DisconnectReason.NETWORK))
    assert not any((await rig.page()).by("reason", "bot_disconnects_total", bot="alpha").values())


async def test_refusals_are_counted_by_reason_even_undeclared_ones() -> None:
    rig = Rig()
    rig.apply(dealer("bravo"), ev.CredentialsRefused("bravo", 2.0, AuthReason.GUARD_CODE_REQUIRED, "", None))
    rig.apply(ev.CredentialsRefused("bravo", 3.0, AuthReason.ACCOUNT_DISABLED, "", None))
    page = await rig.page()
    counts = {"guard_code_required": 1, "other": 0, "account_disabled": 1}
    assert page.by("reason", "bot_auth_failures_total", bot="bravo") == counts
    assert page.value("bot_status_reason", bot="bravo", platform="tables", reason="account_disabled") == 1


async def test_connecting_is_timed_once_an_attempt() -> None:
    rig = Rig()
    rig.apply(
        racer("alpha"),
        *connected("alpha", at=10.0),
        ev.ProofExpired("alpha", 500.0, 90.0),
        ev.HealthProved("alpha", 600.0, 90.0),
    )
    page = await rig.page()
    assert page.value("bot_connect_duration_seconds_count", platform="racetime") == 1
    assert page.value("bot_connect_duration_seconds_sum", platform="racetime") == 2.0
    assert page.value("bot_connect_duration_seconds_bucket", platform="racetime", le="1.0") == 0
    assert page.value("bot_connect_duration_seconds_bucket", platform="racetime", le="2.5") == 1
    assert page.value("bot_connect_duration_seconds_count", platform="tables") == 0


async def test_a_clock_that_is_set_back_gives_no_negative_time() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), ev.ConnectStarted("alpha", 100.0), ev.HealthProved("alpha", 40.0, 90.0))
    assert (await rig.page()).value("bot_connect_duration_seconds_sum", platform="racetime") == 0


async def test_polls_are_checks_that_came_to_an_end() -> None:
    rig = Rig()
    rig.apply(
        racer("alpha"),
        dealer("bravo"),
        *connected("alpha"),
        *connected("bravo", "lounge"),
        ev.HealthProved("alpha", 40.0, 90.0),
        ev.CheckFailed("alpha", 70.0, FailureReason.TIMEOUT, "slow"),
        ev.ConnectionFailed("alpha", 71.0, FailureReason.REFUSED, "gone", 72.0, DisconnectReason.NETWORK),
    )
    page = await rig.page()
    assert page.by("bot", "bot_racetime_polls_total") == {"alpha": 3}
    failures = page.by("reason", "bot_racetime_poll_failures_total", bot="alpha")
    assert failures == {"refused": 0, "timeout": 1, "other": 0}


async def test_a_race_ends_once_for_the_first_bot_in_the_room() -> None:
    rig = Rig()
    rig.apply(
        racer("alpha"),
        racer("delta"),
        ev.RaceCreated("delta", 2.0, "alttp/one-1"),
        ev.RaceUpdated("alpha", 3.0, race("one-1", RaceState.IN_PROGRESS)),
        ev.RaceUpdated("delta", 4.0, race("one-1", RaceState.FINISHED)),
        ev.RaceUpdated("alpha", 5.0, race("one-1", RaceState.FINISHED)),
        ev.RaceUpdated("alpha", 6.0, race("one-1", RaceState.IN_PROGRESS)),
        ev.RaceUpdated("delta", 7.0, race("one-1", RaceState.CANCELLED)),
    )
    page = await rig.page()
    assert page.by("bot", "bot_races_created_total") == {"alpha": 0, "delta": 1}
    assert page.by("outcome", "bot_races_finished_total", bot="alpha") == {
        "finished": 1,
        "cancelled": 0,
        "partitioned": 0,
    }
    assert not any(page.by("outcome", "bot_races_finished_total", bot="delta").values())


async def test_a_race_that_was_over_before_we_came_is_not_counted() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), ev.RaceUpdated("alpha", 3.0, race("one-1", RaceState.FINISHED)))
    assert not any((await rig.page()).by("outcome", "bot_races_finished_total").values())


async def test_a_removed_bot_vanishes_and_comes_back_with_nothing() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), dealer("bravo"), *connected("alpha"), ev.BotRemoved("alpha", 20.0))
    page = await rig.page()
    assert page.by("bot", "bot_up") == {"bravo": 0}
    assert not any(("bot", "alpha") in labels for _, labels in page.series())
    assert set(rig.counters.tallies) == {"bravo"}
    rig.apply(ev.HealthProved("alpha", 21.0, 90.0), racer("alpha", at=22.0))
    assert (await rig.page()).value("bot_connection_attempts_total", bot="alpha", platform="racetime") == 0
