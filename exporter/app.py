"""The composition root: the only file that knows every part. Starts them in order and stops them in reverse.

data directory -> storage -> simulators -> services -> web -> bots -> ready
"""

import asyncio
import contextlib
import gc
import os
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from exporter.config import BotEntry, Config, load
from exporter.datadir import data_directory
from exporter.dispatch import Dispatch
from exporter.drain import Drain
from exporter.endpoint import Endpoint, announced, local_url
from exporter.errors import ConfigError, Problem
from exporter.loop import watch_loop
from exporter.maintenance import MaintenanceEnds
from exporter.metrics.counters import Counters
from exporter.metrics.exposition import Exposition
from exporter.model import events as ev
from exporter.model.states import PlatformTraits
from exporter.notify import ServiceManager
from exporter.outage import OutageWatch
from exporter.platforms import PLATFORMS
from exporter.platforms.base import Platform, Service
from exporter.process import VERSION, ProcessState
from exporter.reload import Fleet, Reloader
from exporter.runner import RetryPolicy
from exporter.secrets import Hide, hide_nothing
from exporter.simulators.racetime import RacetimeSimulator
from exporter.simulators.steam import SteamSimulator
from exporter.sources import Sources
from exporter.stand_ins import (
    SCENARIOS,
    Dota2Scenario,
    demo_league,
    racetime_simulator,
    steam_simulator,
    with_simulators,
)
from exporter.stats import HttpStats, LogonStats, LoopStats, OrderStats, StorageStats, StreamStats
from exporter.storage.engine import Target, target
from exporter.storage.orders import order_digest
from exporter.storage.service import Storage, storage
from exporter.storage.writer import Limits
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor, UnknownBot
from exporter.timing import Clock, SystemClock
from exporter.web.control.desk import OrderDesk
from exporter.web.control.elsewhere import Elsewhere, tls_context
from exporter.web.control.service import Commands
from exporter.web.keys import read_rules
from exporter.web.server import WebServer
from exporter.web.settings import WebSettings

if TYPE_CHECKING:
    from exporter.cluster.held import LeaseTiming
    from exporter.cluster.wiring import Cluster

_BOTS_STOP_S: Final = 5.0
_WEB_STOP_S: Final = 2.0
_ORDERS_STOP_S: Final = 1.0
START_STAGGER_S: Final = 0.05
_START_SPREAD_S: Final = 30.0

_log = structlog.get_logger(component="app")


def load_fleet(path: Path, sources: Sources | None = None, web_config: Path | None = None) -> Fleet:
    """Read the configuration; raises ConfigError with every problem of the core and of every bot.

    `sources` is told of each file before it is read. `web_config` is the web configuration file: its problems come
    with the others.
    """
    specs: list[BotSpec] = []
    sources = sources or Sources()

    def check(entry: BotEntry) -> Iterable[Problem]:
        platform = PLATFORMS.get(entry.platform)
        if platform is None:
            return [entry.problem("platform", f"is not known: choose one of {', '.join(PLATFORMS)}")]
        try:
            options = platform.parse(entry)
        except ConfigError as error:
            return error.problems
        specs.append(BotSpec(entry.name, platform.traits, options, entry.active, entry.runs_on))
        return ()

    return Fleet(load(path, check, SCENARIOS, sources, web_config), tuple(specs), sources)


@dataclass(slots=True)
class Application:
    """The running program, as far as whoever started it needs to know."""

    process: ProcessState
    store: StatusStore
    supervisor: Supervisor
    web: WebServer
    url: str
    """How a program on this machine reaches the web server, without a slash at the end."""
    reloader: Reloader
    storage: Storage
    draining: Drain
    racetime: RacetimeSimulator | None
    steam: SteamSimulator | None
    dota2: Dota2Scenario | None
    """What is played on the simulated Steam's coordinator of Dota 2."""
    admin_key: Path | None
    """The file with the key that was made because none is configured."""
    instance: str | None = None
    """The name of this process among several that run one fleet; None where it runs the fleet alone."""

    async def drain(self, limit_s: float) -> None:
        """Take on no new lobby or race from now on, and return when none is left or `limit_s` seconds have passed."""
        await self.draining.to_the_end(limit_s)


