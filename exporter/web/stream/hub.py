"""Who gets what of the feed, and when.

Changes are gathered for one tick, or until they fill a write. Then each is encoded once, and each subscriber gets one
write. Subscribers with the same filter and protocol are a group, whose bytes are put together once. Whoever does not
keep up leaves those who are live, and catches up at its own speed from where it stands; whoever does not read at all is
dropped. So the memory that a subscriber takes is bounded whatever it does, and it delays nobody.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from exporter.process import ProcessState
from exporter.stats import StreamStats
from exporter.store import Records, Seen
from exporter.timing import Clock
from exporter.web.stream.filters import Filter
from exporter.web.stream.frames import Dialect, Frame, Frames
from exporter.web.stream.log import ChangeLog, Entry
from exporter.web.stream.objects import SYSTEM, Object, Objects
from exporter.web.stream.subscriber import MOST_WAITING, WRITE, Ending, Subscriber

TICK_S: Final = 0.005
LOOK_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
PATIENCE_S: Final = 10.0
_MANY: Final = 256  # changes that are not kept waiting for the tick: they fill a write
_TURN: Final = 64  # entries that are encoded, and
_WRITES: Final = 16  # writes that are made, before the rest of the program has its turn
_DROPS: Final = {Ending.SLOW: "slow", Ending.REVOKED: "revoked"}


class Hub:
    """Feeds subscribers, from `start` until `stop`. `boot` stands for this run of the server in cursors."""

    def __init__(
        self,
        store: Records,
        process: ProcessState,
        objects: Objects,
        *,
        boot: str,
        clock: Clock,
        stats: StreamStats,
        log: ChangeLog | None = None,
    ) -> None:
        self.frames = Frames(boot)
        self._store = store
        self._process = process
        self._objects = objects
        self._clock = clock
        self._stats = stats
        self._log = log or ChangeLog()
        self._changed: dict[Object, None] = {}
        self._unwritten: list[list[Entry]] = []
        self._something, self._many = asyncio.Event(), asyncio.Event()
        self._publishing = asyncio.Lock()
        self._subscribers: set[Subscriber] = set()
        self._live: dict[tuple[Filter, Dialect], set[Subscriber]] = {}
        self._draining = process.draining
        self._looked_at = -LOOK_S
        self._unsubscribe: Callable[[], None] = lambda: None
        self._tasks: list[asyncio.Task[NoReturn]] = []

    def start(self) -> None:
        """Follow the store from now on."""
        self._unsubscribe = self._store.subscribe(self._on_change)
        self._note(self._objects.all())
        for work, name in (
            (self._tick(), "feed"),
            (self._hurry(), "feed, when there is much"),
            (self._look_again(), "feed's look around"),
        ):
            self._tasks.append(asyncio.create_task(work, name=name))

    async def stop(self) -> None:
        """End all streams, and follow the store no more."""
        self._unsubscribe()
        self._unsubscribe = lambda: None
        tasks, self._tasks = self._tasks, []
        for subscriber in self._subscribers:
            _end(subscriber, Ending.STOPPED)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def __len__(self) -> int:
        return len(self._subscribers)

    @property
    def is_idle(self) -> bool:
        """Whether everything that has changed was written to everybody who is not behind."""
        live = (subscriber for group in self._live.values() for subscriber in group)
        told = all(subscriber.position == self._log.head for subscriber in live)
        return told and not self._changed and not self._unwritten

    @property
    def waiting(self) -> list[int]:
        """How many bytes wait for each subscriber."""
        return [subscriber.outlet.waiting for subscriber in self._subscribers]

    def check(self) -> None:
        """End the streams of those who may no longer stay, after keys or users have changed."""
        for subscriber in self._subscribers:
            if not subscriber.may_stay():
                self._drop(subscriber, Ending.REVOKED)

    @contextmanager
    def subscribed(self, subscriber: Subscriber) -> Iterator[None]:
        """Count a subscriber in; whoever does so has to `feed` it, and to end its stream once it is `ended`."""
        self._subscribers.add(subscriber)
        self._stats.clients[subscriber.dialect.protocol] += 1
        if not self._tasks:
            _end(subscriber, Ending.STOPPED)
        try:
            yield
        finally:
            self._leave(subscriber)
            self._subscribers.discard(subscriber)
            self._stats.clients[subscriber.dialect.protocol] -= 1

    async def feed(self, subscriber: Subscriber) -> NoReturn:
        """Give a subscriber what it wants, until cancelled. Raises ConnectionError when it has left or was dropped."""
        self._look()
        self._number()  # what has changed while nobody was there may be more than the log remembers
        fresh = subscriber.position == 0 or not self._log.reaches(subscriber.position)
        if fresh:
            subscriber.position = 0
        while True:
            await self._catch_up(subscriber, fresh=fresh)
            fresh = False
            subscriber.behind.clear()
            self._live.setdefault((subscriber.wanted, subscriber.dialect), set()).add(subscriber)
            await subscriber.behind.wait()

    # --- what has changed ---

    def _on_change(self, change: Seen) -> None:
        self._note(self._objects.touched(change))

    def _note(self, touched: Iterable[Object]) -> None:
        for each in touched:
            self._changed[each] = None
        if self._changed and self._subscribers:  # else the look around is soon enough
            self._something.set()
        if len(self._changed) >= _MANY:
            self._many.set()

    def _look(self) -> None:
        """Look, at most once a second, at what nobody tells of: the figures of the system, if anybody wants them."""
        if not any(each.wanted.wants_system for each in self._subscribers):
            return
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_S or self._log.find(*SYSTEM) is None:
            self._looked_at = now
            if self._objects.look_at_system():
                self._note([SYSTEM])

    def _look_at_draining(self) -> None:
        if self._process.draining is not self._draining:
            self._draining = self._process.draining
            self._note(self._objects.touched_by_draining())

    def _number(self) -> None:
        """Put what has changed into the log; it is written at the next tick to those who do not find it there."""
        self._look_at_draining()
        changed, self._changed = self._changed, {}
        entries = [entry for each in changed if (entry := self._put(each)) is not None]
        if entries:
            self._unwritten.append(entries)

    def _put(self, each: Object) -> Entry | None:
        record = self._objects.find(each)
        return self._log.put(*each, record, self._objects.owners(record))

    # --- in time ---

    async def _tick(self) -> NoReturn:
        while True:
            await self._something.wait()
            await self._clock.sleep(TICK_S)
            await self._publish()

    async def _hurry(self) -> NoReturn:
        while True:
            await self._many.wait()
            await self._publish()

    async def _look_again(self) -> NoReturn:
        beat_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(LOOK_S)
            now = self._clock.monotonic()
            self._look_at_draining()
            self._look()
            if self._changed or self._unwritten:
                self._something.set()
            self._drop_the_slow(now)
            if now - beat_at >= HEARTBEAT_S:
                beat_at = now
                self._beat()

    def _drop_the_slow(self, now: float) -> None:
        for subscriber in self._subscribers:
            if subscriber.waits_since is not None and now - subscriber.waits_since >= PATIENCE_S:
                self._drop(subscriber, Ending.SLOW)

    def _drop(self, subscriber: Subscriber, ending: Ending) -> None:
        if _end(subscriber, ending):
            self._stats.dropped[_DROPS[ending]] += 1
            self._leave(subscriber)

    def _beat(self) -> None:
        """Give a sign of life to those who have nothing to come."""
        frame = self.frames.heartbeat(self._log.head)
        for (_, dialect), group in self._live.items():
            data = dialect.written(dialect.message(frame))
            for subscriber in group:
                if subscriber.position == self._log.head and subscriber.outlet.waiting <= MOST_WAITING:
                    subscriber.outlet.write(data)

    # --- to those who are live ---

    async def _publish(self) -> None:
        """Write what has changed since the last time."""
        async with self._publishing:
            self._something.clear()
            self._many.clear()
            self._number()
            batches, self._unwritten = self._unwritten, []
            for batch in batches:
                made: dict[tuple[Dialect, int, bool], bytes] = {}
                for (wanted, dialect), group in tuple(self._live.items()):
                    for upto, data in self._pieces(batch, wanted, dialect, self.frames.change, made):
                        if data is None:
                            await asyncio.sleep(0)
                        else:
                            await self._write_group(group, data, upto)

    async def _write_group(self, group: set[Subscriber], data: bytes, upto: int) -> None:
        writes = 0
        for subscriber in tuple(group):
            # It may have left meanwhile; or come after these had been numbered, and have found them in the log.
            if subscriber not in group or subscriber.position >= upto:
                continue
            if not data:
                subscriber.position = upto
            elif subscriber.outlet.waiting > MOST_WAITING:
                self._leave(subscriber)
                subscriber.behind.set()
            else:
                subscriber.outlet.write(data)
                subscriber.position = upto
                writes += 1
                if writes % _WRITES == 0:
                    await asyncio.sleep(0)

    def _leave(self, subscriber: Subscriber) -> None:
        place = (subscriber.wanted, subscriber.dialect)
        group = self._live.get(place)
        if group is not None:
            group.discard(subscriber)
            if not group:
                del self._live[place]

    # --- to one that has to catch up ---

    async def _catch_up(self, subscriber: Subscriber, *, fresh: bool) -> None:
        """Tell a subscriber all that it does not know. When this returns nothing has changed since.

        With `fresh` it knows nothing, and what it is told is a snapshot. Who is so slow that the log has forgotten what
        it does not know has to come back for a snapshot.
        """
        await self._drained(subscriber)
        wanted, dialect = subscriber.wanted, subscriber.dialect
        make = self.frames.snapshot if fresh else self.frames.change
        known = not fresh
        while True:
            self._number()
            if known and not self._log.reaches(subscriber.position):
                self._drop(subscriber, Ending.SLOW)
                raise ConnectionAbortedError(Ending.SLOW.value)
            entries = self._log.since(subscriber.position)
            if not known:
                entries = [each for each in entries if each.record is not None and wanted.wants(each.kind, each.owners)]
                known = True
            if not entries:
                break
            upto = self._log.head
            for _, data in self._pieces(entries, wanted, dialect, make, {}):
                if data is None or subscriber.outlet.waiting > MOST_WAITING:
                    await self._drained(subscriber)
                if data:
                    subscriber.outlet.write(data)
            subscriber.position = upto
        subscriber.position = self._log.head
        if fresh:
            complete = self.frames.complete(subscriber.position)
            subscriber.outlet.write(dialect.written(dialect.message(complete)))

    async def _drained(self, subscriber: Subscriber) -> None:
        subscriber.waits_since = self._clock.monotonic()
        await subscriber.outlet.drained()
        await asyncio.sleep(0)
        subscriber.waits_since = None

    def _pieces(
        self,
        entries: list[Entry],
        wanted: Filter,
        dialect: Dialect,
        make: Callable[[Entry, bytes], Frame],
        made: dict[tuple[Dialect, int, bool], bytes],
    ) -> Iterator[tuple[int, bytes | None]]:
        """Yield what to write, and up to which number that tells everything; None for a turn of the others.

        A piece has at most `WRITE` bytes, or is one message. What has changed again comes later, and is left out.
        `made` has messages that may be shared.
        """
        parts: list[bytes] = []
        size = before = 0
        for number, entry in enumerate(entries, 1):
            shown = wanted.shows(entry) if entry.newest else None
            if shown is not None:
                key = (dialect, entry.seq, shown)
                message = made.get(key)
                if message is None:
                    message = made[key] = dialect.message(make(entry, self._objects.told(entry, shown=shown)))
                if parts and size + len(message) > WRITE:
                    yield before, dialect.written(b"".join(parts))
                    parts, size = [], 0
                parts.append(message)
                size += len(message)
            before = entry.seq
            if number % _TURN == 0:
                yield entry.seq, None
        yield entries[-1].seq, dialect.written(b"".join(parts)) if parts else b""


def _end(subscriber: Subscriber, ending: Ending) -> bool:
    """Have a stream end; returns whether this is the first reason to."""
    if subscriber.ended.done():
        return False
    subscriber.ended.set_result(ending)
    return True
