"""The whole fleet as this process knows it: its own records, and what the other processes wrote of theirs.

It looks like the store to readers: mappings of records, and changes that they can subscribe to. Nothing is believed
longer than its lease: a bot that nobody runs is unknown, whatever was last written of it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from exporter.cluster.members import Membership
from exporter.model import events as ev
from exporter.model.cluster import Instance, Origin
from exporter.model.record import Record, replace
from exporter.model.relayed import AnyRecord, owner_of
from exporter.model.states import DISCONNECTED, BotStatus
from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.store import Seen, StatusStore
from exporter.supervisor import BotSpec
from exporter.timing import Clock

INSTANCE_AWAY: Final = "instance_away"
NO_INSTANCE: Final = "no_instance"
_NO_DATABASE: Final = "this process cannot reach the database, which tells of the bots of others"

Place = tuple[str, str]
"""A kind (bot, lobby, race), and the name of the object in the store."""


class Row(Record, frozen=True):
    """What an instance wrote of an object: under which generation of its bot's lease, and when (Unix seconds)."""

    instance: str
    generation: int
    record: AnyRecord
    changed_at: float


class Shown(Record, frozen=True):
    """How an object looked before, and how it looks now; also when only its origin is another."""

    kind: str
    name: str
    before: AnyRecord | None
    after: AnyRecord | None


