"""The storage as the rest of the program sees it: a subscriber of changes, a memory of bots, history and orders."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from exporter.errors import StartError
from exporter.model import events as ev
from exporter.model.history import HistoryItem, HistoryPage, HistoryQuery
from exporter.model.status import BotRecord, Expectation, ExpectedPlayers, Recalled
from exporter.stats import StorageStats
from exporter.storage.backlog import CAPACITY, Backlog, PendingBot
from exporter.storage.database import Database, DatabaseInUse, Opened
from exporter.storage.ended import goes_on, lobby_row, race_row
from exporter.storage.engine import Target
from exporter.storage.history import items
from exporter.storage.order_rows import OrderRow
from exporter.storage.orders import Orders, doubt_item
from exporter.storage.pages import HistoryPages
from exporter.storage.recent import Recent
from exporter.storage.remembered import Standing, StoredBot, bot_row, same_but_times, stored_bot
from exporter.storage.trouble import StorageTrouble
from exporter.storage.writer import Limits, Writer
from exporter.timing import Clock

_START_S: Final = 5.0
_AGAIN_S: Final = 0.25
_FINISH_S: Final = 2.0
_COUNTED: Final = (ev.BotStarted, ev.BotStopped, ev.LobbyCreated)  # change a row beyond what is in the record

_log = structlog.get_logger(component="storage")


class Storage:
    """Keeps what must outlive the process. `stats` tells how it is; `orders` keeps orders.

    `on_change` must be a subscriber of the store. It takes microseconds and never waits for the database. A bot of
    which only the times of its last check and last activity have changed is written late.

    With `boot`, this run of the process, the database is shared with other processes: each bot is one's at a time, who
    learns what the others wrote of it (`learn`).
    """

    def __init__(
        self,
        where: Target,
        stats: StorageStats,
        *,
        clock: Clock,
        rng: random.Random,
        limits: Limits,
        capacity: int = CAPACITY,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        boot: str | None = None,
    ) -> None:
        self.stats = stats
        self._clock = clock
        self._backlog = Backlog(stats, capacity)
        self._recent = Recent()
        self._database = Database(where, boot)
        self._generations: dict[str, int] = {}
        self._prunes = boot is None
        self._slots = 0, 1
        self._writer = Writer(
            self._database,
            self._backlog,
            stats,
            clock=clock,
            rng=rng,
            limits=limits,
            on_open=self._opened,
            on_written=lambda batch: self.orders.written(batch),  # noqa: PLW0108  (there is no self.orders yet)
            prunes=lambda: self._prunes,
        )
        self.orders = Orders(
            self._writer, self._database, self._backlog, clock=clock, new_id=new_id, remember=self._recent.add
        )
        self._pages = HistoryPages(where, self._recent)
        self._records: dict[str, BotRecord] = {}
        self._standing: dict[str, Standing] = {}
        self._stored: dict[str, StoredBot] = {}
        self._created: dict[str, int] = {}
        self._expected: dict[str, Expectation | None] = {}
        self._late: asyncio.Future[dict[str, Recalled]] = asyncio.get_running_loop().create_future()

    # --- the life of it ---

    async def start(self, limit_s: float = _START_S) -> None:
        """Open the database, and try again for some seconds when it is not there.

        A fleet without a memory is better than none, so that trouble with the database is only told. Raises StartError
        when another version or another process owns the database.
        """
        until = self._clock.monotonic() + limit_s
        while True:
            try:
                await self._writer.open()
            except StorageTrouble as trouble:
                if self._clock.monotonic() < until:
                    await self._clock.sleep(_AGAIN_S)
                    continue
                if isinstance(trouble, DatabaseInUse):
                    raise StartError(str(trouble)) from trouble
                _log.error("starting without the database: what was known of bots comes once it is there")
            return

    async def run(self) -> None:
        """Write until cancelled."""
        await self._writer.run()

    async def stop(self, limit_s: float = _FINISH_S) -> None:
        """Write what waits, for at most that many seconds, and close everything."""
        await self._writer.finish(limit_s)
        self._pages.close()
        self._late.cancel()

    # --- what is remembered ---

    def recall(self, name: str, configured_active: bool, subject: str) -> Recalled:
        """Return what is known of a bot, and note what the configuration says of it now.

        What was known of another account or category under the same name is of no use.
        """
        known = self._standing.get(name)
        standing = known.under(configured_active) if known is not None else Standing(configured_active)
        self._standing[name] = standing
        if standing != known and (record := self._records.get(name)) is not None:
            self._put_bot(record, standing)
            self._writer.wake()
        stored = self._stored.get(name)
        return Recalled(standing.active, stored.memory if stored is not None and stored.subject == subject else None)

    async def recalled_late(self) -> dict[str, Recalled]:
        """Wait for a database that was not there at the start, and return what it knows of bots that run by then."""
        return await asyncio.shield(self._late)

    def fleet_complete(self, names: Iterable[str]) -> None:
        """Note that these are all bots of the configuration: others that are stored have left it."""
        self._backlog.put_fleet(names, self._clock.now())
        self._writer.wake()

    # --- among other processes ---

    def take_part(self, slot: int, slots: int, *, prunes: bool) -> None:
        """Number the history's items by a slot of this process' own; one of all processes `prunes` what is too old."""
        if slots != self._slots[1] or slot != self._slots[0]:
            self._slots = slot, slots
            self._backlog.use_slot(slot, slots)
        self._prunes = prunes

    def learn(self, name: str, generation: int, stored: StoredBot | None) -> None:
        """Take in what the database knows of a bot that is this process' from now on, by a lease of that generation."""
        self._generations[name] = generation
        if stored is not None:
            self._stored[name] = stored
            self._standing[name] = stored.standing
            self._created[name] = stored.lobbies_created
            self._expected[name] = stored.expected

    async def doubt(self) -> None:
        """Note that orders which a process that is gone has begun are in doubt. Raises StorageTrouble."""
        self._keep_doubted(await self._writer.call_now(self._database.doubt))

    async def flush(self) -> None:
        """Write down what is known of all bots now, for whoever runs them next. Raises StorageTrouble."""
        await self._writer.write_now()

    def expected(self, bot: str, lobby_id: int) -> ExpectedPlayers:
        """Return who is expected in a bot's lobby, whichever run or process created it."""
        known = self._expected.get(bot)
        return known.players if known is not None and known.lobby_id == lobby_id else None

    @property
    def lobbies_created(self) -> int:
        """How many lobbies were created in all runs."""
        return sum(self._created.values())

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written and nothing is being written."""
        return not self._backlog and not self.busy

    @property
    def busy(self) -> bool:
        """Whether a batch is being written now."""
        return self._writer.busy

    async def page(self, query: HistoryQuery) -> HistoryPage:
        """Return a page of history, as HistoryPages.page."""
        return await self._pages.page(query)

    # --- what happens ---

    def on_change(self, change: ev.Change) -> None:
        """Take a change into account."""
        match change:
            case ev.BotChange():
                news = self._on_bot(change)
            case ev.LobbyChange():
                news = self._on_lobby(change)
            case ev.RaceChange():
                news = self._on_race(change)
        if not news:
            return
        for item in items(change, self._platform(change)):
            self._keep(item)
        if isinstance(change.event, ev.BotRemoved) and change.kind == "bot":
            self._recent.forget(change.name)
            self._forget(change.name, change.event.at)
        self._writer.wake()

    def _on_bot(self, change: ev.BotChange) -> bool:
        """Have the bot's row written; returns whether there is more to it than times, which are no history either."""
        name, record = change.name, change.after or change.before
        assert record is not None  # noqa: S101  (a change has at least one side)
        standing = self._standing.get(name)
        if standing is None:
            standing = self._standing[name] = Standing(record.is_active)
        match change.event:
            case ev.BotStarted() | ev.BotStopped():
                standing = self._standing[name] = standing.order(isinstance(change.event, ev.BotStarted))
            case ev.LobbyCreated(lobby_id=lobby_id, expected=expected):
                self._created[name] = self._created.get(name, 0) + 1
                self._expected[name] = Expectation(lobby_id, expected) if expected is not None else None
            case ev.BotRemoved(elsewhere=True):
                return True  # its row is another process' to write
        self._records[name] = record
        removed_at = change.event.at if change.after is None else None
        self._put_bot(record, standing, removed_at)
        if isinstance(change.event, _COUNTED) or not same_but_times(change.before, change.after):
            return True
        self._writer.wake_late()
        return False

    def _put_bot(self, record: BotRecord, standing: Standing, removed_at: float | None = None) -> None:
        generation = self._generations.get(record.name, 0)
        created, expected = self._created.get(record.name, 0), self._expected.get(record.name)
        self._backlog.put_bot(PendingBot(record, standing, created, removed_at, generation, expected))

    def _forget(self, name: str, at: float) -> None:
        """A bot left the fleet: what is known of it is for the day on which it comes back."""
        record = self._records.pop(name, None)
        if record is not None:
            created, expected = self._created.get(name, 0), self._expected.get(name)
            row = bot_row(record, self._standing[name], created, at, expected=expected)
            self._stored[name] = stored_bot(row)

    def _on_lobby(self, change: ev.LobbyChange) -> bool:
        """Have the lobby's row written, if it has one; a lobby without one has a history."""
        if goes_on(change.event):
            return False
        if (row := lobby_row(change.before, change.after, change.event.at)) is not None:
            self._backlog.put_lobby(row)
        known, lobby = self._expected.get(change.event.bot), change.after
        if known is not None and lobby is not None and not lobby.active and lobby.lobby_id == known.lobby_id:
            self._expected[change.event.bot] = None  # nobody's ids are kept for longer than they are needed
        return True

    def _on_race(self, change: ev.RaceChange) -> bool:
        """Have the race's row written, if it is news; the history has nothing that the row has not."""
        if (row := race_row(change.before, change.after, change.event.at)) is not None:
            self._backlog.put_race(row)
        return row is not None

    def _keep(self, item: HistoryItem) -> None:
        numbered = self._backlog.number(item)
        self._recent.add(numbered)
        self._backlog.add(numbered)

    def _platform(self, change: ev.Change) -> str | None:
        record = self._records.get(change.event.bot)
        return record.platform if record is not None else None

    def _opened(self, left: Opened) -> None:
        """Take over what earlier runs left, before the first batch is written."""
        self._backlog.begin_after(left.last_id)
        for name, stored in left.bots.items():
            self._created[name] = self._created.get(name, 0) + stored.lobbies_created
        late = {name: self._merge(stored) for name, stored in left.bots.items() if name in self._records}
        self._stored = left.bots | self._stored
        for name, stored in left.bots.items():
            self._standing.setdefault(name, stored.standing)
            self._expected.setdefault(name, stored.expected)
        for name, record in self._records.items():
            self._put_bot(record, self._standing[name])
        self._keep_doubted(left.doubted)
        if late:
            self._late.set_result(late)

    def _keep_doubted(self, orders: Collection[OrderRow]) -> None:
        now = self._clock.now()
        for order in orders:
            self._keep(doubt_item(order, now))
        if orders:
            _log.warning("orders of an earlier run have no known end", orders=len(orders))
            self._writer.wake()

    def _merge(self, stored: StoredBot) -> Recalled:
        """Return what to tell of a bot that was started without being remembered; an order given since wins."""
        own = self._standing[stored.name]
        if own.ordered is None:
            own = self._standing[stored.name] = stored.standing.under(own.configured)
        same = self._records[stored.name].subject == stored.subject
        return Recalled(own.active, stored.memory if same else None)


@asynccontextmanager
async def storage(
    where: Target, stats: StorageStats, *, clock: Clock, rng: random.Random, limits: Limits, boot: str | None = None
) -> AsyncIterator[Storage]:
    """Run the storage; on leaving it writes what waits and closes. Raises StartError."""
    service = Storage(where, stats, clock=clock, rng=rng, limits=limits, boot=boot)
    try:
        await service.start()
        writing = asyncio.create_task(service.run(), name="storage writer")
        try:
            yield service
        finally:
            writing.cancel()
            await asyncio.wait({writing})
    finally:
        await service.stop()
