"""Draining: nothing new is taken on, and what there is may come to its end."""

import asyncio
from typing import Final

import structlog

from exporter.errors import OrderRefused
from exporter.model import events as ev
from exporter.process import ProcessState
from exporter.store import StatusStore
from exporter.timing import format_duration

_log: Final = structlog.get_logger(component="drain")


def waits_for(store: StatusStore) -> list[str]:
    """Return what a process that drains waits for: ids of lobbies (the bot's name for one being created) and races."""
    lobbies = [record for record in store.lobbies.values() if record.active]
    races = [record for record in store.races.values() if record.active]
    return [*(str(each.lobby_id or each.key) for each in lobbies), *(each.name for each in races)]


class Drain:
    """The one switch of the process, for operators and for the end of the process."""

    def __init__(self, store: StatusStore, process: ProcessState) -> None:
        self._store = store
        self._process = process
        self._ending = False

    @property
    def active(self) -> bool:
        """Whether no new work is taken on."""
        return self._process.draining

    @property
    def waits_for(self) -> list[str]:
        """What still has to end."""
        return waits_for(self._store)

    def begin(self) -> None:
        """Take on no new lobby or race from now on."""
        if not self._process.draining:
            _log.info("draining: no new lobbies and races", waits_for=len(self.waits_for))
        self._process.draining = True

    def end(self) -> None:
        """Take on work again. Raises OrderRefused when the process drains because it is going to end."""
        if self._ending:
            raise OrderRefused("the process was told to end and drains before that: this cannot be taken back")
        if self._process.draining:
            _log.info("draining is over: new lobbies and races are welcome")
        self._process.draining = False

    async def to_the_end(self, limit_s: float) -> None:
        """Drain for good, and return when nothing is left to wait for or `limit_s` seconds have passed."""
        self._ending = True
        self.begin()
        idle = asyncio.Event()

        def look(_: ev.Change | None = None) -> None:
            if not self.waits_for:
                idle.set()

        unsubscribe = self._store.subscribe(look)
        look()
        try:
            async with asyncio.timeout(limit_s):
                await idle.wait()
        except TimeoutError:
            _log.warning("draining took too long: stopping anyway", limit=format_duration(limit_s))
        finally:
            unsubscribe()
