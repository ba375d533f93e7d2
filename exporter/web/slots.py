"""How many connections there may be: from one address, and in all. One more of each is kept for scrapes and probes.

Who fills all slots, by mistake or on purpose, must not make the exporter look dead: Prometheus may share an address
with that client. So one connection above the limit is let in, for the telemetry path and /-/healthy only. A newer one
takes its place as long as it is not being served.
"""

from collections.abc import Callable
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

    def take(self, group: str | None) -> Slot | None:
        """Return a slot for a new connection, None if there is none left."""
        rooms = [self._all]
        if group is not None:
            rooms.append(self._groups.get(group) or _Room(self._of_one_group))
        full = [room for room in rooms if room.taken >= room.limit]
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
        slot.rooms = []
        if slot.group is not None and slot.group in self._groups and self._groups[slot.group].is_empty:
            del self._groups[slot.group]
