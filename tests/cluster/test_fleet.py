"""The whole fleet as one process knows it, without a database: what counts, and what it looks like."""

from exporter.cluster.fleet import Row, WholeFleet
from exporter.cluster.members import Membership
from exporter.model import events as ev
from exporter.model.cluster import Instance, Lease
from exporter.model.record import replace
from exporter.model.relayed import read, written
from exporter.model.states import BotStatus
from exporter.model.status import BotRecord, LobbyRecord
from exporter.store import StatusStore
from tests.clock import ManualClock
from tests.cluster.nodes import spec
from tests.web.fleet import DOTA2, NOW, RACETIME, lobby

ANN = BotRecord("ann", DOTA2, "ann_account", True, state="gc_connected", status=BotStatus.CONNECTED)
ON_ITS_WAY = replace(ANN, state="connecting", status=BotStatus.UNKNOWN)
WHERE = ("bot", "ann")


def instance(name: str, *, draining: bool = False) -> Instance:
    return Instance(name, f"{name}-boot", 0, f"http://{name}", "default", "1", draining, NOW, NOW)


def lease(owner: str, generation: int) -> Lease:
    return Lease("ann", owner, f"{owner}-boot", generation, NOW + 20)


class Known:
    """A whole fleet at the process `me`, and what its subscribers were told of `ann`."""

    def __init__(self) -> None:
        self.members = Membership("me", "me-boot")
        self.clock = ManualClock(NOW)
        self.store = StatusStore()
        self.fleet = WholeFleet(self.store, self.members, self.clock)
        self.fleet.configure([spec("ann")])
        self.changes: list[object] = []
        self.fleet.subscribe(self.changes.append)

    def see(self, *leases: Lease, others: tuple[Instance, ...] = (instance("one"), instance("two"))) -> None:
        self.members.saw(NOW, [instance("me"), *others], leases)

    def hear(self, owner: str, generation: int, record: BotRecord | LobbyRecord = ANN) -> None:
        place = WHERE if isinstance(record, BotRecord) else ("lobby", record.key)
        self.fleet.take([(place, owner, Row(owner, generation, record, NOW))])

    def ann(self) -> tuple[str, str | None]:
        bot, origin = self.fleet.bots["ann"], self.fleet.origin("bot", "ann")
        assert origin is not None
        return bot.status.word, origin.instance

    def watched(self, key: str) -> bool | None:
        """Say whether a lobby is watched; None if there is none."""
        found = self.fleet.lobbies.get(key)
        return found.watched if found is not None else None


def test_a_row_counts_while_its_lease_holds() -> None:
    known = Known()
    known.see(lease("one", 3))
    assert known.ann() == ("unknown", "one")  # it has not told yet
    known.hear("one", 3)
    assert known.ann() == ("connected", "one")
    known.see()
    assert known.ann() == ("unknown", None)
    known.see(lease("two", 4))
    assert known.ann() == ("unknown", "two")  # what `one` told is of an older lease
    known.hear("two", 4)
    assert known.ann() == ("connected", "two")


def test_a_lease_of_an_instance_that_is_not_seen_is_none() -> None:
    known = Known()
    known.see(lease("one", 3))
    known.hear("one", 3)
    known.see(lease("one", 3), others=())
    assert known.ann() == ("unknown", None)
    assert known.fleet.bots["ann"].status_reason == "instance_away"
    assert known.fleet.owner_of("ann") is None


def test_a_row_may_be_newer_than_the_last_look_at_the_leases() -> None:
    known = Known()
    known.see(lease("one", 3))
    known.hear("one", 3)
    known.hear("two", 4)
    assert known.ann() == ("connected", "two")


def test_the_lobby_of_a_bot_that_moves_is_shown_unwatched_until_the_bot_is_at_work_again() -> None:
    """Whether its process has died, or has taken it back by itself."""
    for told in (
        [],  # nobody told anything
        [(("lobby", "7"), "one", None), (WHERE, "one", None)],
    ):
        known = Known()
        known.see(lease("one", 3))
        known.hear("one", 3)
        known.hear("one", 3, lobby("ann", lobby_id=7))
        assert known.watched("7") is True
        known.fleet.take(told)
        known.see()
        assert known.watched("7") is False
        known.see(lease("two", 4))
        assert known.watched("7") is False
        known.hear("two", 4, ON_ITS_WAY)
        assert known.watched("7") is False
        known.hear("two", 4)
        assert known.watched("7") is None, "the new process knows of no lobby"
        known.hear("two", 4, ON_ITS_WAY)
        assert known.watched("7") is None, "what is gone does not come back"


