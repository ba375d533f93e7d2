"""What a bot does in a race room: the seam for later plug-ins, and the default, which only watches."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.model.status import RaceView
from exporter.platforms.racetime.actions import Action
from exporter.platforms.racetime.messages import ChatMessage, Frame
from exporter.timing import cancelled

_MOST_WAITING = 1000


class LiveRoom(Protocol):
    """What a handler knows of its room."""

    @property
    def view(self) -> RaceView:
        """The race as it was last described."""

    async def act(self, order: Action) -> Frame | None:
        """Give the room an order; raises OrderRefused or OrderInDoubt."""


class RoomHandler(Protocol):
    """Reacts to what happens in one room. Its methods are called one after the other, and may take their time.

    They may raise: that is logged and counted, and the room goes on. They may give the room orders (`room.act`).
    """

    async def begin(self, room: LiveRoom) -> None:
        """The room was entered for the first time; not called again after a reconnect."""

    async def race_data(self, view: RaceView) -> None:
        """The race has changed."""

    async def chat_message(self, message: ChatMessage) -> None:
        """A line of chat, each one once, also those missed while the socket was away."""

    async def frame(self, message: dict[str, object]) -> None:
        """Take any message as the site sent it, before what is made of it; for handlers that know the site's own."""

    async def end(self) -> None:
        """The room was left."""


HandlerFactory = Callable[[RaceView], RoomHandler | None]
"""Gives the handler of a room that is entered; None for one that is only watched."""


def only_watch(_: RaceView) -> None:
    """Handle no room: the default."""


class HandlerQueue:
    """Calls one room's handler in order, apart from the socket, so that a slow handler does not stop the reading."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._calls: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue()
        self.failures = 0
        self.dropped = 0

    def put(self, call: Callable[[], Awaitable[None]]) -> None:
        """Have this called after the others; beyond a thousand that wait it is dropped."""
        if self._calls.qsize() < _MOST_WAITING:
            self._calls.put_nowait(call)
        else:
            self.dropped += 1

    def close(self) -> None:
        """Let `run` end after the calls that wait."""
        self._calls.put_nowait(None)

    async def run(self) -> None:
        """Make the calls until closed."""
        while (call := await self._calls.get()) is not None:
            try:
                await call()
            except Exception as error:  # a handler is foreign code: it may fail, the room goes on
                if cancelled():
                    raise asyncio.CancelledError from error
                self.failures += 1
                self._log.exception("a room handler failed")
