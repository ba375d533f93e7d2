"""The simulator as a process part: a server on loopback that starts, stops, crashes, misbehaves and comes back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from exporter.simulators.racetime.faults import Faults
from exporter.simulators.racetime.holds import Holds
from exporter.simulators.racetime.http_faults import HttpFaults
from exporter.simulators.racetime.records import Race
from exporter.simulators.racetime.registry import Broadcast
from exporter.simulators.racetime.rooms import Rooms, RoomSocket
from exporter.simulators.racetime.script import Scenario
from exporter.simulators.racetime.site import CacheTimes, Site, Stats, finish_headers, not_found
from exporter.simulators.racetime.sockets import CLOSE_LIMIT_S, SocketServer, drop
from exporter.simulators.racetime.truth import Truth, truth_of
from exporter.simulators.racetime.world import World
from exporter.timing import Clock

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TURNS_OF_AN_ACCEPT = 5


class RacetimeSimulator:
    """A racetime.gg on loopback.

    `world` holds everything that the real site keeps in its database: it outlives stop, crash and start. While the
    server runs, one task advances the faults, the scenario (if any) and the world every `tick_s` seconds of the clock.
    After the first start the port is fixed, so that the same URL comes back.

    `faults` is the switchboard of everything that can be wrong with the site. Two doors see all traffic: `_http` every
    request, `_write` every outgoing text frame.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Clock,
        scenario: Scenario | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        race_cache_s: float = 5.0,
        category_cache_s: float = 60.0,
        races_cache_s: float = 30.0,
        ping_interval_s: float = 20.0,
        unknown_race_s: float = 4.0,
        tick_s: float = 0.1,
    ) -> None:
        self.world = world
        self.stats = Stats()
        self.host = host
        self.port = port
        self._clock = clock
        self._scenario = scenario
        self._tick_s = tick_s
        self._site = Site(world, clock, CacheTimes(race_cache_s, category_cache_s, races_cache_s), self.stats)
        self._rooms = Rooms(world, clock, self.stats.actions)
        self._holds = Holds(clock)
        self.faults = Faults(world, self._holds, clock.now, self.open_sockets)
        self._http_faults = HttpFaults(self.faults, world, self._holds)
        self._sockets = SocketServer(
            world,
            self._rooms,
            self.faults,
            self._holds,
            clock=clock,
            stats=self.stats,
            write=self._write,
            ping_interval_s=ping_interval_s,
            unknown_race_s=unknown_race_s,
        )
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._scheduled = False
        self._listener = asyncio.Lock()

    @property
    def url(self) -> str:
        """Return the base URL, known after the first start."""
        return f"http://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        return self._runner is not None

    @property
    def listening(self) -> bool:
        """Whether a connection would be accepted."""
        return self._server is not None

    @property
    def caches(self) -> CacheTimes:
        """How long copies are kept; set it to have other times from the next request on."""
        return self._site.caches

    @caches.setter
    def caches(self, times: CacheTimes) -> None:
        self._site.caches = times

    # the truth

    def open_sockets(self, race: Race | None = None) -> list[RoomSocket]:
        """Return the open sockets, of one room or of all."""
        rooms = self._rooms.sockets
        return list(rooms.get(str(race), ())) if race else [each for room in rooms.values() for each in room]

    def sockets_by_room(self) -> dict[str, int]:
        """Return how many sockets each room has open, whoever's; rooms without any are left out."""
        return {name: len(sockets) for name, sockets in self._rooms.sockets.items()}

    def open_rooms(self, category: str) -> list[str]:
        """Return the names of a category's current rooms, listed and unlisted, oldest first."""
        return [str(race) for race in self.world.races_of(self.world.categories[category], current=True)]

    def truth(self, client_id: str, secret: str | None = None) -> Truth:
        """Return whether a correct client with these credentials could work right now, and what it would find."""
        return truth_of(
            client_id,
            secret,
            world=self.world,
            faults=self.faults,
            listening=self.listening and not self.faults.matching("server"),
            sockets=self.open_sockets(),
            now=self._clock.now(),
        )

    # life and death

    async def start(self) -> None:
        """Listen; on the same port as before if it ran already."""
        if self._runner is not None:
            return
        app = web.Application(middlewares=[self._middleware])
        app.add_routes(
            [web.get("/ws/o/bot/{slug}", self._sockets.serve), web.get("/ws/{path:.*}", self._no_such_socket)]
        )
        app.add_routes(self._site.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_LIMIT_S)
        await self._runner.setup()
        await self._listen(self._runner)
        self._holds.open()
        self._unsubscribe = self.world.subscribe(self._hear)
        if self._scenario is not None and self._scenario.schedule is not None and not self._scheduled:
            self._scheduled = True
            self.faults.play(self._scenario.schedule)
        self._ticker = asyncio.create_task(self._tick(), name="racetime-simulator-tick")

    async def stop(self) -> None:
        """End as uvicorn does on SIGTERM: every socket is closed with 1012."""
        await self._end(graceful=True)

    async def crash(self) -> None:
        """End as on SIGKILL: connections drop without a close frame."""
        await self._end(graceful=False)

    async def restart(self, waves: int = 1, *, down_s: float = 1.0, up_s: float = 1.0, crash: bool = False) -> None:
        """Stop or crash, and start again after `down_s`; `up_s` later once more, `waves` times in all.

        Whoever cancels it meanwhile finds the server as it is then, up or down.
        """
        for wave in range(waves):
            if wave:
                await self._clock.sleep(up_s)
            await self._end(graceful=not crash)
            await self._clock.sleep(down_s)
            await self.start()

    async def _listen(self, runner: web.AppRunner) -> None:
        assert runner.server is not None  # noqa: S101  (set up before anything listens)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(runner.server, self.host, self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        """Accept nobody any more; who was accepted in this moment still gets through to the server.

        Python leaves a connection whose listener closes under it to the garbage collector, open.
        """
        server, self._server = self._server, None
        if server is None:
            return
        for each in server.sockets:
            asyncio.get_running_loop().remove_reader(each.fileno())
        for _ in range(_TURNS_OF_AN_ACCEPT):
            await asyncio.sleep(0)
        server.close()

    async def _refuse(self, runner: web.AppRunner) -> None:
        """Close the listener and drop every connection."""
        await self._stop_listening()
        if runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    async def _end(self, *, graceful: bool) -> None:
        async with self._listener:
            await self._shut_down(graceful=graceful)

    async def _shut_down(self, *, graceful: bool) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if self._unsubscribe is not None:
            self._unsubscribe()
        await self._stop_listening()
        silent = [each for each in self.open_sockets() if self.faults.on_socket("silence", each)]
        self._holds.close()
        if graceful:
            for socket in silent:
                socket.abort()
            await asyncio.gather(*(each.drop(1012) for each in self.open_sockets() if each not in silent))
        else:
            await self._refuse(runner)
        await runner.cleanup()
        self._site.forget_copies()
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(self._tick_s)
            now = self._clock.now()
            self.faults.advance(now)
            self._holds.release_the_left()
            if self.faults.active:
                self._sockets.close_the_idle()
            await self._mind_listener()
            if self._scenario is not None:
                self._scenario.advance(now)
            self.world.tick(now)

    async def _mind_listener(self) -> None:
        async with self._listener:
            refusing = bool(self.faults.matching("server"))
            if self._runner is None or refusing is not self.listening:
                return
            if refusing:
                await self._refuse(self._runner)
            else:
                await self._listen(self._runner)

    # the doors

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await self._http(request, handler)

    async def _http(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass every request through, counted by kind; faults have their way with it."""
        resource = request.match_info.route.resource
        self.stats.requests[f"{request.method} {resource.canonical if resource else '-'}"] += 1
        try:
            if not self.faults.active:
                return await _ordinary(request, handler)
            return await self._http_faults.answer(request, lambda: _ordinary(request, handler))
        except ConnectionError:
            return drop(request)  # the client has left meanwhile: nobody to answer, and no error of ours

    async def _write(self, socket: RoomSocket, frame: str) -> None:
        """Pass every outgoing text frame through."""
        await socket.ws.send_str(frame)

    def _hear(self, news: Broadcast) -> None:
        self._rooms.hear(news)

    async def _no_such_socket(self, _: web.Request) -> web.Response:
        # The real site has two more kinds of sockets, for users; bots have no use for them.
        return web.Response(status=500)


async def _ordinary(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException:
        # Assumption: a wrong method on a known path looks like an unknown path.
        response = not_found()
    if not response.prepared:
        finish_headers(request, response)
    return response
