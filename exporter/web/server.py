"""The web server: opens the addresses, and closes them without cutting off who is being served."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from aiohttp import web

from exporter.errors import StartError
from exporter.model.states import PlatformTraits
from exporter.process import ProcessState
from exporter.stats import HttpStats, LogonStats, StorageStats
from exporter.store import StatusStore
from exporter.timing import Clock
from exporter.web.answers import problem_answer
from exporter.web.history import HistoryRoutes, HistorySource
from exporter.web.keys import AccessKey, Gate
from exporter.web.listeners import Listeners
from exporter.web.middleware import add_headers, complete, middlewares
from exporter.web.page import LandingPage
from exporter.web.probes import Probes
from exporter.web.reload import Reload, ReloadPage
from exporter.web.routes import Route, route_table
from exporter.web.scrape import MetricsSource, Scrape
from exporter.web.settings import WebSettings
from exporter.web.status import StatusPages

KEEPALIVE_S = 60.0
LARGEST_BODY = 64 * 1024
_AT_ONCE_S = 0.05  # the library takes 0 for "no limit"

_log = structlog.get_logger(component="web")


class WebServer:
    """Serves the routes of `route_table`. `routes` is that table, `addresses` what is listened on since `start`."""

    def __init__(
        self,
        settings: WebSettings,
        *,
        store: StatusStore,
        process: ProcessState,
        traits: Sequence[PlatformTraits],
        metrics: MetricsSource,
        stats: HttpStats,
        clock: Clock,
        reload: Reload,
        storage: StorageStats,
        history: HistorySource,
        lobbies_created: Callable[[], int] = lambda: 0,
        logons: Callable[[], LogonStats | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._listeners = Listeners(settings)
        self._gate = Gate(settings.keys, open_reads=settings.open_reads)
        self.routes: tuple[Route, ...] = route_table(
            settings.telemetry_path,
            landing=LandingPage(settings, process.version),
            scrape=Scrape(metrics),
            status=StatusPages(store, process, traits, clock, lobbies_created=lobbies_created, logons=logons),
            history=HistoryRoutes(store, traits, history),
            probes=Probes(store, process, clock, storage),
            reload=ReloadPage(reload),
        )
        self._by_handle: dict[web.AbstractRoute, Route] = {}
        self._runner = web.AppRunner(self._application(stats, clock), handle_signals=False, handler_cancellation=True)
        self._servers: list[asyncio.Server] = []
        self.addresses: tuple[tuple[str, int], ...] = ()

    async def start(self) -> None:
        """Listen on every address. Raises StartError, listening on none, when one of them cannot be had."""
        await self._runner.setup()
        try:
            await self._listen()
        except BaseException:
            await self.stop(0)
            raise
        for host, port in self.addresses:
            _log.info("listening", address=_shown(host, port))

    async def stop(self, limit_s: float) -> None:
        """Take no more requests, give the running ones that many seconds, then close everything."""
        for server in self._servers:
            server.close()
        connections = self._runner.server
        if connections is not None:
            connections.pre_shutdown()
            transports = [each.transport for each in connections.connections]
            try:
                async with asyncio.timeout(limit_s):
                    await connections.shutdown(None)
            except TimeoutError:
                await connections.shutdown(_AT_ONCE_S)
            for transport in transports:
                if transport is not None:
                    transport.abort()  # a plain close would wait for a client that does not read
        await self._runner.cleanup()
        self._servers.clear()

    def change_access(self, keys: Sequence[AccessKey], *, open_reads: bool) -> None:
        """Use other keys from now on, after a reload."""
        self._gate.change(keys, open_reads=open_reads)

    def _application(self, stats: HttpStats, clock: Clock) -> web.Application:
        chain = middlewares(self._route_of, stats=stats, clock=clock, listeners=self._listeners, gate=self._gate)
        app = web.Application(middlewares=chain, client_max_size=LARGEST_BODY)
        app.on_response_prepare.append(add_headers)
        prefix = self._settings.prefix
        for route in self.routes:
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                handle = app.router.add_route(method, prefix + route.path, route.handler)
                self._by_handle[handle] = route
        if prefix:
            for method in ("GET", "HEAD"):
                self._by_handle[app.router.add_route(method, prefix, _add_slash)] = self.routes[0]
        return app

    def _route_of(self, request: web.Request) -> Route | None:
        return self._by_handle.get(request.match_info.route)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for host, port in self._settings.listen:
            with _explained(host, port):
                server = await loop.create_server(self._connection, host or None, port, start_serving=False)
            self._servers.append(server)
        sockets = [each for server in self._servers for each in server.sockets]
        self.addresses = tuple(each.getsockname()[:2] for each in sockets)
        self._listeners.bind(self.addresses)  # before the first request can come in
        for server, (host, port) in zip(self._servers, self._settings.listen, strict=True):
            with _explained(host, port):
                await server.start_serving()

    def _connection(self) -> "_Connection":
        manager = self._runner.server
        assert manager is not None  # noqa: S101  (set up before anything listens)
        loop = asyncio.get_running_loop()
        return _Connection(
            manager,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            access_log=None,  # type: ignore[arg-type]  # the documented way to have none
        )


class _Connection(web.RequestHandler):
    """One connection. What is no HTTP at all gets a problem like any other mistake, and no traceback in the log.

    The library would answer with its own version and write a part of the request, maybe a key, to the log.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        response = problem_answer(status, "this is not a valid HTTP request", None)
        complete(response)
        response.force_close()
        return response


async def _add_slash(request: web.Request) -> web.Response:
    """Send a browser from the prefix to the page: its relative links need the slash."""
    name = request.rel_url.raw_path.rpartition("/")[2]
    return web.Response(status=308, headers={"Location": f"{name}/"})


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _explained(host: str, port: int) -> Iterator[None]:
    """Turn the system's refusal of an address into a StartError that says what to do."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        message = f"cannot listen on {_shown(host, port)}: {_trouble(error)}; choose another with --web.listen-address"
        raise StartError(message) from error


def _trouble(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):  # the latter for what cannot even be looked up
        return "the name has no address"
    match error.errno:
        case errno.EADDRINUSE:
            return "another program uses it (maybe bot-exporter already runs)"
        case errno.EACCES | errno.EPERM:
            return "not permitted (ports below 1024 need a privilege)"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case None if "could not bind on any address" in str(error):  # how Python 3.12 puts EADDRNOTAVAIL
            return "this machine has no such address"
        case None:
            return str(error)
        case number:
            return os.strerror(number)
