"""Renews leases from a thread, whenever the event loop does not come to it in time.

    the loop: `vouch`, every second ----.
    a thread: nobody has renewed for longer than a beat, and the loop still turns -> renew

A loop that logs a thousand bots on may need seconds for one turn, and a beat takes several. Its bots run nevertheless,
and to stop them for that would make it only busier. But a loop that hangs must lose them: whoever does not vouch for it
renews nothing.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, NoReturn

import structlog

from exporter.cluster.held import Held, LeaseTiming
from exporter.cluster.runs import Table
from exporter.storage.trouble import StorageTrouble
from exporter.timing import Clock

VOUCH_S: Final = 1.0
_LATE: Final = 1.2  # beats: on a calm machine the loop is never so late, and the thread has nothing to do

_log = structlog.get_logger(component="cluster")


class Renewal:
    """Keeps what is `held`. `renew` belongs into the thread that uses the `table`, `watch` into one of its own."""

    def __init__(
        self, table: Table, held: Held, *, clock: Clock, timing: LeaseTiming, draining: Callable[[], bool]
    ) -> None:
        self._table = table
        self._held = held
        self._clock = clock
        self._timing = timing
        self._draining = draining
        self._turned_at = clock.monotonic()
        self._ended = threading.Event()
        self._ending = threading.Lock()

    async def vouch(self) -> NoReturn:
        """Show that the event loop turns, until cancelled."""
        while True:
            self._turned_at = self._clock.monotonic()
            await self._clock.sleep(VOUCH_S)

    def watch(self, in_thread: Callable[[Callable[[], None]], "Future[None]"]) -> None:
        """Have leases renewed that are due, until the `end`."""
        while not self._ended.wait(max(self._timing.retry_s, min(VOUCH_S, self._due_s()))):
            if self._due_s() <= 0 and (renewing := self._begun(in_thread)) is not None:
                renewing.result()

    def _begun(self, in_thread: Callable[[Callable[[], None]], "Future[None]"]) -> "Future[None] | None":
        with self._ending:
            return in_thread(self.renew) if not self._ended.is_set() else None

    def renew(self) -> None:
        """Renew what is held, if the event loop has not done so and still turns. Of trouble the lease loop tells."""
        sent = self._clock.monotonic()
        if self._ended.is_set() or self._due_s() > 0 or sent - self._turned_at > self._timing.silence_s:
            return
        try:
            renewed = self._table.renew(draining=self._draining())
        except StorageTrouble as trouble:
            _log.debug("leases are not renewed beside the event loop", error=str(trouble))
        else:
            self._held.renewed(renewed, sent)

    def end(self) -> None:
        """Renew nothing from now on: what is not begun yet is left undone, and `in_thread` is used no more."""
        with self._ending:
            self._ended.set()

    def _due_s(self) -> float:
        """Return in how many seconds it is this thread's turn; before the first beat it never is."""
        renewed_at = self._held.renewed_at
        return math.inf if renewed_at is None else renewed_at + _LATE * self._timing.beat_s - self._clock.monotonic()
