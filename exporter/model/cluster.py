"""Several processes with one fleet: the instances, and the leases by which each bot belongs to one of them.

All times are Unix seconds by the database's clock.
"""

from exporter.model.record import Record


class Instance(Record, frozen=True):
    """A process that takes part. `boot` tells one run of it from the next, `slot` numbers it among the others."""

    name: str
    boot: str
    slot: int
    advertise_url: str
    egress: str
    version: str
    draining: bool
    started_at: float
    seen_at: float


class Lease(Record, frozen=True):
    """That a bot is an instance's until then. The generation grows with each change of owner."""

    bot: str
    owner: str
    boot: str
    generation: int
    until: float


class Origin(Record, frozen=True):
    """Where an object is from: an instance (None: nobody has it now), and as of when it was told, None for our own.

    `draining` says whether another instance takes on no new work.
    """

    instance: str | None
    as_of: float | None = None
    draining: bool = False

    @property
    def own(self) -> bool:
        """Whether it is an object of this process."""
        return self.as_of is None
