"""A room's WebSocket connection: the library's, with a short way for what it does too often.

The library hands each frame through a parser, a queue and a future to a task that waits. A fleet's rooms get frames so
seldom that each finds the processor's caches cold, and that way costs as much as all that is done with the frame. Here
whole texts go from the socket to whoever listens, in the same turn of the event loop; the handshake, everything that is
no whole text, and the end of the connection stay the library's.
"""

import logging
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import Event, State

from exporter.platforms.racetime.lane import Lane

MOST_BYTES = 8 * 1024 * 1024

# The library logs the handshake, and with it the token, when debug logging is on.
_SILENT = logging.getLogger(f"{__name__}.websockets")
_SILENT.disabled = True
_HEAD_END = b"\r\n\r\n"

Hear = Callable[[str | bytes | None], None]


class RoomConnection(ClientConnection):
    """Tells `hear` of each message as it comes, of pings and pongs (None), and `ended` of the end.

    Both are plain functions, which must not raise. Before they are set, messages wait.
    """

    def __init__(self, protocol: ClientProtocol, **kwargs: Any) -> None:
        super().__init__(protocol, **kwargs)
        self._lane: Lane | None = None
        self._tail = b""
        self._parts = bytearray()
        self._is_text = False
        self._early: list[str | bytes | None] = []
        self._hear: Hear = self._early.append
        self._ended: Callable[[], None] | None = None

    def listen(self, hear: Hear, ended: Callable[[], None]) -> None:
        """Call these from now on, at once for what has come already."""
        early, self._early = self._early, []
        self._hear, self._ended = hear, ended
        for message in early:
            hear(message)
        if self.protocol.state is State.CLOSED:
            ended()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the socket."""
        if self._lane is None:
            self._greet(data)
            return
        if self.protocol.state is not State.OPEN:
            super().data_received(data)
            return
        for is_text, piece in self._lane.split(data):
            if not is_text:
                super().data_received(piece)
            elif self.protocol.state is State.OPEN:  # what was before it may have ended that
                try:
                    text = piece.decode()
                except UnicodeDecodeError as error:
                    self._refuse(error)
                else:
                    self._hear(text)

    def process_event(self, event: Event) -> None:
        """Take an event of the library."""
        if not isinstance(event, Frame):
            super().process_event(event)
        elif event.opcode in DATA_OPCODES:
            if event.opcode is not Opcode.CONT:
                self._is_text = event.opcode is Opcode.TEXT
            self._parts += event.data
            if event.fin:
                message = bytes(self._parts)
                self._parts.clear()
                try:
                    self._hear(message.decode() if self._is_text else message)
                except UnicodeDecodeError as error:
                    self._refuse(error)
        elif event.opcode is not Opcode.CLOSE:
            self._hear(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the socket."""
        super().connection_lost(exc)
        ended, self._ended, self._hear = self._ended, None, self._early.append
        if ended is not None:
            ended()

    def ask_for_pong(self) -> None:
        """Send a ping, if the connection is open and what was sent before is on its way."""
        if self.protocol.state is State.OPEN and not self.transport.get_write_buffer_size():
            self.protocol.send_ping(b"")
            self.send_data()

    def _greet(self, data: bytes) -> None:
        """Hand the handshake to the library, and take what follows it."""
        seen = self._tail + data
        end = seen.find(_HEAD_END)
        self._tail = seen[1 - len(_HEAD_END) :]
        cut = len(data) if end < 0 else end + len(_HEAD_END) - (len(seen) - len(data))
        super().data_received(data[:cut])
        if self.protocol.state is State.OPEN:
            self._lane = Lane(MOST_BYTES)
        if cut < len(data):
            self.data_received(data[cut:])

    def _refuse(self, error: UnicodeDecodeError) -> None:
        self.protocol.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
        self.send_data()
        self.transport.close()  # the library would wait for the other side, in whoever reads


async def open_connection(url: str, **options: Any) -> RoomConnection:
    """Open a room's connection; `options` are those of the library, and so is what is raised."""
    connection = await _Connect(
        url,
        create_connection=RoomConnection,
        compression=None,  # it triples the memory of an idle socket
        max_size=MOST_BYTES,
        ping_interval=None,  # see keepalive
        proxy=None,
        logger=_SILENT,
        **options,
    )
    assert isinstance(connection, RoomConnection)  # noqa: S101  (see above)
    return connection


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
