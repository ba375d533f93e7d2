"""Read the configuration again while everything runs: asked for by SIGHUP, over HTTP or because a file changed.

ask ─┐                                          ┌─ ConfigError: everything stays as it is, every problem is told
SIGHUP ─> run, one reload after the other ─> read, in a thread
watch ┘                                         └─ plan -> reconcile, then keys; what needs a restart is named
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Final, NoReturn

import structlog

from exporter.config import Config
from exporter.described import Section
from exporter.errors import ConfigError, ExporterError, Problem, StartError
from exporter.notify import ServiceManager
from exporter.process import ProcessState
from exporter.reconcile import Plan, plan, reconcile
from exporter.secrets import SecretError
from exporter.sources import Sources
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor
from exporter.timing import Clock

LOOK_S: Final = 2.0
SETTLE_S: Final = 0.5
_LIVE: Final = frozenset({"web.keys", "web.open_reads", "web.metrics_key", "web.trusted_proxies"})

_log = structlog.get_logger(component="reload")


@dataclass(frozen=True, slots=True)
class Fleet:
    """A configuration whose bots have been checked by their platforms, and the files that it was read from."""

    config: Config
    specs: tuple[BotSpec, ...]
    sources: Sources = field(default_factory=Sources, compare=False)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did; `needs_restart` are the keys that have another value in the file than in the process."""

    plan: Plan
    needs_restart: tuple[str, ...]


class Stopping(ExporterError):
    """The process is about to end and reloads nothing any more."""


def needs_restart(running: Config, wanted: Config) -> tuple[str, ...]:
    """Return the keys, such as `racetime.url`, whose new value cannot be used by a running process."""
    found: list[str] = []
    for each in fields(Config):
        before, now = getattr(running, each.name), getattr(wanted, each.name)
        if isinstance(before, Section):
            found += _differing(each.name, before, now)
    return tuple(key for key in found if key not in _LIVE)


def _differing(place: str, before: Section, now: Section) -> list[str]:
    found: list[str] = []
    for name, about in type(before).model_fields.items():
        key, old, new = f"{place}.{about.validation_alias or name}", getattr(before, name), getattr(now, name)
        if isinstance(old, Section) and isinstance(new, Section):
            found += _differing(key, old, new)
        elif old != new:
            found.append(key)
    return found


