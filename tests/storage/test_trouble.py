"""The database is away, full, locked or damaged: the fleet goes on, and nothing but counted drops is lost."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
import structlog
from sqlalchemy import select

from exporter.errors import OrderInDoubt, StartError, StorageAway
from exporter.model import events as ev
from exporter.model.history import HistoryKind
from exporter.stats import StorageStats
from exporter.storage.backlog import Backlog
from exporter.storage.database import Database
from exporter.storage.engine import Target, reader_engine, target
from exporter.storage.schema import BOT_EVENTS
from exporter.storage.service import Storage
from tests.eventually import LIMIT_S, eventually
from tests.postgresql import PostgreSQL
from tests.storage.rig import AT, Rig, running
from tests.storage.test_orders import DIGEST, begin


def messages(where: Target) -> list[str]:
    """Return what was written of the checks, in order."""
    engine = reader_engine(where)
    with engine.connect() as connection:
        errors = select(BOT_EVENTS.c.message).where(BOT_EVENTS.c.kind == "error").order_by(BOT_EVENTS.c.id)
        kept = connection.execute(errors)
        found = [str(message) for message in kept.scalars()]
    engine.dispose()
    return found


class Outage:
    """Takes a database away and gives it back, each kind in the way in which it happens to it."""

    def __init__(self, where: Target, server: PostgreSQL | None) -> None:
        self._path = where.path
        self._server = server

    def begin(self) -> None:
        if self._server is not None:
            self._server.stop(at_once=True)
        else:
            assert self._path is not None
            self._path.rename(self._path.with_suffix(".away"))
            self._path.mkdir()  # nothing can be opened there, and nothing made

    def end(self) -> None:
        if self._server is not None:
            self._server.start()
        else:
            assert self._path is not None
            self._path.rmdir()
            self._path.with_suffix(".away").rename(self._path)


@pytest.fixture
def outage(where: Target, request: pytest.FixtureRequest) -> Iterator[Outage]:
    server: PostgreSQL | None = None if where.path is not None else request.getfixturevalue("postgresql")
    outage = Outage(where, server)
    yield outage
    if server is not None and not server.running:
        server.start()


async def test_the_database_goes_and_comes_back_and_nothing_is_lost(where: Target, outage: Outage) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        rig.touch("alpha", 0)
        await rig.written()
        outage.begin()
        for number in range(1, 501):
            rig.touch("alpha", number)
        await eventually(lambda: not rig.stats.up)
        assert rig.stats.opened
        assert sum(rig.stats.failures.values()) > 0
        newest = await rig.history(limit=2, bots=frozenset({"alpha"}))  # from memory
        assert [item.message for item in newest] == ["check 500", "check 499"]
        with pytest.raises(StorageAway, match="away"):
            await rig.history(before=newest[-1].id - 10**9)
        outage.end()
        await rig.written()
        assert (rig.stats.dropped, rig.stats.queue_length) == (0, 0)
    assert messages(where) == [f"check {number}" for number in range(501)]


async def test_the_oldest_give_way_and_are_counted(where: Target, outage: Outage) -> None:
    async with running(where, capacity=100) as rig:
        rig.add("alpha")
        await rig.written()
        outage.begin()
        for number in range(1000):
            rig.touch("alpha", number)
        await eventually(lambda: not rig.stats.up)
        assert rig.stats.queue_length <= 100
        rig.connect("alpha", AT + 2000)  # the row of a bot is never dropped
        outage.end()
        await rig.written()
        dropped = rig.stats.dropped
    kept = messages(where)
    # 1,000 errors and three changes of the connecting bot were to be written, for which there was room for 100 items.
    assert kept == [f"check {number}" for number in range(1000 - len(kept), 1000)]
    assert len(kept) + 3 == 1003 - dropped == 100
    async with running(where) as rig:
        rig.add("alpha")
        assert rig.store.bots["alpha"].last_connected_at == AT + 2000


class Feed:
    """Makes history, 20 changes a millisecond, until it is told to stop.

    The loop has its pauses, as any loop that is not stuck: without, the writer's thread gets hold of the interpreter so
    seldom that a few statements take seconds.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.count = 0
        self.stopped = False

    async def run(self) -> None:
        while not self.stopped:
            for _ in range(20):
                self._rig.touch("alpha", self.count)
                self.count += 1
            await asyncio.sleep(0.001)


