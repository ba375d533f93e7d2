"""Helper process: clients of a WebSocket feed that only read, and do next to nothing else.

Arguments: port, path and number of clients. `open` connects them all and reads until each has seen the end of its
snapshot (if there is one); `read` until each has seen the frame whose id is LAST.
"""

import selectors
import socket
import sys
from threading import Event
from typing import cast

from benchmarks.lines import Json, answer_questions

LAST = "the-last"
_MARK = f'"id":"{LAST}"'.encode()
_COMPLETE = b'"kind":null,"id":null,"data":null}'
_CHANGE = b'"type":"change"'
_TAIL = 4096
_BUFFER = 1 << 20
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Readers:
    """All the clients, in one thread."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self._port, self._path, self._count = port, path, count
        self._selector = selectors.DefaultSelector()
        self._buffer = memoryview(bytearray(_BUFFER))
        self._sockets: list[socket.socket] = []

    def open(self, facts: Json) -> Json:
        """Connect all, and read up to the end of the snapshots; a feed without any is only connected to."""
        for _ in range(self._count):
            client = socket.create_connection(("127.0.0.1", self._port))
            client.sendall(_HANDSHAKE.format(path=self._path).encode())
            self._sockets.append(client)
        return self._until(_COMPLETE if facts["snapshot"] else b"\r\n\r\n")

    def read(self, _: Json) -> Json:
        """Read until everybody has the last frame."""
        return self._until(_MARK)

    def _until(self, mark: bytes) -> Json:
        """Return what the first client got: frames of changes (whole ones within a read) and bytes."""
        for client in self._sockets:
            self._selector.register(client, selectors.EVENT_READ, bytearray())
        left, frames, size = len(self._sockets), 0, 0
        while left:
            for key, _ in self._selector.select():
                client = cast("socket.socket", key.fileobj)
                got = client.recv_into(self._buffer)
                if not got:
                    raise RuntimeError("the server has closed a stream")
                before: bytearray = key.data
                if client is self._sockets[0]:
                    size += got
                    frames += _count(before, self._buffer[:got])
                before += self._buffer[max(0, got - _TAIL) : got]
                del before[:-_TAIL]
                if mark in before:
                    self._selector.unregister(client)
                    left -= 1
        return {"frames": frames, "bytes": size}


def _count(before: bytearray, data: memoryview) -> int:
    """Count the changes that begin in `data`, also when the first one has begun before it."""
    overlap = bytes(before[-len(_CHANGE) + 1 :]) if before else b""
    return (overlap + bytes(data)).count(_CHANGE)


def main() -> None:
    """Answer until the input ends."""
    readers = Readers(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    ended = Event()
    answer_questions({"open": readers.open, "read": readers.read}, ended.set)
    ended.wait()


if __name__ == "__main__":
    main()
