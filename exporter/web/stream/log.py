"""What changed, and in which order: the newest state of each object, numbered by its last change.

This is the memory of the feed. It holds one entry for each object, not one for each change: whoever stands at a number
gets all that was changed after it, each object once, and then has the present state. So it is as large as the fleet,
and a client may come back after hours; only what is gone is remembered in limits.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.web.encode import Json

MOST_GONE: Final = 10_000

Record = BotRecord | LobbyRecord | RaceRecord | Json
Owner = tuple[str, str]
"""A platform and a bot."""


@dataclass(eq=False, slots=True)
class Entry:
    """An object as it was after its last change. `record` is None when it is gone, a dict for the system.

    `owners` are the bots that it belongs to now, `ever` also those that it belonged to before. It is the `newest` one
    until the object changes again. `text` is kept by who encodes it.
    """

    seq: int
    kind: str
    name: str | None
    record: Record | None
    owners: frozenset[Owner]
    ever: frozenset[Owner]
    newest: bool = True
    text: bytes | None = field(default=None, repr=False)


class ChangeLog:
    """Numbers changes from 1; `head` is the last number. Who stands at 0 knows nothing."""

    def __init__(self, most_gone: int = MOST_GONE) -> None:
        self._most_gone = most_gone
        self._entries: dict[tuple[str, str | None], Entry] = {}  # the one that changed last is the last
        self._gone: deque[Entry] = deque()
        self._floor = 0
        self.head = 0

    def put(
        self, kind: str, name: str | None, record: Record | None, owners: frozenset[Owner] = frozenset()
    ) -> Entry | None:
        """Note what an object is now, and return the entry; None if it is gone and nobody knew it."""
        key = (kind, name)
        before = self._entries.pop(key, None)
        if before is None and record is None:
            return None
        ever = owners
        if before is not None:
            before.newest = False
            ever = before.ever if owners <= before.ever else before.ever | owners
        self.head += 1
        entry = self._entries[key] = Entry(self.head, kind, name, record, owners, ever)
        if record is None:
            self._gone.append(entry)
            self._forget()
        return entry

    def find(self, kind: str, name: str | None) -> Entry | None:
        """Return the entry of an object, also of one that is gone, as long as it is remembered."""
        return self._entries.get((kind, name))

    def reaches(self, seq: int) -> bool:
        """Say whether `since` tells one who stands there all that was changed; else it has to begin anew."""
        return self._floor <= seq <= self.head

    def since(self, seq: int) -> list[Entry]:
        """Return the entries with greater numbers, in order."""
        return list(takewhile(lambda entry: entry.seq > seq, reversed(self._entries.values())))[::-1]

    def _forget(self) -> None:
        if len(self._gone) <= self._most_gone:
            return
        oldest = self._gone.popleft()
        key = (oldest.kind, oldest.name)
        if self._entries.get(key) is oldest:
            del self._entries[key]
            self._floor = oldest.seq
