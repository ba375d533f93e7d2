"""Who is in the cluster and who runs which bot, as the database told the last time it was asked."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from exporter.model.cluster import Instance, Lease


class Membership:
    """What this process knows of all of them. The lease loop tells it the news; readers only look.

    `me` is this instance's name, `boot` this run of it. Without the database it stays as it was: see `looked_at`.
    """

    def __init__(self, me: str, boot: str) -> None:
        self.me = me
        self.boot = boot
        self.looked_at: float | None = None
        """The time of the last look by the database's clock, in Unix seconds."""
        self._instances: Mapping[str, Instance] = MappingProxyType({})
        self._leases: Mapping[str, Lease] = MappingProxyType({})
        self._subscribers: list[Callable[[], None]] = []

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are alive, this one among them, by name."""
        return tuple(self._instances.values())

    def instance(self, name: str) -> Instance | None:
        """Return an instance that is alive."""
        return self._instances.get(name)

    def owner_of(self, bot: str) -> str | None:
        """Return the name of the instance that runs a bot; None while it is nobody's."""
        lease = self._leases.get(bot)
        return lease.owner if lease is not None else None

    def lease_of(self, bot: str) -> Lease | None:
        """Return the lease of a bot that is somebody's."""
        return self._leases.get(bot)

    def subscribe(self, subscriber: Callable[[], None]) -> Callable[[], None]:
        """Call `subscriber` after each look that found something new; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def saw(self, at: float, instances: Iterable[Instance], leases: Iterable[Lease]) -> None:
        """Take in what the database says at a time of its clock: who is alive, and the leases that hold."""
        alive = {each.name: each for each in sorted(instances, key=lambda each: each.name)}
        held = {each.bot: each for each in leases}
        self.looked_at = at
        news = (_facts(alive), {bot: (each.owner, each.generation) for bot, each in held.items()}) != (
            _facts(self._instances),
            {bot: (each.owner, each.generation) for bot, each in self._leases.items()},
        )
        self._instances, self._leases = MappingProxyType(alive), MappingProxyType(held)
        if news:
            for subscriber in tuple(self._subscribers):
                subscriber()


def _facts(instances: Mapping[str, Instance]) -> list[tuple[str, str, str, bool]]:
    return [(each.name, each.boot, each.advertise_url, each.draining) for each in instances.values()]
