"""A wait that somebody else can cut short."""

import asyncio

from exporter.timing import Clock


class Pause:
    """What one task waits out, alone, before its next try."""

    __slots__ = ("_clock", "_sleep", "_spread_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sleep: asyncio.Task[None] | None = None
        self._spread_s = 0.0

    @property
    def waiting(self) -> bool:
        """Whether somebody waits who was not woken yet."""
        return self._sleep is not None

    async def wait(self, seconds: float) -> None:
        """Return after that long, or soon after `end`."""
        self._spread_s = 0.0
        sleep = self._sleep = asyncio.create_task(self._clock.sleep(seconds))
        try:
            await asyncio.wait({sleep})
        finally:
            self._sleep = None
            sleep.cancel()
            await asyncio.wait({sleep})
        await self._clock.sleep(self._spread_s)

    def end(self, in_s: float) -> None:
        """End the wait in so many seconds from now, counted on from here whatever was left."""
        if self._sleep is not None:
            self._spread_s = in_s
            self._sleep.cancel()
            self._sleep = None
