"""A clock that tests move by hand."""

import asyncio
import heapq
import itertools
import math


class ManualClock:
    """A Clock that stands still until `advance`; sleepers wake in order of their deadlines."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A wait too short for the precision of a float must still move time, or a "wait until" loop would spin.
        at = (
            max(self._monotonic + seconds, math.nextafter(self._monotonic, math.inf))
            if seconds > 0
            else self._monotonic
        )
        heapq.heappush(self._sleepers, (at, next(self._order), future))
        await future

    @property
    def sleeping(self) -> list[float]:
        """The seconds that remain for each live sleeper, soonest first."""
        return sorted(at - self._monotonic for at, _, future in self._sleepers if not future.done())

    def skip(self, seconds: float) -> None:
        """Move time forward without waking anybody."""
        self._now += seconds
        self._monotonic += seconds

    async def settle(self) -> None:
        """Let every task that can run do so until it waits again."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move time forward, waking each sleeper at its own moment."""
        end = self._monotonic + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self._now += at - self._monotonic
            self._monotonic = at
            if not future.done():
                future.set_result(None)
            await self.settle()
        self._now += end - self._monotonic
        self._monotonic = end
        await self.settle()
