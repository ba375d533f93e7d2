"""What the simulated site remembers, and the facts that follow from it. All times are Unix seconds."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

UNDO_PERIOD_S = 600.0
CHAT_OPEN_AFTER_END_S = 3600.0


class RaceState(StrEnum):
    """The states of a room (racetime protocol notes, section 7)."""

    OPEN = "open"
    INVITATIONAL = "invitational"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    PARTITIONED = "partitioned"


PREPARING = frozenset({RaceState.OPEN, RaceState.INVITATIONAL})
CURRENT = PREPARING | {RaceState.PENDING, RaceState.IN_PROGRESS}


class EntryState(StrEnum):
    """How a user stands to a race; racing and its outcome are flags beside it."""

    REQUESTED = "requested"
    INVITED = "invited"
    DECLINED = "declined"
    JOINED = "joined"
    PARTITIONED = "partitioned"


@dataclass(slots=True, eq=False)
class User:
    """A person with an account."""

    id: str
    name: str
    discriminator: str | None = None
    pronouns: str | None = None
    twitch_name: str | None = None
    staff: bool = False
    supporter: bool = False
    live: bool = False
    banned_from: set[str] = field(default_factory=set)
    scores: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}#{self.discriminator}" if self.discriminator else self.name


@dataclass(slots=True, eq=False)
class Category:
    """One game or ruleset; `goals` are the active ones, in the order shown."""

    slug: str
    name: str
    short_name: str
    goals: list[str]
    active: bool = True
    info: str | None = None
    image: str | None = None
    streaming_required: bool = False
    allow_hide_entrants: bool = True
    allow_partitionable: bool = True
    owners: list[User] = field(default_factory=list)
    moderators: list[User] = field(default_factory=list)
    emotes: dict[str, str] = field(default_factory=dict)

    def can_moderate(self, user: User) -> bool:
        """Say whether that user is staff of this category."""
        return user.staff or user in self.owners or user in self.moderators


@dataclass(slots=True, eq=False)
class Bot:
    """A category bot and its credentials."""

    name: str
    category: Category
    client_id: str
    client_secret: str = field(repr=False)
    active: bool = True

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True, eq=False)
class Token:
    """A bearer token; whoever shortens `expires_at` expires it."""

    value: str = field(repr=False)
    bot: Bot
    scopes: tuple[str, ...]
    expires_at: float
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Team:
    """A team of a team race; the informal ones live for one race."""

    name: str
    slug: str
    formal: bool = False


@dataclass(frozen=True, slots=True)
class RaceSettings:
    """What the form of a room sets, with the site's defaults (racetime protocol notes, section 5)."""

    goal: str | None = None
    custom_goal: str | None = None
    ranked: bool = True
    unlisted: bool = False
    info_user: str | None = ""
    info_bot: str | None = None
    start_delay_s: int = 15
    time_limit_h: int = 24
    time_limit_auto_complete: bool = False
    streaming_required: bool = True
    auto_start: bool = True
    allow_comments: bool = True
    hide_comments: bool = False
    allow_prerace_chat: bool = True
    allow_midrace_chat: bool = True
    allow_non_entrant_chat: bool = True
    chat_message_delay_s: int = 0
    team_race: bool = False
    require_even_teams: bool = False
    hide_entrants: bool = False
    partitionable: bool = False


@dataclass(slots=True, eq=False)
class Entrant:
    """One user's entry. `shield` is the invented name shown while entrants are hidden."""

    user: User | None
    state: EntryState = EntryState.JOINED
    shield: str = ""
    team: Team | None = None
    ready: bool = False
    dnf: bool = False
    dq: bool = False
    finish_time_s: float | None = None
    place: int | None = None
    score: int | None = None
    score_change: int | None = None
    comment: str | None = None
    stream_override: bool = False

    @property
    def stream_live(self) -> bool:
        return self.user is not None and self.user.live

    @property
    def joined(self) -> bool:
        return self.state is EntryState.JOINED

    @property
    def finished(self) -> bool:
        return self.joined and self.finish_time_s is not None and not self.dnf and not self.dq

    @property
    def inactive(self) -> bool:
        return self.joined and (self.dnf or self.dq)

    @property
    def remaining(self) -> bool:
        """Whether the race still waits for this entrant."""
        return self.joined and not self.dnf and not self.dq and self.finish_time_s is None


