"""Answers that wait for their clients: how much of them there may be in all.

Whoever asks for much and reads nothing makes the server keep the answer. Each connection limits how long that may last
(`Limits.take_s`); here is what all of them may hold at one moment, however many addresses they come from.
"""

from typing import Protocol


class Waiting(Protocol):
    """A connection whose client has to read before more can be sent."""

    @property
    def buffered(self) -> int:
        """How many bytes were written and not yet taken."""

    @property
    def answer(self) -> tuple[object, int] | None:
        """The body that is being sent in pieces, and how many bytes it has."""

    def cut_off(self) -> None:
        """Close the connection now, and throw away what waits."""


class Untaken:
    """Those who wait, the one that has not read for longest first. It gives way when all hold more than `most_bytes`.

    A client that reads leaves and comes back as the last, with each piece that it takes.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting: dict[Waiting, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many bytes are kept; a body that many are sent, such as one page of metrics, counts once."""
        answers = [each.answer for each in self._waiting if each.answer is not None]
        bodies = {id(body): size for body, size in answers}
        return sum(bodies.values()) + sum(each.buffered for each in self._waiting)

    def add(self, connection: Waiting) -> None:
        """Note that a client has stopped reading; may cut off others, and even this one."""
        self._waiting[connection] = None
        while self._waiting and self.held > self._most_bytes:
            first = next(iter(self._waiting))
            self.remove(first)
            first.cut_off()

    def remove(self, connection: Waiting) -> None:
        """Note that a client reads again, or has left; doing so again changes nothing."""
        self._waiting.pop(connection, None)
