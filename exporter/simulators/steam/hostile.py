"""Frames that no sane server sends, for `Faults.instead` and `SteamSimulator.broadcast`."""

import gzip
import struct
import zlib

from exporter.platforms.steam.framing import PROTOBUF_BIT, Header, encode_frame
from exporter.platforms.steam.messages import Emsg

_MIB = 1024 * 1024
_GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"


def garbage(size: int = 64) -> bytes:
    """Return bytes that are no frame: the header is said to be longer than the frame."""
    return struct.pack("<II", Emsg.CLIENT_LOG_ON_RESPONSE | PROTOBUF_BIT, 0x7FFFFFFF) + b"\xa5" * size


def stub() -> bytes:
    """Return a frame that ends within its message number."""
    return b"\x01\x02"


def bad_body(number: int = Emsg.CLIENT_LOG_ON_RESPONSE) -> bytes:
    """Return a frame with a good header and a body that is no protobuf message."""
    return encode_frame(number, Header(), b"\xff" * 16)


def multi(packed: bytes, size_unzipped: int) -> bytes:
    """Return a Multi with this content, whatever it is."""
    body = b"\x08" + _varint(size_unzipped) + b"\x12" + _varint(len(packed)) + packed
    return encode_frame(Emsg.MULTI, Header(), body)


def gzip_bomb(unzipped_bytes: int = 64 * _MIB) -> bytes:
    """Return a small Multi that unzips to very much, and says that it is little."""
    pack = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    # After a full flush the packer starts afresh: one packed block can be repeated without packing it again.
    block = pack.compress(bytes(_MIB)) + pack.flush(zlib.Z_FULL_FLUSH)
    blocks = unzipped_bytes // _MIB
    check = 0
    for _ in range(blocks):
        check = zlib.crc32(bytes(_MIB), check)
    ending = struct.pack("<II", check, blocks * _MIB % 2**32)
    return multi(_GZIP_HEADER + block * blocks + pack.flush() + ending, 1024)


def nested_multi(depth: int = 50) -> bytes:
    """Return Multis within Multis."""
    frame = multi(b"", 0)
    for _ in range(depth):
        frame = multi(struct.pack("<I", len(frame)) + frame, 0)
    return frame


def cut_gzip() -> bytes:
    """Return a Multi whose gzip ends early."""
    return multi(gzip.compress(bytes(10_000), mtime=0)[:-12], 10_000)


def oversized(size: int = 32 * _MIB) -> bytes:
    """Return one very long frame, a message that nobody knows."""
    return encode_frame(59_999, Header(), bytes(size))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
