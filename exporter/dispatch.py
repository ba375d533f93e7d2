"""Who gets the next piece of work: the available bot that has waited longest, never the same one twice at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from exporter.errors import NotNow, Occupied
from exporter.model.status import BotRecord
from exporter.store import StatusStore

_RETRY_S: Final = 10


class Dispatch:
    """Hands out bots. A bot is reserved while the work is being given to it; afterwards its own record says it is busy.

    There is no await between looking for a bot and reserving it, so two orders cannot get the same one.
    """

    def __init__(self, store: StatusStore, draining: Callable[[], bool]) -> None:
        self._store = store
        self._draining = draining
        self._reserved: set[str] = set()
        self._turns = 0
        self._last: dict[str, int] = {}

    def has_free(self, fits: Callable[[BotRecord], bool]) -> bool:
        """Return whether there is an available bot that fits; never while draining."""
        return not self._draining() and any(fits(each) and self._is_free(each) for each in self._store.bots.values())

    @contextmanager
    def reserved(self, fits: Callable[[BotRecord], bool], *, but: frozenset[str] = frozenset()) -> Iterator[BotRecord]:
        """Reserve an available bot that fits, none of `but`. Raises NotNow when there is none, or while draining."""
        self._check_draining()
        fitting = [each for each in self._store.bots.values() if fits(each)]
        free = [each for each in fitting if self._is_free(each) and each.name not in but]
        if not free:
            raise NotNow(_none_free(fitting), _RETRY_S)
        with self._reserve(min(free, key=lambda each: self._last.get(each.name, 0))) as chosen:
            yield chosen

    @contextmanager
    def reserved_one(self, name: str) -> Iterator[BotRecord]:
        """Reserve this bot. Raises Occupied or NotNow when it is not available; the bot must be in the fleet."""
        self._check_draining()
        record = self._store.bots[name]
        if record.busy or name in self._reserved:
            raise Occupied(f"bot: {name} has a lobby already, or is getting one; leave `bot` out to have any free bot")
        if not record.ready:
            raise NotNow(
                f"bot: {name} is not available: {_why(record)}; leave `bot` out to have any free bot", _RETRY_S
            )
        with self._reserve(record) as chosen:
            yield chosen

    def check_willing(self, record: BotRecord) -> None:
        """Raise NotNow unless the bot takes new work, also beside other work; raises it while draining, too."""
        self._check_draining()
        if not (record.healthy and record.is_active and record.maintenance is None):
            raise NotNow(f"bot {record.name} takes no new work now: {_why(record)}", _RETRY_S)

    def _check_draining(self) -> None:
        if self._draining():
            raise NotNow("the process is draining: it takes on no new lobbies and races", _RETRY_S)

    def _is_free(self, record: BotRecord) -> bool:
        return record.ready and record.name not in self._reserved

    @contextmanager
    def _reserve(self, record: BotRecord) -> Iterator[BotRecord]:
        self._turns += 1
        self._last[record.name] = self._turns
        self._reserved.add(record.name)
        try:
            yield record
        finally:
            self._reserved.discard(record.name)


def _none_free(fitting: list[BotRecord]) -> str:
    if not fitting:
        return "no bot of this kind is configured"
    busy = sum(each.busy for each in fitting)
    other = len(fitting) - busy
    return f"no bot is free: {busy} of {len(fitting)} are busy, {other} are reserved or not available; try again later"


def _why(record: BotRecord) -> str:
    if not record.is_active:
        return "it is switched off"
    if record.maintenance is not None:
        return "it is in maintenance"
    if not record.healthy:
        return f"its status is {record.status.word}"
    return f"its state is {record.state}"