@asynccontextmanager
async def application(
    fleet: Fleet,
    settings: WebSettings,
    data_dir: Path,
    *,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    policy: RetryPolicy | None = None,
    stagger_s: float = START_STAGGER_S,
    hide: Hide = hide_nothing,
    platforms: Mapping[str, Platform] = PLATFORMS,
    reload_asked: asyncio.Event | None = None,
    watch_files: bool = False,
    storage_url: str | None = None,
    manager: ServiceManager | None = None,
    lease_timing: "LeaseTiming | None" = None,
) -> AsyncIterator[Application]:
    """Run everything. Bots start `stagger_s` seconds apart, all within 30 s; `hide` is told every secret.

    The configuration is reloaded whenever `reload_asked` is set, and with `watch_files` when one of its files changed.
    `storage_url` is the database to use instead of the configured one. `manager` is told of reloads. `lease_timing` is
    how fast the leases of a cluster go.

    Raises StartError or SecretError when something does not let it start.

    On leaving, bots are stopped first (their sockets closed), then the web server, then what bots shared.
    """
    clock = clock or SystemClock()
    rng = rng or random.Random()  # noqa: S311  (jitter, no secret)
    process = ProcessState(VERSION, clock.now(), config_loaded_at=clock.now())
    traits = [platform.traits for platform in platforms.values()]
    store = StatusStore(on_unexpected=_unexpected(process))
    counters, outages, loop = Counters(), OutageWatch(), LoopStats()
    http, orders, streams = HttpStats(), OrderStats(), StreamStats()
    draining, maintenance = Drain(store, process), MaintenanceEnds(store, clock)
    for subscriber in (counters.on_change, outages.on_change, maintenance.on_change):
        store.subscribe(subscriber)

    async with AsyncExitStack() as stack:
        stack.enter_context(data_directory(data_dir))
        rules = await asyncio.to_thread(read_rules, fleet.config.web, data_dir, hide)
        settings = replace(
            settings,
            access=rules,
            web_config=fleet.config.web_config,
            advertise_url=fleet.config.cluster.my_url or None,
        )
        where = _database(fleet.config, data_dir, storage_url, hide)
        cluster = _cluster(fleet.config, where, store, process, traits, clock=clock, rng=rng, timing=lease_timing)
        memory = await _open_storage(stack, store, fleet.config, where, cluster, clock=clock, rng=rng)
        racetime = await stack.enter_async_context(racetime_simulator(fleet.config, clock))
        steam, dota2 = await stack.enter_async_context(steam_simulator(fleet.config, clock))
        config = with_simulators(fleet.config, racetime, steam)
        services = await _open_services(stack, platforms, config, clock, data_dir)
        supervisor = Supervisor(
            store,
            services,
            clock=clock,
            rng=rng,
            policy=policy or RetryPolicy(),
            hide=hide,
            draining=lambda: process.draining,
            recall=memory.recall,
            allowed=cluster.holds if cluster is not None else lambda _: True,
            expected=memory.expected,
        )
        logons = _logons(services, supervisor)

        def prepare(config: Config) -> Callable[[], None]:
            return partial(web.change_access, read_rules(config.web, data_dir, hide))

        reloader = Reloader(
            fleet,
            partial(load_fleet, fleet.config.path),
            supervisor,
            store,
            process,
            prepare=prepare,
            clock=clock,
            stagger=partial(_stagger, stagger_s),
            ours=cluster.configured if cluster is not None else nullcontext,
            asked=reload_asked,
            manager=manager,
        )
        commands = _commands(memory, supervisor, store, draining, orders)
        exposition = Exposition(
            store=store,
            counters=counters,
            bot_stats=supervisor.stats,
            http=http,
            loop=loop,
            process=process,
            traits=traits,
            outage=outages.active,
            logons=logons,
            storage=memory.stats,
            orders=orders,
            streams=streams,
            cluster=cluster.stats if cluster is not None else None,
        )
        web = WebServer(
            settings,
            store=store,
            process=process,
            traits=traits,
            metrics=exposition,
            stats=http,
            clock=clock,
            logons=logons,
            reload=reloader.ask,
            lobbies_created=cluster.lobbies_created if cluster is not None else lambda: memory.lobbies_created,
            storage=memory.stats,
            history=memory.page,
            commands=commands,
            streams=streams,
            cluster=cluster.stats if cluster is not None else None,
            whole=cluster.fleet if cluster is not None else None,
            elsewhere=_elsewhere(fleet.config, cluster, store),
        )
        stack.push_async_callback(commands.desk.close, _ORDERS_STOP_S)
        url = await _open_doors(stack, web, settings, data_dir)
        await stack.enter_async_context(_background(watch_loop(loop, clock), "loop watch"))
        # As settle() did with the modules, but without a look that would hold up the first connections. Bots come after
        # it: what is frozen is never found to be garbage, nor is what it refers to, such as a bot's first connection.
        gc.freeze()
        stack.callback(gc.unfreeze)
        if cluster is None:
            await _begin_bots(stack, fleet, supervisor, memory, _stagger(stagger_s, len(fleet.specs)))
        else:
            apart, stop = partial(_stagger, stagger_s), partial(_stop_bots, supervisor)
            await stack.enter_async_context(
                cluster.member(fleet.specs, supervisor, memory, store, services, stagger=apart, stop_bots=stop)
            )
        for work, name in (
            (_recall_late(memory, store, supervisor, clock), "late recall"),
            (maintenance.run(), "maintenance"),
            (reloader.run(), "reload"),
            *(((reloader.watch(), "watch the configuration"),) if watch_files else ()),
        ):
            await stack.enter_async_context(_background(work, name))
        if steam is not None and dota2 is not None:
            league = demo_league(steam, dota2, fleet.specs, supervisor, clock)
            if league is not None:
                await stack.enter_async_context(_background(league.run(), "demo league"))
        process.ready = True
        _log.info("started", bots=len(fleet.specs), version=VERSION)
        try:
            yield Application(
                process,
                store,
                supervisor,
                web,
                url,
                reloader,
                memory,
                draining,
                racetime,
                steam,
                dota2,
                rules.made_key,
                cluster.members.me if cluster is not None else None,
            )
        finally:
            process.ready = False


