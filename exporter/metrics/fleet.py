"""The written samples of the fleet: a subscriber of the store that notes what changed, and writes just that."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import compress, count
from operator import is_not, itemgetter
from typing import Any, Final

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.columns import Column, Table
from exporter.metrics.counters import Counters
from exporter.metrics.figures import (
    BOT_VALUES,
    CATEGORY_VALUES,
    MESSAGE_FAMILIES,
    NO_MESSAGES,
    BotFigures,
    Messages,
    messages,
)
from exporter.metrics.gathered import Lobbies, Rooms
from exporter.metrics.lines import labels, number, samples, shape
from exporter.model import events as ev
from exporter.model.record import astuple
from exporter.model.states import LobbyState, PlatformTraits
from exporter.model.status import BotRecord
from exporter.process import ProcessState
from exporter.stats import BotStats
from exporter.store import StatusStore

_RACES: Final = FAMILIES["bot_races"]
# What a change is looked for in, and the families that are made of each part.
_READ: Final = frozenset(part for values in BOT_VALUES.values() for part in values.reads)
_FIELDS: Final = BotRecord.__struct_fields__
_recorded: Final = itemgetter(*(place for place, field in enumerate(_FIELDS) if field in _READ))
_PARTS: Final = (*_recorded(_FIELDS), "tally", "rooms", "rooms_connected", "draining", "lobby")
_PLACES: Final = range(len(_PARTS))
_READERS: Final = [frozenset(name for name, values in BOT_VALUES.items() if part in values.reads) for part in _PARTS]
_OWN_LABELS: Final = {name: FAMILIES[name].label_names[2:] for name in BOT_VALUES}
_SHARED: Final = frozenset(name for name, values in BOT_VALUES.items() if values.shared)
_LOOKS: Final = 16  # at the message counts of so many bots in one step: they take a fraction of a microsecond


@lru_cache(maxsize=256)  # it is always the same few parts that change together
def _made_of(changed: tuple[int, ...], families: frozenset[str]) -> frozenset[str]:
    """Return which of the families are made of the changed parts."""
    return families.intersection(name for place in changed for name in _READERS[place])


class _Bot:
    """What was last written of one bot: the parts it was made of, and where it stands."""

    __slots__ = ("category", "families", "labels", "messages", "parts", "races", "slot", "traits")

    def __init__(self, slot: int, label: bytes, record: BotRecord, families: frozenset[str]) -> None:
        self.slot = slot
        self.labels = label
        self.traits = record.traits
        self.races = _RACES.applies_to(record.traits)
        self.families = families
        self.parts: tuple[Any, ...] = ()
        self.messages = NO_MESSAGES
        self.category: str | None = None


class Fleet:
    """Bots and categories as columns. Between two steps of `refresh` every bot is written wholly or not yet.

    A step that raises loses nothing: what it was about is still marked, and tried again with the next refresh.
    """

    def __init__(
        self, store: StatusStore, counters: Counters, bot_stats: Mapping[str, BotStats], process: ProcessState
    ) -> None:
        self._store = store
        self._counters = counters
        self._stats = bot_stats
        self._process = process
        self._bots = Table(BOT_VALUES, shared=_SHARED)
        self._categories = Table(CATEGORY_VALUES)
        self.columns: Mapping[str, Column] = {**self._bots.columns, **self._categories.columns}
        self._written: dict[str, _Bot] = {}
        self._slots: dict[str, int] = {}  # of categories
        self._followers: Counter[str] = Counter()  # bots by category
        self._traits: dict[str, PlatformTraits] = {}
        self._platforms: Counter[str] = Counter()
        self._families: dict[str, frozenset[str]] = {}  # of the bots of each platform
        self._rooms = Rooms()
        self._lobbies = Lobbies()
        self._draining = process.draining
        # What has changed since it was written, in order.
        self._changed_bots: dict[str, None] = dict.fromkeys(store.bots)
        self._changed_races: dict[str, None] = dict.fromkeys(store.races)
        self._changed_lobbies: dict[str, None] = dict.fromkeys(store.lobbies)
        self._changed_categories: dict[str, None] = {}
        store.subscribe(self.on_change)

    def on_change(self, change: ev.Change) -> None:
        """Mark what changed."""
        if isinstance(change, ev.BotChange):
            self._changed_bots[change.name] = None
        elif isinstance(change, ev.RaceChange):
            self._changed_races[change.name] = None
        else:
            self._changed_lobbies[change.name] = None

    @property
    def platforms(self) -> Mapping[str, int]:
        """How many bots each platform has."""
        return self._platforms

    @property
    def lobbies(self) -> Mapping[LobbyState, int]:
        """How many lobbies are in each state."""
        return self._lobbies.states

    def refresh(self) -> Iterator[None]:
        """Write what has changed, in small steps."""
        for name in tuple(self._changed_races):
            bots, category = self._rooms.update(name, self._store.races.get(name))
            self._changed_bots.update(dict.fromkeys(bots))
            if category is not None:
                self._changed_categories[category] = None
            del self._changed_races[name]
            yield
        for key in tuple(self._changed_lobbies):
            self._changed_bots.update(dict.fromkeys(self._lobbies.update(key, self._store.lobbies.get(key))))
            del self._changed_lobbies[key]
            yield
        self._changed_bots.update(dict.fromkeys(self._counters.counted))
        if self._draining is not self._process.draining:
            self._draining = self._process.draining
            self._changed_bots.update(dict.fromkeys(self._written))
        for name in tuple(self._changed_bots):
            self._write_bot(name)
            self._counters.counted.pop(name, None)
            del self._changed_bots[name]
            yield
        # Two tuples: ten thousand new pairs would call the garbage collector.
        for looked, name, bot in zip(count(1), tuple(self._written), tuple(self._written.values())):
            stats = self._stats.get(name)
            if stats is not None and (now := messages(stats)) != bot.messages:
                self._write_messages(name, bot, now)
            if looked % _LOOKS == 0:
                yield
        for category in tuple(self._changed_categories):
            self._write_category(category)
            del self._changed_categories[category]
            yield

    def _write_bot(self, name: str) -> None:
        record, bot = self._store.bots.get(name), self._written.get(name)
        if bot is not None and (record is None or record.traits is not bot.traits):
            self._forget(name, bot)
            bot = None
        if record is None:
            return
        tally = self._counters.tallies.get(name, {})
        rooms, connected = self._rooms.of_bot(name)
        lobby = self._lobbies.of_bot(name)
        # Parts are immutable, apart from the tally, which says itself what was counted: another part is another object.
        parts = (*_recorded(astuple(record)), tally, rooms, connected, self._draining, lobby)
        bot = bot or self._enter(name, record)
        families = bot.families
        if bot.parts:
            families = _made_of(tuple(compress(_PLACES, map(is_not, parts, bot.parts))), bot.families)
            if counted := self._counters.counted.get(name):
                families |= bot.families & counted
        if families:
            figures = BotFigures(record, tally, bot.messages, rooms, connected, self._draining, lobby)
            for family in families:
                self._put(bot, family, figures)
        bot.parts = parts
        category = record.subject if bot.races else None
        if category != bot.category:
            self._follow(bot, category)

    def _put(self, bot: _Bot, family: str, figures: BotFigures) -> None:
        values = BOT_VALUES[family]
        if values.shared:
            written = shape(family, _OWN_LABELS[family], tuple(values.rows(figures)))
        elif values.number is not None:
            figure = values.number(figures)
            written = b"" if figure is None else f"{family}{{{bot.labels.decode()}}} {number(figure)}\n".encode()
        else:
            written = samples(family, _OWN_LABELS[family], values.rows(figures), bot.labels.decode()).encode()
        self.columns[family].put(bot.slot, written)

    def _write_messages(self, name: str, bot: _Bot, now: Messages) -> None:
        record = self._store.bots.get(name)
        if record is None:  # gone since
            return
        figures = BotFigures(record, {}, now, 0, 0, self._draining, None)
        for family, after, before in zip(MESSAGE_FAMILIES, now, bot.messages, strict=True):
            if after != before:
                self._put(bot, family, figures)
        bot.messages = now

    def _write_category(self, category: str) -> None:
        slot, label = self._slots.get(category), labels(("category",), (category,))
        if not self._followers[category]:
            self._followers.pop(category, None)
            if slot is not None:
                self._categories.clear(slot)
                del self._slots[category]
            return
        if slot is None:
            slot = self._slots[category] = self._categories.take(label.encode())
        races = tuple(self._rooms.of_category(category))
        for family, rows in CATEGORY_VALUES.items():
            text = samples(family, FAMILIES[family].label_names[1:], rows(races), label)
            self._categories.columns[family].put(slot, text.encode())

    def _enter(self, name: str, record: BotRecord) -> _Bot:
        traits = record.traits
        if self._traits.get(traits.name) is not traits:
            self._traits[traits.name] = traits
            self._families[traits.name] = frozenset(each for each in BOT_VALUES if FAMILIES[each].applies_to(traits))
        label = labels(("bot", "platform"), (record.name, record.platform)).encode()
        bot = self._written[name] = _Bot(self._bots.take(label), label, record, self._families[traits.name])
        self._platforms[traits.name] += 1
        return bot

    def _forget(self, name: str, bot: _Bot) -> None:
        del self._written[name]
        self._bots.clear(bot.slot)
        self._platforms[bot.traits.name] -= 1
        self._follow(bot, None)

    def _follow(self, bot: _Bot, category: str | None) -> None:
        """Note that the bot stands for this category, and no more for the one before."""
        for each, step in ((bot.category, -1), (category, +1)):
            if each is not None:
                self._followers[each] += step
                self._changed_categories[each] = None
        bot.category = category
