"""Tells the other processes what this one knows, and hears from them: once a tick at most, and in a thread.

store -> what has changed -> a batch -> cluster_records -> NOTIFY
              WholeFleet <- what is new <- cluster_records <- the bell, or a look every two seconds
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NoReturn, TypeVar

import structlog

from exporter.cluster.fleet import Place, Row, WholeFleet
from exporter.cluster.members import Membership
from exporter.model.relayed import AnyRecord, owner_of, read, written
from exporter.model.states import PlatformTraits
from exporter.storage.cluster_records import ClusterRecords, ForeignRow, News, OwnRow
from exporter.storage.trouble import StorageTrouble
from exporter.store import Seen, StatusStore
from exporter.timing import Clock, set_within

TICK_S: Final = 0.1
LOOK_S: Final = 2.0
AGAIN_S: Final = 1.0
BELIEVE_S: Final = 20.0
CATCH_UP_S: Final = 2.0

_log = structlog.get_logger(component="cluster")
_T = TypeVar("_T")


class Exchange:
    """Runs from `run` until it is cancelled; then `close` it. `lobbies_created` is the count of the whole fleet."""

    def __init__(
        self,
        records: ClusterRecords,
        store: StatusStore,
        fleet: WholeFleet,
        members: Membership,
        *,
        platforms: Mapping[str, PlatformTraits],
        clock: Clock,
    ) -> None:
        self._records = records
        self._store = store
        self._fleet = fleet
        self._members = members
        self._platforms = platforms
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cluster records")
        self._something = asyncio.Event()
        self._changed: dict[Place, None] = {}
        self._told: dict[Place, tuple[str, int]] = {}  # under which lease: the bot, and the generation
        self._rung: set[str] = set()
        self._look_at = self._heard_at = clock.monotonic()
        self._troubled = False
        self._waiting: list[asyncio.Future[None]] = []
        self.lobbies_created: int | None = None
        for kind, known in (("bot", store.bots), ("lobby", store.lobbies), ("race", store.races)):
            self._changed.update(dict.fromkeys((kind, name) for name in known))
        store.subscribe(self._on_change)
        members.subscribe(self._on_members)
        fleet.on_catch_up = self.catch_up

    @property
    def idle(self) -> bool:
        """Whether everything that has changed was told."""
        return not self._changed

    def on_bell(self, instance: str) -> None:
        """Take note that an instance has told something; an empty text: anybody may have, unheard."""
        if not instance:
            self._look_at = self._clock.monotonic()
        elif instance != self._members.me:
            self._rung.add(instance)
        self._something.set()

    async def catch_up(self) -> None:
        """Return once a round that begins from now on has succeeded; without one, after CATCH_UP_S.

        What has changed here is then in the database, and what stood there is known here.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._something.set()
        await asyncio.wait({done}, timeout=CATCH_UP_S)
        done.cancel()

    async def run(self) -> NoReturn:
        """Exchange news until cancelled. Trouble with the database is told once, and it is tried again and again."""
        while True:
            thorough = self._clock.monotonic() >= self._look_at
            self._something.clear()
            if thorough:
                self._look_at = self._clock.monotonic() + LOOK_S
            try:
                await self._round(thorough=thorough)
            except StorageTrouble as trouble:
                self._failed(trouble)
                await self._clock.sleep(AGAIN_S)
            else:
                self._succeeded()
                await self._wait(self._look_at - self._clock.monotonic())
                await self._clock.sleep(TICK_S)

    async def close(self) -> None:
        """Take back what this process has told: it is about to end."""
        try:
            await self._call(self._records.close)
        except StorageTrouble as trouble:
            _log.warning("the other processes were not told that this one ends", error=str(trouble))
        finally:
            self._thread.shutdown(wait=False)

    def _on_change(self, change: Seen) -> None:
        self._changed[change.kind, change.name] = None
        self._something.set()

    def _on_members(self) -> None:
        """Tell again what was told under a lease that this process has no more, or has anew."""
        for place, (bot, generation) in self._told.items():
            if self._generation(bot) != generation:
                self._changed[place] = None
        self._something.set()

    async def _round(self, *, thorough: bool) -> None:
        changed, self._changed = self._changed, {}
        rung, self._rung = self._rung, set()
        waiting = [each for each in self._waiting if not each.done()]
        self._waiting = []
        rows, gone = self._batch(changed)
        if not (thorough or rows or gone or rung or waiting):
            return
        asked = rung | {each.name for each in self._members.instances()} if thorough or waiting else rung
        keys = [(place[0], self._key(place)) for place in gone]
        try:
            news = await self._call(lambda: self._records.exchange(list(rows.values()), keys, asked, thorough=thorough))
        except BaseException:
            self._changed = changed | self._changed
            self._waiting = waiting + self._waiting
            raise
        self._told.update({place: (row.bot, row.generation) for place, row in rows.items()})
        for place in gone:
            del self._told[place]
        self._take(news)
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def _batch(self, changed: Iterable[Place]) -> tuple[dict[Place, OwnRow], list[Place]]:
        """Return what is to be written, and what has to go. What has no lease yet waits for the next time."""
        rows: dict[Place, OwnRow] = {}
        gone: list[Place] = []
        for place in changed:
            kind, record = place[0], self._find(place)
            bot = owner_of(record) if record is not None else ""
            generation = self._generation(bot)
            if record is not None and generation is not None:
                rows[place] = OwnRow(kind, self._key(place), bot, generation, written(record))
                continue
            if place in self._told:
                gone.append(place)
            if record is not None:
                self._changed[place] = None  # its lease is on the way; without it the supervisor takes the bot away
        return rows, gone

    def _find(self, place: Place) -> AnyRecord | None:
        kind, name = place
        match kind:
            case "bot":
                return self._store.bots.get(name)
            case "lobby":
                return self._store.lobbies.get(name)
        return self._store.races.get(name)

    def _generation(self, bot: str) -> int | None:
        """Return the generation of our own lease of a bot."""
        lease = self._members.lease_of(bot)
        return lease.generation if lease is not None and lease.boot == self._members.boot else None

    def _key(self, place: Place) -> str:
        """Return the key of a row: a race may be told by several, each with its own bots."""
        kind, name = place
        return f"{name}@{self._members.me}" if kind == "race" else name

    def _take(self, news: News) -> None:
        if news.lobbies_created is not None:
            self.lobbies_created = news.lobbies_created
        if news.rows or news.all_there_is:
            found = (self._found(row) for row in news.rows)
            self._fleet.take((each for each in found if each is not None), all_there_are=news.all_there_is)

    def _found(self, row: ForeignRow) -> tuple[Place, str, Row | None] | None:
        name = row.key.removesuffix(f"@{row.instance}") if row.kind == "race" else row.key
        place = (row.kind, name)
        if row.data is None:
            return place, row.instance, None
        record = read(row.kind, row.data, self._platforms)
        if record is None:
            _log.warning("another process told what this one does not understand", instance=row.instance, kind=row.kind)
            return place, row.instance, None
        return place, row.instance, Row(row.instance, row.generation, record, row.changed_at)

    async def _wait(self, most_s: float) -> None:
        """Wait until there is something to tell or to hear, or it is time to look."""
        if not self._changed and not self._waiting:
            await set_within(self._something, most_s, self._clock)

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _succeeded(self) -> None:
        self._heard_at = self._clock.monotonic()
        self._fleet.believe(True)
        if self._troubled:
            _log.info("the other processes are heard of again")
        self._troubled = False

    def _failed(self, trouble: StorageTrouble) -> None:
        if not self._troubled:
            _log.error("the other processes are not heard of now", kind=str(trouble.kind), error=str(trouble))
        self._troubled = True
        # A commit that was cut off may have happened or not: what was told is told again once it can be.
        self._changed = dict.fromkeys(self._told) | self._changed
        self._look_at = self._clock.monotonic()
        if self._clock.monotonic() - self._heard_at >= BELIEVE_S:
            self._fleet.believe(False)
