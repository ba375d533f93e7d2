"""From the site's race objects to the model's: pure, and it never raises for what the site sent."""

import re

from exporter.model.states import EntrantStatus, RaceState
from exporter.model.status import Entrant, RaceView
from exporter.platforms.racetime.values import Fields, Note, Oddity

DELETED_USER = "(deleted)"

_INTEGER, _TEXT = (int, type(None)), (str, type(None))
_Facts = tuple[object, ...]
_NAME = re.compile(r"([A-Za-z0-9_-]{1,64})/([A-Za-z0-9_-]{1,128})")


def split_name(name: str) -> tuple[str, str] | None:
    """Return category and slug of a race's name; None if it is none (names go into addresses, so nothing else may)."""
    match = _NAME.fullmatch(name)
    return (match[1], match[2]) if match else None


class Roster:
    """Reads a race's entrants; those that are as they were before, and in order, are not made again."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[_Facts, Entrant] = {}

    def read(self, items: list[object], note: Note) -> tuple[Entrant, ...]:
        """Return the entrants of one race object."""
        known: dict[_Facts, Entrant] = {}
        entrants = []
        for each in items:
            facts = _facts(each)
            entrant = self._known.get(facts) if facts is not None else None
            if entrant is None:
                odd: list[Oddity] = []
                entrant = _entrant(Fields(each, odd.append))
                for oddity in odd:
                    note(oddity)
                facts = facts if not odd else None
            if facts is not None:
                known[facts] = entrant
            entrants.append(entrant)
        self._known = known
        return tuple(entrants)


def race_view(race: object, base_url: str, note: Note, roster: Roster | None = None) -> RaceView | None:
    """Return a whole race object (racetime protocol notes, section 8) as a view; None if it does not say which race.

    `base_url` is the site's address without a slash at the end. `roster` remembers the entrants of this race.
    """
    return _view(Fields(race, note), base_url, note, roster or Roster())


def race_list_entry(summary: object, base_url: str, note: Note) -> RaceView | None:
    """Return an entry of a category's `current_races`, which knows neither entrants nor `unlisted` (section 4)."""
    return _view(Fields(summary, note), base_url, note, None)


def _view(race: Fields, base_url: str, note: Note, roster: Roster | None) -> RaceView | None:
    name = split_name(race.text("name"))
    if name is None:
        note(Oddity.SHAPE)
        return None
    category, slug = name
    detailed = roster is not None
    goal = race.inner("goal")
    path = race.text("url")
    return RaceView(
        category=category,
        slug=slug,
        state=race.inner("status").word("value", RaceState, RaceState.UNKNOWN),
        goal_name=goal.text("name"),
        goal_custom=goal.flag("custom"),
        info=race.text("info"),
        url=base_url + (path if path.startswith("/") else f"/{category}/{slug}"),
        opened_by_bot=race.optional_text("opened_by_bot"),
        opened_at=race.time("opened_at"),
        started_at=race.time("started_at"),
        # A race that was cancelled before its start has only cancelled_at.
        ended_at=race.time("ended_at") or race.time("cancelled_at"),
        entrants_count=race.count("entrants_count"),
        entrants_count_finished=race.count("entrants_count_finished"),
        entrants_count_inactive=race.count("entrants_count_inactive"),
        detailed=detailed,
        unlisted=detailed and race.flag("unlisted"),
        recorded=detailed and race.flag("recorded"),
        entrants=roster.read(race.items("entrants"), note) if roster is not None else (),
    )


def _facts(entrant: object) -> _Facts | None:
    """Return what `_entrant` reads, as it was sent; None if it has not the usual shape."""
    if not isinstance(entrant, dict):
        return None
    try:
        user, team, status, place = entrant["user"], entrant["team"], entrant["status"], entrant["place"]
        name = None if team is None else team["name"]
        facts = (user["id"], user["name"], name, status["value"], entrant["finish_time"])
    except (KeyError, TypeError):
        return None
    usual = type(place) in _INTEGER and all(type(each) in _TEXT for each in facts)
    return (*facts, place) if usual else None


def _entrant(entrant: Fields) -> Entrant:
    user = entrant.inner("user")
    return Entrant(
        user_id=user.optional_text("id"),
        name=user.text("name") or DELETED_USER,
        team=entrant.inner("team").text("name") or None,
        status=entrant.inner("status").word("value", EntrantStatus, EntrantStatus.UNKNOWN),
        place=entrant.optional_integer("place"),
        finish_time_s=entrant.duration_s("finish_time"),
    )
