"""A room's connection on a real socket: whatever is written, and however it is cut, each message comes once."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from exporter.platforms.racetime.client import Patience, RoomClosed, RoomSocket
from exporter.platforms.racetime.service import open_session
from tests.eventually import eventually
from tests.unit.platforms.racetime.test_lane import BINARY, CLOSE, CONTINUED, PING, PONG, TEXT, frame

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
INVALID = b"\xff"


class Ear:
    """Hears messages until the word that is enough."""

    def __init__(self, enough: str = "") -> None:
        self.heard: list[str | bytes] = []
        self._enough = enough

    def __call__(self, message: str | bytes) -> bool:
        self.heard.append(message)
        return message != self._enough


@dataclass
class Server:
    """Speaks the least of WebSocket by hand, for one client."""

    greeting: list[bytes] = field(default_factory=lambda: [b""])
    """What is written after the handshake's answer: the first piece together with it."""
    heard: bytearray = field(default_factory=bytearray)
    writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))[18:].strip()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324  (as the protocol has it)
        answer = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        first, *others = self.greeting
        for piece in (answer[:-3], answer[-3:] + first, *others):
            writer.write(piece)
            await writer.drain()
            for _ in range(3):
                await asyncio.sleep(0)
        while data := await reader.read(65536):
            self.heard += data
        writer.close()

    def write(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


@asynccontextmanager
async def room(server: Server) -> AsyncIterator[RoomSocket]:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with open_session(url, "bot-exporter tests", Patience(close_s=0.2)) as client:
            socket = await client.open_room("some-room", "token")
            try:
                yield socket
            finally:
                await socket.close()
                if server.writer is not None:
                    server.writer.close()


async def all_heard(server: Server, expected: list[str | bytes]) -> None:
    ear = Ear()
    async with room(server) as socket:
        socket.listen(ear)
        await eventually(lambda: len(ear.heard) == len(expected))
        assert ear.heard == expected
        await eventually(lambda: bool(server.heard))
        assert server.heard[:2] == bytes([0x8A, 0x80 | 13])  # the pong


async def test_messages_come_in_order_from_the_first_byte_on() -> None:
    data = b"".join(
        (
            frame(TEXT, "zwölf".encode()),
            frame(TEXT, b"in ", final=False),
            frame(PING, b"are you there"),
            frame(CONTINUED, b"two parts"),
            frame(BINARY, b"\x00\xff"),
            frame(TEXT, b"x" * 70_000),
            frame(TEXT, b"last"),
        )
    )
    expected: list[str | bytes] = ["zwölf", "in two parts", b"\x00\xff", "x" * 70_000, "last"]
    for cut in (0, 1, 5, 9, 14, 40, 70_040, len(data)):
        server = Server([data[:cut], data[cut:]])
        await all_heard(server, expected)


@pytest.mark.parametrize("parts", [1, 2])
async def test_a_text_that_is_no_utf_8_ends_the_connection(parts: int) -> None:
    broken = frame(TEXT, INVALID) if parts == 1 else frame(TEXT, INVALID, final=False) + frame(CONTINUED, b"!")
    server = Server([frame(TEXT, b"good") + broken + frame(TEXT, b"too late")])
    ear = Ear()
    async with room(server) as socket:
        socket.listen(ear)
        with pytest.raises(RoomClosed):
            await socket.listened()
        assert ear.heard == ["good"]
        await eventually(lambda: bool(server.heard))
        assert server.heard[:1] == bytes([0x88])  # it is told why


async def test_nothing_is_heard_after_the_other_side_has_said_that_it_closes() -> None:
    goodbye = frame(CLOSE, (1012).to_bytes(2, "big") + b"restarting")
    server = Server([frame(TEXT, b"good"), goodbye + frame(TEXT, b"after the end")])
    ear = Ear()
    async with room(server) as socket:
        socket.listen(ear)
        await eventually(lambda: bool(server.heard))  # its goodbye was answered
        assert server.writer is not None
        server.writer.close()
        with pytest.raises(RoomClosed, match="1012 restarting"):
            await socket.listened()
        assert ear.heard == ["good"]


async def talk(socket: RoomSocket) -> None:
    while True:
        await socket.send("anybody?")
        await asyncio.sleep(0)


async def test_what_was_said_before_the_end_is_heard_also_when_nobody_listened_yet() -> None:
    server = Server([frame(TEXT, b"good")])
    async with room(server) as socket:
        assert server.writer is not None
        server.writer.transport.abort()
        with pytest.raises(RoomClosed):
            await talk(socket)
        ear = Ear()
        socket.listen(ear)
        with pytest.raises(RoomClosed, match="lost"):
            await socket.listened()
        assert ear.heard == ["good"]


async def test_it_is_over_when_who_listens_has_heard_enough() -> None:
    server = Server([frame(TEXT, b"one") + frame(TEXT, b"two") + frame(TEXT, b"three")])
    ear = Ear(enough="two")
    async with room(server) as socket:
        socket.listen(ear)
        await socket.listened()
        assert ear.heard == ["one", "two"]


async def test_a_bug_of_who_listens_is_not_swallowed() -> None:
    def broken(_: str | bytes) -> bool:
        raise ZeroDivisionError

    async with room(Server([frame(TEXT, b"one")])) as socket:
        socket.listen(broken)
        with pytest.raises(ZeroDivisionError):
            await socket.listened()


async def test_a_pong_is_a_sign_of_life_and_so_is_a_ping() -> None:
    server = Server()
    async with room(server) as socket:
        socket.listen(lambda _: True)
        for sign in (frame(PONG, b""), frame(PING, b"")):
            socket.heard_at = 0.0
            socket.ping()
            await eventually(lambda: bytes([0x89, 0x80]) in server.heard)
            assert not socket.heard_at
            server.write(sign)
            await eventually(lambda: socket.heard_at > 0.0)
