"""The objects of the feed: which there are, whose they are, and what they look like as JSON."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.process import ProcessState
from exporter.store import Records, Seen
from exporter.web.encode import Json
from exporter.web.shown import Shown
from exporter.web.stream.frames import members
from exporter.web.stream.log import Entry, Owner, Record

Object = tuple[str, str | None]
"""A kind, and which one of it."""

SYSTEM: Final[Object] = ("system", None)


class Objects:
    """Reads the store for the feed, in the shapes of /status. `figures` returns the system as it is now."""

    def __init__(self, store: Records, process: ProcessState, figures: Callable[[], Json]) -> None:
        self._store = store
        self._shown = Shown(store, process)
        self._figures = figures
        self._system: Json | None = None
        self._owners: dict[str, frozenset[Owner]] = {}  # each bot by itself, also those that have left the fleet
        self._records: Mapping[str, Mapping[str, Record]] = {
            "bot": store.bots,
            "lobby": store.lobbies,
            "race": store.races,
        }

    def all(self) -> Iterator[Object]:
        """Yield everything there is but the system."""
        for name, record in self._store.bots.items():
            self._owners[name] = frozenset({(record.platform, name)})
        for kind, records in self._records.items():
            for name in records:
                yield kind, name

    def find(self, each: Object) -> Record | None:
        """Return an object as it is now, the system as it was when it was looked at; None for one that is gone."""
        kind, name = each
        return self._system if name is None else self._records[kind].get(name)

    def look_at_system(self) -> bool:
        """Look at the system, and say whether it differs from before by more than the time that has passed."""
        before, self._system = self._system, self._figures()
        return before is None or {**before, "uptime_seconds": 0} != {**self._system, "uptime_seconds": 0}

    def touched(self, change: Seen) -> list[Object]:
        """Return what looks different after a change: the object, and what is a bot's when that comes or goes."""
        touched: list[Object] = [(change.kind, change.name)]
        if change.kind == "bot" and (change.before is None or change.after is None):
            if isinstance(change.after, BotRecord):
                self._owners[change.name] = frozenset({(change.after.platform, change.name)})
            touched += [("lobby", name) for name, lobby in self._store.lobbies.items() if lobby.bot == change.name]
            touched += [("race", name) for name, race in self._store.races.items() if change.name in race.bots]
        return touched

    def touched_by_draining(self) -> Iterator[Object]:
        """Yield the bots that look different when the process begins or ceases to drain."""
        for name, record in self._store.bots.items():
            if record.ready:
                yield "bot", name

    def owners(self, record: Record | None) -> frozenset[Owner]:
        """Return the bots that a record belongs to."""
        match record:
            case BotRecord():
                return self._owners[record.name]
            case LobbyRecord():
                return self._owners[record.bot]
            case RaceRecord():
                return frozenset().union(*(self._owners[bot] for bot in record.bots))
            case _:
                return frozenset()

    def told(self, entry: Entry, *, shown: bool) -> bytes:
        """Return what a frame tells after its cursor, encoded once: null for what is gone, or is not to be shown."""
        if not shown:
            return members(entry, None)
        if entry.text is None:
            entry.text = members(entry, self._json(entry.record))
        return entry.text

    def _json(self, record: Record | None) -> Json | None:
        match record:
            case BotRecord():
                return self._shown.bot(record)
            case LobbyRecord():
                return self._shown.lobby(record)
            case RaceRecord():
                return self._shown.race(record)
            case _:
                return record
