"""One queue for all logons of the process: Steam limits them by address (steam-dota2 protocol notes, section 1)."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from exporter.stats import LogonStats
from exporter.timing import Clock, format_duration

PAUSE_S: Final = 25 * 60.0
_PAUSE_JITTER: Final = 0.1
_SAME_PAUSE_S: Final = 1.0

_log = structlog.get_logger(component="steam logons")


class LogonLimiter:
    """Lets one logon begin every `interval_s` seconds, first come, first served; 0 means no limit.

    A rate-limit answer pauses all of them, once: further ones during the pause do not lengthen it. `sharers` processes
    log on by the same address, each so much slower; `on_pause` is told of a pause, for the others.
    """

    def __init__(self, interval_s: float, clock: Clock, rng: random.Random) -> None:
        self.interval_s = interval_s
        self.sharers = 1
        self.on_pause: Callable[[float], None] = lambda _: None
        self._clock = clock
        self._random = rng
        self._first = asyncio.Lock()  # its waiters are served in order, and one that is cancelled leaves the line
        self._next_at = 0.0
        self._paused_until = 0.0
        self._figures = LogonStats()
        self._waiting: dict[object, Callable[[str], None]] = {}

    @property
    def stats(self) -> LogonStats:
        """The figures of now; a pause that is over is none."""
        if self._paused_until <= self._clock.monotonic():
            self._figures.cooldown_until = None
        return self._figures

    async def turn(self, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """Return when it is the caller's turn to log on.

        `on_wait` is told why, if that is not at once, and again when a pause begins meanwhile.
        """
        if self._first.locked() or self._wait_s() > 0:
            on_wait(self._reason())
        ticket = object()
        self._waiting[ticket] = on_wait
        self._figures.queue_length += 1
        try:
            async with self._first:
                while (wait_s := self._wait_s()) > 0:
                    await self._clock.sleep(wait_s)
                self._next_at = self._clock.monotonic() + self.interval_s * self.sharers
        finally:
            del self._waiting[ticket]
            self._figures.queue_length -= 1

    def pause(self) -> float:
        """Steam answered with a rate limit: let nobody log on for a while; returns the seconds of it that remain."""
        now = self._clock.monotonic()
        if self._paused_until <= now:
            pause_s = PAUSE_S * self._random.uniform(1.0, 1.0 + _PAUSE_JITTER)
            self._pause(now, pause_s)
            _log.warning("Steam limits our logons: all of them pause", pause=format_duration(pause_s))
            self.on_pause(pause_s)
        return self._paused_until - now

    def pause_for(self, seconds: float) -> None:
        """Steam limits another process that goes out by our address: pause as long as that one does."""
        now = self._clock.monotonic()
        if seconds > 0 and now + seconds > self._paused_until + _SAME_PAUSE_S:
            self._pause(now, seconds)
            _log.warning("Steam limits the logons of our address: all of them pause", pause=format_duration(seconds))

    def _pause(self, now: float, seconds: float) -> None:
        self._paused_until = now + seconds
        self._figures.cooldown_until = self._clock.now() + seconds
        for on_wait in tuple(self._waiting.values()):
            on_wait(self._reason())

    def _wait_s(self) -> float:
        return max(self._next_at, self._paused_until) - self._clock.monotonic()

    def _reason(self) -> str:
        until = self.stats.cooldown_until
        if until is not None:
            return f"Steam limits our logons: all of them pause until {datetime.fromtimestamp(until, UTC):%H:%M:%SZ}"
        return "waits for its turn to log on"
