"""Serving /ws/o/bot/{slug}: one reader, one writer and one keepalive timer for each socket."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import WSMessage, WSMsgType, web

from exporter.simulators.racetime.faults import Faults
from exporter.simulators.racetime.holds import Holds
from exporter.simulators.racetime.rooms import Close, Ping, Rooms, RoomSocket
from exporter.simulators.racetime.site import Stats, not_found
from exporter.simulators.racetime.world import World
from exporter.timing import Clock

CLOSE_LIMIT_S = 1.0

Write = Callable[[RoomSocket, str], Awaitable[None]]


class SocketServer:
    """Accepts sockets, passes what they say to the rooms, and sends what the rooms have for them.

    Keepalive is uvicorn's: a ping every interval, the end with 1011 if the one before was not answered (racetime
    protocol notes, section 6). It runs on the event loop's own time, as the real network does.
    """

    def __init__(
        self,
        world: World,
        rooms: Rooms,
        faults: Faults,
        holds: Holds,
        *,
        clock: Clock,
        stats: Stats,
        write: Write,
        ping_interval_s: float,
        unknown_race_s: float,
    ) -> None:
        self._world = world
        self._rooms = rooms
        self._faults = faults
        self._holds = holds
        self._clock = clock
        self._stats = stats
        self._write = write
        self._ping_interval_s = ping_interval_s
        self._unknown_race_s = unknown_race_s

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle one connection from the upgrade to its end."""
        race = self._world.find_race(request.match_info["slug"])
        if race is None:
            # The real site drops the connection without an HTTP answer, after a while.
            await self._holds.wait(request, self._unknown_race_s)
            return drop(request)
        # Pings and closing are answered below, so that a fault can keep the server from doing so.
        ws = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, timeout=CLOSE_LIMIT_S)
        if not ws.can_prepare(request):
            return not_found()
        await ws.prepare(request)
        self._stats.sockets_opened[race.slug] += 1
        socket = RoomSocket(race, request, ws)
        if fault := self._faults.on_socket("close_on_accept", socket):
            await ws.close(code=int(fault.number), message=fault.words.encode())
            return ws
        await self._live(socket)
        return ws

    async def _live(self, socket: RoomSocket) -> None:
        socket.last_frame_at = self._clock.monotonic()
        self._rooms.enter(socket)
        writer = asyncio.create_task(self._write_all(socket), name=f"racetime-simulator-{socket.race.slug}")
        keepalive = _Timer(self._ping_interval_s, lambda: self._keep_alive(socket))
        try:
            async for message in socket.ws:
                await self._while_silent(socket)
                await self._receive(socket, message)
            # A server that hangs does not answer a close frame either.
            await self._while_silent(socket)
            await socket.drop(1000)
        finally:
            self._rooms.leave(socket)
            keepalive.cancel()
            if not socket.ending:
                writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    async def _receive(self, socket: RoomSocket, message: WSMessage) -> None:
        match message.type:
            case WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await socket.ws.pong(message.data)
            case WSMsgType.PONG:
                socket.unanswered = 0
            case WSMsgType.TEXT | WSMsgType.BINARY:
                socket.last_frame_at = self._clock.monotonic()
                denied = self._faults.on_socket("refuse_tokens", socket) is not None
                self._rooms.receive(socket, message.type, message.data, denied=denied)

    async def _write_all(self, socket: RoomSocket) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                outgoing = await socket.next_outgoing()
                await self._while_silent(socket)
                match outgoing:
                    case str():
                        await self._write(socket, outgoing)
                    case bytes():
                        await socket.ws.send_bytes(outgoing)
                    case Ping():
                        await socket.ws.ping()
                        continue
                    case Close(code, reason):
                        socket.ending = True
                        await socket.ws.close(code=code, message=reason.encode())
                        return
                socket.last_frame_at = self._clock.monotonic()

    async def _while_silent(self, socket: RoomSocket) -> None:
        while (fault := self._faults.on_socket("silence", socket)) and await self._holds.wait(
            socket.request, None, fault
        ):
            pass

    def _keep_alive(self, socket: RoomSocket) -> None:
        if self._faults.on_socket("silence", socket):
            socket.unanswered = 0
            return
        match socket.unanswered:
            case 0:
                socket.put(Ping())
            case 1:
                socket.close(1011, "keepalive ping timeout")
            case _:
                socket.abort()  # it does not even read the close frame
        socket.unanswered += 1

    def close_the_idle(self) -> None:
        """End the sockets that a broken message bus left without a frame for too long."""
        now = self._clock.monotonic()
        for room in self._rooms.sockets.values():
            for socket in room:
                fault = self._faults.on_socket("close_when_idle", socket)
                if fault and now - socket.last_frame_at >= fault.number:
                    socket.close(1011)


class _Timer:
    """Calls something again and again, on the event loop's time."""

    def __init__(self, interval_s: float, call: Callable[[], None]) -> None:
        self._interval_s = interval_s
        self._call = call
        self._handle = asyncio.get_running_loop().call_later(interval_s, self._fire)

    def cancel(self) -> None:
        self._handle.cancel()

    def _fire(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._interval_s, self._fire)
        self._call()


def drop(request: web.Request) -> web.Response:
    """Drop the connection; the answer is for the framework, nobody will see it."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
