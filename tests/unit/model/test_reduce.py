"""What each fact does to a record: the verdicts that operators rely on."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import AuthReason, FailureReason
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.reduce import reduce_bot, reduce_lobby, reduce_race
from exporter.model.states import (
    BotStatus,
    CreateFailure,
    DisconnectReason,
    EntrantStatus,
    LobbyState,
    RaceState,
    lobby_expects,
)
from exporter.model.status import BotMemory, BotRecord, Entrant, LobbyRecord, Maintenance, RaceRecord
from tests.fleet import TRAITS, added, race_view

BOT = "alpha"


def after(*events: ev.Event) -> BotRecord:
    record: BotRecord | None = None
    for event in events:
        record = reduce_bot(record, event)
    assert record is not None
    return record


def connected(at: float = 10.0) -> tuple[ev.Event, ...]:
    return (added(), ev.ConnectStarted(BOT, at - 1), ev.StateEntered(BOT, at, "online"), ev.HealthProved(BOT, at, 90))


def refused(at: float, retry_at: float | None = None) -> ev.CredentialsRefused:
    return ev.CredentialsRefused(BOT, at, AuthReason.INVALID_CREDENTIALS, "the secret is wrong", retry_at)


def failed(at: float, retry_at: float = 99.0) -> ev.ConnectionFailed:
    return ev.ConnectionFailed(BOT, at, FailureReason.REFUSED, "nobody listens", retry_at, DisconnectReason.NETWORK)


class TestVerdict:
    def test_a_new_bot_is_unknown(self) -> None:
        record = after(added())
        assert (record.status, record.state, record.status_message) == (BotStatus.UNKNOWN, "disconnected", None)

    def test_a_bot_that_is_switched_off_counts_as_stopped_by_an_operator(self) -> None:
        record = after(added(active=False))
        assert (record.status, record.status_message) == (BotStatus.DISCONNECTED, "Bot stopped manually")

    def test_an_open_connection_alone_proves_nothing(self) -> None:
        record = after(added(), ev.ConnectStarted(BOT, 2), ev.StateEntered(BOT, 3, "online"))
        assert record.status is BotStatus.UNKNOWN
        assert not record.ready

    def test_a_proof_makes_it_connected(self) -> None:
        record = after(*connected(10.0))
        assert record.status is BotStatus.CONNECTED
        assert (record.connected_since, record.last_connected_at, record.last_status_check_at) == (10.0, 10.0, 10.0)
        assert record.unhealthy_since is None
        assert record.ready

    def test_later_proofs_keep_the_time_of_the_connection(self) -> None:
        record = after(*connected(10.0), ev.HealthProved(BOT, 40.0, 90))
        assert (record.connected_since, record.last_connected_at, record.last_status_check_at) == (10.0, 10.0, 40.0)

    def test_a_blip_leaves_the_verdict_alone_but_is_noted(self) -> None:
        record = after(*connected(10.0), ev.CheckFailed(BOT, 40.0, FailureReason.TIMEOUT, "too slow"))
        assert record.status is BotStatus.CONNECTED
        assert (record.last_error, record.last_error_time, record.last_checked_at) == ("too slow", 40.0, 40.0)
        assert record.last_status_check_at == 10.0

    def test_an_expired_proof_takes_the_reason_of_the_last_failed_check(self) -> None:
        record = after(
            *connected(10.0),
            ev.CheckFailed(BOT, 40.0, FailureReason.HTTP_5XX, "HTTP 502"),
            ev.ProofExpired(BOT, 100.0, 90.0),
        )
        assert record.status is BotStatus.CONNECTION_ERROR
        assert record.status_reason == "http_5xx"
        assert record.status_message == "no good answer of the service for 90s, last error: HTTP 502"
        assert record.connected_since is None
        assert record.unhealthy_since == 100.0

    def test_a_proof_that_expires_in_silence_is_a_timeout_and_does_not_blame_an_old_error(self) -> None:
        record = after(added(), failed(5.0), *connected(10.0)[1:], ev.ProofExpired(BOT, 100.0, 90.0))
        assert record.status_reason == "timeout"
        assert record.status_message == "no good answer of the service for 90s"

    def test_failed_checks_after_the_expiry_keep_the_message_current(self) -> None:
        record = after(
            *connected(10.0),
            ev.ProofExpired(BOT, 100.0, 90.0),
            ev.CheckFailed(BOT, 110.0, FailureReason.DNS, "no such host"),
        )
        assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "dns")

    def test_a_failed_connection(self) -> None:
        record = after(*connected(10.0), failed(50.0, retry_at=52.0))
        assert (record.status, record.state, record.status_reason) == (
            BotStatus.CONNECTION_ERROR,
            "disconnected",
            "refused",
        )
        assert (record.next_retry_at, record.connected_since, record.unhealthy_since) == (52.0, None, 50.0)

    def test_refused_credentials(self) -> None:
        record = after(added(), ev.ConnectStarted(BOT, 2), refused(3.0, retry_at=603.0))
        assert (record.status, record.status_reason, record.next_retry_at) == (
            BotStatus.AUTH_FAILED,
            "invalid_credentials",
            603.0,
        )
        assert record.status_message == "the secret is wrong"

    def test_the_verdict_stays_while_the_next_attempt_runs(self) -> None:
        record = after(added(), refused(3.0, retry_at=603.0), ev.ConnectStarted(BOT, 603.0))
        assert (record.status, record.state, record.next_retry_at) == (BotStatus.AUTH_FAILED, "connecting", None)

    def test_a_crash_shows_as_an_error(self) -> None:
        record = after(*connected(), ev.BotCrashed(BOT, 20.0, "internal error: KeyError", 21.0))
        assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "other")

    def test_stopped_and_started_by_an_operator(self) -> None:
        stopped = after(*connected(), ev.BotStopped(BOT, 20.0))
        assert (stopped.status, stopped.is_active) == (BotStatus.DISCONNECTED, False)
        assert stopped.status_message == "Bot stopped manually"
        started = reduce_bot(stopped, ev.BotStarted(BOT, 30.0))
        assert started is not None
        assert (started.status, started.is_active, started.status_message) == (BotStatus.UNKNOWN, True, None)

    def test_the_end_of_the_process_proves_nothing(self) -> None:
        record = after(*connected(), ev.Disconnected(BOT, 20.0, DisconnectReason.SHUTDOWN))
        assert (record.status, record.state) == (BotStatus.UNKNOWN, "disconnected")

    def test_reconnects_are_counted_from_the_second_proof(self) -> None:
        once = after(*connected(10.0))
        twice = after(*connected(10.0), failed(20.0), *connected(30.0)[1:])
        assert (once.reconnects, twice.reconnects) == (0, 1)

    def test_unhealthy_since_survives_a_change_of_the_trouble(self) -> None:
        record = after(*connected(10.0), failed(20.0), refused(30.0))
        assert record.unhealthy_since == 20.0


class TestOtherFacts:
    def test_maintenance(self) -> None:
        during = after(*connected(), ev.MaintenanceBegan(BOT, 20.0, Maintenance(None, "new patch", "ann")))
        assert during.healthy
        assert not during.ready
        done = reduce_bot(during, ev.MaintenanceEnded(BOT, 30.0))
        assert done is not None
        assert done.ready

    def test_a_removed_bot_is_gone_and_late_reports_change_nothing(self) -> None:
        assert reduce_bot(after(added()), ev.BotRemoved(BOT, 2)) is None
        assert reduce_bot(None, ev.HealthProved(BOT, 3, 90)) is None

    def test_what_an_earlier_run_knew_is_shown_and_never_believed(self) -> None:
        note = Maintenance(None, "new disk", "ann")
        memory = BotMemory(BotStatus.CONNECTED, note, 3.0, 4.0, 5.0, "old trouble", "timeout", 2.0)
        record = after(replace(added(at=10.0), memory=memory))
        assert (record.status, record.connected_since, record.ready) == (BotStatus.UNKNOWN, None, False)
        assert (record.last_connected_at, record.last_status_check_at, record.last_activity) == (3.0, 4.0, 5.0)
        assert (record.last_error, record.last_error_time, record.maintenance) == ("old trouble", 2.0, note)

    def test_what_comes_late_does_not_replace_what_is_known_by_now(self) -> None:
        memory = BotMemory(BotStatus.AUTH_FAILED, Maintenance(9.0, "over", None), 3.0, 4.0, None, "old", "timeout", 2.0)
        record = after(*connected(10.0), ev.BotRecalled(BOT, 11.0, memory))
        assert (record.status, record.last_connected_at, record.last_error) == (BotStatus.CONNECTED, 10.0, "old")
        assert record.maintenance is None
        failing = after(added(), failed(10.0), ev.BotRecalled(BOT, 11.0, memory))
        assert (failing.last_error, failing.last_connected_at) == ("nobody listens", 3.0)
        assert failing.status is BotStatus.CONNECTION_ERROR

    def test_races_of_a_bot(self) -> None:
        record = after(
            *connected(),
            ev.RaceUpdated(BOT, 11.0, race_view("one-1")),
            ev.RaceUpdated(BOT, 12.0, race_view("two-2")),
            ev.RaceUpdated(BOT, 13.0, race_view("one-1")),
        )
        assert record.races == ("alpha/one-1", "alpha/two-2")
        assert record.last_activity == 13.0
        fewer = reduce_bot(record, ev.RaceForgotten(BOT, 14.0, "alpha/one-1"))
        assert fewer is not None
        assert fewer.races == ("alpha/two-2",)


class TestRaces:
    def follow(self, *events: ev.RaceEvent) -> RaceRecord | None:
        record: RaceRecord | None = None
        for event in events:
            record = reduce_race(record, event)
        return record

    def test_a_list_entry_does_not_wipe_what_the_room_said(self) -> None:
        entrant = Entrant("u1", "Ann", None, EntrantStatus.READY, None, None)
        detailed = replace(race_view(), entrants=(entrant,), entrants_count=1, unlisted=True)
        listed = race_view(state=RaceState.PENDING, detailed=False)
        record = self.follow(ev.RaceUpdated(BOT, 1, detailed), ev.RaceUpdated(BOT, 2, listed))
        assert record is not None
        assert record.view.state is RaceState.PENDING
        assert record.view.entrants == (entrant,)
        assert record.view.unlisted

    def test_a_finish_that_is_undone_ends_once(self) -> None:
        states = (RaceState.IN_PROGRESS, RaceState.FINISHED, RaceState.IN_PROGRESS, RaceState.CANCELLED)
        record = self.follow(*(ev.RaceUpdated(BOT, at, race_view(state=s)) for at, s in enumerate(states)))
        assert record is not None
        assert record.first_ended is RaceState.FINISHED
        assert record.state_since == 3

    def test_two_bots_in_one_room(self) -> None:
        both = (
            ev.RaceUpdated("alpha", 1, race_view()),
            ev.RoomConnected("alpha", 1, "alpha/big-race-1"),
            ev.RaceUpdated("beta", 2, race_view()),
            ev.RoomConnected("beta", 2, "alpha/big-race-1"),
        )
        record = self.follow(*both, ev.RaceForgotten("alpha", 3, "alpha/big-race-1"))
        assert record is not None
        assert (record.bots, record.connected) == (("beta",), frozenset({"beta"}))
        assert reduce_race(record, ev.RaceForgotten("beta", 4, "alpha/big-race-1")) is None

    def test_news_of_a_room_that_nobody_follows(self) -> None:
        assert reduce_race(None, ev.RoomConnected(BOT, 1, "alpha/x")) is None


LOBBY = LobbyRecord("7", BOT, 7, "finals", LobbyState.WAITING, 1.0, 2, "USE", 1, "AP", True, 1.0)
RUNNING = replace(LOBBY, state=LobbyState.IN_GAME, state_since=5.0, created_at=4.0)


class TestLobby:
    def test_an_update_replaces_all_but_the_times(self) -> None:
        assert reduce_lobby(None, ev.LobbyUpdated(BOT, 2.0, LOBBY)) is LOBBY
        running = reduce_lobby(LOBBY, ev.LobbyUpdated(BOT, 5.0, RUNNING))
        assert running == replace(RUNNING, created_at=1.0)
        again = reduce_lobby(running, ev.LobbyUpdated(BOT, 6.0, replace(RUNNING, state_since=6.0, name="x")))
        assert again == replace(RUNNING, created_at=1.0, name="x")
        assert reduce_lobby(again, ev.LobbyForgotten(BOT, 7.0, "7")) is None

    def test_the_bot_is_in_its_lobby_until_that_is_gone(self) -> None:
        record = after(*connected(), ev.LobbyUpdated(BOT, 20.0, LOBBY))
        assert (record.current_lobby_id, record.last_activity) == (7, 20.0)
        for lobby, current in (
            (replace(LOBBY, watched=False), 7),
            (replace(LOBBY, state=LobbyState.FINISHED), 7),
            (replace(LOBBY, state=LobbyState.FINISHED, watched=False), None),
        ):
            seen = reduce_bot(record, ev.LobbyUpdated(BOT, 21.0, lobby))
            assert seen is not None
            assert seen.current_lobby_id == current
        other = replace(LOBBY, key="6", lobby_id=6, state=LobbyState.FINISHED, watched=False)
        assert after(*connected(), ev.LobbyUpdated(BOT, 20.0, LOBBY), ev.LobbyUpdated(BOT, 21.0, other)).busy is False
        kept = reduce_bot(record, ev.LobbyUpdated(BOT, 21.0, other))
        assert kept is not None
        assert kept.current_lobby_id == 7
        gone = reduce_bot(record, ev.LobbyForgotten(BOT, 22.0, "7"))
        assert gone is not None
        assert gone.current_lobby_id is None

    def test_what_is_out_of_sight_is_no_activity(self) -> None:
        unseen = replace(LOBBY, watched=False)
        assert after(*connected(), ev.LobbyUpdated(BOT, 20.0, unseen)).last_activity is None

    def test_a_bot_that_waits_for_its_lobby_is_busy(self) -> None:
        creating = replace(LOBBY, key=BOT, lobby_id=None, state=LobbyState.CREATING)
        record = after(*connected(), ev.LobbyUpdated(BOT, 20.0, creating))
        assert (record.creating_lobby, record.busy, record.ready) == (True, True, False)
        freed = reduce_bot(record, ev.LobbyForgotten(BOT, 21.0, BOT))
        assert freed is not None
        assert (freed.creating_lobby, freed.busy, freed.ready) == (False, False, True)

    def test_creations_are_activity(self) -> None:
        for event in (
            ev.LobbyCreated(BOT, 20.0, 7, 1.0),
            ev.LobbyCreateFailed(BOT, 20.0, CreateFailure.REFUSED, "no"),
        ):
            assert after(*connected(), event).last_activity == 20.0

    @pytest.mark.parametrize("before", LobbyState)
    @pytest.mark.parametrize("end", [LobbyState.FINISHED])
    def test_every_state_may_end_and_an_end_is_final(self, before: LobbyState, end: LobbyState) -> None:
        assert lobby_expects(before, end)
        assert lobby_expects(end, before) == (before is end)

    def test_a_game_that_players_could_not_load_goes_back(self) -> None:
        assert lobby_expects(LobbyState.IN_GAME, LobbyState.WAITING)
        assert not lobby_expects(LobbyState.WAITING, LobbyState.CREATING)


def test_a_part_of_the_service_that_is_gone_is_an_error_while_the_connection_lives() -> None:
    lost = ev.ServiceLost(BOT, 40.0, FailureReason.GC_DOWN, "the coordinator does not answer")
    record = after(*connected(), lost)
    assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "gc_down")
    assert (record.status_message, record.last_error_time) == ("the coordinator does not answer", 40.0)
    assert (record.state, record.connected_since) == ("online", None)
    assert after(*connected(), lost, ev.HealthProved(BOT, 50.0, 90)).healthy


def events() -> st.SearchStrategy[ev.Event]:
    """Any fact, in any order: a monitor must cope with all of them."""
    at = st.floats(0, 1e9)
    races = st.sampled_from(("one-1", "two-2"))
    race_states = st.sampled_from(tuple(RaceState))
    return st.one_of(
        st.builds(ev.BotStarted, st.just(BOT), at),
        st.builds(ev.BotStopped, st.just(BOT), at),
        st.builds(ev.ConnectStarted, st.just(BOT), at),
        st.builds(ev.StateEntered, st.just(BOT), at, st.sampled_from(TRAITS.states)),
        st.builds(ev.HealthProved, st.just(BOT), at, st.just(90.0)),
        st.builds(ev.CheckFailed, st.just(BOT), at, st.sampled_from(FailureReason), st.just("check")),
        st.builds(ev.ServiceLost, st.just(BOT), at, st.sampled_from(FailureReason), st.just("lost")),
        st.builds(
            lambda t, state: ev.LobbyUpdated(BOT, t, replace(LOBBY, state=state)), at, st.sampled_from(LobbyState)
        ),
        st.builds(ev.LobbyForgotten, st.just(BOT), at, st.just("7")),
        st.builds(ev.ProofExpired, st.just(BOT), at, st.just(90.0)),
        st.builds(failed, at),
        st.builds(refused, at),
        st.builds(ev.BotCrashed, st.just(BOT), at, st.just("bug"), at),
        st.builds(ev.Disconnected, st.just(BOT), at, st.sampled_from(DisconnectReason)),
        st.builds(ev.TokenIssued, st.just(BOT), at, at),
        st.builds(ev.ActivitySeen, st.just(BOT), at),
        st.builds(ev.RaceCreated, st.just(BOT), at, st.just("alpha/one-1")),
        st.builds(lambda t, slug, state: ev.RaceUpdated(BOT, t, race_view(slug, state)), at, races, race_states),
        st.builds(lambda t, slug: ev.RaceForgotten(BOT, t, f"alpha/{slug}"), at, races),
        st.builds(ev.MaintenanceBegan, st.just(BOT), at, st.just(Maintenance(None, "why", None))),
        st.builds(ev.MaintenanceEnded, st.just(BOT), at),
    )


@given(st.lists(events(), max_size=40))
def test_whatever_happens_the_verdict_is_consistent(history: list[ev.Event]) -> None:
    record = after(added(), *history)
    assert record.healthy == (record.connected_since is not None) == (record.unhealthy_since is None)
    assert (record.status is BotStatus.DISCONNECTED) <= (record.status_message == "Bot stopped manually")
    assert (record.status_reason is None) == (record.status not in (BotStatus.AUTH_FAILED, BotStatus.CONNECTION_ERROR))
    assert record.next_retry_at is None or record.state == "disconnected"
    assert record.reconnects <= record.connections
    assert len(set(record.races)) == len(record.races)


@pytest.mark.parametrize("event_type", get_args(ev.Event), ids=lambda t: t.__name__)
def test_no_fact_can_be_left_out_of_the_reducers(event_type: type[ev.Event]) -> None:
    """mypy proves exhaustiveness with assert_never; this keeps the union itself complete."""
    declared = {t for t in vars(ev).values() if isinstance(t, type) and issubclass(t, ev.BotAdded.__mro__[1])}
    assert event_type in declared
    assert len(declared) - 1 == len(get_args(ev.Event))


class TestSteamLogon:
    def test_waiting_in_the_queue_is_no_trouble(self) -> None:
        record = after(added(), failed(5.0), ev.ConnectStarted(BOT, 6.0), ev.LogonQueued(BOT, 6.0, "its turn"))
        assert (record.status, record.status_message, record.status_reason) == (BotStatus.UNKNOWN, "its turn", None)
        assert record.state == "connecting"

    def test_the_time_in_the_queue_is_no_time_of_connecting(self) -> None:
        record = after(
            added(), ev.ConnectStarted(BOT, 6.0), ev.LogonQueued(BOT, 6.0, "its turn"), ev.LogonStarted(BOT, 66.0)
        )
        assert (record.connect_started_at, record.status_message) == (66.0, None)

    def test_a_turn_at_once_changes_nothing(self) -> None:
        before = after(added(), failed(5.0), ev.ConnectStarted(BOT, 6.0))
        assert reduce_bot(before, ev.LogonStarted(BOT, 6.0)) is before

    def test_a_guard_code_is_waited_for_and_given(self) -> None:
        wanted = ev.GuardCodeRequested(BOT, 7.0, "email_code", AuthReason.GUARD_CODE_REQUIRED, "hand it in")
        waiting = after(added(), ev.ConnectStarted(BOT, 6.0), wanted)
        assert waiting.guard_code_waiting
        assert (waiting.status, waiting.status_reason, waiting.status_message, waiting.last_error) == (
            BotStatus.AUTH_FAILED,
            "guard_code_required",
            "hand it in",
            "hand it in",
        )
        settled = reduce_bot(waiting, ev.GuardCodeSettled(BOT, 8.0))
        assert settled is not None
        assert (settled.guard_code_waiting, settled.status) == (False, BotStatus.UNKNOWN)

    def test_a_bot_that_ends_waits_no_more(self) -> None:
        wanted = ev.GuardCodeRequested(BOT, 7.0, "email_code", AuthReason.GUARD_CODE_REQUIRED, "hand it in")
        assert not after(added(), wanted, ev.BotStopped(BOT, 8.0)).guard_code_waiting
