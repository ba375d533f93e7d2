"""Compressed blocks that stand side by side in one gzip member, so that only changed blocks are compressed again.

Each block is raw deflate that ends with a full flush: it begins on a byte and refers to nothing before it. A row of
blocks, one empty last block, and the checksum of everything make an ordinary gzip member (RFC 1952). The checksum of
the whole is combined from those of the blocks.
"""

import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

# Pages are so repetitive that the fastest level makes them about ten times smaller already.
_LEVEL: Final = 1
_RAW: Final = -15
_GZIP: Final = 31
# No name, no time: equal pages are equal bytes.
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK: Final = b"\x03\x00"


class Packed(NamedTuple):
    """A compressed block, and the checksum and size of what is in it."""

    data: bytes
    crc: int
    size: int


NOTHING: Final = Packed(b"", 0, 0)


class Codec(NamedTuple):
    """A library that compresses: `combine` takes two checksums and the size of what the second one is of."""

    compressor: Callable[..., Any]
    crc: Callable[[bytes], int]
    combine: Callable[[int, int, int], int]

    def pack(self, text: bytes) -> Packed:
        """Compress a block."""
        if not text:
            return NOTHING
        compressor = self.compressor(_LEVEL, zlib.DEFLATED, _RAW)
        data = compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)
        return Packed(data, self.crc(text), len(text))

    def member(self, text: bytes) -> bytes:
        """Compress a whole page at once, which is smaller than blocks, and faster for a small page."""
        compressor = self.compressor(_LEVEL, zlib.DEFLATED, _GZIP)
        return bytes(compressor.compress(text) + compressor.flush())


class Member:
    """Puts one gzip member together; `chunks` is it once it is closed."""

    __slots__ = ("_codec", "_crc", "_size", "chunks")

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._crc = 0
        self._size = 0
        self.chunks = [_HEADER]

    def add(self, block: Packed) -> None:
        """Append a block."""
        self.chunks.append(block.data)
        self.count(block.crc, block.size)

    def count(self, crc: int, size: int) -> None:
        """Take into account what was appended to `chunks`."""
        self._crc = self._codec.combine(self._crc, crc, size)
        self._size += size

    def close(self) -> list[bytes]:
        """Return the finished member."""
        ending = _LAST_BLOCK + self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        self.chunks.append(ending)
        return self.chunks


# --- combining checksums, where no library does it ---
#
# A CRC is a remainder of polynomials over GF(2). What stands before `size` bytes was multiplied by x^(8 * size) when
# those came in; adding is XOR. Bits are reflected: the highest bit of an integer is x^0.

_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31


def combined_crc(first: int, second: int, second_size: int) -> int:
    """Return the CRC-32 of two texts in a row, from those of each."""
    return _product(_power(second_size), first) ^ second


def _product(a: int, b: int) -> int:
    """Multiply two polynomials, modulo the CRC's own."""
    result = 0
    bit = _ONE
    while bit:
        if a & bit:
            result ^= b
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
        bit >>= 1
    return result


@lru_cache(maxsize=16_384)  # blocks that did not change have the sizes that they had
def _power(size: int) -> int:
    """Return x^(8 * size)."""
    result, square = _ONE, 1 << 23  # x^0 and x^8
    while size:
        if size & 1:
            result = _product(square, result)
        square = _product(square, square)
        size >>= 1
    return result


ZLIB: Final = Codec(zlib.compressobj, zlib.crc32, combined_crc)


def fastest() -> Codec:
    """Return isal (the extra `speed`), which compresses several times faster, or zlib where it is not installed."""
    try:
        from isal import isal_zlib  # noqa: PLC0415  (an extra that not everybody installs)
    except ImportError:
        return ZLIB
    return Codec(isal_zlib.compressobj, isal_zlib.crc32, isal_zlib.crc32_combine)
