"""Helper process: subscribers of the live feed that read everything, do nothing with it, and are asked how much it was.

Arguments: port and number of subscribers.
"""

import selectors
import socket
import sys
import threading

from benchmarks.lines import Json, answer_questions

_HANDSHAKE = (
    b"GET /status/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_CHANGE = b'"type":"change"'


class Readers:
    """All the subscribers, in one thread."""

    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._buffer = memoryview(bytearray(1 << 20))
        self._frames = self._bytes = self._closed = 0
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(_HANDSHAKE)
            self._selector.register(client, selectors.EVENT_READ, bytearray())
        threading.Thread(target=self._read, name="readers", daemon=True).start()

    def seen(self, _: Json) -> Json:
        """Return what all of them together have read, and how many the server has hung up on."""
        return {"frames": self._frames, "bytes": self._bytes, "closed": self._closed}

    def _read(self) -> None:
        while self._selector.get_map():
            for key, _ in self._selector.select():
                got = key.fileobj.recv_into(self._buffer)  # type: ignore[union-attr]
                if not got:
                    self._selector.unregister(key.fileobj)
                    self._closed += 1
                    continue
                rest: bytearray = key.data  # a frame may begin in one piece and go on in the next
                text = bytes(rest) + bytes(self._buffer[:got])
                rest[:] = text[-len(_CHANGE) + 1 :]
                self._bytes += got
                self._frames += text.count(_CHANGE)


def main() -> None:
    """Answer until the input ends."""
    readers, ended = Readers(int(sys.argv[1]), int(sys.argv[2])), threading.Event()
    answer_questions({"seen": readers.seen}, ended.set)
    ended.wait()


if __name__ == "__main__":
    main()
