"""Long work on the event loop, a millisecond at a time."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

SLICE_S: Final = 0.001


class Pace:
    """Lets everybody else have the event loop whenever a slice is used up: by the real clock, as the work is real."""

    __slots__ = ("_end", "_slice_s")

    def __init__(self, slice_s: float = SLICE_S) -> None:
        self._slice_s = slice_s
        self._end = time.perf_counter() + slice_s

    async def rest(self) -> None:
        """Return at once, or after a turn of the event loop if the slice is used up."""
        if time.perf_counter() >= self._end:
            await self.pause()

    async def pause(self) -> None:
        """Give a turn of the event loop to everybody else."""
        await asyncio.sleep(0)
        self._end = time.perf_counter() + self._slice_s

    async def work(self, steps: Iterable[None]) -> None:
        """Do all the steps, each of which should take a small part of a slice."""
        for _ in steps:
            if time.perf_counter() >= self._end:
                await self.pause()
