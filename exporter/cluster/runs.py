"""What the lease loop needs of the rest of the program: bots to start and stop, and a table of leases."""

from collections.abc import Collection
from typing import Protocol

from exporter.storage.leases import Claimed, Seen


class Table(Protocol):
    """The leases of one instance in the database. Calls block, and raise StorageTrouble."""

    def beat(self, *, draining: bool) -> Seen:
        """Say that this instance is alive, renew its leases that have not run out, and look around."""

    def renew(self, *, draining: bool) -> Collection[str]:
        """Say that this instance is alive, and renew its leases that have not run out; returns whose."""

    def claim(self, bots: Collection[str]) -> list[Claimed]:
        """Take those of these bots that are nobody's."""

    def give(self, bots: Collection[str]) -> None:
        """Give these back."""

    def leave(self) -> None:
        """Give everything back, and be no member any more."""


class Runs(Protocol):
    """The bots of this process, as the lease loop has them started and stopped."""

    async def take(self, claimed: Collection[Claimed]) -> None:
        """Run these bots from now on."""

    def cut(self, bots: Collection[str]) -> None:
        """Have these bots end before any of them does another step."""

    async def drop(self, bots: Collection[str]) -> None:
        """Stop these bots and let them go; what is known of them is written down, if that is possible now."""

    @property
    def bots(self) -> Collection[str]:
        """The bots that are in this process now, whether or not they run."""

    @property
    def stuck(self) -> Collection[str]:
        """Bots that were dropped and do not stop."""

    def busy(self, bots: Collection[str]) -> Collection[str]:
        """Return those of these bots that are in a lobby or a race."""

    def idle(self, bots: Collection[str]) -> Collection[str]:
        """Return those of these bots that are not connected, so that moving them costs nothing."""

    def movable(self, connected: Collection[str]) -> Collection[str]:
        """Return those of these connected bots that may move now: no more at once than can come back soon."""

    async def looked(self, seen: Seen, gone: Collection[str]) -> None:
        """Take in what a look at the database has shown; `gone` are instances that were there the last time."""

    def abandon(self, bots: Collection[str]) -> None:
        """End the process: these bots do not stop although their leases are over."""
