"""Processes of a cluster in one test: each with its store, leases, storage and web server, all over one database.

What a process runs, the test says: `run` claims a bot and takes it into the fleet. The bots are stand-ins for games;
everything between them and the client is the real thing.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import psycopg

from exporter.cluster.exchange import Exchange
from exporter.cluster.fleet import WholeFleet
from exporter.cluster.members import Membership
from exporter.dispatch import Dispatch
from exporter.drain import Drain
from exporter.model import events as ev
from exporter.model.record import replace as changed
from exporter.model.states import LobbyState, PlatformTraits
from exporter.model.status import LobbyRecord, RaceView
from exporter.platforms.base import BotContext
from exporter.process import ProcessState
from exporter.reconcile import Plan
from exporter.reload import Reloaded
from exporter.runner import RetryPolicy
from exporter.secrets import hide_nothing
from exporter.stats import HttpStats, LogonStats, OrderStats, StorageStats
from exporter.storage.bell import Bell
from exporter.storage.cluster_records import CHANNEL, ClusterRecords
from exporter.storage.engine import target
from exporter.storage.leases import Leases, Me
from exporter.storage.orders import order_digest
from exporter.storage.service import Storage
from exporter.storage.trouble import StorageTrouble
from exporter.storage.writer import Limits
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor
from exporter.timing import SystemClock
from exporter.web.control.desk import OrderDesk
from exporter.web.control.elsewhere import Elsewhere, tls_context
from exporter.web.control.service import Commands
from exporter.web.keys import AccessRules
from exporter.web.server import WebServer
from exporter.web.settings import WebSettings
from tests.eventually import eventually
from tests.web.fleet import ADMIN_KEY, DOTA2, KEYS, RACETIME, Metrics, lobby, race_view

Json = dict[str, Any]
_T = TypeVar("_T")
BEAT_S = 0.1
KEY = {"X-API-Key": ADMIN_KEY}
HERE = WebSettings(listen=(("127.0.0.1", 0),), access=AccessRules(KEYS))
NEW_LOBBY = {"name": "inhouse", "server_region": "USE", "game_mode": "CM"}


@dataclass(frozen=True)
class Options:
    subject: str


def spec(name: str, traits: PlatformTraits = DOTA2) -> BotSpec:
    subject = f"{name}_account" if traits is DOTA2 else name.rstrip("0123456789-")
    return BotSpec(name, traits, Options(subject), active=True)


@dataclass
class GameBot:
    """A bot that works at once. `created` are the lobbies that were ordered of it; `go` holds them back."""

    options: Options
    context: BotContext
    traits: PlatformTraits
    created: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    lobby: LobbyRecord | None = None

    def __post_init__(self) -> None:
        self.go.set()
        self.ready.set()

    async def run(self) -> None:
        await self.ready.wait()
        report, name, now = self.context.report, self.context.name, self.context.clock.now
        for state in self.traits.states[2 : self.traits.states.index(self.traits.ready) + 1]:
            report(ev.StateEntered(name, now(), state))
        report(ev.HealthProved(name, now(), 3600.0))
        await asyncio.Event().wait()

    def credentials(self) -> object:
        return None

    async def create_lobby(self, settings: Any, **_: Any) -> LobbyRecord:
        self.created.append(settings.name)
        await self.go.wait()
        name, now = self.context.name, self.context.clock.now
        number = uuid.uuid4().int % 10**17
        self.lobby = changed(lobby(name, lobby_id=number), name=settings.name)
        self.context.report(ev.LobbyUpdated(name, now(), self.lobby))
        self.context.report(ev.StateEntered(name, now(), "in_lobby"))
        return self.lobby

    async def launch(self) -> LobbyRecord:
        assert self.lobby is not None
        self.lobby = changed(self.lobby, state=LobbyState.IN_GAME)
        self.context.report(ev.LobbyUpdated(self.context.name, self.context.clock.now(), self.lobby))
        return self.lobby

    async def set_details(self, changes: Mapping[str, object]) -> LobbyRecord:
        raise NotImplementedError

    async def invite(self, steam_id: int) -> None: ...
    async def kick(self, account_id: int) -> None: ...
    async def kick_from_team(self, account_id: int) -> None: ...
    async def shuffle_teams(self) -> LobbyRecord:
        raise NotImplementedError

    async def flip_teams(self) -> LobbyRecord:
        raise NotImplementedError

    async def close_lobby(self, *, abandon: bool = False) -> None: ...

    async def open_race(self, _: Mapping[str, object]) -> RaceView:
        view = changed(race_view("opened-1"), category=self.options.subject)
        self.context.report(ev.RaceUpdated(self.context.name, self.context.clock.now(), view))
        return view

    async def edit_race(self, slug: str, changes: Mapping[str, object]) -> None: ...
    async def act(self, *_: object) -> Json:
        return {"by": self.context.name}


class Games:
    """The service of a platform; `bots` are those that it made. Those made on `hold` do not come to work."""

    logons: LogonStats | None = None
    queue = None

    def __init__(self, traits: PlatformTraits) -> None:
        self.traits = traits
        self.hold = False
        self.bots: dict[str, GameBot] = {}

    def bot(self, options: Options, context: BotContext) -> GameBot:
        self.bots[context.name] = GameBot(options, context, self.traits)
        if self.hold:
            self.bots[context.name].ready.clear()
        return self.bots[context.name]


class Node:
    """One process. `gone` ends it as a kill would: nobody is told."""

    def __init__(
        self,
        name: str,
        database: str,
        specs: Sequence[BotSpec],
        *,
        life_s: float,
        settings: WebSettings,
        ca_file: Path | None = None,
    ) -> None:
        self.name = name
        self.database = database
        self.boot = uuid.uuid4().hex
        self.life_s = life_s
        self.specs = {each.name: each for each in specs}
        self.where = target(database, Path())
        self.clock = SystemClock()
        self.store = StatusStore()
        self.process = ProcessState("1.2.3", self.clock.now(), ready=True)
        self.members = Membership(name, self.boot)
        self.fleet = WholeFleet(self.store, self.members, self.clock)
        self.fleet.configure(specs)
        platforms = {each.name: each for each in (DOTA2, RACETIME)}
        self.exchange = Exchange(
            ClusterRecords(self.where, name, self.boot),
            self.store,
            self.fleet,
            self.members,
            platforms=platforms,
            clock=self.clock,
        )
        rng = random.Random(1)
        self.bell = Bell(self.where, clock=self.clock, rng=rng)
        self.bell.on(CHANNEL, self.exchange.on_bell)
        self.games = {each.name: Games(each) for each in (DOTA2, RACETIME)}
        self.storage = Storage(self.where, StorageStats(), clock=self.clock, rng=rng, limits=Limits(), boot=self.boot)
        self.storage.orders.share(self.boot, lambda boot: any(each.boot == boot for each in self.members.instances()))
        self.store.subscribe(self.storage.on_change)
        self.drain = Drain(self.store, self.process)
        self.supervisor = Supervisor(
            self.store,
            self.games,
            clock=self.clock,
            rng=rng,
            policy=RetryPolicy(),
            hide=hide_nothing,
            draining=lambda: self.drain.active,
            recall=self.storage.recall,
        )
        self.desk = OrderDesk(self.storage.orders, order_digest, OrderStats())
        commands = Commands(self.desk, self.supervisor, Dispatch(self.store, lambda: self.drain.active), self.drain)
        self.elsewhere = Elsewhere(self.fleet, self.store, tls_context(ca_file))
        self.web = WebServer(
            settings,
            store=self.store,
            process=self.process,
            traits=(DOTA2, RACETIME),
            metrics=Metrics(),
            stats=HttpStats(),
            clock=self.clock,
            reload=self._reload,
            storage=self.storage.stats,
            history=self.storage.page,
            commands=commands,
            lobbies_created=lambda: self.exchange.lobbies_created or 0,
            whole=self.fleet,
            elsewhere=self.elsewhere,
        )
        self.client = aiohttp.ClientSession(headers=KEY)
        self._tasks: list[asyncio.Task[Any]] = []
        self._leases: Leases | None = None
        self._thread = ThreadPoolExecutor(1)

    async def _reload(self, _: str) -> Reloaded:
        return Reloaded(Plan(), ())

    @property
    def url(self) -> str:
        host, port = self.web.addresses[0]
        return f"{'https' if self.web.encrypted else 'http'}://{host}:{port}"

    @property
    def leases(self) -> Leases:
        assert self._leases is not None
        return self._leases

    async def start(self) -> None:
        await self.storage.start()
        await self.web.start()
        self._leases = Leases(self.where, Me(self.name, self.boot, self.url, "default", "1.2.3"), self.life_s)
        await self.beat()
        slot = next(each.slot for each in self.members.instances() if each.name == self.name)
        self.storage.take_part(slot, 64, prunes=False)
        works = (self.storage.run(), self.exchange.run(), self.bell.run(), self._beats())
        self._tasks = [asyncio.create_task(work) for work in works]

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        """Have the database do something; as the lease loop does, once more when that did not work."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, work)
        except StorageTrouble:  # such as a transaction that a busy machine let lie for too long
            return await loop.run_in_executor(self._thread, work)

    async def beat(self) -> None:
        seen = await self._in_thread(lambda: self.leases.beat(draining=self.drain.active))
        self.members.saw(seen.at, seen.instances, seen.leases)

    async def advertise(self, url: str) -> None:
        """Have the others call another address."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("UPDATE cluster_instances SET advertise_url = %s WHERE boot = %s", (url, self.boot))

    async def _beats(self) -> None:
        while True:
            await self.clock.sleep(BEAT_S)
            await self.beat()

    async def run(self, *names: str) -> None:
        """Claim bots and run them, until they are ready."""
        await self.take(*names)
        await eventually(lambda: all(self.store.bots[name].ready for name in names))

    async def take(self, *names: str) -> None:
        """Claim bots and run them."""
        for each in await self._in_thread(lambda: self.leases.claim(names)):
            self.storage.learn(each.bot, each.generation, each.stored)
        await self.beat()
        for name in names:
            lease = self.members.lease_of(name)
            assert lease is not None
            assert lease.owner == self.name
            await self.supervisor.add(self.specs[name])

    async def release(self, *names: str) -> None:
        """Stop bots, and give their leases back."""
        for name in names:
            await self.supervisor.release(name)
        await self._in_thread(lambda: self.leases.give(names))
        await self.beat()

    def bot(self, name: str) -> GameBot:
        """Return the stand-in that this process runs."""
        return self.games[self.specs[name].traits.name].bots[name]

    async def call(self, path: str, method: str = "GET", body: Json | None = None, **headers: str) -> "Answer":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self.url + path, json=body, headers=named) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.json(content_type=None))

    async def shown(self, path: str) -> Any:
        answer = await self.call(path)
        assert answer.status == 200, answer
        return answer.body

    def stop_beating(self) -> None:
        """Renew no lease from now on, and learn of none."""
        self._tasks[3].cancel()

    def fall_silent(self) -> None:
        """Tell the others nothing from now on, and not that it is alive."""
        _, exchange, _, beats = self._tasks
        exchange.cancel()
        beats.cancel()

    async def gone(self) -> None:
        """End as after SIGKILL: no lease is given back, nothing is cleared."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.web.stop(0)

    async def stop(self) -> None:
        await self.client.close()
        await self.gone()
        await self.desk.close(1)
        await self.supervisor.shutdown()
        with suppress(Exception):
            await self.exchange.close()
        await self.storage.stop(1)
        if self._leases is not None:
            await self._in_thread(self._leases.close)  # after a beat that may go on still
        self._thread.shutdown()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@asynccontextmanager
async def nodes(
    database: str,
    *names: str,
    bots: Sequence[BotSpec],
    life_s: float = 30.0,
    settings: Callable[[str], WebSettings] = lambda _: HERE,
    ca_file: Path | None = None,
) -> AsyncIterator[list[Node]]:
    """Run processes of these names, all of which know these bots."""
    made: list[Node] = []
    try:
        for name in names:
            made.append(Node(name, database, bots, life_s=life_s, settings=settings(name), ca_file=ca_file))
            await made[-1].start()
        for each in made:
            await eventually(lambda each=each: len(each.members.instances()) >= len(names))  # type: ignore[misc]
        yield made
    finally:
        for each in made:
            await each.stop()
