"""Puts the parts of a cluster together; the composition root calls it, and only where a cluster is configured."""

import asyncio
import random
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import structlog

from exporter.cluster.exchange import Exchange
from exporter.cluster.fleet import WholeFleet
from exporter.cluster.held import LeaseTiming
from exporter.cluster.keeper import Keeper
from exporter.cluster.local import LocalBots
from exporter.cluster.members import Membership
from exporter.cluster_section import Cluster as Section
from exporter.errors import StartError
from exporter.model.states import PlatformTraits
from exporter.platforms.base import Service
from exporter.process import VERSION
from exporter.stats import ClusterStats
from exporter.storage import cluster_records as records
from exporter.storage.bell import Bell
from exporter.storage.cluster_records import ClusterRecords
from exporter.storage.engine import Target
from exporter.storage.leases import CHANNEL, Leases, Me
from exporter.storage.service import Storage
from exporter.storage.trouble import StorageTrouble
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor
from exporter.timing import Clock

_STOP_S: Final = 2.0

_log = structlog.get_logger(component="cluster")
_T = TypeVar("_T")


class Cluster:
    """This process' part in a fleet of several processes.

    It is made before the storage is opened, which needs its `boot`, and before the supervisor, which asks whom it
    `holds`; its loop begins with `member`. While `draining`, the process takes no bot and gives back idle ones.
    `fleet` is what readers see.
    """

    def __init__(
        self,
        section: Section,
        where: Target,
        store: StatusStore,
        traits: Iterable[PlatformTraits],
        *,
        clock: Clock,
        rng: random.Random,
        draining: Callable[[], bool],
        timing: LeaseTiming | None = None,
    ) -> None:
        if where.url is None:
            raise StartError("cluster.enabled needs a PostgreSQL database: --storage.url names a file")
        self.boot = uuid.uuid4().hex
        self.members = Membership(section.me, self.boot)
        self.stats = ClusterStats()
        self.fleet = WholeFleet(store, self.members, clock)
        self.exchange = Exchange(
            ClusterRecords(where, section.me, self.boot),
            store,
            self.fleet,
            self.members,
            platforms={each.name: each for each in traits},
            clock=clock,
        )
        self.bell = Bell(where, clock=clock, rng=rng)
        self._timing = timing or LeaseTiming()
        me = Me(section.me, self.boot, section.my_url, section.my_egress, VERSION)
        self._leases = Leases(where, me, self._timing.life_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leases")
        self._clock = clock
        self._draining = draining
        self._keeper: Keeper | None = None
        self._local: LocalBots | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def is_alive(self, boot: str) -> bool:
        """Return whether that run of a process is there."""
        return any(each.boot == boot for each in self.members.instances())

    def lobbies_created(self) -> int:
        """Return how many lobbies the whole fleet has created in all runs, as far as that is written down."""
        return self.exchange.lobbies_created or 0

    def holds(self, bot: str) -> bool:
        """Return whether this process may run a bot at this very moment."""
        return self._keeper is not None and self._keeper.holds(bot)

    @asynccontextmanager
    async def configured(self, specs: Collection[BotSpec]) -> AsyncIterator[Iterable[BotSpec]]:
        """Say which bots the configuration has from now on; yields those of this process, which must be changed.

        The others come when they are claimed.
        """
        keeper, local = self._keeper, self._local
        assert keeper is not None  # noqa: S101  (it runs)
        assert local is not None  # noqa: S101
        async with keeper.configured({spec.name: spec.runs_on for spec in specs}):
            local.specs = {spec.name: spec for spec in specs}
            self.fleet.configure(specs)
            yield [spec for spec in specs if spec.name in local.bots]

    @asynccontextmanager
    async def member(
        self,
        specs: Sequence[BotSpec],
        supervisor: Supervisor,
        memory: Storage,
        store: StatusStore,
        services: Mapping[str, Service],
        *,
        stagger: Callable[[int], float],
        stop_bots: Callable[[], Awaitable[None]],
    ) -> AsyncIterator[None]:
        """Take part; on leaving, the loop ends, `stop_bots` stops all bots, and then the others are given them."""
        local = LocalBots(supervisor, memory, store, services, self.members, clock=self._clock, stagger=stagger)
        keeper = Keeper(
            self._leases,
            self.members,
            local,
            self.stats,
            clock=self._clock,
            in_thread=self._in_thread,
            draining=self._draining,
            timing=self._timing,
        )
        self._keeper, self._local = keeper, local
        for queue in local.queues:
            queue.on_pause = self._pause
        self.bell.on(CHANNEL, lambda instance: None if instance == self.members.me else keeper.wake())
        self.bell.on(records.CHANNEL, self.exchange.on_bell)
        memory.orders.share(self.boot, self.is_alive)
        memory.fleet_complete([spec.name for spec in specs])
        async with self.configured(specs):
            pass
        loops = [
            asyncio.create_task(keeper.run(), name="leases"),
            asyncio.create_task(self.bell.run(), name="other processes"),
            asyncio.create_task(self.exchange.run(), name="what others know"),
        ]
        for task in loops:
            task.add_done_callback(_complain)
        threading.Thread(
            target=keeper.renewal.watch, args=(self._thread.submit,), name="late beats", daemon=True
        ).start()
        try:
            yield
        finally:
            keeper.renewal.end()
            for task in loops:
                task.cancel()
            await asyncio.wait(loops)
            await stop_bots()
            await self._leave(keeper, memory)
            await self.exchange.close()

    async def _leave(self, keeper: Keeper, memory: Storage) -> None:
        try:
            async with asyncio.timeout(_STOP_S):
                await memory.flush()  # whoever runs a bot next reads what is written
        except (StorageTrouble, TimeoutError) as error:
            _log.error("not everything is written before other processes take over", error=str(error))
        try:
            async with asyncio.timeout(_STOP_S):
                await keeper.stop()
                await self._in_thread(self._leases.close)
        except TimeoutError:
            _log.error("leases could not be given back in time: they run out by themselves")
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], _T], /) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _pause(self, seconds: float) -> None:
        task: asyncio.Task[object] = asyncio.create_task(self._tell_pause(seconds), name="tell a pause of logons")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_pause(self, seconds: float) -> None:
        try:
            await self._in_thread(lambda: self._leases.pause(seconds))
        except StorageTrouble as trouble:
            _log.warning("other processes do not know yet that Steam limits our address", error=str(trouble))


def _complain(task: "asyncio.Task[object]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("the lease loop has ended: this is a bug, and all bots will stop", exc_info=error)
