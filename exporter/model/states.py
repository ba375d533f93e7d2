"""The words that users see: statuses, states, reasons, and how a platform's life cycle looks."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum

from exporter.errors import AuthReason, FailureReason
from exporter.errors import DisconnectReason as DisconnectReason  # noqa: PLC0414  (users see it: a name of this module)
from exporter.model.record import Record

DISCONNECTED = "disconnected"
CONNECTING = "connecting"


class BotStatus(IntEnum):
    """The operator's verdict on a bot; the numbers are the ones that are stored and served."""

    UNKNOWN = 0
    CONNECTED = 1
    AUTH_FAILED = 2
    CONNECTION_ERROR = 3
    DISCONNECTED = 4

    @property
    def word(self) -> str:
        """The label value, such as `auth_failed`."""
        return self.name.lower()

    @property
    def display(self) -> str:
        """The words for people, such as `Auth Failed`."""
        return self.name.replace("_", " ").title()

    @property
    def icon(self) -> str:
        """The name of the Material icon that stands for it."""
        return _ICONS[self]


_ICONS = {
    BotStatus.UNKNOWN: "help",
    BotStatus.CONNECTED: "check_circle",
    BotStatus.AUTH_FAILED: "key_off",
    BotStatus.CONNECTION_ERROR: "error",
    BotStatus.DISCONNECTED: "cloud_off",
}


class LobbyState(StrEnum):
    """The life of a Dota 2 lobby, in order."""

    CREATING = "creating"
    WAITING = "waiting"
    READY = "ready"
    IN_GAME = "in_game"
    FINISHED = "finished"


_LOBBY_MOVES = frozenset(
    {
        # A state may be passed while nobody looks, and players who fail to load take a game back to the lobby.
        (LobbyState.WAITING, LobbyState.READY),
        (LobbyState.WAITING, LobbyState.IN_GAME),
        (LobbyState.READY, LobbyState.WAITING),
        (LobbyState.READY, LobbyState.IN_GAME),
        (LobbyState.IN_GAME, LobbyState.WAITING),
        (LobbyState.IN_GAME, LobbyState.READY),
    }
)


def lobby_expects(before: LobbyState, after: LobbyState) -> bool:
    """Return whether a lobby may go from one state to the other: it may end from every one, and an end is final."""
    return before is after or after is LobbyState.FINISHED or (before, after) in _LOBBY_MOVES


UNKNOWN_OUTCOME = "unknown"
NO_MATCH = "no_match"
LOBBY_OUTCOMES = (
    "radiant",
    "dire",
    "neutral",
    "no_winner",
    "custom",
    "network",
    "leaver",
    "server_crash",
    "never_started",
    "cancelled",
    "suspicious",
    NO_MATCH,
    UNKNOWN_OUTCOME,
)
"""How a lobby can end: the game's own outcomes, `no_match` for one that was closed without a match, and `unknown`."""


class CreateFailure(StrEnum):
    """Why a lobby that was ordered did not come about."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    ALREADY_IN_GAME = "already_in_game"
    NO_BOT = "no_bot"
    BOT_LOST = "bot_lost"
    OTHER = "other"


class RaceState(StrEnum):
    """racetime.gg's own race states, and one for a word that we do not know."""

    OPEN = "open"
    INVITATIONAL = "invitational"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    PARTITIONED = "partitioned"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """Whether the race is over, as far as is known now: `finished` and `cancelled` may be undone for 10 minutes."""
        return self in _ENDED_RACES


_ENDED_RACES = frozenset({RaceState.FINISHED, RaceState.CANCELLED, RaceState.PARTITIONED})


class EntrantStatus(StrEnum):
    """racetime.gg's own words for one entrant, and one for a word that we do not know."""

    REQUESTED = "requested"
    INVITED = "invited"
    DECLINED = "declined"
    NOT_READY = "not_ready"
    READY = "ready"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    DNF = "dnf"
    DQ = "dq"
    PARTITIONED = "partitioned"
    UNKNOWN = "unknown"


class PlatformTraits(Record, frozen=True):
    """What readers need to know about a platform; each platform declares its own.

    `states` are in the order of the life cycle and begin with disconnected, connecting. `moves` are the expected
    transitions besides "anything to disconnected" and "disconnected to connecting", which hold everywhere.
    `facts` names what /status shows of these bots beyond the common keys, `protocol_errors` the kinds of them that are
    counted.
    """

    name: str
    subject: str
    states: tuple[str, ...]
    ready: str
    busy: frozenset[str]
    moves: frozenset[tuple[str, str]]
    auth_reasons: tuple[AuthReason, ...]
    failure_reasons: tuple[FailureReason, ...]
    disconnect_reasons: tuple[DisconnectReason, ...]
    facts: tuple[str, ...]
    protocol_errors: tuple[str, ...] = ()

    @property
    def status_reasons(self) -> tuple[str, ...]:
        """Every reason that a status of this platform can have, each once."""
        return tuple(dict.fromkeys(str(reason) for reason in (*self.auth_reasons, *self.failure_reasons)))

    def expects(self, before: str, after: str) -> bool:
        """Return whether a bot may go from one state to the other without anybody wondering."""
        return (
            after in {before, DISCONNECTED}
            or (before, after) == (DISCONNECTED, CONNECTING)
            or (before, after) in self.moves
        )


_RACE_MOVES: dict[RaceState, Iterable[RaceState]] = {
    # racetime protocol notes, section 7: any current state may be cancelled, finished and cancelled may be undone.
    RaceState.OPEN: (RaceState.INVITATIONAL, RaceState.PENDING, RaceState.PARTITIONED),
    RaceState.INVITATIONAL: (RaceState.OPEN, RaceState.PENDING, RaceState.PARTITIONED),
    RaceState.PENDING: (RaceState.IN_PROGRESS,),
    RaceState.IN_PROGRESS: (RaceState.FINISHED,),
    RaceState.FINISHED: (RaceState.IN_PROGRESS,),
    RaceState.CANCELLED: (RaceState.IN_PROGRESS,),
    RaceState.PARTITIONED: (),
}


def race_expects(before: RaceState, after: RaceState) -> bool:
    """Return whether one snapshot of a race may follow the other.

    Snapshots can be missed while a room reconnects, so a later state of the same path is expected too.
    """
    if before == after or RaceState.UNKNOWN in (before, after):
        return True
    if after is RaceState.CANCELLED:
        return before is not RaceState.PARTITIONED
    reached, todo = {before}, [before]
    while todo:
        for state in _RACE_MOVES.get(todo.pop(), ()):
            if state not in reached:
                reached.add(state)
                todo.append(state)
    return after in reached
