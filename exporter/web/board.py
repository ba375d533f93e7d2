"""The JSON of every bot, lobby and race, written once and again only when its object changes."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from exporter.packing import Codec, Packed
from exporter.process import ProcessState
from exporter.slices import Pace
from exporter.store import Records, Seen
from exporter.web.answers import encoded
from exporter.web.counts import FleetCounts
from exporter.web.shown import Shown

BLOCK: Final = 64
"""How many objects are put together anew when one of them changes."""


class Piece:
    """A part of an answer; its tag is made, and it is compressed, when that is first asked for. It never changes."""

    __slots__ = ("_packed", "_tag", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._tag = ""
        self._packed: Packed | None = None

    @property
    def tag(self) -> str:
        """Another text has another one."""
        if not self._tag:
            self._tag = f"{zlib.crc32(self.text):x}"
        return self._tag

    def packed(self, codec: Codec) -> Packed:
        """Return it compressed."""
        if self._packed is None:
            self._packed = codec.pack(self.text)
        return self._packed


class _Block:
    """Objects that stand side by side in a list, by their keys. `piece` is None until they are put together."""

    __slots__ = ("piece", "texts")

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.piece: Piece | None = None


class Texts:
    """The texts of the objects of one kind, in the order of the store. `version` is another after every change.

    `write` returns the text of an object as it is now, None if there is no such object. Only blocks in which something
    has changed are put together anew.
    """

    __slots__ = ("_block", "_blocks", "_changed", "_row", "_write", "version")

    def __init__(self, write: Callable[[str], bytes | None], keys: Iterable[str], block: int) -> None:
        self._write = write
        self._block = block
        self._changed = dict.fromkeys(keys)
        self._blocks: dict[str, _Block] = {}
        self._row: list[_Block] = []
        self.version = 0

    def mark(self, key: str, *, moved: bool = False) -> None:
        """Note that an object changed; `moved` if it came, or went, and has its place at the end if it comes again."""
        if moved:
            self._changed.pop(key, None)
            self._put(key, None)
        self._changed[key] = None

    @property
    def tag(self) -> str:
        """Texts that have changed have another one."""
        return f"{self.version:x}"

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed since it was written."""
        return not self._changed

    def refresh(self) -> Iterator[None]:
        """Write what has changed, one object a step. Several may do so at a time."""
        for key in tuple(self._changed):
            if key not in self._changed:
                continue
            text = self._write(key)
            del self._changed[key]
            self._put(key, text)
            yield

    def chosen(self, keys: Iterable[str]) -> bytes:
        """Return the texts of these objects, with commas between them."""
        return b",".join(self._blocks[key].texts[key] for key in keys)

    def pieces(self) -> list[Piece]:
        """Return all texts, with commas between them."""
        pieces = []
        for number, block in enumerate(self._row):
            if block.piece is None:
                block.piece = Piece(b",".join([b"", *block.texts.values()] if number else block.texts.values()))
            pieces.append(block.piece)
        return pieces

    def _put(self, key: str, text: bytes | None) -> None:
        """Keep the text of an object, at the end if there was none; None if there is no such object any more."""
        block = self._blocks.get(key)
        if text == (block.texts[key] if block is not None else None):
            return
        self.version += 1
        if text is None:
            self._remove(key)
            return
        if block is None:
            if not self._row or len(self._row[-1].texts) >= self._block:
                self._row.append(_Block())
            block = self._blocks[key] = self._row[-1]
        block.texts[key] = text
        block.piece = None

    def _remove(self, key: str) -> None:
        block = self._blocks.pop(key)
        del block.texts[key]
        block.piece = None
        if not block.texts:
            self._row.remove(block)
            if self._row:
                self._row[0].piece = None  # the first one has no comma before it


class Board:
    """A subscriber of the store. It has the texts of everything once it is `refreshed`, and counts at any time.

    `changes` is another number after every change.
    """

    def __init__(self, store: Records, process: ProcessState, block: int = BLOCK) -> None:
        self._store = store
        self._shown = Shown(store, process)
        self._process = process
        self._draining = process.draining
        self._subjects: dict[str, str] = {}
        self._renamed = False
        self._counts = FleetCounts()
        self._uncounted = {"bot": set(store.bots), "lobby": set(store.lobbies), "race": set(store.races)}
        self.changes = 0
        self.bots = Texts(self._bot, store.bots, block)
        self.lobbies = Texts(self._lobby, store.lobbies, block)
        self.races = Texts(self._race, store.races, block)
        self._texts = {"bot": self.bots, "lobby": self.lobbies, "race": self.races}
        store.subscribe(self.on_change)

    def on_change(self, change: Seen) -> None:
        """Mark what changed."""
        self.changes += 1
        self._uncounted[change.kind].add(change.name)
        moved = change.before is None or change.after is None
        self._texts[change.kind].mark(change.name, moved=moved)

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
        return encoded(self._shown.bot(record))

    def _lobby(self, key: str) -> bytes | None:
        record = self._store.lobbies.get(key)
        return None if record is None else encoded(self._shown.lobby(record))

    def _race(self, name: str) -> bytes | None:
        record = self._store.races.get(name)
        return None if record is None else encoded(self._shown.race(record))
