"""How many connections there may be: from one address, and in all. One more of each is kept for scrapes and probes.

Who fills all slots, by mistake or on purpose, must not make the exporter look dead: Prometheus may share an address
with that client. So one connection above the limit is let in, for the telemetry path and /-/healthy only. A newer one
takes its place as long as it is not being served.

Who has many addresses could fill all slots and knock all the time besides, so that nobody else kept that one place. So
when all are taken, a group with more connections than the newcomer's gives one up: the oldest that is not being served.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Slot:
    """A connection's place. `kept` is for scrapes and probes only. `busy` and `evict` are its connection's."""

    group: str | None
    kept: bool = False
    busy: Callable[[], bool] = lambda: False
    evict: Callable[[], None] = lambda: None
    rooms: "list[_Room]" = field(default_factory=list, repr=False)


@dataclass(eq=False, slots=True)
class _Room:
    limit: int
    taken: int = 0
    kept: Slot | None = None

    @property
    def is_empty(self) -> bool:
        return self.taken == 0 and self.kept is None


class Slots:
    """Gives out slots. The group of a connection is its client's address; None is a proxy that speaks for many."""

    def __init__(self, of_one_group: int, in_all: int) -> None:
        self._of_one_group = of_one_group
        self._all = _Room(in_all)
        self._groups: dict[str, _Room] = {}
        self._held: dict[str | None, dict[Slot, None]] = {}  # the places in `_all`, the oldest first
        self._sizes: dict[int, dict[str | None, None]] = {}  # the groups by how many of those they have

    def take(self, group: str | None) -> Slot | None:
        """Return a slot for a new connection, None if there is none left."""
        rooms = [self._all]
        if group is not None:
            rooms.append(self._groups.get(group) or _Room(self._of_one_group))
        full = [room for room in rooms if room.taken >= room.limit]
        if full == [self._all] and (other := self._who_gives_way(group)) is not None:
            self.give_back(other)
            other.evict()
            full = []
        holders = dict.fromkeys(room.kept for room in full if room.kept is not None)
        if any(holder.busy() for holder in holders):
            return None
        for holder in holders:
            self.give_back(holder)
            holder.evict()
        slot = Slot(group, bool(full), rooms=rooms)
        for room in rooms:
            if room in full:
                room.kept = slot
            else:
                room.taken += 1
        if self._all not in full:
            self._hold(slot)
        if group is not None:
            self._groups[group] = rooms[-1]
        return slot

    def is_crowded(self, slot: Slot) -> bool:
        """Say whether a slot is one of those that are kept, still: when others have left, it is as good as any."""
        return slot.kept and any(room.kept is slot and room.taken >= room.limit for room in slot.rooms)

    def give_back(self, slot: Slot) -> None:
        """Free a slot; doing so again changes nothing."""
        for room in slot.rooms:
            if room.kept is slot:
                room.kept = None
            else:
                room.taken -= 1
                if room is self._all:
                    self._let_go(slot)
        slot.rooms = []
        if slot.group is not None and slot.group in self._groups and self._groups[slot.group].is_empty:
            del self._groups[slot.group]

    def _who_gives_way(self, group: str | None) -> Slot | None:
        own = len(self._held.get(group, ()))
        return next((slot for slot in self._largest_first(own) if not slot.busy()), None)

    def _largest_first(self, own: int) -> Iterator[Slot]:
        for size in sorted(self._sizes, reverse=True):
            if size <= own:
                return
            for group in self._sizes[size]:
                yield from self._held[group]

    def _hold(self, slot: Slot) -> None:
        held = self._held.setdefault(slot.group, {})
        held[slot] = None
        self._resized(slot.group, len(held) - 1, len(held))

    def _let_go(self, slot: Slot) -> None:
        held = self._held[slot.group]
        del held[slot]
        self._resized(slot.group, len(held) + 1, len(held))
        if not held:
            del self._held[slot.group]

    def _resized(self, group: str | None, before: int, after: int) -> None:
        if before:
            del self._sizes[before][group]
            if not self._sizes[before]:
                del self._sizes[before]
        if after:
            self._sizes.setdefault(after, {})[group] = None
