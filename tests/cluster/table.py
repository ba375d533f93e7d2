"""The tables of the cluster as a model: what the statements of exporter/storage/leases.py mean, without a database.

tests/cluster/test_leases.py holds it and the real statements against the same expectations.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from exporter.model.cluster import Instance, Lease
from exporter.model.record import replace
from exporter.storage.leases import Claimed, Me, NameTaken, Seen


@dataclass
class Row:
    owner: str | None = None
    boot: str | None = None
    generation: int = 0
    until: float = 0.0


@dataclass
class Tables:
    """What all processes share; `now` is the database's clock."""

    now: float = 1000.0
    instances: dict[str, tuple[Instance, float]] = field(default_factory=dict)
    leases: dict[str, Row] = field(default_factory=dict)


class ModelTable:
    """One instance's way to the tables."""

    def __init__(self, tables: Tables, me: Me, life_s: float) -> None:
        self._tables = tables
        self._me = me
        self._life_s = life_s

    def beat(self, *, draining: bool) -> Seen:
        now, me, there = self._tables.now, self._me, self._tables.instances
        known = there.get(me.instance)
        if known is not None and known[0].boot != me.boot and known[1] > now:
            raise NameTaken(me.instance)
        slot = known[0].slot if known is not None else len(there)
        since = known[0].started_at if known is not None and known[0].boot == me.boot else now
        row = Instance(me.instance, me.boot, slot, me.advertise_url, me.egress, me.version, draining, since, now)
        there[me.instance] = row, now + self._life_s
        for lease in self._tables.leases.values():
            if lease.boot == me.boot and lease.until > now:
                lease.until = now + self._life_s
        alive = tuple(each for each, until in there.values() if until > now)
        held = tuple(
            Lease(bot, each.owner, each.boot, each.generation, each.until)
            for bot, each in self._tables.leases.items()
            if each.until > now and each.owner is not None and each.boot is not None
        )
        return Seen(now, alive, held, 0.0)

    def renew(self, *, draining: bool) -> Collection[str]:
        known = self._tables.instances.get(self._me.instance)
        if known is None or known[0].boot != self._me.boot:
            return ()
        now, until = self._tables.now, self._tables.now + self._life_s
        there = replace(known[0], seen_at=now, draining=draining)
        self._tables.instances[self._me.instance] = there, until
        mine = {
            bot: each for bot, each in self._tables.leases.items() if each.boot == self._me.boot and each.until > now
        }
        for lease in mine.values():
            lease.until = until
        return tuple(mine)

    def claim(self, bots: Collection[str]) -> list[Claimed]:
        now, me = self._tables.now, self._me
        known = self._tables.instances.get(me.instance)
        claimed: list[Claimed] = []
        for bot in sorted(bots):
            lease = self._tables.leases.setdefault(bot, Row())
            if known is None or known[0].boot != me.boot or known[1] <= now:
                continue
            if lease.owner is None or lease.until <= now:
                before, lease.owner, lease.boot = lease.owner, me.instance, me.boot
                lease.generation, lease.until = lease.generation + 1, now + self._life_s
                claimed.append(Claimed(bot, lease.generation, before, None))
        return claimed

    def give(self, bots: Collection[str]) -> None:
        for bot in bots:
            lease = self._tables.leases.get(bot)
            if lease is not None and lease.boot == self._me.boot:
                lease.owner, lease.boot, lease.until = None, None, self._tables.now

    def leave(self) -> None:
        self.give(tuple(self._tables.leases))
        known = self._tables.instances.get(self._me.instance)
        if known is not None and known[0].boot == self._me.boot:
            self._tables.instances[self._me.instance] = known[0], self._tables.now