def test_a_lobby_that_is_found_again_is_its_new_process() -> None:
    known = Known()
    known.see(lease("one", 3))
    known.hear("one", 3)
    known.hear("one", 3, lobby("ann", lobby_id=7))
    known.see(lease("two", 4))
    known.hear("two", 4, ON_ITS_WAY)
    known.hear("two", 4, lobby("ann", lobby_id=7))
    known.hear("two", 4)
    assert known.watched("7") is True
    origin = known.fleet.origin("lobby", "7")
    assert origin is not None
    assert origin.instance == "two"


def test_a_lobby_that_ends_is_not_taken_for_one_that_moves() -> None:
    known = Known()
    known.see(lease("one", 3))
    known.hear("one", 3)
    known.hear("one", 3, lobby("ann", lobby_id=7))
    known.fleet.take([(("lobby", "7"), "one", None)])
    assert known.watched("7") is None
    known.see()
    assert known.watched("7") is None


def test_a_bot_that_is_switched_off_where_it_moved_to_has_no_lobby() -> None:
    """It will never find it."""
    known = Known()
    known.see(lease("one", 3))
    known.hear("one", 3)
    known.hear("one", 3, lobby("ann", lobby_id=7))
    known.see(lease("two", 4))
    known.hear("two", 4, replace(ON_ITS_WAY, is_active=False))
    assert known.watched("7") is None


def test_a_lobby_that_was_ours_is_shown_too_while_its_bot_moves() -> None:
    known = Known()
    known.see(lease("me", 3))
    known.store.apply(ev.BotAdded("ann", NOW, DOTA2, "ann_account", True, None, None))
    known.store.apply(ev.LobbyUpdated("ann", NOW, lobby("ann", lobby_id=7)))
    assert known.watched("7") is True
    known.store.apply(ev.LobbyForgotten("ann", NOW, "7", elsewhere=True))
    assert known.watched("7") is False
    known.store.apply(ev.BotRemoved("ann", NOW, elsewhere=True))
    known.see(lease("two", 4))
    assert known.watched("7") is False
    known.hear("two", 4)
    assert known.watched("7") is None
    known.see()
    assert known.watched("7") is None


def test_what_looks_as_before_is_no_change() -> None:
    known = Known()
    known.see(lease("one", 3))
    known.hear("one", 3)
    told = len(known.changes)
    known.hear("one", 3)
    known.see(lease("one", 3))
    assert len(known.changes) == told
    known.see(lease("one", 3), others=(instance("one", draining=True),))
    assert len(known.changes) == told + 1  # its bots are not available any more


def test_since_when_a_process_is_away_stays_the_same() -> None:
    """Or /health would never call a fleet down."""
    known = Known()
    known.see(lease("one", 3))
    known.hear("one", 3)
    known.see()
    since = known.fleet.bots["ann"].unhealthy_since
    known.clock.skip(100)
    known.see(others=())
    assert known.fleet.bots["ann"].unhealthy_since == since


def test_bots_are_counted_by_instance() -> None:
    known = Known()
    assert known.fleet.bots_of == {None: 1}
    known.see(lease("one", 3))
    known.hear("one", 3)
    assert +known.fleet.bots_of == {"one": 1}
    known.fleet.configure([])
    known.see()
    assert not +known.fleet.bots_of
    assert not known.fleet.bots


def test_records_of_other_versions() -> None:
    """New fields are passed over, missing ones have their default; what is not understood is nothing."""
    platforms = {each.name: each for each in (DOTA2, RACETIME)}
    assert read("bot", written(ANN), platforms) == ANN
    assert read("bot", written(ANN)[:-1] + ',"mood":"good"}', platforms) == ANN
    assert read("bot", '{"name":"a","traits":"dota2","subject":"s","is_active":true}', platforms) is not None
    assert read("bot", '{"name":"a","traits":"chess","subject":"s","is_active":true}', platforms) is None
    assert read("bot", written(ANN).replace('"status":1', '"status":99'), platforms) is None
    hostile = lobby("ann", player="\ud800\x00")
    copy = read("lobby", written(hostile), platforms)
    assert isinstance(copy, LobbyRecord)
    assert copy.players[0].name == "?\x00"
