"""Parts of bot-exporter as several benchmarks need them: an open storage, waiting on the loop, a ticker on it."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from benchmarks.lines import Json
from benchmarks.measure import percentile
from exporter.stats import StorageStats
from exporter.storage.engine import target
from exporter.storage.service import Storage, storage
from exporter.storage.writer import Limits
from exporter.timing import SystemClock

TICK_S = 0.001


def open_storage(folder: Path) -> AbstractAsyncContextManager[Storage]:
    """Open a storage in a folder, as the program does; nothing in it is ever too old."""
    limits = Limits(age_s=1e12)
    return storage(target(None, folder), StorageStats(), clock=SystemClock(), rng=random.Random(1), limits=limits)  # noqa: S311


async def until(condition: Callable[[], bool]) -> None:
    """Look every millisecond until it is so."""
    while not condition():  # noqa: ASYNC110  (what is looked at tells nobody)
        await asyncio.sleep(0.001)


class Ticker:
    """Wants to be called every millisecond, and notes how late it was."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._late_ms: list[float] = []
        self._due = 0.0

    def start(self) -> None:
        """Begin."""
        self._due = time.perf_counter() + TICK_S
        self._loop.call_later(TICK_S, self._tick)

    def stalls(self) -> Json:
        """Return p50, p99 and the largest stall since this was last asked, in milliseconds."""
        late_ms, self._late_ms = self._late_ms, []
        return {"p50": percentile(late_ms, 0.5), "p99": percentile(late_ms, 0.99), "max": max(late_ms, default=0.0)}

    def _tick(self) -> None:
        self._late_ms.append(max(0.0, (time.perf_counter() - self._due) * 1000))
        self.start()
