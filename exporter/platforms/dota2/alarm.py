"""A timer that one owner sets again and again; to move it away costs nothing."""

import asyncio
from collections.abc import Awaitable, Callable

from exporter.timing import Clock


class Alarm:
    """Rings at the time that was set last, in a task of the owner's group; what `ring` raises ends the group."""

    __slots__ = ("_at", "_clock", "_group", "_ring", "_task", "_wakes_at")

    def __init__(self, clock: Clock, group: asyncio.TaskGroup, ring: Callable[[], Awaitable[None]]) -> None:
        self._clock = clock
        self._group = group
        self._ring = ring
        self._at: float | None = None
        self._wakes_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def set(self, at: float | None) -> None:
        """Ring at this time (monotonic), and no more at the one before; None for never.

        A time that moves away is the common case: the task that waits for the earlier one finds it out when it wakes.
        """
        self._at = at
        if at is None or (self._task is not None and self._wakes_at <= at):
            return
        if self._task is not None:
            self._task.cancel()
        self._wakes_at = at
        self._task = self._group.create_task(self._wait(), name="alarm")

    def cancel(self) -> None:
        """Do not ring, and wait no more."""
        self._at = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _wait(self) -> None:
        while self._at is not None and (left := self._at - self._clock.monotonic()) > 0:
            self._wakes_at = self._at
            await self._clock.sleep(left)
        rings = self._at is not None
        self._at = self._task = None  # whoever rings may set it anew
        if rings:
            await self._ring()


def soonest(*times: float | None) -> float | None:
    """Return the first of some times, of which None is never."""
    return min((each for each in times if each is not None), default=None)
