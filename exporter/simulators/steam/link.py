"""One connection of a client with a connection manager: what waits to go out, and who speaks there."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

from aiohttp import WSCloseCode, web

from exporter.platforms.steam.framing import Header, encode_frame
from exporter.simulators.steam.faults import Faults
from exporter.simulators.steam.records import Session


class _Goodbye:
    """The end of what goes out; `abruptly` without a close frame."""

    def __init__(self, *, abruptly: bool) -> None:
        self.abruptly = abruptly


class Link:
    """A client's connection. Frames go out in the order in which they were put."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None, cm: int, address: str) -> None:
        self.cm = cm
        self.address = address
        self.said_hello = False
        self.ignored = False
        """Set when the server hangs at ClientHello, which has no answer: then all that follows has none either."""
        self.session: Session | None = None
        self.last_heard = 0.0
        self._ws = ws
        self._transport = transport
        self._outgoing: asyncio.Queue[bytes | _Goodbye] = asyncio.Queue()
        self._over = False
        self._losing = False

    @property
    def header(self) -> Header:
        """Return the header of what the server sends on its own account."""
        if self.session is None:
            return Header()
        return Header(steamid=self.session.account.steamid, client_sessionid=self.session.session_id)

    def send(self, number: int, body: bytes) -> None:
        """Put one message."""
        self.put([encode_frame(number, self.header, body)])

    def put(self, frames: Iterable[bytes]) -> None:
        """Put frames as they are."""
        if not self._over and not self._losing:
            for frame in frames:
                self._outgoing.put_nowait(frame)

    @contextlib.contextmanager
    def lost(self) -> Iterator[None]:
        """Let what is put meanwhile get lost on its way."""
        self._losing = True
        try:
            yield
        finally:
            self._losing = False

    def close(self, *, abruptly: bool = False) -> None:
        """End the connection once everything put so far has gone out."""
        if not self._over:
            self._over = True
            self._outgoing.put_nowait(_Goodbye(abruptly=abruptly))

    def abort(self) -> None:
        """Drop the connection now, with whatever still waits."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    async def write(self, faults: Faults) -> None:
        """Send what is put, until the connection ends."""
        with contextlib.suppress(ConnectionError):
            while True:
                outgoing = await self._outgoing.get()
                if faults.half_open:
                    continue
                if isinstance(outgoing, bytes):
                    await self._ws.send_bytes(outgoing)
                elif not outgoing.abruptly:
                    await self._ws.close(code=WSCloseCode.OK)
                    return
                elif self._transport is not None:
                    self._transport.close()
                    return
