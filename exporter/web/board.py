"""The JSON of every bot, lobby and race, written once and again only when its object changes."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from exporter.model import events as ev
from exporter.packing import Codec, Packed
from exporter.process import ProcessState
from exporter.slices import Pace
from exporter.store import StatusStore
from exporter.web import encode
from exporter.web.answers import encoded
from exporter.web.counts import FleetCounts

_PIECE_BYTES: Final = 64 * 1024


class Texts:
    """The texts of the objects of one kind, in the order of the store. `version` is another after every change.

    `write` returns the text of an object as it is now, None if there is no such object.
    """

    __slots__ = ("_changed", "_joined", "_packed", "_texts", "_write", "version")

    def __init__(self, write: Callable[[str], bytes | None], keys: Iterable[str]) -> None:
        self._write = write
        self._changed = dict.fromkeys(keys)
        self._texts: dict[str, bytes] = {}
        self._joined: bytes | None = b""
        self._packed: tuple[bytes, list[Packed]] = (b"", [])
        self.version = 0

    def mark(self, key: str, *, moved: bool = False) -> None:
        """Note that an object changed; `moved` if it came, or went, and has its place at the end if it comes again."""
        if moved:
            self._changed.pop(key, None)
            if self._texts.pop(key, None) is not None:
                self._stale()
        self._changed[key] = None

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed since it was written."""
        return not self._changed

    def refresh(self) -> Iterator[None]:
        """Write what has changed, one object a step. Several may do so at a time."""
        for key in tuple(self._changed):
            if key not in self._changed:
                continue
            text, before = self._write(key), self._texts.get(key)
            del self._changed[key]
            if text is not None:
                self._texts[key] = text
            elif before is not None:
                del self._texts[key]
            if text != before:
                self._stale()
            yield

    def chosen(self, keys: Iterable[str]) -> bytes:
        """Return the texts of these objects, with commas between them."""
        return b",".join(self._texts[key] for key in keys)

    def joined(self) -> bytes:
        """Return all texts, with commas between them."""
        if self._joined is None:
            self._joined = b",".join(self._texts.values())
        return self._joined

    async def packed(self, joined: bytes, codec: Codec, pace: Pace) -> list[Packed]:
        """Return what `joined` returned, compressed in blocks."""
        if self._packed[0] is not joined:
            blocks = []
            for start in range(0, len(joined), _PIECE_BYTES):
                blocks.append(codec.pack(joined[start : start + _PIECE_BYTES]))
                await pace.rest()
            self._packed = (joined, blocks)
        return self._packed[1]

    def _stale(self) -> None:
        self._joined = None
        self.version += 1


class Board:
    """A subscriber of the store. It has the texts of everything once it is `refreshed`, and counts at any time.

    `changes` is another number after every change.
    """

    def __init__(self, store: StatusStore, process: ProcessState) -> None:
        self._store = store
        self._process = process
        self._draining = process.draining
        self._subjects: dict[str, str] = {}
        self._renamed = False
        self._counts = FleetCounts()
        self._uncounted = {"bot": set(store.bots), "lobby": set(store.lobbies), "race": set(store.races)}
        self.changes = 0
        self.bots = Texts(self._bot, store.bots)
        self.lobbies = Texts(self._lobby, store.lobbies)
        self.races = Texts(self._race, store.races)
        store.subscribe(self.on_change)

    def on_change(self, change: ev.Change) -> None:
        """Mark what changed."""
        self.changes += 1
        self._uncounted[change.kind].add(change.name)
        moved = change.before is None or change.after is None
        if isinstance(change, ev.BotChange):
            self.bots.mark(change.name, moved=moved)
        elif isinstance(change, ev.LobbyChange):
            self.lobbies.mark(change.name, moved=moved)
        else:
            self.races.mark(change.name, moved=moved)

    def counts(self) -> FleetCounts:
        """Return the counts of this moment."""
        bots, lobbies, races = self._uncounted.values()
        while bots:
            self._counts.update_bot(name := bots.pop(), self._store.bots.get(name))
        while lobbies:
            self._counts.update_lobby(key := lobbies.pop(), self._store.lobbies.get(key))
        while races:
            self._counts.update_race(name := races.pop(), self._store.races.get(name))
        return self._counts

    async def refreshed(self, pace: Pace) -> None:
        """Write what has changed; until the next await everything is as the store has it."""
        while True:
            if self._draining is not self._process.draining:
                self._draining = self._process.draining
                for name in self._store.bots:
                    self.bots.mark(name)
            await pace.work(self.bots.refresh())
            if self._renamed:  # lobbies show the username of their bot
                self._renamed = False
                for key in self._store.lobbies:
                    self.lobbies.mark(key)
            await pace.work(self.lobbies.refresh())
            await pace.work(self.races.refresh())
            kinds = (self.bots, self.lobbies, self.races)
            if all(kind.is_current for kind in kinds) and not self._renamed:
                return

    def _bot(self, name: str) -> bytes | None:
        record = self._store.bots.get(name)
        if record is None:
            self._renamed = self._subjects.pop(name, None) is not None or self._renamed
            return None
        if self._subjects.get(name) != record.subject:
            self._subjects[name] = record.subject
            self._renamed = True
        return encoded(encode.bot(record, draining=self._draining))

    def _lobby(self, key: str) -> bytes | None:
        record = self._store.lobbies.get(key)
        if record is None:
            return None
        bot = self._store.bots.get(record.bot)
        return encoded(encode.lobby(record, bot_username=bot.subject if bot is not None else None))

    def _race(self, name: str) -> bytes | None:
        record = self._store.races.get(name)
        return None if record is None else encoded(encode.race(record))
