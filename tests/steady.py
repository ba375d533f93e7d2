"""An event loop and a clock for which a busy machine is no slow one.

A test that runs both sides of a connection in one process, with timeouts of tenths of seconds, would else measure how
much of the processor it gets: a poll that is answered late because the answering side had no turn counts as failed.
"""

import asyncio
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Executor
from selectors import SelectorKey
from typing import TypeVar, TypeVarTuple, Unpack

from exporter.timing import SystemClock

_Arguments = TypeVarTuple("_Arguments")
_T = TypeVar("_T")

TURN_S = 0.01
THREADS_PACE = 0.1
"""How fast time passes while a thread works: the machine may be ten times slower than the patience for it says."""


class SteadyLoop(asyncio.SelectorEventLoop):
    """An event loop whose time goes on while it waits, and by at most `TURN_S` in each turn, however long that takes.

    What is due in the same turn comes due together, as on an idle machine: the loop's own progress is what counts.
    With a `pace` above 1 it passes that many times faster while it waits: minutes of patience are then seconds of a
    test. While a thread does something for the loop (`run_in_executor`), time hardly passes: two seconds of patience
    with a database are not two hundredths of a second in which it has to get its turn. What other processes do takes
    that much longer by the loop's time.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._own_s = 0.0
        self._turn_began = time.monotonic()
        self._threads = 0
        super().__init__(_Selector(self) if pace <= 1.0 else _FineSelector(self))

    @property
    def pace(self) -> float:
        """How many seconds pass by the loop's time in a second of waiting that begins now."""
        return THREADS_PACE if self._threads else self._pace

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Arguments]], _T], *args: *_Arguments
    ) -> asyncio.Future[_T]:
        done = super().run_in_executor(executor, func, *args)
        self._threads += 1
        done.add_done_callback(self._thread_is_done)
        return done

    def _thread_is_done(self, _: asyncio.Future[_T]) -> None:
        self._threads -= 1

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

    def __init__(self, loop: SteadyLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        self._loop.turn_ends()
        pace, began = self._loop.pace, time.monotonic()
        try:
            found: list[tuple[SelectorKey, int]] = super().select(  # type: ignore[misc]  # the selector's own
                timeout if timeout is None else timeout / pace
            )
            return found
        finally:
            waited_s = (time.monotonic() - began) * pace
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
