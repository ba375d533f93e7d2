"""The one writer: a task that decides when, and a thread that does it. No bot waits for either.

    something waits -> 100 ms -> batch -> thread -> written
                                   ^                  | trouble
                                   +---- backoff <----+

What may wait longer does so for two seconds, unless something comes that may not.

Everything that touches the writing connection goes through `call`, one after the other: batches, retention, orders.
"""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

import structlog

from exporter.stats import StorageStats
from exporter.storage.backlog import MOST_ITEMS, Backlog, Batch
from exporter.storage.database import Database, Opened
from exporter.storage.trouble import StorageTrouble
from exporter.timing import Backoff, Clock, set_within

BATCH_S: Final = 0.1
PATIENT_S: Final = 2.0
_FIRST_RETRY_S: Final = 0.5
_MOST_RETRY_S: Final = 10.0
_PRUNE_EVERY_S: Final = 60.0
_SECONDS_A_DAY: Final = 86400.0

_log = structlog.get_logger(component="storage")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept: items of the history, finished lobbies and races, each by age and by number."""

    age_s: float = 90 * _SECONDS_A_DAY
    rows: int = 1_000_000


class Writer:
    """Writes what waits in the backlog. `on_open` is told, once, what earlier runs left; `on_written` of each batch.

    It deletes what is too old while `prunes` says so: of several processes one is enough.
    """

    def __init__(
        self,
        database: Database,
        backlog: Backlog,
        stats: StorageStats,
        *,
        clock: Clock,
        rng: random.Random,
        limits: Limits,
        on_open: Callable[[Opened], None],
        on_written: Callable[[Batch], None],
        prunes: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._backlog = backlog
        self._stats = stats
        self._clock = clock
        self._limits = limits
        self._on_open = on_open
        self._on_written = on_written
        self._prunes = prunes
        self._backoff = Backoff(_FIRST_RETRY_S, _MOST_RETRY_S, rng)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="storage")
        self._wanted = asyncio.Event()
        self._waiting = asyncio.Event()
        self._hurry = asyncio.Event()
        self._turn = asyncio.Lock()
        self._opened = False
        self._told: object = None
        self._failures = 0
        self._prune_at = clock.monotonic()

    @property
    def opened(self) -> bool:
        """Whether the database could be opened since the start."""
        return self._opened

    @property
    def busy(self) -> bool:
        """Whether a batch is being written."""
        return self._turn.locked()

    def wake(self) -> None:
        """Say that something waits in the backlog."""
        self._wanted.set()
        self._waiting.set()

    def wake_late(self) -> None:
        """Say that something waits in the backlog that can wait longer: a small batch costs as much as a large one."""
        self._waiting.set()

    async def open(self) -> None:
        """Open the database once. Raises StorageTrouble when it cannot be now, StartError when it never can."""
        left = await self._guarded(self._database.open)
        if self._opened:
            return
        self._opened = self._stats.opened = True
        if left.migrated_from != left.revision:
            _log.info("database migrated", database=self._database.shown, revision=left.revision)
        self._on_open(left)
        self._succeeded()

    async def run(self) -> NoReturn:
        """Write until cancelled; what waits then is for `finish`."""
        while True:
            try:
                if not self._opened:
                    await self.open()
                await self._flush()
                await self._prune()
            except StorageTrouble:
                await self._pause(self._backoff.next_delay())
            else:
                await self._waiting.wait()
                if not self._wanted.is_set():
                    await set_within(self._wanted, PATIENT_S - BATCH_S, self._clock)
                await self._clock.sleep(BATCH_S)

    async def finish(self, limit_s: float) -> None:
        """Write what waits, for at most that many seconds, and close the database."""
        try:
            async with asyncio.timeout(limit_s):
                if self._opened:
                    await self._flush()
                await self.call(self._database.close)
        except (StorageTrouble, TimeoutError) as error:
            _log.error("not everything could be written", waiting=self._stats.queue_length, error=str(error))
        finally:
            self._thread.shutdown(wait=False)

    async def call(self, work: Callable[[], _T]) -> _T:
        """Have the thread do something with the database."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def call_now(self, work: Callable[[], _T]) -> _T:
        """Have the thread do something for an order, once all bots are written as they are now.

        Raises StorageTrouble. What it does tells whether the database is there, as a batch does.
        """
        await self.write_now()
        done = await self._guarded(work)
        self._succeeded()
        return done

    async def write_now(self) -> None:
        """Write all orders and bots that wait, without waiting for the next batch. Raises StorageTrouble."""
        if not self._opened:
            await self.open()
        await self._write_batch()

    async def _flush(self) -> None:
        """Write what waits; what comes meanwhile is for the next time, or small batches would follow each other."""
        self._wanted.clear()
        self._waiting.clear()
        while await self._write_batch():
            pass

    async def _write_batch(self) -> bool:
        """Write one batch; returns whether it was a full one, after which there may be more."""
        async with self._turn:  # a batch that comes back must not meet a later one that is written already
            batch = self._backlog.take()
            if not batch:
                return False
            try:
                await self._guarded(lambda: self._database.write(batch))
            except (StorageTrouble, asyncio.CancelledError):
                self._backlog.put_back(batch)  # cut off in the middle or not: written twice is written once
                raise
            except Exception as error:  # noqa: BLE001  (a row that no database takes must not stop all others)
                self._stats.dropped += batch.size
                self._stats.failures["other"] += 1
                _log.error("a batch was refused and dropped: this is a bug", rows=batch.size, exc_info=error)
            else:
                self._on_written(batch)
                self._succeeded()
            return len(batch.items) == MOST_ITEMS

    async def _prune(self) -> None:
        if self._clock.monotonic() < self._prune_at or not self._prunes():
            return
        now, limits = self._clock.now(), self._limits
        deleted = await self._guarded(
            lambda: self._database.prune(
                older_than=now - limits.age_s,
                rows=limits.rows,
                orders_older_than=now - max(limits.age_s, _SECONDS_A_DAY),
            )
        )
        self._stats.deleted += deleted
        if deleted:
            self.wake()  # there may be more: go on after the next batch
        else:
            self._prune_at = self._clock.monotonic() + _PRUNE_EVERY_S

    async def _guarded(self, work: Callable[[], _T]) -> _T:
        try:
            return await self.call(work)
        except StorageTrouble as trouble:
            self._failed(trouble)
            raise

    async def _pause(self, delay_s: float) -> None:
        """Wait, but no longer than until something shows that the database is back."""
        self._hurry.clear()
        await set_within(self._hurry, delay_s, self._clock)

    def _failed(self, trouble: StorageTrouble) -> None:
        """Log the first failure of its kind loudly and its repeats quietly."""
        self._stats.up = False
        self._stats.failures[str(trouble.kind)] += 1
        self._failures += 1
        log = _log.debug if trouble.kind == self._told else _log.error
        self._told = trouble.kind
        log("the database does not work: bots go on", kind=str(trouble.kind), error=str(trouble))

    def _succeeded(self) -> None:
        self._stats.up = True
        self._hurry.set()
        if self._failures:
            _log.info("the database works again", failures_before=self._failures, dropped=self._stats.dropped)
        self._told, self._failures = None, 0
        self._backoff.reset()
