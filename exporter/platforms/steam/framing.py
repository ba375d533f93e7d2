"""Frames of a connection manager: one Steam message per binary WebSocket frame, and Multi, which packs several.

    frame    u32 message number | 0x80000000, u32 header length, CMsgProtoBufHeader, body
    Multi    CMsgMulti{size_unzipped, message_body}; message_body is (gzipped if size_unzipped) u32 length, frame, ...

No VT01 envelope, no channel encryption: TLS does that (steam-dota2 protocol notes, section 1).
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from steam.protobufs import steammessages_base_pb2 as base_pb2

from exporter.errors import ExporterError

PROTOBUF_BIT: Final = 0x80000000
NO_JOB: Final = 0xFFFFFFFFFFFFFFFF
MULTI: Final = 1
MOST_UNZIPPED_BYTES: Final = 16 * 1024 * 1024
MOST_FRAMES: Final = 10_000
MOST_HEADER_BYTES: Final = 64 * 1024

_PREFIX: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_GZIP: Final = 16 + zlib.MAX_WBITS


class Malformed(ExporterError):
    """What came in is no such message. `kind` is the label under which it is counted."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of CMsgProtoBufHeader that this program uses; `eresult` is 2 (Fail) where nothing is said."""

    steamid: int = 0
    client_sessionid: int = 0
    jobid_source: int = NO_JOB
    jobid_target: int = NO_JOB
    target_job_name: str = ""
    eresult: int = 2
    error_message: str = field(default="", repr=False)
    realm: int = 0
    routing_appid: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it travels; the body is not decoded yet. Some old messages are no protobuf messages."""

    number: int
    header: Header
    body: bytes = field(repr=False)
    protobuf: bool = True


class Room:
    """What one WebSocket message may still unpack to, with all Multis in it: a few bytes can hold very much."""

    __slots__ = ("bytes", "frames")

    def __init__(self, most_bytes: int = MOST_UNZIPPED_BYTES, most_frames: int = MOST_FRAMES) -> None:
        self.bytes = most_bytes
        self.frames = most_frames

    def take_bytes(self, count: int) -> None:
        """Use up so many bytes; raises Malformed, and leaves nothing, if there are not as many."""
        if count > self.bytes:
            self.bytes = 0
            raise Malformed("oversized", "a Multi unzips to more than is allowed")
        self.bytes -= count

    def take_frame(self) -> None:
        """Use up one frame; raises Malformed if there is none left."""
        if not self.frames:
            raise Malformed("oversized", "a Multi holds more frames than are allowed")
        self.frames -= 1


_EMPTY: Final = Header()


def encode_frame(number: int, header: Header, body: bytes) -> bytes:
    """Return the bytes of one frame; header fields that say nothing are left out, except steamid and session."""
    proto = base_pb2.CMsgProtoBufHeader(steamid=header.steamid, client_sessionid=header.client_sessionid)
    if header.jobid_source != NO_JOB:
        proto.jobid_source = header.jobid_source
    if header.jobid_target != NO_JOB:
        proto.jobid_target = header.jobid_target
    if header.target_job_name:
        proto.target_job_name = header.target_job_name
    if header.eresult != _EMPTY.eresult:
        proto.eresult = header.eresult
    if header.error_message:
        proto.error_message = header.error_message
    if header.realm:
        proto.realm = header.realm
    if header.routing_appid:
        proto.routing_appid = header.routing_appid
    head: bytes = proto.SerializeToString()
    return _PREFIX.pack(number | PROTOBUF_BIT, len(head)) + head + body


def decode_frame(data: bytes) -> Frame:
    """Return the frame of these bytes; raises Malformed."""
    if len(data) < _PREFIX.size:
        raise Malformed("frame", f"a frame of {len(data)} bytes is too short")
    number, length = _PREFIX.unpack_from(data)
    if not number & PROTOBUF_BIT:
        return Frame(number, _EMPTY, data[4:], protobuf=False)
    end = _PREFIX.size + length
    if end > len(data):
        raise Malformed("frame", "the header is longer than its frame")
    if length > MOST_HEADER_BYTES:
        raise Malformed("oversized", f"a header of {length} bytes")
    proto = base_pb2.CMsgProtoBufHeader()
    try:
        proto.ParseFromString(data[_PREFIX.size : end])
    except DecodeError:
        raise Malformed("frame", "the header cannot be read") from None
    header = Header(
        steamid=proto.steamid,
        client_sessionid=proto.client_sessionid,
        jobid_source=proto.jobid_source,
        jobid_target=proto.jobid_target,
        target_job_name=_text(proto.target_job_name),
        eresult=proto.eresult,
        error_message=_text(proto.error_message),
        realm=proto.realm,
        routing_appid=proto.routing_appid,
    )
    return Frame(number & ~PROTOBUF_BIT, header, data[end:])


def encode_multi(frames: Iterable[bytes], *, zipped: bool = True) -> bytes:
    """Return the body of a Multi that holds these frames."""
    inner = b"".join(_LENGTH.pack(len(frame)) + frame for frame in frames)
    multi = base_pb2.CMsgMulti(message_body=inner)
    if zipped:
        pack = zlib.compressobj(wbits=_GZIP)
        multi = base_pb2.CMsgMulti(size_unzipped=len(inner), message_body=pack.compress(inner) + pack.flush())
    return bytes(multi.SerializeToString())


def decode_multi(body: bytes, room: Room | None = None) -> list[bytes]:
    """Return the frames of a Multi, in order; raises Malformed. Never unpacks more than there is room for."""
    room = room or Room()
    multi = base_pb2.CMsgMulti()
    try:
        multi.ParseFromString(body)
    except DecodeError:
        raise Malformed("multi", "a Multi cannot be read") from None
    inner: bytes = multi.message_body
    if multi.size_unzipped:
        inner = _unzipped(inner, room)
    frames, at = [], 0
    while at < len(inner):
        if at + _LENGTH.size > len(inner):
            raise Malformed("multi", "a Multi ends within a length")
        (length,) = _LENGTH.unpack_from(inner, at)
        at += _LENGTH.size
        room.take_frame()
        if at + length > len(inner):
            raise Malformed("multi", "a Multi ends within a frame")
        frames.append(inner[at : at + length])
        at += length
    return frames


def _unzipped(packed: bytes, room: Room) -> bytes:
    unpack = zlib.decompressobj(wbits=_GZIP)
    try:
        inner = unpack.decompress(packed, room.bytes + 1)
    except zlib.error:
        room.bytes = 0  # it may have taken all that time to find out
        raise Malformed("multi", "a Multi cannot be unzipped") from None
    room.take_bytes(len(inner))
    if not unpack.eof:
        raise Malformed("multi", "a Multi's gzip is cut off")
    return inner


def _text(value: str | bytes) -> str:
    """A string that is no UTF-8 comes out of the library as bytes."""
    return value if isinstance(value, str) else value.decode(errors="replace")
