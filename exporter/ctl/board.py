"""What a client of the live feed knows: frames go in, and what has changed comes out. No socket, no clock."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object as it was and as it is; None where there was none, or is none any more."""

    kind: str
    name: str
    before: Json | None
    after: Json | None


class Board:
    """Holds what `/status` would show. `connected` begins a connection; its first frame says whether it resumes."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.complete = False
        """Whether everything is known: a snapshot has come to its end, and none has begun since."""
        self._known: dict[Place, Json] = {}
        self._earlier: dict[Place, Json] | None = None
        self._fresh = True
        self.resumed: bool | None = None
        """Whether this connection goes on where the last one ended; None until its first frame."""

    def connected(self) -> None:
        """Begin a connection."""
        self._fresh, self.resumed = True, None

    def receive(self, frame: Json) -> list[Changed]:
        """Take a frame in and return what has changed by it; a snapshot tells at its end, all at once.

        Raises KeyError, TypeError for what is no frame.
        """
        snapshot = frame["type"] == "snapshot"
        if self._fresh:
            self._fresh, self.resumed = False, not snapshot
            if snapshot:
                if self.complete:
                    self._earlier = self._known
                self._known, self.complete = {}, False
        self.cursor = str(frame["cursor"])
        kind = frame["kind"]
        if kind is None:
            return list(self._completed()) if snapshot else []
        place, data = (str(kind), str(frame["id"] or "")), frame["data"]
        before = self._known.get(place)
        if data is None:
            self._known.pop(place, None)
        else:
            self._known[place] = data
        return [Changed(*place, before, data)] if not snapshot and before != data else []

    def all(self, kind: str) -> list[Json]:
        """Return all objects of a kind."""
        return [data for (each, _), data in self._known.items() if each == kind]

    @property
    def system(self) -> Json | None:
        """The figures of the process, None when they are not sent."""
        return self._known.get(("system", ""))

    def _completed(self) -> Iterator[Changed]:
        """Tell what is different from before the connection was lost; nothing the first time."""
        self.complete = True
        earlier, self._earlier = self._earlier, None
        if earlier is None:
            return
        for place in {**earlier, **self._known}:
            before, after = earlier.get(place), self._known.get(place)
            if before != after:
                yield Changed(*place, before, after)