async def test_a_server_that_restarts_in_mid_write_loses_nothing(postgresql: PostgreSQL, tmp_path: Path) -> None:
    where = target(postgresql.new_database(), tmp_path)
    async with running(where, capacity=5000) as rig:
        rig.add("alpha")
        await rig.written()  # the bot's own first item, or it could be the one that is dropped
        feed = Feed(rig)
        for at_once in (True, False):
            feed.stopped = False
            feeding = asyncio.create_task(feed.run())
            await eventually(lambda: rig.storage.busy)
            await asyncio.to_thread(postgresql.stop, at_once=at_once)
            await eventually(lambda: not rig.stats.up)
            feed.stopped = True
            await feeding
            await asyncio.to_thread(postgresql.start)
            await rig.written()
        dropped = rig.stats.dropped
    kept = messages(where)
    assert len(kept) == len(set(kept)) == feed.count - dropped
    assert kept == sorted(kept, key=lambda text: int(text.split()[1]))


async def test_orders_without_a_database(where: Target, outage: Outage) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        running_id, _, _ = await begin(rig, "given before")
        outage.begin()
        with pytest.raises(StorageAway, match="try again later"):
            await begin(rig, "new lobby")
        stop_id, _, repeated = await begin(rig, "stop", even_unwritten=True)
        assert not repeated
        rig.store.apply(ev.BotStopped("alpha", AT + 5))
        for order_id in (stop_id, running_id):
            with pytest.raises(StorageAway, match="was carried out"):
                await rig.storage.orders.finish(order_id, code=200, result=None, outcome="done")
        assert (await begin(rig, "stop"))[1:] == ("done", True)  # this process knows it all the same
        outage.end()
        await rig.written()
        assert (await begin(rig, "stop"))[1:] == ("done", True)
        assert (await begin(rig, "given before"))[1:] == ("done", True)
        assert (await begin(rig, "new lobby"))[1:] == ("begun", False)
    async with running(where) as rig:
        rig.add("alpha")
        assert not rig.store.bots["alpha"].is_active
        with pytest.raises(OrderInDoubt):
            await begin(rig, "new lobby")
        done = [item for item in await rig.history(kinds=frozenset({HistoryKind.ORDER})) if item.after == "done"]
        assert len(done) == 2


async def test_a_database_that_comes_after_the_bots_is_caught_up_with(where: Target, outage: Outage) -> None:
    async with running(where) as rig:
        rig.add("alpha", "beta", "gamma")
        rig.connect("alpha", AT + 10)
        rig.store.apply(ev.BotStopped("beta", AT + 11))
        rig.store.apply(ev.BotStopped("gamma", AT + 11))
        rig.store.apply(ev.LobbyCreated("alpha", AT + 12, 7, 0.5, 4))
        rig.store.apply(ev.LobbyCreated("beta", AT + 12, 8, 0.5, 4))
    outage.begin()
    async with running(where) as rig:
        assert not rig.stats.opened
        rig.add("alpha", "beta", "gamma")
        assert rig.store.bots["beta"].is_active  # nobody could know
        rig.connect("beta", AT + 20)
        rig.store.apply(ev.BotStarted("gamma", AT + 21))
        rig.store.apply(ev.LobbyCreated("beta", AT + 22, 9, 0.5))
        assert rig.storage.expected("alpha", 7) is None
        outage.end()
        late = await asyncio.wait_for(rig.storage.recalled_late(), LIMIT_S)
        assert {name: known.active for name, known in late.items()} == {"alpha": True, "beta": False, "gamma": True}
        assert late["alpha"].memory is not None
        rig.store.apply(ev.BotRecalled("alpha", AT + 30, late["alpha"].memory))
        rig.store.apply(ev.BotRecalled("beta", AT + 30, late["alpha"].memory))
        assert rig.store.bots["alpha"].last_connected_at == AT + 10
        assert rig.store.bots["beta"].last_connected_at == AT + 20  # what this run knows is newer
        assert (rig.storage.expected("alpha", 7), rig.storage.expected("beta", 8)) == (4, None)
        await rig.written()
        everything = await rig.history(limit=100)
        assert len({item.id for item in everything}) == len(everything)