class Reloader:
    """Owns the configuration of the running process. Reloads happen in `run`, one after the other.

    `read` reads it anew and blocks; it raises ConfigError, and tells its argument which files it read. `prepare` is
    called with a new configuration in the same thread, may raise SecretError, and returns what puts its keys to use.
    `asked` is an event that asks for a reload when it is set, from before `run` begins. `manager` is told of each.
    `ours` takes all bots of a new configuration, and gives those that are this process' until it is left.
    """

    def __init__(
        self,
        fleet: Fleet,
        read: Callable[[Sources], Fleet],
        supervisor: Supervisor,
        store: StatusStore,
        process: ProcessState,
        *,
        prepare: Callable[[Config], Callable[[], None]],
        clock: Clock,
        stagger: Callable[[int], float],
        ours: Callable[[Sequence[BotSpec]], AbstractAsyncContextManager[Iterable[BotSpec]]] = nullcontext,
        asked: asyncio.Event | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        self._started_with = fleet.config
        self._sources = fleet.sources
        self._read = read
        self._prepare = prepare
        self._supervisor = supervisor
        self._store = store
        self._process = process
        self._clock = clock
        self._stagger = stagger
        self._ours = ours
        self._asked = asked or asyncio.Event()
        self._manager = manager or ServiceManager(None, None)
        self._waiting: list[tuple[str, asyncio.Future[Reloaded]]] = []
        self._over = False

    async def ask(self, by: str) -> Reloaded:
        """Have the files read after this moment, and wait for what came of it. `by` is for the log.

        Raises ConfigError when they cannot be used, Stopping at the end of the process. Whoever is cancelled meanwhile
        changes nothing: the reload goes on.
        """
        if self._over:
            raise _stopping()
        return await self._asked_by(by)

    def _asked_by(self, by: str) -> asyncio.Future[Reloaded]:
        answer: asyncio.Future[Reloaded] = asyncio.get_running_loop().create_future()
        self._waiting.append((by, answer))
        self._asked.set()
        return answer

    async def run(self) -> NoReturn:
        """Carry out what is asked for, until cancelled; many that ask meanwhile get one reload."""
        served: list[tuple[str, asyncio.Future[Reloaded]]] = []
        try:
            while True:
                await self._asked.wait()
                self._asked.clear()
                served, self._waiting = self._waiting, []
                self._manager.reloading()
                try:
                    done = await self._reload(by=", ".join(dict.fromkeys(by for by, _ in served)) or "SIGHUP")
                except ConfigError as error:
                    _answer(served, error)
                except Exception as error:  # noqa: BLE001  (a bug in one reload must not be the end of reloading)
                    self._process.config_ok = False
                    _log.exception("the reload failed: this is a bug")
                    _answer(served, error)
                else:
                    _answer(served, done)
                self._manager.reloaded(self._process.config_ok)
        finally:
            self._over = True
            _answer([*served, *self._waiting], _stopping())

    async def watch(self, look_s: float = LOOK_S, settle_s: float = SETTLE_S) -> NoReturn:
        """Ask for a reload whenever a file of the configuration has changed, once for each change.

        A file that is just being written is left alone: two looks, `settle_s` seconds apart, must see the same.
        """
        while True:
            await self._clock.sleep(look_s)
            sources = self._sources
            first = await asyncio.to_thread(sources.look)
            while first != sources.seen and sources is self._sources:
                await self._clock.sleep(settle_s)
                second = await asyncio.to_thread(sources.look)
                if second == first and sources is self._sources:
                    await asyncio.wait({self._asked_by("a changed file")})  # if it is bad, so it stays until it changes
                first = second

    async def _reload(self, by: str) -> Reloaded:
        sources = Sources()
        try:
            fleet, use_keys = await asyncio.to_thread(self._prepared, sources)
        except ConfigError as error:
            self._process.config_ok = False
            for problem in error.problems:
                _log.error("wrong configuration", problem=str(problem))
            _log.error("configuration not reloaded: the old one stays", by=by, problems=len(error.problems))
            raise
        finally:
            self._sources = sources
        async with self._ours(fleet.specs) as wanted:
            steps = plan(self._supervisor.specs, wanted)
            starting = len(steps.added) + len(steps.changed) + len(steps.switched) + len(steps.replaced)
            use_keys()
            await reconcile(steps, self._supervisor, self._store, clock=self._clock, stagger_s=self._stagger(starting))
        keys = needs_restart(self._started_with, fleet.config)
        self._process.config_ok, self._process.config_loaded_at = True, self._clock.now()
        counts = {each.name: len(getattr(steps, each.name)) for each in fields(Plan)}
        _log.info("configuration reloaded", by=by, **counts)
        if keys:
            _log.warning("a restart is needed: until then these keys keep the value they have", keys=", ".join(keys))
        return Reloaded(steps, keys)

    def _prepared(self, sources: Sources) -> tuple[Fleet, Callable[[], None]]:
        fleet = self._read(sources)
        try:
            return fleet, self._prepare(fleet.config)
        except (SecretError, StartError) as error:  # it was readable a moment ago
            raise ConfigError([Problem(str(fleet.config.path), 0, "web.keys", str(error))]) from None


def _stopping() -> Stopping:
    return Stopping("the process is about to end: nothing is reloaded")


def _answer(served: list[tuple[str, asyncio.Future[Reloaded]]], outcome: Reloaded | Exception) -> None:
    for _, answer in served:
        if answer.done():  # whoever asked is gone
            continue
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
            answer.exception()  # the log has it too: nobody has to fetch it
        else:
            answer.set_result(outcome)
    served.clear()
