"""What the program's words look like: one colour and one number each, made of the model, so that none is missing."""

from collections.abc import Mapping
from typing import Any, Final

from exporter.model.states import BotStatus, EntrantStatus, LobbyState, PlatformTraits, RaceState
from exporter.platforms import PLATFORMS

Json = dict[str, Any]

GREEN: Final = "green"
RED: Final = "red"
YELLOW: Final = "yellow"
ORANGE: Final = "orange"
BLUE: Final = "blue"
PURPLE: Final = "purple"
PALE: Final = "super-light-green"
GREY: Final = "#8e8e8e"

# As the badges of the status page: working, in trouble, stopped by somebody, not known yet.
STATUS_COLORS: Final[Mapping[BotStatus, str]] = {
    BotStatus.UNKNOWN: GREY,
    BotStatus.CONNECTED: GREEN,
    BotStatus.AUTH_FAILED: RED,
    BotStatus.CONNECTION_ERROR: "dark-red",
    BotStatus.DISCONNECTED: YELLOW,
}

LOBBY_COLORS: Final[Mapping[str, str]] = {
    LobbyState.CREATING: YELLOW,
    LobbyState.WAITING: PALE,
    LobbyState.READY: GREEN,
    LobbyState.IN_GAME: BLUE,
    LobbyState.FINISHED: GREY,
}

RACE_COLORS: Final[Mapping[str, str]] = {
    RaceState.OPEN: GREEN,
    RaceState.INVITATIONAL: PALE,
    RaceState.PENDING: YELLOW,
    RaceState.IN_PROGRESS: BLUE,
    RaceState.FINISHED: GREY,
    RaceState.CANCELLED: ORANGE,
    RaceState.PARTITIONED: PURPLE,
    RaceState.UNKNOWN: RED,
}

ENTRANT_COLORS: Final[Mapping[str, str]] = {
    EntrantStatus.READY: GREEN,
    EntrantStatus.NOT_READY: YELLOW,
    EntrantStatus.IN_PROGRESS: BLUE,
    EntrantStatus.DONE: GREY,
    EntrantStatus.DNF: ORANGE,
    EntrantStatus.DQ: RED,
}

STATUSES: Final = tuple(status.word for status in BotStatus)


def _state_colors(traits: PlatformTraits) -> dict[str, str]:
    """Stopped, on the way, ready for work, at work."""
    disconnected, connecting, *others = traits.states
    colors = {disconnected: YELLOW, connecting: GREY} | dict.fromkeys(others, PALE)
    colors |= {traits.ready: GREEN}
    colors |= {state: (BLUE, PURPLE)[number % 2] for number, state in enumerate(_busy(traits))}
    return colors


def _busy(traits: PlatformTraits) -> list[str]:
    return [state for state in traits.states if state in traits.busy]


STATE_COLORS: Final = {
    state: color for name in sorted(PLATFORMS) for state, color in _state_colors(PLATFORMS[name].traits).items()
}
# Numbers for a query that says which state is the present one; all platforms share them.
STATES: Final = tuple(STATE_COLORS)


def status_mapping() -> list[Json]:
    """Turn the number of a status into its words and colour."""
    return [values({int(status): (status.display, STATUS_COLORS[status]) for status in BotStatus})]


def state_mapping() -> list[Json]:
    """Turn the number of a state into its word and colour."""
    return [values({number: (state, STATE_COLORS[state]) for number, state in enumerate(STATES)})]


def yes_no(yes: tuple[str, str], no: tuple[str, str]) -> list[Json]:
    """Turn 1 and 0 into words with colours."""
    return [values({1: yes, 0: no})]


def values(words: Mapping[int, tuple[str, str]]) -> Json:
    """Return a mapping of numbers to words with colours."""
    options = {
        str(number): {"text": text, "color": color, "index": index}
        for index, (number, (text, color)) in enumerate(words.items())
    }
    return {"type": "value", "options": options}
