"""The one door for orders: which bots run in this process, and how they are started and stopped."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn

import structlog
from structlog.typing import FilteringBoundLogger

from exporter.errors import NotNow, UnknownTarget
from exporter.model import events as ev
from exporter.model.states import DisconnectReason, PlatformTraits
from exporter.model.status import ExpectedPlayers, Maintenance, Recalled
from exporter.platforms.base import Bot, BotContext, BotOptions, Service
from exporter.runner import BotRunner, RetryPolicy
from exporter.secrets import Hide
from exporter.stats import BotStats
from exporter.store import StatusStore
from exporter.timing import Clock

STOP_LIMIT_S: Final = 5.0
_SECOND_LIMIT_S: Final = 1.0


class UnknownBot(UnknownTarget):
    """There is no bot of that name in the fleet."""


@dataclass(frozen=True, slots=True)
class BotSpec:
    """What the configuration says of one bot, already checked by its platform.

    `runs_on` are the instances of a cluster that may run it; empty for any.
    """

    name: str
    traits: PlatformTraits
    options: BotOptions
    active: bool
    runs_on: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Unit:
    """One bot of the fleet and the task that runs it, if it runs."""

    spec: BotSpec
    bot: Bot
    runner: BotRunner
    task: asyncio.Task[NoReturn] | None = None
    cut: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Supervisor:
    """Owns every bot's task. Orders on one bot are carried out one after the other, on different bots side by side.

    An order that has begun is carried out to its end, also when whoever gave it is cancelled meanwhile.
    `services` holds the opened service of each platform, by the platform's name; `hide` keeps secrets out of the log.
    A bot that has not closed its sockets within `stop_limit_s` seconds is cancelled once more, then given up: its task
    may go on, but what it reports counts no more. That limit goes by the event loop's clock.
    `recall` is asked what is remembered of a bot, and so told what the configuration says of `active`, and what the bot
    stands for. A bot that is not `allowed` to run in this process now is not begun: another process may run it.
    `expected` knows who is expected in a bot's lobby by its id.
    """

    def __init__(
        self,
        store: StatusStore,
        services: Mapping[str, Service],
        *,
        clock: Clock,
        rng: random.Random,
        policy: RetryPolicy,
        hide: Hide,
        draining: Callable[[], bool],
        stop_limit_s: float = STOP_LIMIT_S,
        recall: Callable[[str, bool, str], Recalled] = lambda _name, active, _subject: Recalled(active),
        allowed: Callable[[str], bool] = lambda _: True,
        expected: Callable[[str, int], ExpectedPlayers] = lambda _bot, _lobby: None,
    ) -> None:
        self._stop_limit_s = stop_limit_s
        self._recall = recall
        self._allowed = allowed
        self._expected = expected
        self._given_up: dict[asyncio.Task[NoReturn], str] = {}
        self._platforms: Counter[str] = Counter()
        self._hide = hide
        self._draining = draining
        self._store = store
        self._services = services
        self._clock = clock
        self._random = rng
        self._policy = policy
        self._units: dict[str, _Unit] = {}
        self._orders: set[asyncio.Task[None]] = set()
        self._closing = False
        self._log: FilteringBoundLogger = structlog.get_logger(component="supervisor")
        self.stats: dict[str, BotStats] = {}

    @property
    def specs(self) -> dict[str, BotSpec]:
        """What the configuration last said of each bot, by name; an order may have it otherwise."""
        return {name: unit.spec for name, unit in self._units.items()}

    def has_platform(self, name: str) -> bool:
        """Return whether any bot of the fleet is on that platform."""
        return self._platforms[name] > 0

    async def add(
        self, spec: BotSpec, delay_s: float = 0.0, *, active: bool | None = None, arrival: str | None = None
    ) -> None:
        """Take a bot into the fleet and start it if it is active, `delay_s` seconds from now.

        `active` is the word of an operator, which counts more than what is remembered and than the configuration. A
        fleet that starts all at once looks like an attack to its service. `arrival` tells how it came to this process.
        Raises ValueError for a name that is taken.
        """
        if spec.name in self._units:
            msg = f"there is a bot named {spec.name} already"
            raise ValueError(msg)
        unit = _Unit(spec, *self._made(spec))
        self._units[spec.name] = unit
        self._platforms[spec.traits.name] += 1
        known, now = self._recall(spec.name, spec.active, spec.options.subject), self._clock.now()
        active = known.active if active is None else active
        self._store.apply(ev.BotAdded(spec.name, now, spec.traits, spec.options.subject, active, known.memory, arrival))
        async with unit.lock:
            if active and not self._closing:
                self._begin(unit, delay_s)

    async def remove(self, name: str) -> None:
        """Stop a bot and take it out of the fleet."""
        await self._to_its_end(self._remove(name))

    async def release(self, name: str) -> None:
        """Stop a bot because another process is to run it: it leaves this fleet, and its lobby or race lives on."""
        await self._to_its_end(self._remove(name, elsewhere=True))

    def cut(self, names: Iterable[str]) -> None:
        """Have bots end at this very moment, before any of them does another step; `release` must follow."""
        for name in names:
            unit = self._units.get(name)
            if unit is not None and unit.task is not None and not unit.cut:
                unit.cut = True
                unit.task.cancel()

    @property
    def given_up(self) -> frozenset[str]:
        """The bots that do not stop although they must: they may still be connected."""
        return frozenset(self._given_up.values())

    async def change(self, spec: BotSpec, delay_s: float = 0.0) -> None:
        """Let a bot be as its configuration says now. It must stand for the same account or category as before.

        With other options it is stopped and begins anew with them, `delay_s` seconds from then. `active` counts only
        if its own value is another one than before; otherwise the last order does.
        """
        await self._to_its_end(self._change(spec, delay_s))

    async def start(self, name: str) -> None:
        """Switch a bot on; one that is on already is left alone."""
        await self._to_its_end(self._start(name))

    async def stop(self, name: str) -> None:
        """Switch a bot off and wait until its sockets are closed; one that is off already is left alone."""
        await self._to_its_end(self._stop(name))

    async def restart(self, name: str) -> None:
        """End a bot's connection and begin anew at once, without waiting for a retry; a stopped bot is started."""
        await self._to_its_end(self._restart(name))

    def begin_maintenance(self, name: str, note: Maintenance) -> None:
        """Announce maintenance of a bot, which goes on running; takes the place of an earlier announcement."""
        self._refuse_when_closing()
        self._store.apply(ev.MaintenanceBegan(self._unit(name).spec.name, self._clock.now(), note))

    def end_maintenance(self, name: str) -> None:
        """Take the announcement back; without one nothing happens."""
        self._refuse_when_closing()
        self._unit(name)
        record = self._store.bots.get(name)
        if record is not None and record.maintenance is not None:
            self._store.apply(ev.MaintenanceEnded(name, self._clock.now()))

    def bot(self, name: str) -> Bot:
        """Return a bot of the fleet, for the orders that it takes itself. Raises UnknownBot."""
        return self._unit(name).bot

    async def shutdown(self) -> None:
        """Stop every bot of the process, side by side, and wait until all sockets are closed; no bot starts again."""
        self._closing = True

        async def end(unit: _Unit) -> None:
            async with unit.lock:
                await self._end(unit, DisconnectReason.SHUTDOWN)

        try:
            await asyncio.gather(*(end(unit) for unit in self._units.values()))
            if self._orders:
                await asyncio.wait(self._orders)
            if self._given_up:
                await asyncio.wait(tuple(self._given_up), timeout=_SECOND_LIMIT_S)
        finally:
            self._units.clear()  # whoever still holds the supervisor does not hold every bot, room and token, too

    async def _remove(self, name: str, *, elsewhere: bool = False) -> None:
        async with self._order(name) as unit:
            await self._end(unit, DisconnectReason.SHUTDOWN if elsewhere else DisconnectReason.RELOAD)
            self._forget_work(name, elsewhere=elsewhere)
            self._store.apply(ev.BotRemoved(name, self._clock.now(), elsewhere))
            self._platforms[unit.spec.traits.name] -= 1
            del self._units[name]
            del self.stats[name]

    async def _change(self, spec: BotSpec, delay_s: float) -> None:
        async with self._order(spec.name) as unit:
            runs, before = unit.task is not None, unit.spec
            wanted = spec.active if spec.active != before.active else runs
            unit.spec = spec
            if spec.active != before.active:
                self._recall(spec.name, spec.active, spec.options.subject)  # from now on this is what it says
            if runs and (not wanted or spec.options != before.options):
                await self._end(unit, DisconnectReason.RELOAD)
                self._forget_work(spec.name)
            if spec.options != before.options:
                unit.bot, unit.runner = self._made(spec)
            if runs and not wanted:
                self._store.apply(ev.BotStopped(spec.name, self._clock.now()))
            elif wanted and unit.task is None:
                if not runs:
                    self._store.apply(ev.BotStarted(spec.name, self._clock.now()))
                self._begin(unit, delay_s)

    async def _start(self, name: str) -> None:
        async with self._order(name) as unit:
            if unit.task is None:
                self._log.info("bot started by an operator", bot=name)
                self._store.apply(ev.BotStarted(name, self._clock.now()))
                self._begin(unit)

    async def _stop(self, name: str) -> None:
        async with self._order(name) as unit:
            if unit.task is not None:
                await self._cancel(unit)
                self._forget_work(name)
                self._store.apply(ev.BotStopped(name, self._clock.now()))
                self._log.info("bot stopped by an operator", bot=name)

    async def _restart(self, name: str) -> None:
        async with self._order(name) as unit:
            await self._end(unit, DisconnectReason.OPERATOR)
            self._store.apply(ev.BotStarted(name, self._clock.now()))
            self._begin(unit)

    async def _to_its_end(self, order: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(order, name="order")
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)
        await asyncio.shield(task)

    @asynccontextmanager
    async def _order(self, name: str) -> AsyncIterator[_Unit]:
        """Wait for the orders before this one on the same bot.

        A bot that was removed meanwhile is unknown; raises NotNow once the process is stopping.
        """
        self._refuse_when_closing()
        unit = self._unit(name)
        async with unit.lock:
            self._refuse_when_closing()
            if self._units.get(name) is not unit:
                raise _unknown(name)
            yield unit

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise NotNow("the process is stopping")

    def _unit(self, name: str) -> _Unit:
        try:
            return self._units[name]
        except KeyError:
            raise _unknown(name) from None

    def _begin(self, unit: _Unit, delay_s: float = 0.0) -> None:
        if not self._allowed(unit.spec.name):
            return
        unit.task = asyncio.create_task(unit.runner.run(unit.bot, delay_s), name=f"{unit.spec.name}: runner")
        unit.task.add_done_callback(_complain(self._log, unit.spec.name))

    async def _end(self, unit: _Unit, why: DisconnectReason) -> None:
        if unit.task is not None:
            await self._cancel(unit)
            self._store.apply(ev.Disconnected(unit.spec.name, self._clock.now(), why))

    async def _cancel(self, unit: _Unit) -> None:
        if (task := unit.task) is None:
            return
        for limit_s in (self._stop_limit_s, min(self._stop_limit_s, _SECOND_LIMIT_S)):
            if not unit.cut:  # a second time would not let it close its sockets
                task.cancel()
            unit.cut = False
            if (await asyncio.wait({task}, timeout=limit_s))[0]:
                break
        else:
            self._give_up(unit, task)
        unit.task = None

    def _give_up(self, unit: _Unit, task: asyncio.Task[NoReturn]) -> None:
        """Let a bot that does not stop be, and put a fresh one in its place."""
        self._log.critical("a bot does not stop, it is given up: this is a bug", bot=unit.spec.name)
        self._given_up[task] = unit.spec.name
        task.add_done_callback(lambda ended: self._given_up.pop(ended, None))
        unit.runner.silence()
        unit.bot, unit.runner = self._made(unit.spec)

    def _made(self, spec: BotSpec) -> tuple[Bot, BotRunner]:
        """Return a new bot, not yet running, and who runs it; its figures go on from those of the one before."""
        log = structlog.get_logger(component="bot", bot=spec.name, platform=spec.traits.name)
        rng = random.Random(self._random.random())  # noqa: S311  (jitter, no secret)
        runner = BotRunner(spec.name, self._store.apply, clock=self._clock, rng=rng, log=log, policy=self._policy)
        stats = self.stats.setdefault(spec.name, BotStats())
        context = BotContext(
            spec.name,
            runner.reporter,
            stats,
            self._clock,
            rng,
            log,
            self._hide,
            self._draining,
            partial(self._allowed, spec.name),
            partial(self._expected, spec.name),
        )
        return self._services[spec.traits.name].bot(spec.options, context), runner

    def _forget_work(self, name: str, *, elsewhere: bool = False) -> None:
        """What nobody watches any more, races or lobbies, is not shown as if it were known."""
        for lobby in [each for each in self._store.lobbies.values() if each.bot == name]:
            self._store.apply(ev.LobbyForgotten(name, self._clock.now(), lobby.key, elsewhere))
        record = self._store.bots.get(name)
        for race in record.races if record is not None else ():
            self._store.apply(ev.RaceForgotten(name, self._clock.now(), race, elsewhere))


def _unknown(name: str) -> UnknownBot:
    return UnknownBot(f"there is no bot named {name!r}")


def _complain(log: FilteringBoundLogger, name: str) -> Callable[[asyncio.Task[NoReturn]], None]:
    """The runner never ends by itself; if it does, say so instead of losing the bot in silence."""

    def check(task: asyncio.Task[NoReturn]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a runner ended: this is a bug", bot=name, exc_info=error)

    return check
