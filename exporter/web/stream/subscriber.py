"""One stream, as the hub sees it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from exporter.web.stream.filters import Filter
from exporter.web.stream.frames import Dialect

MOST_WAITING: Final = 64 * 1024
"""How many bytes may wait for a subscriber before it gets no more; above that it has at most one write more."""

WRITE: Final = 130_000
"""How many bytes a write has, unless one frame is longer: where much happens, few large writes cost far less than many.

Twice the largest segment that a machine sends to itself (65,483) hardly fits: a little more would be a third one.
"""


class Outlet(Protocol):
    """Where the bytes for one subscriber go."""

    @property
    def waiting(self) -> int:
        """How many bytes were written and not yet taken."""

    def write(self, data: bytes) -> None:
        """Take bytes, at once and without an error; they go nowhere when the client has left."""

    async def drained(self) -> None:
        """Return once at most `MOST_WAITING` bytes wait. Raises ConnectionError when nobody will take them."""


class Ending(Enum):
    """Why the server ends a stream."""

    STOPPED = "the server stops"
    SLOW = "too slow: read faster, or ask for less"
    REVOKED = "the key is no longer good"


@dataclass(eq=False, slots=True)
class Subscriber:
    """Who is fed. `position` is the number up to which it was told everything; at 0 it needs a snapshot.

    `may_stay` is asked when keys have changed. `ended` is set when the server wants the stream to end, `behind` when it
    has left those who are live. `waits_since` is set while its bytes wait to be taken.
    """

    wanted: Filter
    dialect: Dialect
    outlet: Outlet
    position: int = 0
    may_stay: Callable[[], bool] = lambda: True
    ended: "asyncio.Future[Ending]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    behind: asyncio.Event = field(default_factory=asyncio.Event)
    waits_since: float | None = None
