"""That something happens in a bot's rooms, told now and then: the time of every frame would drown the facts."""

import math

from exporter.model import events as ev
from exporter.platforms.base import BotContext

MOST_EVERY_S = 10.0


class Activity:
    """What is told of the activity in all rooms of one bot."""

    __slots__ = ("_context", "_told_at")

    def __init__(self, context: BotContext) -> None:
        self._context = context
        self._told_at = -math.inf

    def told(self) -> None:
        """Note that another fact has just told it: every change of a race does."""
        self._told_at = self._context.clock.monotonic()

    def seen(self) -> None:
        """Report it, at most once in ten seconds."""
        if self._context.clock.monotonic() - self._told_at >= MOST_EVERY_S:
            self.told()
            self._context.report(ev.ActivitySeen(self._context.name, self._context.clock.now()))