async def test_a_second_exporter_on_one_database_is_refused(postgresql: PostgreSQL, tmp_path: Path) -> None:
    where = target(postgresql.new_database(), tmp_path)
    async with running(where) as first:
        first.add("alpha")
        with pytest.raises(StartError, match=r"in use by another bot-exporter.*--storage\.url"):
            async with running(where):
                pass
        await first.written()


# --- what happens to a file ---


@asynccontextmanager
async def in_trouble(where: Target, kind: str) -> AsyncIterator[Rig]:
    """A fleet with a database that begins to fail within the block; it must have said so, and bots must go on."""
    with structlog.testing.capture_logs() as logged:
        async with running(where) as rig:
            rig.add("alpha")
            await rig.written()
            yield rig
    told = [entry for entry in logged if entry["log_level"] == "error" and "does not work" in entry["event"]]
    assert told, logged
    assert told[0]["kind"] == kind
    assert where.shown in told[0]["error"]
    assert re.search("; |: put it back", told[0]["error"])  # what to do about it


async def test_a_full_disk(sqlite: Target) -> None:
    async with in_trouble(sqlite, "full") as rig:
        async with limited(rig.storage, pages=40):
            for number in range(2000):
                rig.touch("alpha", number)
            await eventually(lambda: rig.stats.failures["full"])
            assert not rig.stats.up
            with pytest.raises(StorageAway, match="full"):
                await begin(rig)
        await rig.written()
    assert messages(sqlite) == [f"check {number}" for number in range(2000)]


@asynccontextmanager
async def limited(storage: Storage, pages: int) -> AsyncIterator[None]:
    """Let the file grow no more, as SQLite itself can: to the program it is a disk that is full."""
    from sqlalchemy import event

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    database: Database = storage._database
    event.listen(database._engine, "connect", limit)
    await storage._writer.call(database._give_up)
    yield
    event.remove(database._engine, "connect", limit)


