"""What a bot has read of a room's chat, so that after a reconnect it reads the rest, and nothing twice."""

import math

from exporter.platforms.racetime.messages import ChatLine, ChatMessage

_REMEMBERED = 128  # gethistory gives at most 100 messages, and the pinned ones


class ChatMemory:
    """Remembers the last ids of one room, and from when on it read everything."""

    __slots__ = ("_floor", "_ids", "last_id")

    def __init__(self) -> None:
        self.last_id: str | None = None
        self._ids: dict[str, float] = {}
        self._floor = -math.inf

    def joined(self, at: float) -> None:
        """Take everything posted until `at` (the site's clock) for read: it was said before we came."""
        self._floor = at

    def is_new(self, message: ChatMessage | ChatLine, *, live: bool) -> bool:
        """Say whether this message was not read yet; it is now. `live` for one that is no part of a history."""
        posted_at = message.posted_at if message.posted_at is not None else math.inf
        if message.id in self._ids or (not live and posted_at <= self._floor):
            return False
        self._ids[message.id] = posted_at
        self.last_id = message.id
        if len(self._ids) > _REMEMBERED:
            oldest = self._ids.pop(next(iter(self._ids)))
            if oldest < math.inf:
                self._floor = max(self._floor, oldest)
        return True
