"""The one door for orders: which bots run in this process, and how they are started and stopped."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NoReturn

import structlog
from structlog.typing import FilteringBoundLogger

from exporter.errors import OrderError
from exporter.model import events as ev
from exporter.model.states import DisconnectReason, PlatformTraits
from exporter.platforms.base import Bot, BotContext, BotOptions, Service
from exporter.runner import BotRunner, RetryPolicy
from exporter.stats import BotStats
from exporter.store import StatusStore
from exporter.timing import Clock


class UnknownBot(OrderError):
    """There is no bot of that name in the fleet."""


@dataclass(frozen=True, slots=True)
class BotSpec:
    """What the configuration says of one bot, already checked by its platform."""

    name: str
    traits: PlatformTraits
    options: BotOptions
    active: bool


@dataclass(slots=True)
class _Unit:
    """One bot of the fleet and the task that runs it, if it runs."""

    spec: BotSpec
    bot: Bot
    runner: BotRunner
    task: asyncio.Task[NoReturn] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Supervisor:
    """Owns every bot's task. Orders on one bot are carried out one after the other, on different bots side by side.

    `services` holds the opened service of each platform, by the platform's name; `hide` keeps secrets out of the log.
    """

    def __init__(
        self,
        store: StatusStore,
        services: Mapping[str, Service],
        *,
        clock: Clock,
        rng: random.Random,
        policy: RetryPolicy,
        hide: Callable[[str], None],
        draining: Callable[[], bool],
    ) -> None:
        self._hide = hide
        self._draining = draining
        self._store = store
        self._services = services
        self._clock = clock
        self._random = rng
        self._policy = policy
        self._units: dict[str, _Unit] = {}
        self._log: FilteringBoundLogger = structlog.get_logger(component="supervisor")
        self.stats: dict[str, BotStats] = {}

    async def add(self, spec: BotSpec, delay_s: float = 0.0) -> None:
        """Take a bot into the fleet and start it if it is active, `delay_s` seconds from now.

        A fleet that starts all at once looks like an attack to its service. Raises ValueError for a name that is taken.
        """
        if spec.name in self._units:
            msg = f"there is a bot named {spec.name} already"
            raise ValueError(msg)
        log = structlog.get_logger(component="bot", bot=spec.name, platform=spec.traits.name)
        rng = random.Random(self._random.random())  # noqa: S311  (jitter, no secret)
        runner = BotRunner(spec.name, self._store.apply, clock=self._clock, rng=rng, log=log, policy=self._policy)
        stats = self.stats.setdefault(spec.name, BotStats())
        context = BotContext(spec.name, runner.reporter, stats, self._clock, rng, log, self._hide, self._draining)
        unit = _Unit(spec, self._services[spec.traits.name].bot(spec.options, context), runner)
        self._units[spec.name] = unit
        self._store.apply(ev.BotAdded(spec.name, self._clock.now(), spec.traits, spec.options.subject, spec.active))
        async with unit.lock:
            if spec.active:
                self._begin(unit, delay_s)

    async def remove(self, name: str) -> None:
        """Stop a bot and take it out of the fleet."""
        async with self._order(name) as unit:
            await self._end(unit, DisconnectReason.RELOAD)
            self._forget_work(name)
            self._store.apply(ev.BotRemoved(name, self._clock.now()))
            del self._units[name]
            del self.stats[name]

    async def start(self, name: str) -> None:
        """Switch a bot on; one that is on already is left alone."""
        async with self._order(name) as unit:
            if unit.task is None:
                self._log.info("bot started by an operator", bot=name)
                self._store.apply(ev.BotStarted(name, self._clock.now()))
                self._begin(unit)

    async def stop(self, name: str) -> None:
        """Switch a bot off and wait until its sockets are closed; one that is off already is left alone."""
        async with self._order(name) as unit:
            if unit.task is not None:
                await self._cancel(unit)
                self._forget_work(name)
                self._store.apply(ev.BotStopped(name, self._clock.now()))
                self._log.info("bot stopped by an operator", bot=name)

    async def restart(self, name: str) -> None:
        """End a bot's connection and begin anew at once, without waiting for a retry; a stopped bot is started."""
        async with self._order(name) as unit:
            await self._end(unit, DisconnectReason.OPERATOR)
            self._store.apply(ev.BotStarted(name, self._clock.now()))
            self._begin(unit)

    def bot(self, name: str) -> Bot:
        """Return a bot of the fleet, for the orders that it takes itself. Raises UnknownBot."""
        return self._unit(name).bot

    async def shutdown(self) -> None:
        """Stop every bot of the process, side by side, and wait until all sockets are closed."""

        async def end(unit: _Unit) -> None:
            async with unit.lock:
                await self._end(unit, DisconnectReason.SHUTDOWN)

        await asyncio.gather(*(end(unit) for unit in self._units.values()))

    @asynccontextmanager
    async def _order(self, name: str) -> AsyncIterator[_Unit]:
        """Wait for the orders before this one on the same bot; a bot that was removed meanwhile is unknown."""
        unit = self._unit(name)
        async with unit.lock:
            if self._units.get(name) is not unit:
                raise _unknown(name)
            yield unit

    def _unit(self, name: str) -> _Unit:
        try:
            return self._units[name]
        except KeyError:
            raise _unknown(name) from None

    def _begin(self, unit: _Unit, delay_s: float = 0.0) -> None:
        unit.task = asyncio.create_task(unit.runner.run(unit.bot, delay_s), name=f"{unit.spec.name}: runner")
        unit.task.add_done_callback(_complain(self._log, unit.spec.name))

    async def _end(self, unit: _Unit, why: DisconnectReason) -> None:
        if unit.task is not None:
            await self._cancel(unit)
            self._store.apply(ev.Disconnected(unit.spec.name, self._clock.now(), why))

    @staticmethod
    async def _cancel(unit: _Unit) -> None:
        if unit.task is not None:
            unit.task.cancel()
            await asyncio.wait({unit.task})
            unit.task = None

    def _forget_work(self, name: str) -> None:
        """What nobody watches any more, races or lobbies, is not shown as if it were known."""
        for lobby in [each for each in self._store.lobbies.values() if each.bot == name]:
            self._store.apply(ev.LobbyForgotten(name, self._clock.now(), lobby.key))
        record = self._store.bots.get(name)
        for race in record.races if record is not None else ():
            self._store.apply(ev.RaceForgotten(name, self._clock.now(), race))


def _unknown(name: str) -> UnknownBot:
    return UnknownBot(f"there is no bot named {name!r}")


def _complain(log: FilteringBoundLogger, name: str) -> Callable[[asyncio.Task[NoReturn]], None]:
    """The runner never ends by itself; if it does, say so instead of losing the bot in silence."""

    def check(task: asyncio.Task[NoReturn]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a runner ended: this is a bug", bot=name, exc_info=error)

    return check
