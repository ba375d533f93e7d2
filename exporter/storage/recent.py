"""The last changes in memory: of each bot, and of the whole fleet. They are there while the database is away."""

from collections import deque
from typing import Final

from exporter.model.history import HistoryItem, HistoryQuery

OF_A_BOT: Final = 50
OF_THE_FLEET: Final = 500


class Recent:
    """Holds the newest items. `seen` items of a bot that left the fleet go with it."""

    def __init__(self) -> None:
        self._fleet: deque[HistoryItem] = deque(maxlen=OF_THE_FLEET)
        self._bots: dict[str, deque[HistoryItem]] = {}

    def add(self, item: HistoryItem) -> None:
        """Remember an item, and forget the oldest one of its bot if there are too many."""
        self._fleet.append(item)
        if item.bot is not None:
            kept = self._bots.get(item.bot)
            if kept is None:
                kept = self._bots[item.bot] = deque(maxlen=OF_A_BOT)
            kept.append(item)

    def forget(self, bot: str) -> None:
        """Forget a bot that left the fleet."""
        self._bots.pop(bot, None)

    def find(self, query: HistoryQuery) -> list[HistoryItem]:
        """Return what is asked for as far as it is remembered, newest first."""
        if query.bots:
            known = {item.id: item for bot in query.bots for item in self._bots.get(bot, ())}
            known |= {item.id: item for item in self._fleet if item.bot in query.bots}
        else:
            known = {item.id: item for item in self._fleet}
        found = sorted((item for item in known.values() if query.matches(item)), key=lambda item: -item.id)
        return found[: query.limit]
