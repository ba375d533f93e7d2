"""Tickets: what lets a browser open one stream, because its WebSocket can send no key."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from exporter.timing import Clock

LIFE_S: Final = 30.0
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Why somebody was let in: `holds` says whether that is still so, after keys or users have changed."""

    holds: Callable[[], bool] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Ticket:
    until: float
    admission: Admission


class Tickets:
    """Makes tickets and takes them, each once. Only digests are kept."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._tickets: dict[bytes, _Ticket] = {}  # the oldest first, and so the first to end

    def issue(self, admission: Admission) -> tuple[str, float] | None:
        """Return a ticket and when it ends, in Unix seconds; None when there are too many."""
        self._forget()
        if len(self._tickets) >= self._most:
            return None
        text = secrets.token_urlsafe(32)
        self._tickets[_digest(text)] = _Ticket(self._clock.monotonic() + LIFE_S, admission)
        return text, self._clock.now() + LIFE_S

    def take(self, text: str) -> Admission | None:
        """Use up a ticket, and return what it was made with; None for one that is not good, or no more."""
        self._forget()
        ticket = self._tickets.pop(_digest(text), None)
        return ticket.admission if ticket is not None and ticket.admission.holds() else None

    def _forget(self) -> None:
        now = self._clock.monotonic()
        while self._tickets and (oldest := next(iter(self._tickets.items())))[1].until <= now:
            del self._tickets[oldest[0]]


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
