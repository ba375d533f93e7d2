"""What waits to be written: a bounded queue of history items, and the newest row of each bot, lobby and race.

It lives on the event loop. Nothing here waits: when the database is away and the queue is full, the oldest items give
way, counted. Rows are coalesced, so that a bot that changes a hundred times has one to write.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from exporter.model.history import HistoryItem
from exporter.model.record import Record, replace
from exporter.model.status import BotRecord, Expectation
from exporter.stats import StorageStats
from exporter.storage.order_rows import OrderRow
from exporter.storage.remembered import Standing

CAPACITY: Final = 20_000
MOST_ITEMS: Final = 1_000

Row = dict[str, Any]


class PendingBot(Record, frozen=True):
    """A bot to be written; its row is made in the writer's thread, because records never change."""

    record: BotRecord
    standing: Standing
    lobbies_created: int
    removed_at: float | None = None
    generation: int = 0
    expected: Expectation | None = None


@dataclass(slots=True)
class Batch:
    """What one transaction writes. `present` are the names of all bots of the fleet, if the others have left it.

    Each order comes with its history item, if it has one by now.
    """

    items: list[HistoryItem] = field(default_factory=list)
    bots: dict[str, PendingBot] = field(default_factory=dict)
    lobbies: dict[str, Row] = field(default_factory=dict)
    races: dict[str, Row] = field(default_factory=dict)
    orders: dict[str, tuple[OrderRow, HistoryItem | None]] = field(default_factory=dict)
    present: frozenset[str] | None = None
    at: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.items or self.bots or self.lobbies or self.races or self.orders or self.present is not None)

    @property
    def size(self) -> int:
        return len(self.items) + len(self.lobbies) + len(self.races)


class Backlog:
    """Gathers what is to be written, hands it out in batches, and takes back what could not be written.

    `stats` shows the length of the queue and what was dropped. Bots and orders are never dropped: there are as many
    bots as the configuration has, and few orders are possible without a database.
    """

    def __init__(self, stats: StorageStats, capacity: int = CAPACITY) -> None:
        self._stats = stats
        self._slot, self._slots = 0, 1
        self._capacity = capacity
        self._items: deque[HistoryItem] = deque()
        self._rows = Batch()
        self._last_id = 0

    def __bool__(self) -> bool:
        return bool(self._items or self._rows)

    @property
    def last_id(self) -> int:
        """The id of the newest item."""
        return self._last_id

    def number(self, item: HistoryItem) -> HistoryItem:
        """Return the item with its id: microseconds of its time, but always more than the one before.

        So ids grow with time, and go on growing when the clock is set back. Where several processes write, each takes
        the next one of its own slot: no two of them ever give the same.
        """
        least = max(self._last_id + 1, int(item.at * 1e6))
        self._last_id = least + (self._slot - least) % self._slots
        return replace(item, id=self._last_id)

    def use_slot(self, slot: int, slots: int) -> None:
        """Give only ids that are `slot` modulo `slots` from now on."""
        self._slot, self._slots = slot, slots

    def begin_after(self, last_id: int) -> None:
        """Give larger ids than the database has; what waits already is numbered anew if it must be."""
        if self._items and self._items[0].id <= last_id:
            self._last_id = max(self._last_id, last_id)
            self._items = deque(self.number(item) for item in self._items)
        self._last_id = max(self._last_id, last_id)

    def add(self, item: HistoryItem) -> None:
        """Queue a numbered item."""
        self._items.append(item)
        self._trim()

    def put_bot(self, bot: PendingBot) -> None:
        """Have this bot's row written, instead of what waits for it."""
        self._rows.bots[bot.record.name] = bot

    def put_lobby(self, row: Row) -> None:
        """Have this lobby's row written, instead of what waits for it."""
        self._put(self._rows.lobbies, row["lobby_id"], row)

    def put_race(self, row: Row) -> None:
        """Have this race's row written, instead of what waits for it."""
        self._put(self._rows.races, row["name"], row)

    def put_order(self, order: OrderRow, item: HistoryItem | None) -> None:
        """Have this order written, instead of what waits of it."""
        self._rows.orders[order.id] = (order, item)

    def put_fleet(self, names: Iterable[str], at: float) -> None:
        """Have every other bot marked as removed."""
        self._rows.present, self._rows.at = frozenset(names), at

    def take(self) -> Batch:
        """Return what to write next: all rows, and at most a thousand items."""
        batch, self._rows = self._rows, Batch()
        batch.items = [self._items.popleft() for _ in range(min(MOST_ITEMS, len(self._items)))]
        self._show()
        return batch

    def put_back(self, batch: Batch) -> None:
        """Take back a batch that could not be written; newer rows stay."""
        self._items.extendleft(reversed(batch.items))
        rows = self._rows
        rows.bots = batch.bots | rows.bots
        rows.lobbies = batch.lobbies | rows.lobbies
        rows.races = batch.races | rows.races
        rows.orders = batch.orders | rows.orders
        if rows.present is None:
            rows.present, rows.at = batch.present, batch.at
        for kept in (rows.lobbies, rows.races):
            while len(kept) > self._capacity:
                self._drop_row(kept)
        self._trim()

    def _put(self, rows: dict[str, Row], key: str, row: Row) -> None:
        rows.pop(key, None)
        rows[key] = row  # at the end: the oldest one gives way first
        if len(rows) > self._capacity:
            self._drop_row(rows)
        self._show()

    def _drop_row(self, rows: dict[str, Row]) -> None:
        del rows[next(iter(rows))]
        self._stats.dropped += 1

    def _trim(self) -> None:
        while len(self._items) > self._capacity:
            self._items.popleft()
            self._stats.dropped += 1
        self._show()

    def _show(self) -> None:
        self._stats.queue_length = len(self._items) + len(self._rows.lobbies) + len(self._rows.races)
