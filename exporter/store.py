"""What is true now: the current records, and who is told when one changes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

import structlog

from exporter.model import events as ev
from exporter.model.cluster import Origin
from exporter.model.reduce import reduce_bot, reduce_lobby, reduce_race
from exporter.model.states import lobby_expects, race_expects
from exporter.model.status import BotRecord, LobbyRecord, RaceRecord

Subscriber = Callable[[ev.Change], None]

_log = structlog.get_logger(component="store")


class Seen(Protocol):
    """What readers need to know of a change: how an object looked before, and how it looks now."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def before(self) -> BotRecord | LobbyRecord | RaceRecord | None: ...
    @property
    def after(self) -> BotRecord | LobbyRecord | RaceRecord | None: ...


class Records(Protocol):
    """What readers look at: the store, or the whole fleet of a cluster, of which the store is a part."""

    @property
    def bots(self) -> Mapping[str, BotRecord]: ...
    @property
    def lobbies(self) -> Mapping[str, LobbyRecord]: ...
    @property
    def races(self) -> Mapping[str, RaceRecord]: ...
    def subscribe(self, subscriber: Callable[[Seen], None]) -> Callable[[], None]: ...
    def origin(self, kind: str, name: str) -> Origin | None: ...
    async def catch_up(self) -> None: ...


class StatusStore:
    """Holds the immutable records of bots, lobbies and races, and applies facts to them.

    An event costs the same whatever the size of the fleet. Subscribers are plain functions, called in order before
    `apply` returns. They must not block: one with slow work puts the change on a queue of its own. A subscriber that
    raises is logged and the others are still told. `on_unexpected` is told of transitions outside the model's tables;
    the store only watches, it never refuses a fact.
    """

    def __init__(self, on_unexpected: Subscriber | None = None) -> None:
        self._bots: dict[str, BotRecord] = {}
        self._races: dict[str, RaceRecord] = {}
        self._lobbies: dict[str, LobbyRecord] = {}
        self._subscribers: list[Subscriber] = []
        self._on_unexpected = on_unexpected
        self.bots: Mapping[str, BotRecord] = MappingProxyType(self._bots)
        self.races: Mapping[str, RaceRecord] = MappingProxyType(self._races)
        self.lobbies: Mapping[str, LobbyRecord] = MappingProxyType(self._lobbies)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with each change from now on; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def origin(self, _kind: str, _name: str) -> Origin | None:
        """Return from which instance of a cluster an object is: here nobody asks, all are our own."""
        return None

    async def catch_up(self) -> None:
        """Return once what others have told by now is known, and they know what was told here: here nobody else is."""

    def apply(self, event: ev.Event) -> None:
        """Change what the event is about, then tell the subscribers: the race or lobby first, then its bot."""
        changes: list[ev.Change] = []
        if isinstance(event, ev.RaceEvent) and event.bot in self._bots:
            race = self._races.get(event.race)
            raced = reduce_race(race, event)
            if raced is not race:
                _put(self._races, event.race, raced)
                changes.append(ev.RaceChange(event, event.race, race, raced))
        elif isinstance(event, ev.LobbyEvent) and event.bot in self._bots:
            lobby = self._lobbies.get(event.key)
            gathered = reduce_lobby(lobby, event)
            if gathered is not lobby:
                _put(self._lobbies, event.key, gathered)
                changes.append(ev.LobbyChange(event, event.key, lobby, gathered))
        bot = self._bots.get(event.bot)
        served = reduce_bot(bot, event)
        if served is not bot:
            _put(self._bots, event.bot, served)
            changes.append(ev.BotChange(event, event.bot, bot, served))
        for change in changes:
            self._tell(change)

    def _tell(self, change: ev.Change) -> None:
        if self._on_unexpected is not None and not _expected(change):
            self._on_unexpected(change)
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(change)
            except Exception:  # noqa: BLE001  (a broken reader must not keep the others, or the bot, from going on)
                _log.exception("a subscriber failed", subscriber=repr(subscriber), fact=type(change.event).__name__)


_R = TypeVar("_R")


def _put(records: dict[str, _R], key: str, record: _R | None) -> None:
    if record is None:
        del records[key]
    else:
        records[key] = record


def _expected(change: ev.Change) -> bool:
    if change.before is None or change.after is None:
        return True
    if isinstance(change, ev.BotChange):
        return change.before.traits.expects(change.before.state, change.after.state)
    if isinstance(change, ev.RaceChange):
        return race_expects(change.before.view.state, change.after.view.state)
    return lobby_expects(change.before.state, change.after.state)
