"""Time as a parameter: clocks, durations, backoff, and phases with a limit."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from exporter.errors import FailureReason, TransientError

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")


class Clock(Protocol):
    """Where a part gets its time from."""

    def now(self) -> float:
        """Return the wall clock in Unix seconds, for what users see."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for waiting and measuring."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many monotonic seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def set_within(event: asyncio.Event, seconds: float, clock: Clock) -> bool:
    """Wait until an event is set, but no longer than `seconds` by the clock; returns whether it is."""
    happened = asyncio.ensure_future(event.wait())
    passed = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    try:
        await asyncio.wait({happened, passed}, return_when=asyncio.FIRST_COMPLETED)
        return event.is_set()
    finally:
        for each in (happened, passed):
            each.cancel()
        await asyncio.wait({happened, passed})


def parse_duration(text: str) -> float:
    """Return the seconds of a Prometheus duration such as `30s`, `1h30m` or `90d`.

    Raises ValueError with a sentence that shows the form.
    """
    match = _DURATION.fullmatch(text)
    if text == "0":
        return 0.0
    if not text or match is None:
        msg = f"{text!r} is no duration: write a number with a unit, largest unit first, such as 30s, 5m or 1h30m"
        raise ValueError(msg)
    numbers = (int(group or 0) for group in match.groups())
    return sum(n * _UNITS_S[unit] for n, unit in zip(numbers, ("y", "w", "d", "h", "m", "s", "ms"), strict=True))


def format_duration(seconds: float) -> str:
    """Return a short duration for people: `45s`, `3m20s`, `2h5m`, `4d1h`."""
    whole = max(0, round(seconds))
    parts = [f"{n}{u}" for u, n in (("d", whole // 86400), ("h", whole // 3600 % 24), ("m", whole // 60 % 60)) if n]
    if whole % 60 or not parts:
        parts.append(f"{whole % 60}s")
    return "".join(parts[:2])


class Backoff:
    """Full-jitter exponential backoff: each delay is uniform between 0 and a ceiling that doubles.

    The first ceiling is `first_s`, the last `most_s`. Whoever uses it decides when a success was long
    enough to `reset`: resetting on the mere connection gives a reconnect storm.
    """

    __slots__ = ("_failures", "_first_s", "_most_s", "_random")

    def __init__(self, first_s: float, most_s: float, rng: random.Random) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._random = rng
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many delays were given since the last reset."""
        return self._failures

    def next_delay(self) -> float:
        """Return the seconds to wait before the next try."""
        ceiling = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 62))
        self._failures += 1
        return self._random.uniform(0.0, ceiling)

    def reset(self) -> None:
        """Start over with the first ceiling."""
        self._failures = 0


def cancelled() -> bool:
    """Say whether somebody has asked the present task to end, whatever became of the CancelledError.

    A task group of Python before 3.13 raises only its tasks' errors when it is cancelled while they end. Whoever
    catches such errors and goes on must look here first, or the task never ends.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def phase(name: str, limit_s: float) -> AsyncIterator[None]:
    """Limit a named phase of connecting; raises TransientError(timeout) that names it.

    The limit runs on the event loop's clock, so a phase that hangs on a socket ends whatever clock a test uses.
    """
    try:
        async with asyncio.timeout(limit_s) as scope:
            yield
    except TimeoutError as error:
        if not scope.expired():
            raise
        msg = f"{name}: no answer within {format_duration(limit_s) if limit_s >= 1 else f'{limit_s:g}s'}"
        raise TransientError(FailureReason.TIMEOUT, msg) from error