def _database(config: Config, data_dir: Path, url: str | None, hide: Hide) -> Target:
    configured = config.storage.url
    where = target(url or (configured.reveal() if configured is not None else None), data_dir)
    if where.password is not None:
        hide(where.password)
    return where


def _cluster(
    config: Config,
    where: Target,
    store: StatusStore,
    process: ProcessState,
    traits: Collection[PlatformTraits],
    *,
    clock: Clock,
    rng: random.Random,
    timing: "LeaseTiming | None",
) -> "Cluster | None":
    if not config.cluster.enabled:
        return None
    from exporter.cluster.wiring import Cluster  # noqa: PLC0415  (a process that runs its fleet alone needs none of it)

    return Cluster(
        config.cluster,
        where,
        store,
        traits,
        clock=clock,
        rng=rng,
        draining=lambda: process.draining,
        timing=timing,
    )


def _elsewhere(config: Config, cluster: "Cluster | None", store: StatusStore) -> Elsewhere | None:
    """Return who passes orders on to the other processes."""
    return Elsewhere(cluster.fleet, store, tls_context(config.cluster.ca_file)) if cluster is not None else None


async def _open_storage(
    stack: AsyncExitStack,
    store: StatusStore,
    config: Config,
    where: Target,
    cluster: "Cluster | None",
    *,
    clock: Clock,
    rng: random.Random,
) -> Storage:
    limits = Limits(config.storage.retention.age_s, config.storage.retention.rows)
    boot = cluster.boot if cluster is not None else None
    opened = await stack.enter_async_context(
        storage(where, StorageStats(), clock=clock, rng=rng, limits=limits, boot=boot)
    )
    store.subscribe(opened.on_change)
    return opened


