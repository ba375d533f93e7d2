"""What happens is written, in order and once, and an earlier run is remembered."""

import asyncio
import random

import pytest
from sqlalchemy import select, update

from exporter.errors import AuthReason
from exporter.model import events as ev
from exporter.model.history import HistoryKind, HistoryQuery
from exporter.model.record import replace
from exporter.model.states import BotStatus, LobbyState, RaceState
from exporter.model.status import Maintenance
from exporter.storage.database import Database
from exporter.storage.engine import Target, reader_engine, writer_engine
from exporter.storage.repository import BotRepository
from exporter.storage.schema import BOT_EVENTS, BOTS, LOBBIES, RACES
from exporter.storage.writer import Limits
from tests.eventually import eventually
from tests.fleet import race_view
from tests.storage.rig import AT, QuickClock, Rig, lobby, running

LOBBY_ID = 2**64 - 5


def rows(where: Target, table: object) -> list[dict[str, object]]:
    engine = reader_engine(where)
    with engine.connect() as connection:
        found = [row._asdict() for row in connection.execute(select(table))]  # type: ignore[call-overload]
    engine.dispose()
    return found


async def test_the_life_of_a_bot_becomes_history(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        rig.connect("alpha", AT + 1)
        rig.fail("alpha", AT + 2)
        await rig.written()
    async with running(where) as rig:
        found = [(item.kind, item.before, item.after, item.reason, item.message) for item in await rig.history()]
    assert found[::-1] == [
        ("status", None, "unknown", None, "added to the fleet"),
        ("state", "disconnected", "connecting", None, None),
        ("state", "connecting", "online", None, None),
        ("status", "unknown", "connected", None, None),
        ("error", None, None, "refused", "connection refused"),
        ("state", "online", "disconnected", "network", None),
        ("status", "connected", "connection_error", "refused", "connection refused"),
    ]


async def test_what_waits_at_the_end_is_written(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        for number in range(3000):
            rig.touch("alpha", number)
    assert len(rows(where, BOT_EVENTS)) == 3001


class PatientClock(QuickClock):
    """Its longer waits last until they are ended."""

    def __init__(self) -> None:
        self.waits: asyncio.Event | None = None

    async def sleep(self, seconds: float) -> None:
        if seconds < 1.0:
            await super().sleep(seconds)
            return
        self.waits = asyncio.Event()
        try:
            await self.waits.wait()
        finally:
            self.waits = None

    async def end(self) -> None:
        await eventually(lambda: self.waits is not None)
        assert self.waits is not None
        self.waits.set()


async def test_that_a_bot_was_checked_is_written_with_the_next_news_or_late(where: Target) -> None:
    clock = PatientClock()

    def checked_at() -> object:
        (row,) = rows(where, BOTS)
        return row["last_status_check_at"]

    async with running(where, clock=clock) as rig:
        rig.add("alpha")
        rig.connect("alpha", AT + 1)
        await rig.written()
        assert checked_at() == AT + 1
        rig.store.apply(ev.HealthProved("alpha", AT + 31, 90.0))
        rig.store.apply(ev.ActivitySeen("alpha", AT + 32))
        await eventually(lambda: clock.waits is not None)
        assert checked_at() == AT + 1
        rig.fail("alpha", AT + 40)
        await rig.written()
        assert checked_at() == AT + 31
        rig.connect("alpha", AT + 50)
        await rig.written()
        rig.store.apply(ev.HealthProved("alpha", AT + 80, 90.0))
        await clock.end()
        await rig.written()
        assert checked_at() == AT + 80


async def test_orders_to_start_and_stop_are_written_at_once(where: Target) -> None:
    async with running(where, clock=PatientClock()) as rig:
        rig.add("alpha")
        await rig.written()
        rig.store.apply(ev.BotStarted("alpha", AT + 1))  # as the configuration has it: no news in the record
        await rig.written()
        (row,) = rows(where, BOTS)
        assert row["ordered_active"]


async def test_a_restart_remembers_what_still_holds_and_believes_nothing(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha", "beta", "gamma")
        rig.connect("alpha", AT + 10)
        rig.store.apply(ev.CredentialsRefused("beta", AT + 11, AuthReason.INVALID_CREDENTIALS, "wrong secret", None))
        rig.store.apply(ev.MaintenanceBegan("beta", AT + 12, Maintenance(None, "new machine", "ann")))
        rig.store.apply(ev.MaintenanceBegan("gamma", AT + 12, Maintenance(AT + 13, "soon over", "ann")))
        rig.store.apply(ev.BotStopped("gamma", AT + 12))
    async with running(where) as rig:
        rig.add("alpha", "beta", "gamma", at=AT + 100)
        alpha, beta, gamma = (rig.store.bots[name] for name in ("alpha", "beta", "gamma"))
        assert (alpha.status, alpha.connected_since, alpha.last_connected_at) == (BotStatus.UNKNOWN, None, AT + 10)
        assert alpha.last_status_check_at == AT + 10
        assert (beta.status, beta.last_error, beta.last_error_time) == (BotStatus.UNKNOWN, "wrong secret", AT + 11)
        assert beta.maintenance == Maintenance(None, "new machine", "ann")
        assert (gamma.status, gamma.is_active, gamma.maintenance) == (BotStatus.DISCONNECTED, False, None)
        (newest,) = await rig.history(limit=1, bots=frozenset({"alpha"}))
        assert (newest.before, newest.after) == ("connected", "unknown")


async def test_who_is_expected_in_a_lobby_is_remembered_until_it_is_over(where: Target) -> None:
    ids = (76561197960287930, 76561197960287931)
    async with running(where) as rig:
        rig.add("alpha", "beta", "gamma")
        rig.store.apply(ev.LobbyCreated("alpha", AT + 1, LOBBY_ID, 0.5, ids))
        rig.store.apply(ev.LobbyUpdated("alpha", AT + 1, lobby()))
        rig.store.apply(ev.LobbyCreated("beta", AT + 1, 7, 0.5, 4))
        rig.store.apply(ev.LobbyCreated("beta", AT + 2, 8, 0.5))
        rig.store.apply(ev.LobbyCreated("gamma", AT + 1, 9, 0.5, 3))
    async with running(where) as rig:
        assert rig.storage.expected("alpha", LOBBY_ID) == ids, "whether or not the bot has come yet"
        rig.add("alpha", "beta", at=AT + 100)
        rig.store.apply(ev.BotRemoved("alpha", AT + 101))
        rig.add("alpha", at=AT + 102)
        assert rig.storage.expected("alpha", LOBBY_ID) == ids
        assert rig.storage.expected("alpha", LOBBY_ID - 1) is None
        assert (rig.storage.expected("beta", 7), rig.storage.expected("beta", 8)) == (None, None)
        assert rig.storage.expected("gamma", 9) == 3
        rig.store.apply(ev.LobbyUpdated("alpha", AT + 103, lobby()))
        rig.store.apply(ev.LobbyForgotten("alpha", AT + 104, str(LOBBY_ID)))  # lost sight of: it may be found again
        assert rig.storage.expected("alpha", LOBBY_ID) == ids
    async with running(where) as rig:
        rig.add("alpha", at=AT + 200)
        assert rig.storage.expected("alpha", LOBBY_ID) == ids
        rig.store.apply(ev.LobbyUpdated("alpha", AT + 201, lobby(LobbyState.FINISHED)))
        assert rig.storage.expected("alpha", LOBBY_ID) is None
    assert [row["expected"] for row in rows(where, BOTS) if row["name"] == "alpha"] == [None]


@pytest.mark.parametrize("text", ["7", "{", '{"lobby_id": 7}', '{"lobby_id": 7, "players": ["a"]}'])
async def test_what_somebody_wrote_by_hand_about_a_lobby_says_nothing(where: Target, text: str) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        rig.store.apply(ev.LobbyCreated("alpha", AT + 1, 7, 0.5, 4))
    engine = writer_engine(where)
    with engine.begin() as connection:
        connection.execute(update(BOTS).values(expected=text))
    engine.dispose()
    async with running(where) as rig:
        assert rig.storage.expected("alpha", 7) is None


async def test_an_order_wins_until_the_opposite_or_another_configuration(where: Target) -> None:
    async def active_after_restart(configured: bool) -> bool:
        async with running(where) as rig:
            rig.add("alpha", active=configured)
            return rig.store.bots["alpha"].is_active

    async with running(where) as rig:
        rig.add("alpha")
        rig.store.apply(ev.BotStopped("alpha", AT))
    assert not await active_after_restart(True)
    assert not await active_after_restart(True)
    assert not await active_after_restart(False)  # the key changed: from here on the configuration counts again
    assert await active_after_restart(True)
    async with running(where) as rig:
        rig.add("alpha", active=True)
        rig.store.apply(ev.BotStopped("alpha", AT))
        rig.store.apply(ev.BotStarted("alpha", AT + 1))
    assert await active_after_restart(True)
    async with running(where) as rig:  # a reload that replaces the bot with the same `active` leaves the order
        rig.add("alpha", active=True)
        rig.store.apply(ev.BotStopped("alpha", AT))
        rig.store.apply(ev.BotRemoved("alpha", AT))
        rig.add("alpha", active=True)
        assert not rig.store.bots["alpha"].is_active
        rig.store.apply(ev.BotRemoved("alpha", AT))
        rig.add("alpha", active=False)
        rig.store.apply(ev.BotRemoved("alpha", AT))
        rig.add("alpha", active=True)
        assert rig.store.bots["alpha"].is_active


async def test_a_key_that_changes_and_changes_back_ends_an_order(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        rig.store.apply(ev.BotStopped("alpha", AT))
        await rig.written()
        rig.storage.recall("alpha", False, "alpha-category")  # a reload that leaves the bot as it is: switched off
    async with running(where) as rig:
        rig.add("alpha")
        assert rig.store.bots["alpha"].is_active


async def test_a_bot_that_stands_for_something_else_is_not_told_of_its_namesake(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha", "beta")
        rig.connect("alpha", AT + 5)
        rig.store.apply(ev.BotRemoved("alpha", AT + 6))
        assert rig.storage.recall("alpha", True, "alpha-category").memory is not None  # it left and came back
        assert rig.storage.recall("alpha", True, "another-category").memory is None
    async with running(where) as rig:
        known = rig.storage.recall("alpha", True, "alpha-category").memory
        assert known is not None
        assert known.last_connected_at == AT + 5
        assert rig.storage.recall("alpha", True, "another-category").memory is None


async def test_finished_lobbies_and_races_are_kept_with_their_outcome(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        rig.store.apply(ev.LobbyUpdated("alpha", AT, lobby(LobbyState.CREATING, lobby_id=None, players=0)))
        rig.store.apply(ev.LobbyForgotten("alpha", AT, "alpha"))
        for state, players, at in (("waiting", 1, 1), ("in_game", 10, 60), ("finished", 2, 1860)):
            rig.store.apply(ev.LobbyUpdated("alpha", AT + at, lobby(LobbyState(state), players=players, at=AT + at)))
        rig.store.apply(ev.LobbyCreated("alpha", AT, 2**64 - 5, 0.5))
        assert rig.storage.lobbies_created == 1
        view = race_view()
        rig.store.apply(ev.RaceUpdated("alpha", AT, view))
        ended = replace(view, state=RaceState.FINISHED, started_at=AT, ended_at=AT + 90, entrants_count=4)
        rig.store.apply(ev.RaceUpdated("alpha", AT + 90, ended))
        items = await rig.history(kinds=frozenset({HistoryKind.LOBBY, HistoryKind.RACE}))
    (kept,) = rows(where, LOBBIES)
    assert {key: kept[key] for key in ("lobby_id", "state", "outcome", "duration_s", "player_count", "match_id")} == {
        "lobby_id": str(2**64 - 5),
        "state": "finished",
        "outcome": "radiant_victory",
        "duration_s": 1860.0,
        "player_count": 10,
        "match_id": "7",
    }
    (race,) = rows(where, RACES)
    assert (race["outcome"], race["duration_s"], race["player_count"]) == ("finished", 90.0, 4)
    told = [(item.kind, item.after, item.reason) for item in items]
    assert ("lobby", "finished", "radiant_victory") in told
    assert ("race", "finished", "finished") in told
    async with running(where) as rig:
        assert rig.storage.lobbies_created == 1
        rig.add("alpha")  # the bot finds itself in a lobby: no new one
        rig.store.apply(ev.LobbyUpdated("alpha", AT + 2000, lobby(at=AT + 2000)))
        assert rig.storage.lobbies_created == 1
        rig.store.apply(ev.LobbyCreated("alpha", AT + 2001, 5, 0.5))
        assert rig.storage.lobbies_created == 2
    async with running(where) as rig:
        assert rig.storage.lobbies_created == 2


async def test_a_lobby_that_is_lost_sight_of_ends(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        rig.store.apply(ev.LobbyUpdated("alpha", AT, lobby()))
        rig.store.apply(ev.LobbyForgotten("alpha", AT + 5, lobby().key))
    (kept,) = rows(where, LOBBIES)
    assert (kept["state"], kept["outcome"], kept["ended_at"]) == ("waiting", "unknown", AT + 5)


async def test_odd_texts_are_kept_as_far_as_a_database_can(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        rig.fail("alpha", message="nul \0 and half \ud800 a pair, %s :name {x} ' \" \\ " + "long " * 1000)
        await rig.written()
        assert rig.stats.dropped == 0
        (error,) = await rig.history(kinds=frozenset({HistoryKind.ERROR}))
        assert error.message is not None
        assert error.message.startswith("nul  and half ? a pair, %s :name {x} ' \" \\ long")
        assert len(error.message) == 999  # the NUL is taken out of the bounded text
        bot = rig.store.bots["alpha"]
    engine = reader_engine(where)
    with engine.connect() as connection:
        stored = BotRepository(connection).get_bot("alpha")
    engine.dispose()
    assert stored is not None
    assert stored.memory.last_error == error.message != bot.last_error


async def test_bots_that_left_the_configuration_are_marked_and_come_back(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha", "beta")
        rig.connect("beta")
        rig.storage.fleet_complete(rig.store.bots)
    async with running(where) as rig:
        rig.add("alpha")
        rig.storage.fleet_complete(rig.store.bots)
        await rig.written()
    engine = reader_engine(where)
    with engine.connect() as connection:
        assert [bot.name for bot in BotRepository(connection).get_all_bots()] == ["alpha"]
    engine.dispose()
    async with running(where) as rig:
        rig.add("beta", at=AT + 50)
        assert rig.store.bots["beta"].last_connected_at == AT


async def test_the_repository_has_the_calls_of_status_tracking(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha", "beta", active=True)
    database = Database(where)
    with database._transaction() as connection:
        repository = BotRepository(connection)
        assert repository.record_connection_success("alpha", AT + 1)
        assert repository.record_connection_failure("beta", "Invalid client secret", BotStatus.AUTH_FAILED, at=AT + 2)
        assert not repository.update_bot_status("nobody", BotStatus.CONNECTED)
        assert [bot.name for bot in repository.get_all_bots()] == ["alpha", "beta"]
        (sick,) = repository.get_unhealthy_bots()
        assert (sick.name, sick.healthy, sick.status.display, sick.status_message) == (
            "beta",
            False,
            "Auth Failed",
            "Invalid client secret",
        )
        alpha = repository.get_bot("alpha")
        assert alpha is not None
        assert (alpha.healthy, alpha.last_connected_at, alpha.last_status_check_at) == (True, AT + 1, AT + 1)
        assert repository.update_bot_status("alpha", BotStatus.DISCONNECTED, "Bot stopped manually")
        assert [bot.name for bot in repository.get_unhealthy_bots()] == ["alpha", "beta"]
        assert repository.get_bot("nobody") is None
    database.close()


# --- pages ---


async def fill(rig: Rig, count: int) -> None:
    chance = random.Random(5)
    rig.add("alpha", "beta", "gamma")
    for number in range(count):
        rig.touch(chance.choice(("alpha", "beta", "gamma")), number)
        if number % 10 == 0:
            rig.connect("gamma", AT + number)
            rig.fail("gamma", AT + number)
    await rig.written()


@pytest.mark.parametrize(
    "asked",
    [
        HistoryQuery(),
        HistoryQuery(bots=frozenset({"beta"})),
        HistoryQuery(bots=frozenset({"beta", "gamma"}), kinds=frozenset({HistoryKind.ERROR, HistoryKind.STATE})),
        HistoryQuery(kinds=frozenset({HistoryKind.STATUS})),
        HistoryQuery(platforms=frozenset({"testing"}), since=AT + 100, until=AT + 250),
        HistoryQuery(platforms=frozenset({"racetime"})),
        HistoryQuery(since=AT + 390),
    ],
    ids=("all", "a bot", "bots and kinds", "a kind", "a while", "nothing", "since"),
)
async def test_pages_hold_everything_once_and_newest_first(where: Target, asked: HistoryQuery) -> None:
    async with running(where) as rig:
        await fill(rig, 400)
        everything = rows(where, BOT_EVENTS)
        expected = sorted(
            (
                int(str(row["id"]))
                for row in everything
                if (not asked.bots or row["bot"] in asked.bots)
                and (not asked.kinds or row["kind"] in asked.kinds)
                and (not asked.platforms or row["platform"] in asked.platforms)
                and (asked.since is None or float(str(row["at"])) >= asked.since)
                and (asked.until is None or float(str(row["at"])) <= asked.until)
            ),
            reverse=True,
        )
        found: list[int] = []
        cursor: int | None = None
        while True:
            page = await rig.storage.page(replace(asked, limit=37, before=cursor))
            found += [item.id for item in page.items]
            cursor = page.next
            if cursor is None:
                break
            assert len(page.items) == 37
        assert found == expected


async def test_a_page_shows_what_is_not_written_yet(where: Target) -> None:
    async with running(where) as rig:
        await fill(rig, 60)
        rig.touch("beta", 1000)
        assert not rig.storage.idle
        (newest,) = await rig.history(limit=1)
        assert newest.message == "check 1000"


# --- retention ---


@pytest.mark.parametrize(("limits", "deleted"), [(Limits(age_s=1e12, rows=50), 4952), (Limits(age_s=500.0), 4500)])
async def test_retention_by_rows_and_age(where: Target, limits: Limits, deleted: int) -> None:
    async with running(where) as rig:
        now = rig.clock.now()
        rig.add("alpha", at=now - 5000)
        for number in range(5000):
            rig.touch("alpha", number - 4999, at=now)
    async with running(where, limits=limits) as rig:
        rig.add("alpha", at=now)
        await eventually(lambda: rig.stats.deleted >= deleted)
        await rig.written()
        assert rig.stats.deleted == deleted
        kept = rows(where, BOT_EVENTS)
    assert len(kept) == 5002 - deleted
    assert min(float(str(row["at"])) for row in kept) == now - (500 if limits.age_s == 500 else 48)
    assert len(rows(where, BOTS)) == 1


async def test_retention_of_lobbies_races_and_orders(where: Target) -> None:
    async with running(where) as rig:
        now = rig.clock.now()
        rig.add("alpha")
        for number in range(10):
            at = now - number * 86400
            rig.store.apply(ev.LobbyUpdated("alpha", at, lobby(LobbyState.FINISHED, lobby_id=100 + number, at=at)))
            rig.store.apply(ev.RaceUpdated("alpha", at, race_view(f"race-{number}", RaceState.FINISHED)))
    async with running(where, limits=Limits(age_s=4.5 * 86400, rows=3)) as rig:
        # 3 of 10 of both stay, and 3 of the 21 items: one for each lobby and race, and one for the bot.
        await eventually(lambda: rig.stats.deleted >= 7 + 7 + 18)
    assert sorted(str(row["lobby_id"]) for row in rows(where, LOBBIES)) == ["100", "101", "102"]
    assert sorted(str(row["slug"]) for row in rows(where, RACES)) == ["race-0", "race-1", "race-2"]
