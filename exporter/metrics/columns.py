"""The written samples of families: a column a family, a fragment an object, joined and compressed in blocks."""

from collections.abc import Collection, Iterator
from itertools import repeat
from typing import Final

from exporter.metrics.lines import PLACE
from exporter.packing import NOTHING, Codec, Member, Packed

BLOCK: Final = 128
_PLACE: Final = PLACE.encode()


class Column:
    """The fragments of one family, by slot; `size` is that of all of them together.

    Joined blocks and compressed blocks are kept each for themselves: a fleet that is only ever asked for gzip does not
    hold its joined text. With `owners`, the labels of each slot, fragments are shapes: many objects share one, and a
    block is filled in when it is joined.
    """

    __slots__ = ("_crc", "_fragments", "_joined", "_owners", "_packed", "_unjoined", "_unpacked", "_written", "size")

    def __init__(self, owners: list[bytes] | None = None) -> None:
        self._owners = owners
        self._fragments: list[bytes] = []
        self._joined: list[bytes] = []
        self._packed: list[Packed] = []
        self._written: set[int] = set()  # since the others were last brought up to date
        self._unjoined: set[int] = set()
        self._unpacked: set[int] = set()
        self._crc: int | None = 0
        self.size = 0

    def grow(self) -> None:
        """Add an empty slot."""
        if len(self._fragments) % BLOCK == 0:
            self._joined.append(b"")
            self._packed.append(NOTHING)
        self._fragments.append(b"")

    def put(self, slot: int, fragment: bytes) -> None:
        """Replace a fragment."""
        before = self._fragments[slot]
        self.size += len(fragment) - len(before)
        if self._owners is not None:
            self.size += (fragment.count(_PLACE) - before.count(_PLACE)) * (len(self._owners[slot]) - len(_PLACE))
        self._fragments[slot] = fragment
        self._written.add(slot // BLOCK)

    def join(self) -> Iterator[None]:
        """Join the stale blocks, one a step."""
        self._note_written()
        for block in tuple(self._unjoined):
            self._joined[block] = self._text(block)
            self._unjoined.discard(block)
            yield

    def pack(self, codec: Codec) -> Iterator[None]:
        """Compress the stale blocks, one a step."""
        self._note_written()
        for block in tuple(self._unpacked):
            self._packed[block] = codec.pack(self._text(block))
            self._unpacked.discard(block)
            yield
        if self._crc is None:
            crc = 0
            for packed in self._packed:
                crc = codec.combine(crc, packed.crc, packed.size)
            self._crc = crc
            yield

    def joined(self) -> list[bytes]:
        """Return the joined blocks."""
        return self._joined

    def append_to(self, member: Member) -> None:
        """Append the compressed blocks."""
        member.chunks += [packed.data for packed in self._packed]
        member.count(self._crc or 0, self.size)

    def _note_written(self) -> None:
        if self._written:
            self._unjoined |= self._written
            self._unpacked |= self._written
            self._written.clear()
            self._crc = None

    def _text(self, block: int) -> bytes:
        slots = slice(block * BLOCK, (block + 1) * BLOCK)
        if self._owners is None:
            return b"".join(self._fragments[slots])
        return b"".join(map(bytes.replace, self._fragments[slots], repeat(_PLACE), self._owners[slots]))


class Table:
    """Columns with the same objects in the same slots. The slot of an object that is gone is the next new one's.

    The fragments of the families in `shared` are shapes.
    """

    __slots__ = ("_free", "_owners", "columns")

    def __init__(self, families: Collection[str], shared: Collection[str] = ()) -> None:
        self._owners: list[bytes] = []
        self.columns = {name: Column(self._owners if name in shared else None) for name in families}
        self._free: list[int] = []

    def take(self, owner: bytes) -> int:
        """Return an empty slot for an object with these labels."""
        if self._free:
            slot = self._free.pop()
            self._owners[slot] = owner
            return slot
        self._owners.append(owner)
        for column in self.columns.values():
            column.grow()
        return len(self._owners) - 1

    def clear(self, slot: int) -> None:
        """Give a slot back."""
        for column in self.columns.values():
            column.put(slot, b"")
        self._free.append(slot)