def _stagger(stagger_s: float, bots: int) -> float:
    """Return how many seconds apart so many bots start."""
    return min(stagger_s, _START_SPREAD_S / max(1, bots))


async def _begin_bots(
    stack: AsyncExitStack, fleet: Fleet, supervisor: Supervisor, memory: Storage, apart_s: float
) -> None:
    """Start all bots of the configuration, as a process does that runs its fleet alone."""
    stack.push_async_callback(_stop_bots, supervisor)
    for index, spec in enumerate(fleet.specs):
        await supervisor.add(spec, index * apart_s)
    memory.fleet_complete(spec.name for spec in fleet.specs)


async def _open_doors(stack: AsyncExitStack, web: WebServer, settings: WebSettings, data_dir: Path) -> str:
    """Start the server, and tell programs on this machine where it is; returns that. Nobody needs the file to run."""
    await web.start()
    stack.push_async_callback(web.stop, _WEB_STOP_S)
    url = local_url(web.addresses, encrypted=web.encrypted, prefix=settings.prefix)
    try:
        stack.enter_context(announced(data_dir, Endpoint(url, settings.telemetry_path, os.getpid(), VERSION)))
    except OSError as error:
        _log.warning("botctl cannot find this process by itself: give it --url", url=url, error=error.strerror)
    return url


def _commands(
    memory: Storage, supervisor: Supervisor, store: StatusStore, draining: Drain, stats: OrderStats
) -> Commands:
    desk = OrderDesk(memory.orders, order_digest, stats)
    return Commands(desk, supervisor, Dispatch(store, lambda: draining.active), draining)


async def _recall_late(memory: Storage, store: StatusStore, supervisor: Supervisor, clock: Clock) -> None:
    """Catch up once a database is there that was not at the start: what was known of bots, and whether they run."""
    for name, known in (await memory.recalled_late()).items():
        if known.memory is not None:
            store.apply(ev.BotRecalled(name, clock.now(), known.memory))
        record = store.bots.get(name)
        if record is not None and record.is_active != known.active:
            _log.warning("an operator's order of an earlier run is carried out late", bot=name, active=known.active)
            with contextlib.suppress(UnknownBot):  # removed by a reload meanwhile
                await (supervisor.start(name) if known.active else supervisor.stop(name))


async def _open_services(
    stack: AsyncExitStack, platforms: Mapping[str, Platform], config: Config, clock: Clock, data_dir: Path
) -> dict[str, Service]:
    return {
        name: await stack.enter_async_context(platform.open_service(config, clock, data_dir))
        for name, platform in platforms.items()
    }


def _logons(services: Mapping[str, Service], supervisor: Supervisor) -> Callable[[], LogonStats | None]:
    """Return where readers find the figures of the queue for logons: None while no bot of the fleet needs one."""
    queued = [name for name, service in services.items() if service.logons is not None]
    return lambda: next((services[name].logons for name in queued if supervisor.has_platform(name)), None)


@asynccontextmanager
async def _background(work: "asyncio._CoroutineLike[object]", name: str) -> AsyncIterator[None]:
    """Have something done beside everything else; if it ends by an error, that is said at once."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_complain)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _complain(task: "asyncio.Task[object]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("a part of the program has ended: this is a bug", task=task.get_name(), exc_info=error)


async def _stop_bots(supervisor: Supervisor) -> None:
    try:
        async with asyncio.timeout(_BOTS_STOP_S):
            await supervisor.shutdown()
    except TimeoutError:
        _log.error("some bots did not stop in time", limit_s=_BOTS_STOP_S)


def _unexpected(process: ProcessState) -> Callable[[ev.Change], None]:
    def note(change: ev.Change) -> None:
        process.unexpected_transitions += 1
        _log.warning("unexpected transition", kind=change.kind, name=change.name, fact=type(change.event).__name__)

    return note
