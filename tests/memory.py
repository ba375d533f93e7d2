"""What Python objects take, before, at most, and after: nothing may be left of an attack or of a fault."""

import gc
import resource
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.eventually import until


@asynccontextmanager
async def back_at_its_level(*, most_mb: float, left_mb: float = 0.5) -> AsyncIterator[None]:
    """Hold what is done meanwhile to so much memory at a time, and to leaving hardly any behind."""
    tracemalloc.start(1)
    try:
        before = await _held_mb()
        tracemalloc.reset_peak()
        yield
        at_most = tracemalloc.get_traced_memory()[1] / 2**20 - before
        assert at_most < most_mb, f"{at_most:.1f} MB at a time"
        await until(_held_mb, lambda held: held - before < left_mb)
    finally:
        tracemalloc.stop()


def traced_kb(*without: str) -> float:
    """Return what Python objects hold that were made while tracemalloc traces, but for those made in such files."""
    gc.collect()
    left_out = [tracemalloc.Filter(False, each) for each in (*without, tracemalloc.__file__)]
    traces = tracemalloc.take_snapshot().filter_traces(left_out).traces
    return sum(each.size for each in traces) / 1024


def resident_mb() -> float:
    """Return how much memory of the machine this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def _held_mb() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 2**20
