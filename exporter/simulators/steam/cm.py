"""A connection manager: WebSockets under /cmsocket/, one Steam message per binary frame, no framing of its own."""

import asyncio
import contextlib
import ssl

from aiohttp import WSMsgType, web

from exporter.platforms.steam.framing import Malformed
from exporter.platforms.steam.messages import Result
from exporter.simulators.steam.desk import Desk, Request
from exporter.simulators.steam.faults import Deed, Fault, Faults, Phase
from exporter.simulators.steam.link import Link
from exporter.simulators.steam.listener import CLOSE_LIMIT_S, Listener
from exporter.simulators.steam.stats import Stats
from exporter.simulators.steam.world import World
from exporter.timing import Clock

PATH = "/cmsocket/"


class ConnectionManager:
    """One CM of several. Its links end with it; what Steam knows is in the world."""

    def __init__(
        self,
        number: int,
        world: World,
        desk: Desk,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        clock: Clock,
        faults: Faults,
        stats: Stats,
    ) -> None:
        self.number = number
        self.links: list[Link] = []
        self.load = 10 + 5 * number
        """Told by the directory: clients prefer a low load."""
        self._world = world
        self._desk = desk
        self._clock = clock
        self._faults = faults
        self._stats = stats
        app = web.Application()
        app.add_routes([web.get(PATH, self._socket)])
        self.listener = Listener(app, host=host, port=port, tls=tls, clock=clock, faults=faults, cm=number)

    @property
    def endpoint(self) -> str:
        """Return host:port, as the directory tells it."""
        return f"{self.listener.host}:{self.listener.port}"

    @property
    def url(self) -> str:
        """Return the address of its socket."""
        return f"{'wss' if self.listener.tls else 'ws'}://{self.endpoint}{PATH}"

    @property
    def running(self) -> bool:
        return self.listener.running

    async def start(self) -> None:
        """Listen; on the same port as before if it ran already."""
        await self.listener.start()

    async def stop(self) -> None:
        """End in order: nobody new comes in, every connection gets a close frame."""
        await self.listener.close_door()
        for link in self.links:
            link.close()
        await self.listener.stop()

    async def crash(self) -> None:
        """End as on SIGKILL: connections are reset."""
        await self.listener.stop(abruptly=True)

    def drop_silent(self) -> None:
        """Drop clients that said nothing for too long."""
        policy, now = self._world.policy, self._clock.monotonic()
        for link in tuple(self.links):
            silent_s = now - link.last_heard
            if link.session is not None and silent_s > policy.heartbeat_s * policy.silence_intervals:
                self._stats.dropped_silent += 1
                link.abort()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.take(Phase.UPGRADE, cm=self.number)
        if fault is not None:
            match fault.deed:
                case Deed.REFUSE:
                    return web.Response(status=fault.result)
                case Deed.DELAY:
                    await self.listener.pause(fault.delay_s)
                case _:
                    return await self.listener.hang_up(request, waiting=fault.deed is Deed.HANG)
        # The real server's limits are not known; ours only keeps a broken client from filling the memory.
        ws = web.WebSocketResponse(autoping=False, compress=False, timeout=CLOSE_LIMIT_S)
        if not ws.can_prepare(request):
            return web.Response(status=400)
        try:
            await ws.prepare(request)
        except ConnectionError:  # who asked has left meanwhile
            return ws
        link = Link(ws, request.transport, self.number, request.remote or "")
        link.last_heard = self._clock.monotonic()
        self.links.append(link)
        self._stats.connections[self.number] += 1
        writer = asyncio.create_task(link.write(self._faults), name=f"steam-simulator-cm-{self.number}")
        try:
            await self._read(link, ws)
        finally:
            self.links.remove(link)
            if link.session is not None:
                self._world.leave(link.session)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return ws

    async def _read(self, link: Link, ws: web.WebSocketResponse) -> None:
        async for message in ws:
            if self._faults.half_open or link.ignored:
                continue
            link.last_heard = self._clock.monotonic()
            if message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await ws.pong(message.data)
            elif message.type is WSMsgType.BINARY:
                try:
                    asked = self._desk.read(link, message.data)
                except Malformed as error:
                    # Assumption: who sends what cannot be read is cut off.
                    self._stats.violations.append(f"{link.address} sent what cannot be read: {error}")
                    link.abort()
                    return
                await self._serve(link, asked)
            elif message.type is WSMsgType.TEXT:
                self._stats.violations.append(f"{link.address} sent a text frame")

    async def _serve(self, link: Link, asked: Request) -> None:
        fault = self._fault(asked)
        if fault is None:
            self._desk.answer(link, asked, self._clock.now())
            return
        match fault.deed:
            case Deed.REFUSE:
                self._desk.answer(link, asked, self._clock.now(), fault.result)
            case Deed.HANG:
                link.ignored = asked.phase is Phase.HELLO
            case Deed.LOSE:
                with link.lost():
                    self._desk.answer(link, asked, self._clock.now())
            case Deed.DELAY:
                await self.listener.pause(fault.delay_s)
                self._desk.answer(link, asked, self._clock.now())
            case Deed.INSTEAD:
                link.put([fault.data])
            case Deed.DROP_BEFORE:
                link.abort()
            case Deed.DROP_AFTER:
                self._desk.answer(link, asked, self._clock.now(), Result.OK)
                link.close(abruptly=not self._world.policy.says_goodbye)

    def _fault(self, asked: Request) -> Fault | None:
        if asked.phase is None:
            return None
        return self._faults.take(asked.phase, username=asked.username, cm=self.number)
