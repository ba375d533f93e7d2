"""What one room tells, as facts: the race as it is, and who said what."""

from collections.abc import Callable
from functools import partial

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import RaceState
from exporter.model.status import RaceView
from exporter.platforms.base import BotContext
from exporter.platforms.racetime.activity import Activity
from exporter.platforms.racetime.chat import ChatMemory
from exporter.platforms.racetime.handlers import HandlerQueue, LiveRoom, RoomHandler
from exporter.platforms.racetime.messages import (
    ChatHistory,
    ChatLine,
    ChatMessage,
    ErrorFrame,
    Frame,
    Malformed,
    Pong,
    RaceData,
    Renders,
    UnknownFrame,
    json_object,
)
from exporter.platforms.racetime.values import Oddity
from exporter.platforms.racetime.views import Roster, race_view

_FINAL = frozenset({RaceState.CANCELLED, RaceState.PARTITIONED})


class RaceWatch:
    """What is known of one race; it outlives the connections.

    `on_view` is told after each change of the view, `on_connected` of each connection.
    `ended_at` is monotonic: when the race was first seen to be over, None while it runs (again).
    """

    def __init__(
        self,
        view: RaceView,
        *,
        base_url: str,
        context: BotContext,
        handler: RoomHandler | None,
        activity: Activity,
        on_view: Callable[[], None],
        on_connected: Callable[[], None],
    ) -> None:
        self.view = view
        self.ended_at: float | None = context.clock.monotonic() if view.state.ended else None
        self.connected = False
        self.entered = False
        self.log = context.log.bind(race=view.name)
        self.calls = HandlerQueue(self.log) if handler is not None else None
        self._handler = handler
        self._base_url = base_url
        self._context = context
        self._on_view = on_view
        self._activity = activity
        self._on_connected = on_connected
        self._roster = Roster()
        self._chat = ChatMemory()
        self._unread: list[ChatMessage | ChatLine] | None = None

    @property
    def final(self) -> bool:
        """Whether there is nothing more to see: a cancelled race that is taken up again shows in the lists."""
        return self.view.recorded or self.view.state in _FINAL

    @property
    def has_handler(self) -> bool:
        """Whether anybody reads the chat."""
        return self._handler is not None

    @property
    def last_message_id(self) -> str | None:
        """The last chat message that was read."""
        return self._chat.last_id

    def update(self, view: RaceView) -> None:
        """Take over what was seen of the race elsewhere than in its room, and report it if it is news."""
        known, seen = self.view, view
        if known.detailed and not view.detailed:
            # A list entry lacks the entrants and some flags: keep those that are known, as the store does.
            seen = replace(
                view, detailed=True, unlisted=known.unlisted, recorded=known.recorded, entrants=known.entrants
            )
        if seen != known:
            self._see(seen)
            self._context.report(ev.RaceUpdated(self._context.name, self._context.clock.now(), view))
            self._on_view()

    def received(self, frame: Frame, room: LiveRoom) -> None:
        """Take in a frame of the room."""
        match frame:
            case RaceData():
                self._race_data(frame, room)
            case ChatMessage() | ChatLine():
                self._activity.seen()
                self._read(frame)
            case ChatHistory(messages=messages):
                for message in messages:
                    self._deliver(message, live=False)
                self.caught_up()
            case Malformed(kind=kind):
                self.count(kind)
            case UnknownFrame():
                self._context.stats.unknown_messages += 1
            case Pong() | ErrorFrame() | Renders():
                pass
            case _:
                self._activity.seen()

    def sent(self, data: str | bytes) -> None:
        """Hand a message to the handler as the site sent it, if it is one and there is a handler."""
        if self.calls is None or self._handler is None or (message := json_object(data)) is None:
            return
        self.calls.put(partial(self._handler.frame, message))

    def catching_up(self) -> None:
        """Hold back what is said from now on, until the history has told what was said before it."""
        self._unread = []

    def caught_up(self) -> None:
        """Give out what was held back."""
        waiting, self._unread = self._unread, None
        for message in waiting or ():
            self._deliver(message, live=True)

    def disconnected(self) -> None:
        """The socket is gone; the next history has what was held back, in order."""
        self._unread = None
        if self.connected:
            self.connected = False
            self._context.report(ev.RoomDisconnected(self._context.name, self._context.clock.now(), self.view.name))

    def left(self) -> None:
        """Tell the handler, as the last thing, that the room was left."""
        if self.calls is not None and self._handler is not None:
            self.calls.put(self._handler.end)
            self.calls.close()

    def count(self, oddity: Oddity) -> None:
        """Count something that the site should not have sent."""
        self._context.stats.protocol_errors[oddity.value] += 1

    def _race_data(self, frame: RaceData, room: LiveRoom) -> None:
        view = race_view(frame.race, self._base_url, self.count, self._roster)
        if view is None or view.name != self.view.name:
            # The site looks rooms up by slug alone: with a slug that two categories share, it may be the other one.
            self.log.debug("the room's socket describes another race", described=view.name if view else None)
            return
        news = not self.connected or view != self.view
        self._see(view)
        now = self._context.clock.now()
        if news:
            self._activity.told()
            self._context.report(ev.RaceUpdated(self._context.name, now, view))
        if not self.connected:
            self.connected = True
            self._context.report(ev.RoomConnected(self._context.name, now, view.name))
            self._enter(room, frame.at if frame.at is not None else now)
            self._on_connected()
        if news:
            self._on_view()
            if self.calls is not None and self._handler is not None:
                self.calls.put(partial(self._handler.race_data, view))

    def _enter(self, room: LiveRoom, at: float) -> None:
        if self.entered:
            return
        self.entered = True
        self._chat.joined(at)
        self.log.info("room entered", state=self.view.state.value)
        if self.calls is not None and self._handler is not None:
            self.calls.put(partial(self._handler.begin, room))

    def _see(self, view: RaceView) -> None:
        self.view = view
        if not view.state.ended:
            self.ended_at = None
        elif self.ended_at is None:
            self.ended_at = self._context.clock.monotonic()

    def _read(self, message: ChatMessage | ChatLine) -> None:
        if self._unread is not None:
            self._unread.append(message)
        else:
            self._deliver(message, live=True)

    def _deliver(self, message: ChatMessage | ChatLine, *, live: bool) -> None:
        is_new = self._chat.is_new(message, live=live)
        if is_new and isinstance(message, ChatMessage) and self.calls is not None and self._handler is not None:
            self.calls.put(partial(self._handler.chat_message, message))
