"""A web server over a real store, and the platforms and facts that fill it."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from exporter.dispatch import Dispatch
from exporter.drain import Drain
from exporter.errors import AuthReason, FailureReason, OrderError
from exporter.model import events as ev
from exporter.model.history import HistoryPage, HistoryQuery
from exporter.model.states import DisconnectReason, EntrantStatus, LobbyState, PlatformTraits, RaceState
from exporter.model.status import Entrant, LobbyPlayer, LobbyRecord, RaceView
from exporter.process import ProcessState
from exporter.reconcile import Plan
from exporter.reload import Reloaded
from exporter.runner import RetryPolicy
from exporter.stats import ClusterStats, HttpStats, LogonStats, OrderStats, StorageStats, StreamStats
from exporter.storage.engine import target
from exporter.storage.orders import order_digest
from exporter.storage.service import Storage
from exporter.storage.writer import Limits
from exporter.store import StatusStore
from exporter.supervisor import Supervisor
from exporter.web.control.desk import OrderDesk
from exporter.web.control.service import Commands
from exporter.web.keys import AccessKey
from exporter.web.scrape import MetricsPage, MetricsSource
from exporter.web.server import WebServer
from exporter.web.settings import WebSettings
from tests.clock import ManualClock

NOW = 1_800_000_000.0
STARTED_AT = NOW - 3600
LOBBY_ID = 29_000_000_000_000_001  # beyond what a JavaScript number holds
READ_KEY = "read-key-text"
ADMIN_KEY = "admin-key-text"
KEYS = (AccessKey.of("monitor", "read", READ_KEY), AccessKey.of("boss", "admin", ADMIN_KEY))

RACETIME = PlatformTraits(
    name="racetime",
    subject="category",
    states=("disconnected", "connecting", "online", "in_race"),
    ready="online",
    busy=frozenset({"in_race"}),
    moves=frozenset({("connecting", "online"), ("online", "in_race"), ("in_race", "online")}),
    auth_reasons=(AuthReason.INVALID_CREDENTIALS, AuthReason.OTHER),
    failure_reasons=(FailureReason.REFUSED, FailureReason.TIMEOUT, FailureReason.OTHER),
    disconnect_reasons=tuple(DisconnectReason),
    facts=("races", "last_poll_at", "token_expires_at"),
)
DOTA2 = PlatformTraits(
    name="dota2",
    subject="username",
    states=("disconnected", "connecting", "steam_online", "gc_connected", "in_lobby", "in_game"),
    ready="gc_connected",
    busy=frozenset({"in_lobby", "in_game"}),
    moves=frozenset(
        {("connecting", "steam_online"), ("steam_online", "gc_connected"), ("gc_connected", "in_lobby")}
        | {("in_lobby", "in_game"), ("in_lobby", "gc_connected"), ("in_game", "gc_connected")}
    ),
    auth_reasons=(AuthReason.INVALID_CREDENTIALS, AuthReason.GUARD_CODE_REQUIRED, AuthReason.OTHER),
    failure_reasons=(FailureReason.REFUSED, FailureReason.GC_DOWN, FailureReason.OTHER),
    disconnect_reasons=tuple(DisconnectReason),
    facts=("steam_connected", "gc_connected", "current_lobby_id"),
)


def race_view(slug: str = "lucky-link-1", *, state: RaceState = RaceState.OPEN, name: str = "Ann") -> RaceView:
    return RaceView(
        category="alttpr",
        slug=slug,
        state=state,
        goal_name="Beat the game",
        goal_custom=False,
        info="weekly",
        url=f"https://racetime.gg/alttpr/{slug}",
        opened_by_bot="alttpr",
        opened_at=NOW - 60,
        started_at=None,
        ended_at=None,
        entrants_count=1,
        entrants_count_finished=0,
        entrants_count_inactive=0,
        detailed=True,
        entrants=(Entrant("u1", name, None, EntrantStatus.READY, None, None),),
    )


def lobby(bot: str = "dire", *, lobby_id: int | None = LOBBY_ID, player: str = "Puck") -> LobbyRecord:
    return LobbyRecord(
        key=str(lobby_id) if lobby_id is not None else bot,
        bot=bot,
        lobby_id=lobby_id,
        name="inhouse",
        state=LobbyState.WAITING,
        state_since=NOW,
        server_region=1,
        server_region_name="USW",
        game_mode=1,
        game_mode_name="AP",
        has_password=True,
        created_at=NOW,
        players=(
            LobbyPlayer(76561198000000001, player, "radiant", 0),
            LobbyPlayer(76561198000000002, "Lina", "dire", 0),
            LobbyPlayer(76561198000000003, "Cam", "spectator", None),
        ),
    )


@dataclass(frozen=True)
class Page:
    parts: Sequence[bytes]
    content_type: str
    content_encoding: str | None = None

    @property
    def size(self) -> int:
        return sum(map(len, self.parts))


@dataclass
class Metrics:
    """A source of metrics that says what it was asked for, or `parts`, or asks another.

    It can fail, or hold an answer back.
    """

    error: Exception | None = None
    parts: Sequence[bytes] = ()
    source: MetricsSource | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    async def page(self, *, accept: str | None, accept_encoding: str | None, names: Sequence[str] = ()) -> MetricsPage:
        if self.source is not None:
            return await self.source.page(accept=accept, accept_encoding=accept_encoding, names=names)
        self.asked.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        body = f"# {accept} | {accept_encoding} | {','.join(names)}\n".encode()
        return Page(self.parts or [body], "text/plain; version=0.0.4; charset=utf-8")


class Fleet:
    """The server under test and all that it reads. `call` sends a request as a client on this machine would."""

    def __init__(
        self, settings: WebSettings | None = None, folder: Path | None = None, cluster: ClusterStats | None = None
    ) -> None:
        self._folder = folder or Path("/dev/null/no-database")
        self.clock = ManualClock(NOW)
        self.store = StatusStore()
        self.process = ProcessState(version="1.2.3", started_at=STARTED_AT, ready=True)
        self.metrics = Metrics()
        self.stats = HttpStats()
        self.logons: LogonStats | None = None
        self.reloaded: Reloaded | Exception = Reloaded(Plan(), ())
        self.storage = StorageStats()
        self.storage.opened = self.storage.up = True
        self.asked: list[HistoryQuery] = []
        self.past: HistoryPage | OrderError = HistoryPage((), None)
        self.orders = OrderStats()
        self.streams = StreamStats()
        self.memory = self._memory()
        desk = OrderDesk(self.memory.orders, order_digest, self.orders)
        drain = Drain(self.store, self.process)
        supervisor = Supervisor(
            self.store,
            {},
            clock=self.clock,
            rng=random.Random(1),
            policy=RetryPolicy(),
            hide=lambda *_: None,
            draining=lambda: drain.active,
        )
        self.commands = Commands(desk, supervisor, Dispatch(self.store, lambda: drain.active), drain)
        self.server = WebServer(
            settings or WebSettings(listen=(("127.0.0.1", 0),)),
            store=self.store,
            process=self.process,
            traits=(DOTA2, RACETIME),
            metrics=self.metrics,
            stats=self.stats,
            clock=self.clock,
            reload=self.reload,
            storage=self.storage,
            history=self.page,
            commands=self.commands,
            lobbies_created=lambda: 15,
            logons=lambda: self.logons,
            streams=self.streams,
            cluster=cluster,
        )
        self.client = aiohttp.ClientSession()

    async def reload(self, by: str) -> Reloaded:
        assert by == "POST /-/reload"
        if isinstance(self.reloaded, Exception):
            raise self.reloaded
        return self.reloaded

    async def page(self, query: HistoryQuery) -> HistoryPage:
        """Answer for the storage, with whatever `past` is."""
        self.asked.append(query)
        if isinstance(self.past, OrderError):
            raise self.past
        return self.past

    async def __aenter__(self) -> "Fleet":
        try:
            await self.server.start()
        except BaseException:
            await self.client.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self.server.stop(1)
        await self.commands.desk.close(1)
        await self.memory.stop(1.0)

    def _memory(self) -> Storage:
        """Return a storage that opens its database with the first order; without a folder it cannot."""
        where = target(None, self._folder)
        return Storage(where, StorageStats(), clock=self.clock, rng=random.Random(1), limits=Limits())

    def url(self, path: str) -> str:
        host, port = self.server.addresses[0]
        scheme = "https" if self.server.encrypted else "http"
        return f"{scheme}://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}{path}"  # noqa: S104

    async def call(self, path: str, method: str = "GET", **options: object) -> aiohttp.ClientResponse:
        answer = await self.client.request(method, self.url(path), allow_redirects=False, **options)  # type: ignore[arg-type]
        await answer.read()
        return answer

    async def get(self, path: str) -> dict[str, object]:
        answer = await self.call(path)
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "application/json"
        found = await answer.json()
        assert isinstance(found, dict)
        return found

    def add(self, name: str, traits: PlatformTraits = RACETIME, *, subject: str | None = None, at: float = NOW) -> None:
        self.store.apply(ev.BotAdded(name, at, traits, subject or name, active=True))

    def connect(self, name: str, *, at: float = NOW) -> None:
        """Bring a bot to where it takes orders, by the way of its platform."""
        traits = self.store.bots[name].traits
        self.store.apply(ev.ConnectStarted(name, at))
        for state in traits.states[2 : traits.states.index(traits.ready) + 1]:
            self.store.apply(ev.StateEntered(name, at, state))
        self.store.apply(ev.HealthProved(name, at, 90.0))

    def populate(self) -> None:
        """Two bots that work, one with a race and one with a lobby, and one with wrong credentials."""
        self.logons = LogonStats()
        self.logons.queue_length, self.logons.cooldown_until = 7, NOW + 1500
        self.add("alttpr")
        self.connect("alttpr")
        self.store.apply(ev.RaceUpdated("alttpr", NOW, race_view()))
        self.store.apply(ev.RoomConnected("alttpr", NOW, "alttpr/lucky-link-1"))
        self.store.apply(ev.TokenIssued("alttpr", NOW, NOW + 36000))
        self.add("sm")
        self.store.apply(ev.ConnectStarted("sm", NOW))
        refusal = "Invalid client secret"
        self.store.apply(ev.CredentialsRefused("sm", NOW, AuthReason.INVALID_CREDENTIALS, refusal, NOW + 600))
        self.add("dire", DOTA2, subject="dire_account")
        self.connect("dire")
        self.store.apply(ev.StateEntered("dire", NOW, "in_lobby"))
        self.store.apply(ev.LobbyUpdated("dire", NOW, lobby()))
