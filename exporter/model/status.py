"""The records: all that is known now about one bot, lobby or race. Immutable; only `reduce` makes new ones."""

from exporter.model.record import Record
from exporter.model.states import (
    DISCONNECTED,
    BotStatus,
    EntrantStatus,
    LobbyState,
    PlatformTraits,
    RaceState,
)


class Maintenance(Record, frozen=True):
    """An operator's note that a bot may misbehave for now; `until` is None for "until taken back"."""

    until: float | None
    reason: str
    by: str | None


class BotMemory(Record, frozen=True):
    """What an earlier run of the process knew of a bot and what still holds: times, the last error, maintenance.

    `status` is the last verdict of that run. It is history: nothing that was live is believed without a new proof.
    """

    status: BotStatus
    maintenance: Maintenance | None = None
    last_connected_at: float | None = None
    last_status_check_at: float | None = None
    last_activity: float | None = None
    last_error: str | None = None
    last_error_reason: str | None = None
    last_error_time: float | None = None


ExpectedPlayers = int | tuple[int, ...] | None
"""Who has to sit on a team before a lobby is ready: how many, or which 64-bit Steam ids; None if nobody said."""


class Expectation(Record, frozen=True):
    """Who is expected in a bot's newest lobby: the service does not know it, so that we must."""

    lobby_id: int
    players: ExpectedPlayers


class Recalled(Record, frozen=True):
    """What is remembered of a bot that enters the fleet: whether it is to run, and what an earlier run knew of it."""

    active: bool
    memory: BotMemory | None = None


class BotRecord(Record, frozen=True):
    """All that is known about one bot.

    `subject` is what the bot stands for on its platform: a racetime.gg category or a Steam username.
    `last_checked_at` is the last finished check of its health, good or bad; `last_status_check_at` the last good one.
    `connections` counts the times it was proved to work after it was not, in this process.
    """

    name: str
    traits: PlatformTraits
    subject: str
    is_active: bool
    state: str = DISCONNECTED
    state_since: float = 0.0
    status: BotStatus = BotStatus.UNKNOWN
    status_since: float = 0.0
    status_message: str | None = None
    status_reason: str | None = None
    unhealthy_since: float | None = None
    maintenance: Maintenance | None = None
    connect_started_at: float | None = None
    connected_since: float | None = None
    connections: int = 0
    last_connected_at: float | None = None
    last_status_check_at: float | None = None
    last_checked_at: float | None = None
    last_activity: float | None = None
    last_error: str | None = None
    last_error_reason: str | None = None
    last_error_time: float | None = None
    next_retry_at: float | None = None
    token_expires_at: float | None = None
    guard_code_waiting: bool = False
    races: tuple[str, ...] = ()
    current_lobby_id: int | None = None
    creating_lobby: bool = False

    @property
    def platform(self) -> str:
        return self.traits.name

    @property
    def healthy(self) -> bool:
        return self.status is BotStatus.CONNECTED

    @property
    def reconnects(self) -> int:
        return self.connections - 1 if self.connections > 1 else 0

    @property
    def ready(self) -> bool:
        """Whether it can take new work, as far as the bot itself is concerned (draining is the process's affair)."""
        willing = self.healthy and self.is_active and self.maintenance is None
        return willing and self.state == self.traits.ready and not self.creating_lobby

    @property
    def busy(self) -> bool:
        return self.state in self.traits.busy or self.creating_lobby


class Entrant(Record, frozen=True):
    """One racer in a race; `user_id` is None for a deleted account."""

    user_id: str | None
    name: str
    team: str | None
    status: EntrantStatus
    place: int | None
    finish_time_s: float | None


class RaceView(Record, frozen=True):
    """A race as the service last described it. `detailed` is False for a list entry, which has no entrants."""

    category: str
    slug: str
    state: RaceState
    goal_name: str
    goal_custom: bool
    info: str
    url: str
    opened_by_bot: str | None
    opened_at: float | None
    started_at: float | None
    ended_at: float | None
    entrants_count: int
    entrants_count_finished: int
    entrants_count_inactive: int
    detailed: bool = False
    unlisted: bool = False
    recorded: bool = False
    entrants: tuple[Entrant, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.category}/{self.slug}"


class RaceRecord(Record, frozen=True):
    """One race room: the service's view of it and who of our bots follows it.

    `bots` follow the room (the first of them is the one shown), `connected` have an open socket to it.
    `first_ended` is the end state that it reached first; a finish that is undone and done again ends once.
    """

    view: RaceView
    bots: tuple[str, ...]
    connected: frozenset[str]
    state_since: float
    first_ended: RaceState | None = None

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def active(self) -> bool:
        return not self.view.state.ended


class LobbyPlayer(Record, frozen=True):
    """One person in a Dota 2 lobby; `team` is radiant, dire, spectator or unassigned, who has no slot."""

    steam_id: int
    name: str | None
    team: str
    slot: int | None


class LobbyRecord(Record, frozen=True):
    """One Dota 2 lobby. `key` names it in the store: the lobby id once there is one, before that the bot's name.

    `players` are those who are in it now, without the bot, which has the team `bot_team` and should be unassigned.
    `watched` says whether the bot sees it now: while the bot is away, the record is what it saw last.
    """

    key: str
    bot: str
    lobby_id: int | None
    name: str
    state: LobbyState
    state_since: float
    server_region: int
    server_region_name: str
    game_mode: int
    game_mode_name: str
    has_password: bool
    created_at: float
    players: tuple[LobbyPlayer, ...] = ()
    match_id: int | None = None
    match_outcome: str | None = None
    bot_team: str | None = None
    watched: bool = True

    @property
    def active(self) -> bool:
        return self.state is not LobbyState.FINISHED
