"""How many bots are in which state, and what else /status/system counts: kept right by one difference at a time."""

from collections import Counter
from operator import attrgetter

from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.store import Records

# What the counts are made of: most changes are of something else.
_counted = attrgetter("traits", "is_active", "state", "status", "maintenance", "creating_lobby")


class FleetCounts:
    """Each `update` is told of one object as it is now, None if it is gone, as often as one likes.

    `free` bots could take new work, if the process is not draining; a racetime.gg bot may do so while it is busy.
    """

    __slots__ = ("_bots", "_lobbies", "_races", "busy", "free", "states", "statuses")

    def __init__(self) -> None:
        self._bots: dict[str, BotRecord] = {}
        self._lobbies: set[str] = set()
        self._races: set[str] = set()
        self.states: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.busy = 0
        self.free = 0

    @classmethod
    def of(cls, store: Records) -> "FleetCounts":
        """Count everything."""
        counts = cls()
        for name, bot in store.bots.items():
            counts.update_bot(name, bot)
        for key, lobby in store.lobbies.items():
            counts.update_lobby(key, lobby)
        for name, race in store.races.items():
            counts.update_race(name, race)
        return counts

    @property
    def bots(self) -> int:
        """All bots."""
        return len(self._bots)

    @property
    def lobbies(self) -> int:
        """Lobbies that are not over."""
        return len(self._lobbies)

    @property
    def races(self) -> int:
        """Races that are not over."""
        return len(self._races)

    def update_bot(self, name: str, bot: BotRecord | None) -> None:
        """Take a bot into account."""
        before = self._bots.pop(name, None)
        if bot is not None:
            self._bots[name] = bot
            if before is not None and _counted(before) == _counted(bot):
                return
        for record, step in ((before, -1), (bot, +1)):
            if record is not None:
                self.states[record.state] += step
                self.statuses[record.status.word] += step
                self.busy += step * record.busy
                self.free += step * (record.ready and not record.busy)

    def update_lobby(self, key: str, lobby: LobbyRecord | None) -> None:
        """Take a lobby into account."""
        (self._lobbies.add if lobby is not None and lobby.active else self._lobbies.discard)(key)

    def update_race(self, name: str, race: RaceRecord | None) -> None:
        """Take a race into account."""
        (self._races.add if race is not None and race.active else self._races.discard)(name)