async def test_a_file_that_another_program_has_locked(sqlite: Target) -> None:
    assert sqlite.path is not None
    async with in_trouble(sqlite, "locked") as rig:
        other = sqlite3.connect(sqlite.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        rig.touch("alpha", 1)
        await eventually(lambda: rig.stats.failures["locked"])
        assert not rig.stats.up
        other.execute("ROLLBACK")
        other.close()
        await rig.written()
    assert messages(sqlite) == ["check 1"]


async def test_a_damaged_file(sqlite: Target) -> None:
    assert sqlite.path is not None
    async with in_trouble(sqlite, "damaged") as rig:
        for number in range(200):
            rig.touch("alpha", number)
        await rig.written()
        await rig.storage._writer.call(
            rig.storage._database._give_up
        )  # what was open would go on with what it has read
        good = sqlite.path.read_bytes()
        sqlite.path.write_bytes(good[:100] + b"\xff" * (len(good) - 100))
        rig.touch("alpha", 200)
        await eventually(lambda: rig.stats.failures["damaged"])
        assert not rig.stats.up
        rig.connect("alpha")
        assert rig.store.bots["alpha"].healthy
        sqlite.path.write_bytes(good)
        await rig.written()
    assert messages(sqlite) == [f"check {number}" for number in range(201)]


async def test_a_file_that_is_no_database(sqlite: Target) -> None:
    assert sqlite.path is not None
    sqlite.path.write_text("this was a text file before somebody gave it the wrong name\n" * 100)
    async with running(sqlite) as rig:
        assert (rig.stats.opened, rig.stats.up, set(rig.stats.failures)) == (False, False, {"damaged"})
        rig.add("alpha")
        rig.connect("alpha")
        assert rig.store.bots["alpha"].healthy
    assert sqlite.path.read_text().startswith("this was a text file")


async def test_a_file_that_is_replaced_is_not_mixed_with_the_old_one(sqlite: Target) -> None:
    assert sqlite.path is not None
    async with running(sqlite) as rig:
        rig.add("alpha")
        rig.touch("alpha", 1)
    backup = sqlite.path.read_bytes()
    with structlog.testing.capture_logs() as logged:
        async with running(sqlite) as rig:
            rig.add("alpha")
            rig.touch("alpha", 2)
            await rig.written()
            # There is a file of this name at every moment: the writer may look at any of them.
            away, other = sqlite.path.with_suffix(".away"), sqlite.path.with_suffix(".other")
            other.write_bytes(backup)
            away.hardlink_to(sqlite.path)
            other.replace(sqlite.path)
            rig.touch("alpha", 3)
            await eventually(lambda: not rig.stats.up)
            away.replace(sqlite.path)
            await rig.written()
    assert "delete the files beside it that end in -wal and -shm" in str(logged)
    assert messages(sqlite) == ["check 1", "check 2", "check 3"]


async def test_a_file_that_is_deleted_is_missed(sqlite: Target) -> None:
    assert sqlite.path is not None
    async with in_trouble(sqlite, "away") as rig:
        sqlite.path.rename(sqlite.path.with_suffix(".away"))
        rig.touch("alpha", 1)
        await eventually(lambda: rig.stats.failures["away"] > 1)
        assert not sqlite.path.exists()  # an empty one in its place would hide the loss
        sqlite.path.with_suffix(".away").rename(sqlite.path)
        await rig.written()
    assert messages(sqlite) == ["check 1"]


async def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    where = target("postgresql://me:very-hidden@127.0.0.1:9/db", tmp_path)
    with structlog.testing.capture_logs() as logged:
        async with running(where) as rig:
            assert set(rig.stats.failures) == {"away"}
            with pytest.raises(StorageAway) as caught:
                await rig.storage.orders.begin("key", DIGEST, actor=None, action="x")
    assert "very-hidden" not in f"{logged} {caught.value!r} {caught.value.__cause__!r}"
    assert "127.0.0.1" in str(logged)


async def test_a_row_that_no_database_takes_is_dropped_and_told(where: Target) -> None:
    with structlog.testing.capture_logs() as logged:
        async with running(where) as rig:
            rig.add("alpha")
            await rig.written()
            rig.storage._backlog.put_race({"name": None, "player_count": 0})
            rig.storage._writer.wake()
            await eventually(lambda: rig.stats.dropped)
            rig.touch("alpha", 1)
            await rig.written()
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == [
        "a batch was refused and dropped: this is a bug"
    ]
    assert messages(where) == ["check 1"]


# --- the backlog by itself ---


def test_ids_grow_whatever_the_clock_does() -> None:
    backlog = Backlog(StorageStats())
    from tests.storage.items import item

    ids = [backlog.number(item(at=at)).id for at in (AT, AT, AT - 3600, AT + 1)]
    assert ids == sorted(set(ids))
    backlog.begin_after(ids[-1] + 10**9)
    assert backlog.number(item(at=AT)).id > ids[-1] + 10**9


def test_items_that_wait_are_numbered_anew_after_those_of_an_earlier_run() -> None:
    backlog = Backlog(StorageStats())
    from tests.storage.items import item

    for at in (AT, AT + 1):
        backlog.add(backlog.number(item(at=at)))
    backlog.begin_after(int((AT + 3600) * 1e6))
    found = [each.id for each in backlog.take().items]
    assert found == [int((AT + 3600) * 1e6) + 1, int((AT + 3600) * 1e6) + 2]


async def test_psycopg_is_the_binary_one() -> None:
    assert psycopg.pq.__impl__ == "binary"
