"""Maintenance that ends by itself: at the time that was named when it was announced, also by an earlier run."""

import asyncio
from typing import Final, NoReturn

from exporter.model import events as ev
from exporter.store import StatusStore
from exporter.timing import Clock, set_within

_LOOK_S: Final = 30.0  # the wall clock may be set while this sleeps


class MaintenanceEnds:
    """Ends what is over. `on_change` must be a subscriber of the store."""

    def __init__(self, store: StatusStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._changed = asyncio.Event()

    def on_change(self, change: ev.Change) -> None:
        """Look again when somebody announced or ended maintenance."""
        if isinstance(change, ev.BotChange) and change.after is not None:
            before = change.before.maintenance if change.before is not None else None
            if change.after.maintenance not in (None, before):
                self._changed.set()

    async def run(self) -> NoReturn:
        """End maintenance until cancelled."""
        while True:
            self._changed.clear()
            soonest_s = self._end_what_is_over()
            if soonest_s is None:
                await self._changed.wait()
                continue
            await set_within(self._changed, min(soonest_s, _LOOK_S), self._clock)

    def _end_what_is_over(self) -> float | None:
        """Return in how many seconds the next one is over; None without any that ends by itself."""
        now, left = self._clock.now(), list[float]()
        for record in tuple(self._store.bots.values()):
            note = record.maintenance
            if note is None or note.until is None:
                continue
            if note.until <= now:
                self._store.apply(ev.MaintenanceEnded(record.name, now))
            else:
                left.append(note.until - now)
        return min(left, default=None)