@dataclass(slots=True, eq=False)
class Message:
    """A chat line: from a user, from a bot, or from the site when both are None."""

    id: str
    posted_at: float
    text: str
    user: User | None = None
    bot: Bot | None = None
    direct_to: User | None = None
    highlight: bool = False
    pinned: bool = False
    deleted: bool = False
    delay_s: int = 0
    from_monitor: bool | None = None
    actions: dict[str, Any] = field(default_factory=dict)

    @property
    def is_system(self) -> bool:
        return self.user is None and self.bot is None


@dataclass(slots=True, eq=False)
class Race:
    """A room. `version` counts changes; it can skip and does not follow the broadcasts."""

    category: Category
    slug: str
    settings: RaceSettings
    opened_at: float
    state: RaceState = RaceState.OPEN
    opened_by: User | None = None
    opened_by_bot: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    cancelled_at: float | None = None
    recordable: bool = True
    recorded: bool = False
    recorded_by: User | None = None
    disqualify_unready: bool = False
    version: int = 1
    entrants: list[Entrant] = field(default_factory=list)
    monitors: list[User] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    bot_meta: dict[str, Any] = field(default_factory=dict)
    countdown_said: set[int] = field(default_factory=set)
    warned: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.category.slug}/{self.slug}"

    @property
    def is_preparing(self) -> bool:
        return self.state in PREPARING

    @property
    def is_current(self) -> bool:
        return self.state in CURRENT

    @property
    def is_done(self) -> bool:
        return self.state not in CURRENT

    @property
    def is_anonymous(self) -> bool:
        return self.settings.hide_entrants and not self.is_done

    @property
    def goal_name(self) -> str:
        return self.settings.goal or self.settings.custom_goal or ""

    @property
    def over_at(self) -> float:
        """When the race ended or was cancelled; 0 while it is current."""
        return self.ended_at or self.cancelled_at or 0.0

    def running_for(self, now: float) -> float:
        """Return the seconds since the start: negative in the countdown, 0 without a start."""
        return now - self.started_at if self.started_at is not None else 0.0

    def can_be_undone(self, now: float) -> bool:
        """Say whether an ended race may still go back to in_progress."""
        return self.is_done and not self.recorded and now - self.over_at <= UNDO_PERIOD_S

    def chat_is_closed(self, now: float) -> bool:
        """Say whether nobody may write any more."""
        if not self.is_done:
            return False
        return self.recorded or (not self.recordable and now - self.over_at >= CHAT_OPEN_AFTER_END_S)

    @property
    def chat_is_restricted(self) -> bool:
        chosen = self.settings
        return (
            self.is_anonymous
            or (not chosen.allow_prerace_chat and self.is_preparing)
            or (not chosen.allow_midrace_chat and self.state in {RaceState.PENDING, RaceState.IN_PROGRESS})
        )

    def entrant_of(self, user: User) -> Entrant | None:
        """Return that user's entry, in whatever state."""
        return next((each for each in self.entrants if each.user is user), None)

    def can_monitor(self, user: User) -> bool:
        """Say whether that user runs this room: category staff, the opener, a promoted monitor."""
        return self.category.can_moderate(user) or user is self.opened_by or user in self.monitors

    def message(self, message_id: object) -> Message | None:
        """Return the line with that id."""
        return next((each for each in self.messages if each.id == message_id), None)

    def name_of(self, entrant: Entrant) -> str:
        """Return the name that may be shown now."""
        return entrant.shield if self.is_anonymous else str(entrant.user or "(deleted user)")
