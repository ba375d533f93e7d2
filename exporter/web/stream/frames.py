"""How the feed is written: frames as JSON, and these as WebSocket messages or Server-Sent Events.

Each frame is made once, however many clients get it.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from exporter.web.answers import encoded
from exporter.web.encode import Json
from exporter.web.stream.log import Entry

CURSOR: Final = "^[0-9a-z]{1,32}-[0-9]{1,18}$"
"""What a cursor looks like to a client."""

_CURSOR: Final = re.compile(r"([0-9a-z]{1,32})-([0-9]{1,18})")
_TEXT_MESSAGE: Final = 0x81  # the only frame of its message; servers do not mask
_CLOSE: Final = 0x88
_ONE_BYTE: Final = 126
_TWO_BYTES: Final = 1 << 16
_medium_head: Final = struct.Struct(">BBH").pack


Frame = tuple[bytes, bytes]
"""One frame of the feed: its cursor and its JSON text."""


@dataclass(frozen=True, eq=False, slots=True)
class Dialect:
    """How frames are written for one kind of client, and what has to be around the bytes of one write."""

    protocol: str
    message: Callable[[Frame], bytes]
    written: Callable[[bytes], bytes]


class Frames:
    """Makes the frames of one run of the server, which `boot` stands for."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._before = boot.encode()
        self._nothing_known = self._cursor(0)

    def change(self, entry: Entry, told: bytes) -> Frame:
        """Return the frame of a change; `told` is from `members`."""
        cursor = self._cursor(entry.seq)
        return cursor, b'{"type":"change","cursor":"%b",%b' % (cursor, told)

    def snapshot(self, _: Entry, told: bytes) -> Frame:
        """Return a frame within a snapshot. Who comes back with its cursor gets another snapshot."""
        cursor = self._nothing_known
        return cursor, b'{"type":"snapshot","cursor":"%b",%b' % (cursor, told)

    def complete(self, seq: int) -> Frame:
        """Return the frame that ends a snapshot."""
        return self._empty(b"snapshot", seq)

    def heartbeat(self, seq: int) -> Frame:
        """Return a sign of life."""
        return self._empty(b"heartbeat", seq)

    def position(self, cursor: str) -> int | None:
        """Return the number of a cursor, 0 for one of another run; None for what is no cursor at all."""
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            return None
        return int(match[2]) if match[1] == self._boot else 0

    def _empty(self, kind: bytes, seq: int) -> Frame:
        cursor = self._cursor(seq)
        return cursor, b'{"type":"%b","cursor":"%b","kind":null,"id":null,"data":null}' % (kind, cursor)

    def _cursor(self, seq: int) -> bytes:
        return b"%b-%d" % (self._before, seq)


def members(entry: Entry, data: Json | None) -> bytes:
    """Return how every frame of an entry ends, after its cursor; `data` is the object as JSON, None for one that is
    gone."""
    return encoded({"kind": entry.kind, "id": entry.name, "data": data})[1:]


def _headed(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _ONE_BYTE:
        return bytes((first, size)) + payload
    if size < _TWO_BYTES:
        return _medium_head(first, 126, size) + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def close_message(code: int, reason: str) -> bytes:
    """Return the WebSocket message that says why the server closes."""
    return _headed(_CLOSE, code.to_bytes(2, "big") + reason.encode())


def _message(frame: Frame) -> bytes:
    return _headed(_TEXT_MESSAGE, frame[1])


def _event(frame: Frame) -> bytes:
    return b"id: %b\ndata: %b\n\n" % frame


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


WEBSOCKET: Final = Dialect("websocket", _message, bytes)
EVENTS: Final = Dialect("sse", _event, _chunk)
OLD_EVENTS: Final = Dialect("sse", _event, bytes)
"""For HTTP/1.0, which knows no chunks: the connection's end is the end."""
