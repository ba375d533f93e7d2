"""What is played in the demo: who meets where and how it ends, drawn by chance that can be repeated."""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.platforms.dota2.wire import Outcome
from exporter.simulators.dota2.records import STEAMID_BASE

_EVENTS: Final = (
    # name, region, mode, players, league: without one a host begins on a radiant place
    ("Thursday inhouse", "USE", "AP", 10, 0),
    ("Mid or feed", "EUW", "1V1MID", 2, 0),
    ("Harbour Cup", "SEA", "CM", 10, 15_001),
    ("Two by two", "stockholm", "AP", 4, 0),
    ("Captains' practice", "EUE", "CM", 10, 15_002),
    ("Turbo tournament", "USW", "TURBO", 6, 0),
    ("Rookies only", "australia", "SD", 8, 0),
    ("Late night mix", "brazil", "ALL_DRAFT", 6, 15_003),
)
_FIRST_WORDS: Final = ("Amber", "Brisk", "Cedar", "Dusty", "Ember", "Foggy", "Gilded", "Hollow", "Ivory", "Jolly")
_SECOND_WORDS: Final = ("badger", "comet", "drum", "falcon", "gate", "heron", "lantern", "otter")
_FIRST_PERSON: Final = STEAMID_BASE + 70_000_001
_LOAD_FAILS: Final = 0.15
_LEAVER: Final = 0.15


@dataclass(frozen=True, slots=True)
class Fixture:
    """One game of the demo, and the lobby for it as a league would order it."""

    name: str
    server_region: str
    game_mode: str
    password: str
    league_id: int
    players: int
    failed_loads: int
    """How many launches fail before one loads."""
    game_s: float
    outcome: int
    has_leaver: bool

    @property
    def settings(self) -> dict[str, object]:
        """Return the settings of the lobby, as people type them."""
        return {
            "name": self.name,
            "password": self.password,
            "server_region": self.server_region,
            "game_mode": self.game_mode,
            "league_id": self.league_id,
        }


class Fixtures:
    """Draws one fixture after the other and knows them by the names of their lobbies."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng
        self._numbers = itertools.count(1)
        self._drawn: dict[str, Fixture] = {}

    def draw(self, event: int) -> Fixture:
        """Return the next fixture of one of the events; numbers beyond the last begin anew."""
        title, region, mode, players, league_id = _EVENTS[event % len(_EVENTS)]
        number, rng = next(self._numbers), self._random
        fixture = Fixture(
            name=f"{title} #{number}",
            server_region=region,
            game_mode=mode,
            password=f"door-{number}" if number % 3 else "",
            league_id=league_id,
            players=players,
            # The third game fails always, so that everybody who looks gets to see it.
            failed_loads=1 if number == 3 or rng.random() < _LOAD_FAILS else 0,
            game_s=round(rng.uniform(16.0, 45.0), 1),
            outcome=rng.choice((Outcome.RADIANT, Outcome.DIRE)),
            has_leaver=rng.random() < _LEAVER,
        )
        self._drawn[fixture.name] = fixture
        return fixture

    def by_name(self, name: str) -> Fixture | None:
        """Return the fixture for which a lobby was opened."""
        return self._drawn.get(name)

    def played(self, fixture: Fixture) -> None:
        """Forget a fixture that is over."""
        self._drawn.pop(fixture.name, None)


def people() -> Mapping[int, str]:
    """Return invented people: their names by Steam id."""
    names: Iterator[str] = (f"{first} {second}" for first in _FIRST_WORDS for second in _SECOND_WORDS)
    odd = ("<i>slanted</i> & co", "Zoë ★", "  ")
    return {_FIRST_PERSON + number: name for number, name in enumerate(itertools.chain(odd, names))}
