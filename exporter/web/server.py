"""The web server: opens the addresses, and closes them without cutting off who is being served."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import structlog
from aiohttp import web

from exporter.addresses import shown
from exporter.drain import waits_for
from exporter.model.states import PlatformTraits
from exporter.process import ProcessState
from exporter.stats import ClusterStats, HttpStats, LogonStats, StorageStats, StreamStats
from exporter.store import Records, StatusStore
from exporter.timing import Clock
from exporter.web.acceptor import Acceptor
from exporter.web.api.document import check_described, document
from exporter.web.api.pages import ApiPages
from exporter.web.clients import Clients
from exporter.web.connection import Connection
from exporter.web.control.elsewhere import Elsewhere
from exporter.web.control.service import Commands, ControlRoutes
from exporter.web.discovery import Discovery
from exporter.web.failures import Failures
from exporter.web.headers import AnswerHeaders
from exporter.web.history import HistoryRoutes, HistorySource
from exporter.web.keys import AccessRules, Gate
from exporter.web.listeners import Listeners
from exporter.web.live import LiveWebConfig
from exporter.web.middleware import Entrance
from exporter.web.page import LandingPage
from exporter.web.passwords import Passwords
from exporter.web.probes import Probes
from exporter.web.rate import RateLimiter
from exporter.web.reload import Reload, ReloadPage
from exporter.web.request import Request
from exporter.web.routes import Route, route_table
from exporter.web.scrape import MetricsSource, Scrape
from exporter.web.settings import WebSettings
from exporter.web.slots import Slot, Slots
from exporter.web.status import StatusPages
from exporter.web.stream.feed import StreamFeed
from exporter.web.tickets import Tickets
from exporter.web.untaken import Untaken
from exporter.web_config import ServerTls, WebConfig

if TYPE_CHECKING:
    from exporter.cluster.fleet import WholeFleet

_AT_ONCE_S = 0.05  # the library takes 0 for "no limit"

_log = structlog.get_logger(component="web")


class WebServer:
    """Serves the routes of `route_table`. `routes` is that table, `addresses` what is listened on since `start`.

    In a cluster readers see the `whole` fleet, and `elsewhere` passes orders on; one process alone has neither.
    """

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
        commands: Commands,
        lobbies_created: Callable[[], int] = lambda: 0,
        logons: Callable[[], LogonStats | None] = lambda: None,
        streams: StreamStats | None = None,
        cluster: ClusterStats | None = None,
        whole: "WholeFleet | None" = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        records: Records = whole if whole is not None else store
        self._settings = settings
        self._stats = stats
        self._clock = clock
        self._listeners = Listeners(settings)
        self._clients = Clients(self._listeners.is_loopback, settings.access.trusted_proxies)
        self._passwords = Passwords()
        tickets = Tickets(clock)
        self._gate = Gate(settings.access, Failures(clock), self._passwords, tickets)
        self._rate = RateLimiter(clock)
        self._headers = AnswerHeaders(instance=whole.me if whole is not None else None)
        self._elsewhere = elsewhere
        self._slots = Slots(settings.limits.connections_of_one, settings.limits.connections)
        self._untaken = Untaken(settings.limits.untaken_bytes)
        self._live: LiveWebConfig | None = None
        self._watching: asyncio.Task[NoReturn] | None = None
        status = StatusPages(
            records,
            process,
            traits,
            clock,
            lobbies_created=lobbies_created,
            logons=logons,
            waits_for=partial(waits_for, store),
            cluster=whole,
        )
        self._feed = StreamFeed(
            records,
            process,
            traits,
            clock,
            figures=status.figures,
            stats=streams or StreamStats(),
            gate=self._gate,
            clients=self._clients,
            tickets=tickets,
            most=settings.limits.streams,
            boot=secrets.token_hex(8),
        )
        if settings.web_config is not None:
            self._live = LiveWebConfig(settings.web_config, process, self._use)
            self._use(settings.web_config)
        api = ApiPages()
        self.routes: tuple[Route, ...] = route_table(
            settings.telemetry_path,
            landing=LandingPage(settings, process.version),
            scrape=Scrape(metrics),
            discovery=Discovery(settings, whole),
            status=status,
            history=HistoryRoutes(records, traits, history),
            probes=Probes(records, process, clock, storage, cluster),
            reload=ReloadPage(reload),
            control=ControlRoutes(
                commands,
                store,
                process,
                clock,
                base=settings.external_path,
                records=records,
                elsewhere=elsewhere,
            ),
            api=api,
            feed=self._feed,
        )
        check_described(self.routes, settings.telemetry_path)
        api.describe(
            partial(
                document,
                self.routes,
                version=process.version,
                telemetry_path=settings.telemetry_path,
                base=settings.external_path,
            )
        )
        self._connections: web.Server | None = None
        self._acceptor = Acceptor(
            limits=settings.limits,
            slots=self._slots,
            clients=self._clients,
            clock=clock,
            tls=self._tls,
            connection=self._connection,
        )
        self.addresses: tuple[tuple[str, int], ...] = ()

    async def start(self) -> None:
        """Listen on every address. Raises StartError, listening on none, when one of them cannot be had."""
        self._connections = web.Server(
            self._entrance().answer,  # type: ignore[arg-type]  # its requests are those that the factory makes
            request_factory=partial(Request, headers=self._headers, body_bytes=self._settings.limits.body_bytes),
            handler_cancellation=True,
        )
        try:
            await self._acceptor.bind(self._settings.listen)
            self.addresses = self._acceptor.addresses
            self._listeners.bind(self.addresses)  # before the first request can come in
            self._feed.hub.start()
            self._acceptor.start()
        except BaseException:
            await self.stop(0)
            raise
        if self._live is not None:
            self._watching = asyncio.create_task(self._live.watch(self._clock), name="watch the web configuration")
        for host, port in self.addresses:
            _log.info("listening", address=shown(host, port), tls=self._tls() is not None)

    async def stop(self, limit_s: float) -> None:
        """Take no more requests, give the running ones that many seconds, then close everything."""
        self._acceptor.refuse()
        connections = self._connections
        if connections is not None:
            for each in connections.connections:
                if each not in self._feed.open:  # of a closed one nothing is read, not even a browser's goodbye
                    each.close()
        await self._feed.stop()
        if connections is not None:
            connections.pre_shutdown()
        await self._acceptor.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        if connections is not None:
            transports = [each.transport for each in connections.connections]
            try:
                async with asyncio.timeout(limit_s):
                    await connections.shutdown(None)
            except TimeoutError:
                await connections.shutdown(_AT_ONCE_S)
            for transport in transports:
                if transport is not None:
                    transport.abort()  # a plain close would wait for a client that does not read
        if self._elsewhere is not None:
            await self._elsewhere.close()
        self._passwords.close()

    @property
    def encrypted(self) -> bool:
        """Whether clients have to speak TLS."""
        return self._tls() is not None

    def change_access(self, rules: AccessRules) -> None:
        """Use other keys, rules and trusted proxies from now on, after a reload."""
        self._gate.change(rules)
        self._clients.trusted = rules.trusted_proxies
        self._feed.hub.check()

    def _entrance(self) -> Entrance:
        entrance = Entrance(
            stats=self._stats,
            clock=self._clock,
            listeners=self._listeners,
            clients=self._clients,
            gate=self._gate,
            rate=self._rate,
            slots=self._slots,
            limits=self._settings.limits,
            telemetry_path=self._settings.telemetry_path,
        )
        prefix = self._settings.prefix
        for route in self.routes:
            entrance.open(route, prefix + route.path)
        if prefix:
            page = self.routes[0]
            entrance.open(Route(page.method, page.path, _add_slash, page.access), prefix)
        return entrance

    def _connection(self, slot: Slot, tls: ServerTls | None) -> Connection:
        assert self._connections is not None  # noqa: S101  (made before anything listens)
        return Connection(
            self._connections,
            slot,
            limits=self._settings.limits,
            headers=self._headers,
            untaken=self._untaken,
            tls=tls,
            left=self._slots.give_back,
            late=lambda: self._stats.observe("unmatched", "other", 408, self._settings.limits.head_s),
            cut=self._count_cut_off,
        )

    def _count_cut_off(self, why: str) -> None:
        self._stats.cut_off[why] += 1

    def _tls(self) -> ServerTls | None:
        return self._live.current.tls if self._live is not None else None

    def _use(self, config: WebConfig) -> None:
        """Follow the web configuration; connections ask for its TLS themselves."""
        self._headers.configured = config.headers
        self._passwords.change(config.users)
        self._rate.change(config.rate)
        self._feed.hub.check()


async def _add_slash(request: web.Request) -> web.Response:
    """Send a browser from the prefix to the page: its relative links need the slash."""
    name = request.rel_url.raw_path.rpartition("/")[2]
    return web.Response(status=308, headers={"Location": f"{name}/"})
