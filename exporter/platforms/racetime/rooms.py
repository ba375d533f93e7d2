"""One followed race: its socket, which comes back by itself, and the orders that go through it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from exporter.errors import OrderInDoubt, OrderRefused, TransientError
from exporter.model.status import RaceView
from exporter.platforms.base import BotContext
from exporter.platforms.racetime.actions import PING, TOKEN_REFUSED, Action, ActionName, action
from exporter.platforms.racetime.activity import Activity
from exporter.platforms.racetime.client import RacetimeClient, RoomClosed, RoomSocket
from exporter.platforms.racetime.fence import Fence, PendingOrder
from exporter.platforms.racetime.form import RaceForm
from exporter.platforms.racetime.handlers import HandlerFactory
from exporter.platforms.racetime.messages import ErrorFrame, Frame, Pong, is_html, parse_frame
from exporter.platforms.racetime.pause import Pause
from exporter.platforms.racetime.token import TokenKeeper
from exporter.platforms.racetime.values import Oddity
from exporter.platforms.racetime.watch import RaceWatch
from exporter.timing import Backoff


@dataclass(frozen=True, slots=True)
class RoomTiming:
    """Waiting times of rooms, in seconds.

    A finish or forfeit can be undone for 10 minutes (racetime protocol notes, section 7): `linger_s`.
    `stagger_s` lies between two rooms that are entered, told to hurry, or told to use a new token.
    """

    first_retry_s: float = 0.5
    most_retry_s: float = 10.0
    stable_s: float = 60.0
    linger_s: float = 600.0
    stagger_s: float = 0.1
    order_s: float = 10.0


class Room:
    """A race that a bot follows. It outlives its connections, and may be run again after `run` has ended.

    `on_refused` is told when the site did not accept the token that the socket was opened with, `on_connected` when the
    socket has described the race.
    `form` is the remembered form of a room that the bot opened or edited itself.
    """

    def __init__(
        self,
        view: RaceView,
        *,
        client: RacetimeClient,
        tokens: TokenKeeper,
        context: BotContext,
        timing: RoomTiming,
        handlers: HandlerFactory,
        activity: Activity,
        on_view: Callable[[], None],
        on_connected: Callable[[], None],
        on_refused: Callable[[str], None],
    ) -> None:
        self.form: RaceForm | None = None
        self.leaving = False
        self.watch = RaceWatch(
            view,
            base_url=client.base_url,
            context=context,
            handler=handlers(view),
            activity=activity,
            on_view=on_view,
            on_connected=on_connected,
        )
        self._client = client
        self._tokens = tokens
        self._context = context
        self._timing = timing
        self._on_refused = on_refused
        self._backoff = Backoff(timing.first_retry_s, timing.most_retry_s, context.rng)
        self._pause = Pause(context.clock)
        self._reached = False
        self._renewing = False
        self._warned = False
        # Of the present connection:
        self._socket: RoomSocket | None = None
        self._token = ""
        self._fence = Fence()
        self._ordering = asyncio.Lock()

    @property
    def view(self) -> RaceView:
        return self.watch.view

    @property
    def name(self) -> str:
        return self.watch.view.name

    @property
    def ended_at(self) -> float | None:
        return self.watch.ended_at

    @property
    def connected(self) -> bool:
        """Whether the socket is open and has described the race."""
        return self.watch.connected

    @property
    def failures(self) -> int:
        """How often in a row the room had to be entered again."""
        return self._backoff.failures

    @property
    def kept_out(self) -> bool:
        """Whether it waits because the site could not be reached.

        A room that was let in and lost its socket does not count: where the site closes sockets right after accepting
        them, rooms that hurry each other would be a storm.
        """
        return self._pause.waiting and not self._reached

    def hurry(self, in_s: float) -> None:
        """Try again so many seconds from now, if it waits; the next pause is longer all the same."""
        self._pause.end(in_s)

    def over(self) -> bool:
        """Whether there is no reason to be in the room (any more)."""
        return self.watch.final or (self.leaving and self.ended_at is not None)

    async def run(self) -> None:
        """Follow the race until it is over, or cancelled. Never raises for what the site or the network do."""
        self.leaving = False
        if self.watch.calls is None:
            await self._follow()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.watch.calls.run(), name=f"{self._context.name}: handler of {self.name}")
            await self._follow()
            self.watch.left()

    async def act(self, order: Action) -> Frame | None:
        """Give the room an order and return its answer, if it is of the kind that has one.

        Orders go one at a time. Raises OrderRefused with the site's own words, or OrderInDoubt.
        """
        async with self._ordering:
            self._context.check_allowed()
            if self._socket is None:
                raise OrderRefused(f"the socket of room {self.name} is not open: try again when it is")
            pending = PendingOrder(order, asyncio.get_running_loop().create_future())
            try:
                async with asyncio.timeout(self._timing.order_s):
                    await self._send(self._socket, pending)
                    answer = await pending.wait()
            except TimeoutError:
                raise OrderInDoubt(f"room {self.name} did not answer in time: {order.name} may have happened") from None
            except RoomClosed as error:
                raise OrderInDoubt(f"room {self.name}: {error}: {order.name} may have happened") from error
            finally:
                self._fence.abandon(pending)
        if order.name is ActionName.SETINFO and self.form is not None:
            self.form = self.form.with_info(order.data)  # an edit sends the whole form, so it has to stay true
        return answer

    async def renew(self) -> None:
        """Come back with the present token, once no order waits: the site judges a socket by the token of its start."""
        async with self._ordering:
            if self._socket is not None and self._token != self._tokens.current:
                self._renewing = True
                await self._socket.close()

    async def leave(self) -> None:
        """End `run` soon, unless the race is taken up again."""
        self.leaving = True
        if self._socket is not None:
            await self._socket.close()

    async def _follow(self) -> None:
        while not self.over():
            began = self._context.clock.monotonic()
            try:
                await self._connection()
            except TransientError as error:
                self._tell(error)
            if self._renewing:
                self._renewing = False
                continue
            if self.over():
                return
            # Resetting on the mere connection would be a storm when the site closes sockets right after accepting
            # them (racetime protocol notes, section 6).
            if self._context.clock.monotonic() - began >= self._timing.stable_s:
                self._backoff.reset()
                self._warned = False
            await self._pause.wait(self._backoff.next_delay())

    def _tell(self, error: TransientError) -> None:
        """Log the first loss loudly and its repeats quietly; one that we caused is none."""
        if isinstance(error, RoomClosed) and error.oversized:
            self.watch.count(Oddity.OVERSIZED)
        if not (self._renewing or self.over()):
            log = self.watch.log.debug if self._warned else self.watch.log.info
            log("room connection lost", reason=str(error), attempt=self._backoff.failures + 1)
            self._warned = True

    async def _connection(self) -> None:
        """Be in the room until the race is over or the socket ends; raises TransientError."""
        self._reached = False
        token = self._tokens.current
        if token is None:
            return
        async with AsyncExitStack() as stack:
            socket = await self._client.open_room(self.view.slug, token)
            self._reached = True
            stack.push_async_callback(socket.close)
            if token != self._tokens.current:
                self._renewing = True
                return
            stack.callback(self._disconnected)
            self._socket, self._token, self._fence = socket, token, Fence()
            again = self.watch.entered
            if again:
                self.watch.catching_up()
            socket.listen(self._receive)
            if again:
                await self._ask_for_missed(socket)
            await socket.listened()

    def _disconnected(self) -> None:
        self._socket = None
        self._fence.lost()
        self.watch.disconnected()

    async def _ask_for_missed(self, socket: RoomSocket) -> None:
        """Ask for what was said while we were away."""
        last = self.watch.last_message_id
        await self._send(
            socket, PendingOrder(action(ActionName.GETHISTORY, {"last_message": last} if last else {}), None)
        )

    async def _send(self, socket: RoomSocket, order: PendingOrder) -> None:
        self._fence.sent(order)
        for text in (order.action.text, PING):
            await socket.send(text)
            self._context.stats.messages_sent += 1

    def _receive(self, data: str | bytes) -> bool:
        """Take in a message of the room; returns whether there is a reason to wait for more."""
        self._context.stats.messages_received += 1
        if self.watch.calls is None and is_html(data):
            return True
        read_all = self.watch.has_handler or self._fence.waiting
        frame = parse_frame(data, self.watch.count, brief=not read_all)
        self.watch.sent(data)
        if not self._fence.received(frame):
            self.watch.log.debug("the room reports an error that belongs to no order")
        self.watch.received(frame, self)
        if isinstance(frame, Pong) and not self._fence.busy:
            self.watch.caught_up()
        elif isinstance(frame, ErrorFrame) and TOKEN_REFUSED in frame.errors:
            self._on_refused(self._token)
        return self._fence.busy or not self.over()
