"""A client that sends what it likes, and a bystander that looks whether the server still answers others."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.eventually import eventually

BYSTANDER = "127.9.9.9"
PATIENCE_S = 60.0
_PATHS = (b"/metrics", b"/-/healthy")


class Wire:
    """A connection: bytes go out as they are, answers come back in parts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer."""
        status, _, body = await self.whole_answer()
        return status, body

    async def whole_answer(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """Return status, headers with small names, and body of the next answer."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]]
        fields = {name.lower(): value for name, value in lines}
        return int(head.split()[1]), fields, await self._reader.readexactly(int(fields.get(b"content-length", b"0")))

    async def rest(self) -> bytes:
        """Return what comes until the server closes."""
        found = b""
        try:
            while chunk := await self._reader.read(1 << 16):
                found += chunk
        except ConnectionError:
            pass
        return found

    async def some(self) -> bytes:
        """Return what comes next, at least a byte. Raises EOFError when the server has closed."""
        found = await self._reader.read(1 << 16)
        if not found:
            raise EOFError
        return found

    @property
    def is_closed(self) -> bool:
        return self._reader.at_eof() or self._reader.exception() is not None

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


async def connect(
    address: tuple[str, int], *, source: str | None = None, trust: ssl.SSLContext | None = None, buffer: int = 0
) -> Wire:
    """Open a connection, from an address of one's own on loopback; `buffer` makes the client's buffers that small."""
    plain = socket.socket()
    if buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    plain.setblocking(False)
    if source is not None:
        plain.bind((source, 0))
    try:
        await asyncio.get_running_loop().sock_connect(plain, address)
    except BaseException:
        plain.close()
        raise
    name = "localhost" if trust is not None else None
    limit = buffer or 1 << 16
    try:
        reader, writer = await asyncio.open_connection(sock=plain, ssl=trust, server_hostname=name, limit=limit)
    except BaseException:
        with suppress(OSError):  # the transport has it, and would wait for the other side's goodbye
            plain.shutdown(socket.SHUT_RDWR)
        raise
    return Wire(reader, writer)


@dataclass
class Bystander:
    """Asks for metrics and liveness, each time over a new connection, from an address of its own."""

    address: tuple[str, int]
    trust: ssl.SSLContext | None = None
    good: int = 0
    troubles: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    async def watch(self) -> None:
        while len(self.troubles) < 3:
            for path in _PATHS:
                await self.look(path)

    async def look(self, path: bytes) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PATIENCE_S):
                wire = await connect(self.address, source=BYSTANDER, trust=self.trust)
                try:
                    wire.send(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    status, _ = await wire.answer()
                finally:
                    wire.abort()  # a close of TLS would outlast the test
        except (OSError, EOFError) as error:  # a timeout is an OSError too
            self.troubles.append(f"{path.decode()}: {error!r}")
        else:
            if status == 200:
                self.good += 1
            else:
                self.troubles.append(f"{path.decode()}: {status}")
        self.slowest_s = max(self.slowest_s, asyncio.get_running_loop().time() - began)


@asynccontextmanager
async def watched(address: tuple[str, int], trust: ssl.SSLContext | None = None) -> AsyncIterator[Bystander]:
    """Look on during an attack: all that is asked is answered, and something was asked."""
    bystander = Bystander(address, trust)
    watching = asyncio.create_task(bystander.watch(), name="bystander")
    try:
        yield bystander
        asked = bystander.good
        await eventually(lambda: bystander.good >= asked + 2 or bystander.troubles)
    finally:
        watching.cancel()
        await asyncio.wait({watching})
    assert not bystander.troubles, bystander.troubles
    assert bystander.good >= 2
