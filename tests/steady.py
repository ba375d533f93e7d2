"""An event loop and a clock for which a busy machine is no slow one.

A test that runs both sides of a connection in one process, with timeouts of tenths of seconds, would else measure how
much of the processor it gets: a poll that is answered late because the answering side had no turn counts as failed.
"""

import asyncio
import selectors
import time
from selectors import SelectorKey

from exporter.timing import SystemClock

TURN_S = 0.01


class SteadyLoop(asyncio.SelectorEventLoop):
    """An event loop whose time goes on while it waits, and by at most `TURN_S` in each turn, however long that takes.

    What is due in the same turn comes due together, as on an idle machine: the loop's own progress is what counts.
    With a `pace` above 1 it passes that many times faster while it waits: minutes of patience are then seconds of a
    test. What other processes and threads do takes that much longer by its time.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._own_s = 0.0
        self._turn_began = time.monotonic()
        super().__init__(_Selector(self, pace) if pace <= 1.0 else _FineSelector(self, pace))

    def time(self) -> float:
        return self._own_s + min(time.monotonic() - self._turn_began, TURN_S)

    def turn_ends(self) -> None:
        """Fix the time: the loop goes to wait."""
        self._own_s = self.time()

    def turn_begins(self, waited_s: float) -> None:
        """Go on after that long a wait."""
        self._own_s += waited_s
        self._turn_began = time.monotonic()


class _Waits:
    """Tells the loop how long it has waited; a wait that ended late counts as the one that was asked for."""

    def __init__(self, loop: SteadyLoop, pace: float) -> None:
        super().__init__()
        self._loop = loop
        self._pace = pace

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        self._loop.turn_ends()
        began = time.monotonic()
        try:
            found: list[tuple[SelectorKey, int]] = super().select(  # type: ignore[misc]  # the selector's own
                timeout if timeout is None else timeout / self._pace
            )
            return found
        finally:
            waited_s = (time.monotonic() - began) * self._pace
            self._loop.turn_begins(waited_s if timeout is None else min(waited_s, max(timeout, 0.0)))


class _Selector(_Waits, selectors.DefaultSelector):
    """For any number of sockets."""


class _FineSelector(_Waits, selectors.SelectSelector):
    """Waits for less than a millisecond when asked to, as no other does; for less than a thousand sockets."""


class LoopClock(SystemClock):
    """A clock that goes as the running event loop does, from the present on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began_at = time.time() - self._loop.time()

    def now(self) -> float:
        return self._began_at + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()
