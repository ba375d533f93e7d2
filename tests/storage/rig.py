"""A storage with a store in front of it, as the application wires them, and facts to feed it with."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from exporter.errors import FailureReason
from exporter.model import events as ev
from exporter.model.history import HistoryItem, HistoryQuery
from exporter.model.states import DisconnectReason, LobbyState
from exporter.model.status import LobbyPlayer, LobbyRecord
from exporter.stats import StorageStats
from exporter.storage.engine import Target, reader_engine
from exporter.storage.service import Storage
from exporter.storage.writer import Limits
from exporter.store import StatusStore
from exporter.timing import SystemClock
from tests.eventually import LIMIT_S, eventually
from tests.fleet import TRAITS

AT = 1_700_000_000.0


class QuickClock(SystemClock):
    """A day soon after `AT`, and short waits: tests of retries need not take seconds."""

    def now(self) -> float:
        return AT + 10_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))


@dataclass
class Rig:
    storage: Storage
    store: StatusStore
    clock: SystemClock

    @property
    def stats(self) -> StorageStats:
        return self.storage.stats

    def add(self, *names: str, active: bool = True, at: float = AT) -> None:
        """Have bots enter the fleet, as the supervisor does it."""
        for name in names:
            known = self.storage.recall(name, active, f"{name}-category")
            self.store.apply(ev.BotAdded(name, at, TRAITS, f"{name}-category", known.active, known.memory))

    def connect(self, name: str, at: float = AT) -> None:
        self.store.apply(ev.ConnectStarted(name, at))
        self.store.apply(ev.StateEntered(name, at, "online"))
        self.store.apply(ev.HealthProved(name, at, 90.0))

    def fail(self, name: str, at: float = AT, message: str = "connection refused") -> None:
        self.store.apply(
            ev.ConnectionFailed(name, at, FailureReason.REFUSED, message, at + 5, DisconnectReason.NETWORK)
        )

    def touch(self, name: str, number: int, at: float = AT) -> None:
        """Make one history item."""
        self.store.apply(ev.CheckFailed(name, at + number, FailureReason.TIMEOUT, f"check {number}"))

    async def written(self, limit_s: float = LIMIT_S) -> None:
        """Wait until nothing waits any more and the database works."""
        await eventually(lambda: self.storage.idle and self.stats.up, limit_s)

    async def history(self, **query: object) -> list[HistoryItem]:
        return list((await self.storage.page(HistoryQuery(**query))).items)  # type: ignore[arg-type]


@asynccontextmanager
async def running(
    where: Target,
    *,
    limits: Limits | None = None,
    capacity: int = 20_000,
    clock: SystemClock | None = None,
    start_s: float = 0.0,
) -> AsyncIterator[Rig]:
    """Run a storage on a database; on leaving it writes what waits."""
    clock = clock or QuickClock()
    chance = random.Random(1)
    storage = Storage(where, StorageStats(), clock=clock, rng=chance, limits=limits or Limits(), capacity=capacity)
    store = StatusStore()
    store.subscribe(storage.on_change)
    await storage.start(start_s)
    writing = asyncio.create_task(storage.run())
    try:
        yield Rig(storage, store, clock)
    finally:
        writing.cancel()
        await asyncio.wait({writing})
        await storage.stop(30.0)  # on a busy machine, too, everything must be written
        await asyncio.to_thread(_released, where)


def _released(where: Target, limit_s: float = LIMIT_S) -> None:
    """Wait until the server has noticed that the connection is gone: only then does its claim on the database end.

    The application waits for that at its start; here the next one may start at once. Without a server there is none.
    """
    if where.path is not None:
        return
    claims = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE d.datname = :name AND locktype = 'advisory'"
    )
    engine, end = reader_engine(where), time.monotonic() + limit_s
    try:
        with engine.connect() as connection:
            while connection.execute(claims, {"name": where.url.database if where.url else ""}).scalar():
                connection.rollback()
                assert time.monotonic() < end, "the claim on the database outlives its connection"
                time.sleep(0.005)
    except OperationalError:
        return
    finally:
        engine.dispose()


def lobby(
    state: LobbyState = LobbyState.WAITING, *, lobby_id: int | None = 2**64 - 5, players: int = 3, at: float = AT
) -> LobbyRecord:
    return LobbyRecord(
        key=str(lobby_id) if lobby_id is not None else "alpha",
        bot="alpha",
        lobby_id=lobby_id,
        name="inhouse",
        state=state,
        state_since=at,
        server_region=1,
        server_region_name="USW",
        game_mode=1,
        game_mode_name="AP",
        has_password=True,
        created_at=AT,
        players=tuple(LobbyPlayer(number, f"P{number}", "radiant", number) for number in range(players)),
        match_id=7 if state is LobbyState.FINISHED else None,
        match_outcome="radiant_victory" if state is LobbyState.FINISHED else None,
    )
