"""What has happened, as it is kept: one item a change that an operator would ask about later."""

from enum import StrEnum

from exporter.model.record import Record


class HistoryKind(StrEnum):
    """What a history item is about."""

    STATE = "state"
    STATUS = "status"
    ERROR = "error"
    ORDER = "order"
    LOBBY = "lobby"
    RACE = "race"


class HistoryItem(Record, frozen=True):
    """One thing that happened. Ids grow with time: a later item has a larger one, also after a restart."""

    id: int
    at: float
    kind: HistoryKind
    bot: str | None
    platform: str | None
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    message: str | None = None
    actor: str | None = None


class HistoryQuery(Record, frozen=True):
    """Which items are asked for, newest first; an empty set filters nothing.

    `before` is the id that all items must be below: the cursor. `since` and `until` are Unix seconds, both included.
    """

    limit: int = 50
    before: int | None = None
    bots: frozenset[str] = frozenset()
    platforms: frozenset[str] = frozenset()
    kinds: frozenset[HistoryKind] = frozenset()
    since: float | None = None
    until: float | None = None

    def matches(self, item: HistoryItem) -> bool:
        """Return whether the item is one of those asked for."""
        return (
            (self.before is None or item.id < self.before)
            and (not self.bots or item.bot in self.bots)
            and (not self.platforms or item.platform in self.platforms)
            and (not self.kinds or item.kind in self.kinds)
            and (self.since is None or item.at >= self.since)
            and (self.until is None or item.at <= self.until)
        )


class HistoryPage(Record, frozen=True):
    """Some items, newest first; `next` is the cursor of the page after, None if there is none."""

    items: tuple[HistoryItem, ...]
    next: int | None