class WholeFleet:
    """Joins the store and the others' rows; `configure`, `take` and `believe` bring the news.

    Own records win: what runs here is known best. Of a race that bots of several processes follow, all bots are shown,
    and our own view or else the newest. The lobby of a bot that moves to another process is shown as it was last seen,
    but not `watched`, until the bot is at work there: by then it has found the lobby again, or there is none.
    """

    def __init__(self, store: StatusStore, members: Membership, clock: Clock) -> None:
        self._store = store
        self._members = members
        self._clock = clock
        self._own = Origin(members.me)
        self._believed = True
        self._specs: Mapping[str, BotSpec] = {}
        self._rows: dict[Place, dict[str, Row]] = {}  # by instance; only races may be several's
        self._of_bot: dict[str, set[Place]] = {}
        self._last: dict[str, Row] = {}  # of each bot, also when the row is gone
        self._held: dict[str, tuple[str, int, bool, bool]] = {}
        self._away_since: dict[str, float] = {}
        self.bots_of: Counter[str | None] = Counter()
        """How many bots each instance runs; None stands for those that nobody does."""
        self._subscribers: list[Callable[[Seen], None]] = []
        self.on_catch_up: Callable[[], Awaitable[None]] | None = None
        """Whoever exchanges news with the others does so at once."""
        self._origins: dict[Place, Origin] = {}
        self._bots: dict[str, BotRecord] = {}
        self._lobbies: dict[str, LobbyRecord] = {}
        self._races: dict[str, RaceRecord] = {}
        self._find: Mapping[str, Callable[[str], tuple[AnyRecord | None, Origin]]] = {
            "bot": self._bot,
            "lobby": self._lobby,
            "race": self._race,
        }
        self._shown: Mapping[str, dict[str, Any]] = {"bot": self._bots, "lobby": self._lobbies, "race": self._races}
        self.bots: Mapping[str, BotRecord] = MappingProxyType(self._bots)
        self.lobbies: Mapping[str, LobbyRecord] = MappingProxyType(self._lobbies)
        self.races: Mapping[str, RaceRecord] = MappingProxyType(self._races)
        for kind, records in (("bot", store.bots), ("lobby", store.lobbies), ("race", store.races)):
            for name in records:
                self._look((kind, name))
        store.subscribe(self._on_change)
        members.subscribe(self.look_at_members)

    @property
    def me(self) -> str:
        """The name of this instance."""
        return self._members.me

    def subscribe(self, subscriber: Callable[[Seen], None]) -> Callable[[], None]:
        """Call `subscriber` with each change from now on, as the store does; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def origin(self, kind: str, name: str) -> Origin | None:
        """Return where an object is from."""
        return self._origins.get((kind, name))

    async def catch_up(self) -> None:
        """Return once what others have told by now is known, and they can know what was told here; or after a while."""
        if self.on_catch_up is not None:
            await self.on_catch_up()

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are alive, by name."""
        return self._members.instances()

    def owner_of(self, bot: str) -> Instance | None:
        """Return the instance that runs a bot, None while none does that is alive."""
        instance, _ = self._holder(bot)
        return self._members.instance(instance) if instance is not None else None

    # --- the news ---

    def configure(self, specs: Iterable[BotSpec]) -> None:
        """Say which bots are configured: those that nobody runs are shown, too."""
        before, self._specs = self._specs, {spec.name: spec for spec in specs}
        for name in (*self._specs, *(each for each in before if each not in self._specs)):
            self._look_at_bot(name)

    def take(self, rows: Iterable[tuple[Place, str, Row | None]], *, all_there_are: bool = False) -> None:
        """Take in what instances wrote anew of an object, None for what one has no more."""
        touched: dict[str, None] = {}
        if all_there_are:
            touched.update(dict.fromkeys(self._of_bot))
            self._rows.clear()
        news = list(rows)
        gone = {name for (kind, name), _, row in news if kind == "bot" and row is None}
        for place, instance, row in news:
            before = self._rows.get(place, {}).get(instance)
            for each in (before, row):
                if each is not None:
                    self._of_bot.setdefault(owner_of(each.record), set()).add(place)
                    touched[owner_of(each.record)] = None
            moves = place[0] == "lobby" and row is None and before is not None and owner_of(before.record) in gone
            if not moves:
                self._put(place, instance, row)
        for bot in touched:
            self._look_at_bot(bot)

    def believe(self, reachable: bool) -> None:
        """Say whether the database still tells of the others: while it does not, nobody knows how they are."""
        if reachable is not self._believed:
            self._believed = reachable
            for bot in (*self._of_bot, *(name for name in self._specs if name not in self._of_bot)):
                self._look_at_bot(bot)

    def look_at_members(self) -> None:
        """Look at the bots whose lease, or whose process, has changed."""
        for bot in (*self._of_bot, *(name for name in self._specs if name not in self._of_bot)):
            lease, last = self._members.lease_of(bot), self._last.get(bot)
            owner = lease.owner if lease is not None else last.instance if last is not None else ""
            instance = self._members.instance(owner)
            generation = lease.generation if lease is not None else 0
            held = (owner, generation, instance is not None, instance is not None and instance.draining)
            if held != self._held.get(bot):
                self._held[bot] = held
                self._look_at_bot(bot)

    def _on_change(self, change: ev.Change) -> None:
        if isinstance(change.event, ev.LobbyForgotten) and change.event.elsewhere and change.kind == "lobby":
            self._leave(change.name, change.before)
        if change.kind == "bot" and change.name in self._of_bot:
            self._look_at_bot(change.name)
        else:
            self._look((change.kind, change.name))

    def _leave(self, key: str, lobby: object) -> None:
        """Keep what we knew of a lobby whose bot another process is to run."""
        if isinstance(lobby, LobbyRecord):
            generation = self._holder(lobby.bot)[1]
            self._put(("lobby", key), self.me, Row(self.me, generation, lobby, self._clock.now()))
            self._of_bot.setdefault(lobby.bot, set()).add(("lobby", key))

    def _put(self, place: Place, instance: str, row: Row | None) -> None:
        kind, name = place
        if row is None:
            if self._rows.get(place, {}).pop(instance, None) is not None and not self._rows[place]:
                del self._rows[place]
        elif kind == "race":
            self._rows.setdefault(place, {})[instance] = row
        else:
            self._rows[place] = {instance: row}
            if kind == "bot":
                self._last[name] = row

    # --- what is shown ---

    def _look_at_bot(self, bot: str) -> None:
        """Look at a bot first, and then at what is its: a lobby is never there without its bot."""
        places = self._of_bot.get(bot, set())
        self._look(("bot", bot))
        if not self._moves(bot):
            self._forget_left(bot, places)
        for place in tuple(places):
            if place[0] != "bot":
                self._look(place)
            if place not in self._rows:
                places.discard(place)
        if not places:
            self._of_bot.pop(bot, None)

    def _look(self, place: Place) -> None:
        """Show an object as it is now, and tell the subscribers if it looks different."""
        kind, name = place
        record, origin = self._find[kind](name)
        shown = self._shown[kind]
        before = shown.get(name)
        if (record, origin) == (before, self._origins.get(place)) or record is before is None:
            return
        if kind == "bot":
            self._count(place, origin if record is not None else None)
        if record is None:
            del shown[name], self._origins[place]
        else:
            shown[name], self._origins[place] = record, origin
        change = Shown(kind, name, before, record)
        for subscriber in tuple(self._subscribers):
            subscriber(change)

    def _count(self, bot: Place, origin: Origin | None) -> None:
        for each, step in ((self._origins.get(bot), -1), (origin, +1)):
            if each is not None:
                self.bots_of[each.instance] += step

    def _bot(self, name: str) -> tuple[BotRecord | None, Origin]:
        own = self._store.bots.get(name)
        if own is not None:
            self._away_since.pop(name, None)
            return own, self._own
        holder, generation = self._holder(name)
        row = next(iter(self._rows.get(("bot", name), {}).values()), None)
        if holder is not None and row is not None and row.generation == generation:
            self._away_since.pop(name, None)
            return row.record, self._from(row)  # type: ignore[return-value]
        last = self._last.get(name)
        if name not in self._specs:
            self._last.pop(name, None)
            return None, self._own
        since = self._away_since.setdefault(name, self._clock.now())
        as_of = last.changed_at if last is not None else None
        return self._unknown(name, holder, last, since), Origin(holder, as_of if as_of is not None else since)

    def _unknown(self, name: str, holder: str | None, last: Row | None, since: float) -> BotRecord:
        spec = self._specs[name]
        known = last.record if last is not None and isinstance(last.record, BotRecord) else None
        if known is None or known.subject != spec.options.subject:
            known = BotRecord(name, spec.traits, spec.options.subject, spec.active)
        reason: str | None = NO_INSTANCE
        if not self._believed:
            reason, message = INSTANCE_AWAY, _NO_DATABASE
        elif holder is not None:
            reason, message = None, f"the process {holder} begins to run it"
        elif last is None:
            message = "no process runs it: none that may run it is there"
        elif self._members.instance(last.instance) is None:
            reason, message = INSTANCE_AWAY, f"its process {last.instance} is away: another one that may takes it over"
        else:
            message = f"no process runs it now, {last.instance} was the last: another one that may takes it over"
        return replace(
            known,
            state=DISCONNECTED,
            state_since=since,
            status=BotStatus.UNKNOWN,
            status_since=since,
            status_message=message,
            status_reason=reason,
            unhealthy_since=known.unhealthy_since or since,
            connected_since=None,
            next_retry_at=None,
            creating_lobby=False,
            guard_code_waiting=False,
        )

    def _lobby(self, key: str) -> tuple[LobbyRecord | None, Origin]:
        own = self._store.lobbies.get(key)
        if own is not None:
            return own, self._own
        for row in self._rows.get(("lobby", key), {}).values():
            record = row.record
            if not isinstance(record, LobbyRecord) or record.bot not in self._bots:
                continue
            holder, generation = self._holder(record.bot)
            if holder is not None and row.generation == generation and row.instance != self.me:
                return record, self._from(row)
            if row.generation == generation or self._moves(record.bot):
                return replace(record, watched=False), self._from(row)
        return None, self._own

    def _moves(self, bot: str) -> bool:
        """Return whether a bot is to work, but not at work, so that nobody knows what has become of its lobby."""
        record = self._bots.get(bot)
        if record is None or not record.is_active:
            return False
        return record.state != record.traits.ready and record.state not in record.traits.busy

    def _forget_left(self, bot: str, places: Iterable[Place]) -> None:
        """Forget lobbies that were told under an older lease of a bot."""
        for place in [each for each in places if each[0] == "lobby"]:
            for instance, row in tuple(self._rows.get(place, {}).items()):
                if instance == self.me or row.generation < self._holder(bot)[1]:
                    self._put(place, instance, None)

    def _race(self, name: str) -> tuple[RaceRecord | None, Origin]:
        own = self._store.races.get(name)
        rows = [row for row in self._rows.get(("race", name), {}).values() if self._counts(row)]
        rows.sort(key=lambda row: -row.changed_at)
        records = [own] if own is not None else []
        for row in rows:
            if isinstance(row.record, RaceRecord):
                away = self._holder(owner_of(row.record))[0] is None
                records.append(replace(row.record, connected=frozenset()) if away else row.record)
        if not records:
            return None, self._own
        origin = self._own if own is not None else self._from(rows[0])
        bots = tuple(dict.fromkeys(bot for each in records for bot in each.bots if bot in self._bots))
        if len(records) == 1 and bots == records[0].bots:
            return records[0], origin
        connected = frozenset().union(*(each.connected for each in records))
        return replace(records[0], bots=bots, connected=connected), origin

    def _holder(self, bot: str) -> tuple[str | None, int]:
        """Return the instance that runs a bot, None if none does that is alive, and the newest generation of its lease.

        A row may be newer than the last look at the leases: it was written under one all the same.
        """
        lease = self._members.lease_of(bot)
        row = next(iter(self._rows.get(("bot", bot), {}).values()), None)
        if not self._believed or lease is None:
            newest = max(lease.generation if lease is not None else 0, row.generation if row is not None else 0)
            return None, newest
        owner, generation = lease.owner, lease.generation
        if row is not None and row.generation > generation:
            owner, generation = row.instance, row.generation
        return owner if self._members.instance(owner) is not None else None, generation

    def _counts(self, row: Row) -> bool:
        """Return whether a lobby or race was written under the newest lease of a bot that is there."""
        bot = owner_of(row.record)
        return bot in self._bots and row.generation == self._holder(bot)[1]

    def _from(self, row: Row) -> Origin:
        instance = self._members.instance(row.instance)
        return Origin(row.instance, row.changed_at, instance is not None and instance.draining)
