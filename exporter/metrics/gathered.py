"""What race rooms and lobbies add up to, for bots, categories and states: kept right by one difference at a time."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set

from exporter.model.states import LobbyState
from exporter.model.status import LobbyRecord, RaceRecord


class Rooms:
    """The race rooms. `update` is told of each that changed, in any order, of the same one as often as one likes."""

    __slots__ = ("_categories", "_connected", "_rooms", "_seen")

    def __init__(self) -> None:
        self._seen: dict[str, RaceRecord] = {}
        self._categories: dict[str, dict[str, RaceRecord]] = {}
        self._rooms: Counter[str] = Counter()
        self._connected: Counter[str] = Counter()

    def update(self, name: str, race: RaceRecord | None) -> tuple[Set[str], str | None]:
        """Take a race as it is now, None if it is gone; return the bots and the category whose figures may change."""
        seen = self._seen.pop(name, None)
        bots: set[str] = set()
        for record, step in ((seen, -1), (race, +1)):
            if record is None:
                continue
            _count(self._rooms, _open_rooms(record), step)
            _count(self._connected, record.connected, step)
            bots.update(record.bots, record.connected)
        if race is not None:
            self._seen[name] = race
            self._categories.setdefault(race.view.category, {})[name] = race
            return bots, race.view.category
        if seen is None:
            return bots, None
        category = self._categories[seen.view.category]
        del category[name]
        if not category:
            del self._categories[seen.view.category]
        return bots, seen.view.category

    def of_bot(self, bot: str) -> tuple[int, int]:
        """Return how many rooms the bot is in or should be in, and to how many its socket is open."""
        return self._rooms.get(bot, 0), self._connected.get(bot, 0)

    def of_category(self, category: str) -> Iterable[RaceRecord]:
        """Return the races of a category."""
        return self._categories.get(category, {}).values()


def _open_rooms(race: RaceRecord) -> Iterable[str]:
    """Return the bots for which the room counts: one that has ended is left on purpose, being outside is no trouble."""
    return race.bots if race.active else (bot for bot in race.bots if bot in race.connected)


def _count(counter: Counter[str], bots: Iterable[str], step: int) -> None:
    for bot in bots:
        counter[bot] += step
        if not counter[bot]:
            del counter[bot]


class Lobbies:
    """The lobbies, in the same way. `states` counts all of them; a bot's own is the newest that is open."""

    __slots__ = ("_of_bot", "_seen", "_states")

    def __init__(self) -> None:
        self._seen: dict[str, LobbyRecord] = {}
        self._states: Counter[LobbyState] = Counter()
        self._of_bot: dict[str, dict[str, LobbyRecord]] = {}

    @property
    def states(self) -> Mapping[LobbyState, int]:
        """How many lobbies are in each state."""
        return self._states

    def update(self, key: str, lobby: LobbyRecord | None) -> Set[str]:
        """Take a lobby as it is now, None if it is gone; return the bots whose figures may change."""
        seen = self._seen.pop(key, None)
        bots = {record.bot for record in (seen, lobby) if record is not None}
        if seen is not None:
            self._states[seen.state] -= 1
            own = self._of_bot.get(seen.bot, {})
            own.pop(key, None)
            if not own:
                self._of_bot.pop(seen.bot, None)
        if lobby is not None:
            self._seen[key] = lobby
            self._states[lobby.state] += 1
            if lobby.active:
                self._of_bot.setdefault(lobby.bot, {})[key] = lobby
        return bots

    def of_bot(self, bot: str) -> LobbyRecord | None:
        """Return the open lobby of the bot."""
        own = self._of_bot.get(bot)
        if not own:
            return None
        first = next(iter(own.values()))
        return first if len(own) == 1 else max(own.values(), key=lambda lobby: (lobby.created_at, lobby.key))
