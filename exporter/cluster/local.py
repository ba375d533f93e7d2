"""The bots of this process in the hands of the lease loop: the supervisor, and what the storage knows of them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import structlog

from exporter.cluster.members import Membership
from exporter.errors import NotNow
from exporter.model.status import BotRecord
from exporter.platforms.base import LogonQueue, Service
from exporter.storage.leases import MOST_INSTANCES, Claimed, Seen
from exporter.storage.service import Storage
from exporter.storage.trouble import StorageTrouble
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor, UnknownBot
from exporter.timing import Clock

_WRITE_LIMIT_S: Final = 2.0
_AT_ONCE: Final = 10
_BREATH: Final = 20

_log = structlog.get_logger(component="cluster")


class LocalBots:
    """Starts and stops the bots that the lease loop claims and gives.

    `specs` are all bots of the configuration. `stagger` says how many seconds apart a number of bots start.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        memory: Storage,
        store: StatusStore,
        services: Mapping[str, Service],
        members: Membership,
        *,
        clock: Clock,
        stagger: Callable[[int], float],
    ) -> None:
        self._supervisor = supervisor
        self._memory = memory
        self._store = store
        self._services = services
        self._members = members
        self._clock = clock
        self._stagger = stagger
        self._next_move_at = clock.monotonic()
        self._settled_doubts = False
        self.specs: Mapping[str, BotSpec] = {}

    @property
    def queues(self) -> Sequence[LogonQueue]:
        """The queues for logons, whose limits hold for all processes of one egress."""
        return [service.queue for service in self._services.values() if service.queue is not None]

    async def take(self, claimed: Collection[Claimed]) -> None:
        """Run these bots from now on, by what the database knows of them."""
        apart_s = self._stagger(len(claimed))
        for index, each in enumerate(claimed):
            spec = self.specs.get(each.bot)
            if spec is None:  # it left the configuration meanwhile
                continue
            if each.bot in self._supervisor.specs:
                await self._supervisor.release(each.bot)
            self._memory.learn(each.bot, each.generation, each.stored)
            await self._supervisor.add(spec, index * apart_s, arrival=self._arrival(each))
            if index % _BREATH == 0:
                await asyncio.sleep(0)  # a whole fleet must not hold up the bots that run

    def _arrival(self, claimed: Claimed) -> str | None:
        if claimed.before is not None and claimed.before != self._members.me:
            return f"{self._members.me} took it over from {claimed.before}: nothing is proved yet"
        return f"{self._members.me} runs it now: nothing is proved yet"

    def cut(self, bots: Collection[str]) -> None:
        """Have these bots end before any of them does another step."""
        self._supervisor.cut(bots)

    async def drop(self, bots: Collection[str]) -> None:
        """Stop these bots and let them go; what is known of them is written down, if that is possible now."""
        await asyncio.gather(*map(self._released, bots))
        with contextlib.suppress(StorageTrouble, TimeoutError):
            async with asyncio.timeout(_WRITE_LIMIT_S):
                await self._memory.flush()

    async def _released(self, bot: str) -> None:
        with contextlib.suppress(UnknownBot, NotNow):  # removed by a reload; or all of them are just being stopped
            await self._supervisor.release(bot)

    @property
    def bots(self) -> Collection[str]:
        """The bots that are in this process now, whether or not they run."""
        return self._supervisor.specs.keys()

    @property
    def stuck(self) -> Collection[str]:
        """Bots that were stopped and do not end."""
        return self._supervisor.given_up

    def busy(self, bots: Collection[str]) -> Collection[str]:
        """Return those of these bots that are in a lobby or a race."""
        return [name for name in bots if (record := self._store.bots.get(name)) is not None and self._busy(record)]

    def _busy(self, record: BotRecord) -> bool:
        if record.creating_lobby or record.current_lobby_id is not None:
            return True
        return any((race := self._store.races.get(name)) is not None and race.active for name in record.races)

    def idle(self, bots: Collection[str]) -> Collection[str]:
        """Return those of these bots that are not connected, so that moving them costs nothing."""
        return [name for name in bots if (record := self._store.bots.get(name)) is None or not record.healthy]

    def movable(self, connected: Collection[str]) -> Collection[str]:
        """Return those of these connected bots that may move now.

        Of those that wait in a queue to log on it is one each interval, of others ten at a time: they are away while
        they move, and a balance is not worth an outage.
        """
        queued = [name for name in connected if self._interval_s(name) > 0]
        quick = [name for name in connected if name not in set(queued)][:_AT_ONCE]
        now = self._clock.monotonic()
        if queued and now >= self._next_move_at:
            self._next_move_at = now + self._interval_s(queued[0])
            return [*quick, queued[0]]
        return quick

    def _interval_s(self, bot: str) -> float:
        spec = self._supervisor.specs.get(bot)
        queue = self._services[spec.traits.name].queue if spec is not None else None
        return queue.interval_s if queue is not None else 0.0

    async def looked(self, seen: Seen, gone: Collection[str]) -> None:
        """Take in what a look has shown: our place among the others, a pause of logons, what the dead have left."""
        me = next((each for each in seen.instances if each.boot == self._members.boot), None)
        if me is None:
            return
        # Of all processes the first one deletes what is too old.
        self._memory.take_part(me.slot, MOST_INSTANCES, prunes=me.name == min(each.name for each in seen.instances))
        sharers = sum(each.egress == me.egress for each in seen.instances)
        for queue in self.queues:
            queue.sharers = sharers
            queue.pause_for(seen.pause_s)
        if gone or not self._settled_doubts:
            try:
                await self._memory.doubt()
            except StorageTrouble as trouble:
                _log.warning("orders that were left unfinished are not looked for yet", error=str(trouble))
                self._settled_doubts = False
            else:
                self._settled_doubts = True

    def abandon(self, bots: Collection[str]) -> None:
        """End the process at once: these bots do not stop, and another process may run them by now."""
        _log.critical(
            "bots do not stop although their leases are over: this process ends itself", bots=", ".join(sorted(bots))
        )
        os.kill(os.getpid(), signal.SIGKILL)
