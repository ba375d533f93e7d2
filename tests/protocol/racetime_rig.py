"""A simulated site, a real store, and racetime bots between them, over real sockets."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from exporter.model import events as ev
from exporter.model.states import DisconnectReason
from exporter.model.status import BotRecord, RaceRecord, RaceView
from exporter.platforms.base import BotContext
from exporter.platforms.racetime.bot import RacetimeBot
from exporter.platforms.racetime.handlers import HandlerFactory, LiveRoom, RoomHandler, only_watch
from exporter.platforms.racetime.messages import ChatMessage
from exporter.platforms.racetime.options import RACETIME, RacetimeOptions
from exporter.platforms.racetime.rooms import RoomTiming
from exporter.platforms.racetime.service import RacetimeService, open_board, open_session
from exporter.secrets import Secret, SecretSource
from exporter.simulators.racetime import Bot, Race, RacetimeSimulator, RoomSocket
from exporter.simulators.racetime.server import Handler
from exporter.stats import BotStats
from exporter.store import StatusStore
from tests.steady import LoopClock
from tests.unit.simulators.racetime_scene import Scene

POLL_S = 0.05
QUICK = RoomTiming(first_retry_s=0.02, most_retry_s=0.1, stagger_s=0.0, order_s=5.0)


class JumpClock(LoopClock):
    """The loop's clock, which can be put forward; who sleeps then does not wake earlier."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self._ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_s

    def jump(self, seconds: float) -> None:
        self._ahead_s += seconds


@dataclass
class Diary(RoomHandler):
    """A handler that writes down what it is told; `fault` makes it fail at that."""

    fault: str = ""
    rooms: list[LiveRoom] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    ends: int = 0

    async def begin(self, room: LiveRoom) -> None:
        self.rooms.append(room)

    async def race_data(self, view: RaceView) -> None:
        self.states.append(view.state.value)

    async def chat_message(self, message: ChatMessage) -> None:
        if message.plain == self.fault:
            raise ValueError(message.plain)
        self.lines.append(message.plain)

    async def frame(self, message: dict[str, object]) -> None:
        self.types.append(str(message["type"]))

    async def end(self) -> None:
        self.ends += 1


class LossySimulator(RacetimeSimulator):
    """A site whose answers can get lost: what `deaf_to` matches (a path) is carried out and not answered."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.deaf_to: set[str] = set()
        self.silent_in_rooms = False
        self.handshakes: list[web.Request] = []

    async def _http(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/ws/"):
            self.handshakes.append(request)
        response = await super()._http(request, handler)
        if request.path in self.deaf_to and request.transport is not None:
            request.transport.abort()
        return response

    async def _write(self, socket: RoomSocket, frame: str) -> None:
        if not self.silent_in_rooms:
            await super()._write(socket, frame)


class Guest:
    """One bot of ours at the site, and everything that it reported."""

    def __init__(self, rig: "Rig", name: str, bot: Bot, secret: str, handlers: HandlerFactory) -> None:
        self.name = name
        self.events: list[ev.Event] = []
        self.stats = BotStats()
        self.hidden: set[str] = set()
        self._rig = rig
        log = structlog.get_logger().bind(bot=name)

        def hide(secret: str, _: float = 0.0) -> None:
            self.hidden.add(secret)

        context = BotContext(
            name, self._report, self.stats, rig.clock, random.Random(1), log, hide, lambda: rig.draining
        )
        options = RacetimeOptions(bot.category.slug, bot.client_id, SecretSource(None, Secret(secret)))
        rig.store.apply(ev.BotAdded(name, rig.clock.now(), RACETIME, options.subject, active=True))
        self.bot: RacetimeBot = rig.service(handlers).bot(options, context)

    @property
    def record(self) -> BotRecord:
        return self._rig.store.bots[self.name]

    def seen(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind)]

    async def run(self) -> None:
        """Run as a runner does: the attempt and its end are facts of their own."""
        self._report(ev.ConnectStarted(self.name, self._rig.clock.now()))
        try:
            await self.bot.run()
        finally:
            self._report(ev.Disconnected(self.name, self._rig.clock.now(), DisconnectReason.OTHER))

    def _report(self, event: ev.Event) -> None:
        self.events.append(event)
        self._rig.store.apply(event)


class Rig:
    """The site with the cast of the captured messages, and our store."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.scene = Scene()
        self.world = self.scene.world
        self.clock = JumpClock()
        self.site_clock = JumpClock()
        self.simulator = LossySimulator(
            self.world, clock=self.site_clock, race_cache_s=0.0, category_cache_s=0.0, tick_s=0.01, unknown_race_s=0.1
        )
        self.unexpected: list[ev.Change] = []
        self.store = StatusStore(on_unexpected=self.unexpected.append)
        self.timing = QUICK
        self.poll_s = POLL_S
        self.draining = False
        self._stack = stack

    @property
    def now(self) -> float:
        return self.site_clock.now()

    async def open(self) -> None:
        await self.simulator.start()
        self.client = await self._stack.enter_async_context(open_session(self.simulator.url, "bot-exporter tests"))
        self._board = await self._stack.enter_async_context(open_board(self.client, self.clock, POLL_S))

    def service(self, handlers: HandlerFactory) -> RacetimeService:
        return RacetimeService(
            self.client, self._board, poll_interval_s=self.poll_s, timing=self.timing, handlers=handlers
        )

    def guest(
        self,
        bot: Bot | None = None,
        *,
        name: str = "ours",
        secret: str | None = None,
        handlers: HandlerFactory = only_watch,
    ) -> Guest:
        """Return a bot with the credentials of the site's bot, not yet running."""
        known = bot or self.scene.bot
        return Guest(self, name, known, secret or known.client_secret, handlers)

    @asynccontextmanager
    async def running(self, guest: Guest) -> AsyncIterator[Guest]:
        """Run a bot while inside; one that fails meanwhile fails the test."""
        task = asyncio.create_task(guest.run())
        try:
            yield guest
        finally:
            if not task.done():
                task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), repr(outcome)

    def room(self, **facts: Any) -> Race:
        """Open a room now."""
        self.scene.now = self.now
        return self.scene.room(**facts)

    def race(self, race: Race) -> RaceRecord | None:
        """Return what our store knows of the race."""
        return self.store.races.get(str(race))

    def state(self, race: Race) -> str | None:
        record = self.race(race)
        return record.view.state.value if record else None

    def connected(self, race: Race) -> bool:
        record = self.race(race)
        return record is not None and bool(record.connected)

    def start(self, race: Race) -> None:
        """Have the first two racers join and get ready, and the countdown pass."""
        self.scene.now = self.now
        self.scene.enter(race, *self.scene.racers[:2])
        self.world.tick(self.now)
        self.site_clock.jump(15.0)
