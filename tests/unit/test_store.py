"""The store applies facts and tells its subscribers."""

from structlog.testing import capture_logs

from exporter.model import events as ev
from exporter.model.states import LobbyState, RaceState
from exporter.model.status import LobbyRecord
from exporter.store import StatusStore
from tests.fleet import added, race_view


def test_a_change_carries_the_record_before_and_after() -> None:
    store, seen = StatusStore(), list[ev.Change]()
    store.subscribe(seen.append)
    store.apply(added())
    store.apply(ev.ConnectStarted("alpha", 2.0))
    first, second = seen
    assert (first.before, first.after) == (None, second.before)
    assert second.after is store.bots["alpha"]


def test_subscribers_are_isolated_from_each_other() -> None:
    store, seen = StatusStore(), list[ev.Change]()

    def broken(_: ev.Change) -> None:
        raise ValueError

    store.subscribe(broken)
    store.subscribe(seen.append)
    with capture_logs() as logs:
        store.apply(added())
    assert len(seen) == 1
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [("error", "a subscriber failed")]


def test_a_subscription_can_be_ended() -> None:
    store, seen = StatusStore(), list[ev.Change]()
    end = store.subscribe(seen.append)
    end()
    store.apply(added())
    assert seen == []


def test_a_race_fact_changes_the_race_and_then_its_bot() -> None:
    store, seen = StatusStore(), list[ev.Change]()
    store.apply(added())
    store.subscribe(seen.append)
    store.apply(ev.RaceUpdated("alpha", 3.0, race_view()))
    assert [(change.kind, change.name) for change in seen] == [("race", "alpha/big-race-1"), ("bot", "alpha")]
    assert store.bots["alpha"].races == tuple(store.races) == ("alpha/big-race-1",)
    store.apply(ev.RaceForgotten("alpha", 4.0, "alpha/big-race-1"))
    assert not store.races


def test_a_lobby_comes_and_goes() -> None:
    store = StatusStore()
    store.apply(added())
    lobby = LobbyRecord("7", "alpha", 7, "finals", LobbyState.WAITING, 1.0, 2, "USE", 1, "AP", True, 1.0)
    store.apply(ev.LobbyUpdated("alpha", 2.0, lobby))
    assert dict(store.lobbies) == {"7": lobby}
    store.apply(ev.LobbyForgotten("alpha", 3.0, "7"))
    assert not store.lobbies


def test_late_reports_of_a_removed_bot_leave_nothing_behind() -> None:
    store, seen = StatusStore(), list[ev.Change]()
    store.apply(added())
    store.apply(ev.BotRemoved("alpha", 2.0))
    store.subscribe(seen.append)
    store.apply(ev.RaceUpdated("alpha", 3.0, race_view()))
    store.apply(ev.HealthProved("alpha", 3.0, 90.0))
    assert (dict(store.bots), dict(store.races), seen) == ({}, {}, [])


def test_unexpected_transitions_are_told_and_never_refused() -> None:
    odd = list[ev.Change]()
    store = StatusStore(on_unexpected=odd.append)
    store.apply(added())
    store.apply(ev.StateEntered("alpha", 2.0, "in_race"))
    store.apply(ev.RaceUpdated("alpha", 3.0, race_view(state=RaceState.FINISHED)))
    store.apply(ev.RaceUpdated("alpha", 4.0, race_view(state=RaceState.OPEN)))
    assert [change.kind for change in odd] == ["bot", "race"]
    assert store.bots["alpha"].state == "in_race"
    assert store.races["alpha/big-race-1"].view.state is RaceState.OPEN
