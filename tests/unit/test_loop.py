"""The watch on the event loop's punctuality."""

import asyncio
import time

from exporter.loop import TICK_S, watch_loop
from exporter.stats import LoopStats
from exporter.timing import SystemClock
from tests.clock import ManualClock


async def test_ticks_in_time_count_as_no_lag() -> None:
    stats, clock = LoopStats(), ManualClock()
    task = asyncio.create_task(watch_loop(stats, clock))
    await clock.advance(5.25)
    task.cancel()
    assert sum(stats.lag.counts) == 10
    assert stats.lag.total < 1e-6


async def test_a_stall_is_seen() -> None:
    stats = LoopStats()
    task = asyncio.create_task(watch_loop(stats, SystemClock()))
    await asyncio.sleep(0)
    end = time.monotonic() + TICK_S + 0.1
    while time.monotonic() < end:
        pass
    await asyncio.wait({task}, timeout=0.001)
    task.cancel()
    assert stats.lag.total > 0.05
