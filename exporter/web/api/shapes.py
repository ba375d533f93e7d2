"""What answers look like: one model for each kind, the only source of the schemas that the description gives.

Nothing is validated with them while the server runs: `encode` writes the answers, and tests hold those against these.
A key is always there; `| None` says that it may be null.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from exporter.model.history import HistoryKind
from exporter.model.orders import OrderAction
from exporter.model.states import EntrantStatus, LobbyState, RaceState

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,20}$", "examples": ["29000000000000001"]})]
Count = Annotated[int, Field(ge=0)]
Team = Literal["radiant", "dire", "spectator", "unassigned"]


class Shape(BaseModel):
    """An answer, or a part of one: these keys and no others."""

    # Built when somebody asks for the description: it would take a tenth of the time of every start.
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, defer_build=True)


class Maintenance(Shape):
    """Maintenance of a bot, announced by an operator."""

    until: Time | None
    """When it ends by itself."""
    reason: str
    by: str | None
    """The name of the key that announced it."""


class _Placed(Shape):
    instance: str | None = None
    """Which process of the cluster has it; null while none does. Only in a cluster."""
    as_of: Time | None = None
    """When another process told it so; null for what is this process's own. Only in a cluster."""


class _Bot(_Placed):
    name: str
    state: str
    """Where it is in its platform's life cycle."""
    status: Annotated[int, Field(ge=0, le=4)]
    """The verdict, as a number."""
    status_name: Literal["unknown", "connected", "auth_failed", "connection_error", "disconnected"]
    status_display: str
    status_icon: str
    """The name of a Material icon."""
    status_message: str | None
    """Why it is not connected."""
    status_reason: str | None
    """The same, as a word of a closed list."""
    healthy: bool
    available: bool
    """Whether it can take new work."""
    is_active: bool
    """Whether it is switched on."""
    maintenance: Maintenance | None
    last_error: str | None
    last_error_time: Time | None
    connected_since: Time | None
    last_activity: Time | None
    """When something last happened in a race or lobby."""
    last_connected_at: Time | None
    last_status_check_at: Time | None
    """The last proof that it works."""
    next_retry_at: Time | None
    """When it tries again."""
    reconnects: Count
    """Times it became connected again, since the start of the process."""


class Dota2Bot(_Bot):
    """A bot on a Steam account that hosts Dota 2 lobbies."""

    platform: Literal["dota2"]
    username: str
    steam_connected: bool
    gc_connected: bool
    """Whether it has a session with the game coordinator."""
    current_lobby_id: Id | None


class RacetimeBot(_Bot):
    """A bot of a category of racetime.gg."""

    platform: Literal["racetime"]
    category: str
    races: list[str]
    """Names of the races that it follows."""
    last_poll_at: Time | None
    token_expires_at: Time | None


class Bot(RootModel[Annotated[Dota2Bot | RacetimeBot, Field(discriminator="platform")]]):
    """A bot; which keys it has depends on its platform."""


class Bots(Shape):
    """A list of bots."""

    bots: list[Bot]


class LobbyPlayer(Shape):
    """Somebody in a lobby."""

    steam_id: Id
    name: str | None
    team: Team
    slot: int | None


class Lobby(_Placed):
    """A Dota 2 lobby."""

    lobby_id: Id | None
    """Null while it is being created."""
    name: str
    state: LobbyState
    bot: str
    """The bot that hosts it."""
    bot_username: str | None
    server_region: int
    server_region_name: str
    game_mode: int
    game_mode_name: str
    has_password: bool
    players: list[LobbyPlayer]
    """Who is in it now, without the bot."""
    radiant_count: Count
    dire_count: Count
    spectator_count: Count
    created_at: Time | None
    match_id: Id | None
    match_outcome: str | None
    """Null until it is finished."""
    bot_team: str | None
    watched: bool
    """Whether the bot sees it now."""


class Lobbies(Shape):
    """A list of lobbies."""

    lobbies: list[Lobby]


class Goal(Shape):
    """What a race is about."""

    name: str
    custom: bool


class Entrant(Shape):
    """Somebody in a race."""

    user_id: str | None
    name: str
    team: str | None
    status: EntrantStatus
    place: int | None
    finish_time_seconds: float | None


class Race(_Placed):
    """A race on racetime.gg."""

    name: str
    """Category and slug, with a slash between."""
    category: str
    slug: str
    bot: str | None
    """The first of our bots that follow it."""
    state: RaceState
    goal: Goal
    info: str
    url: str
    unlisted: bool
    recorded: bool
    opened_by_bot: str | None
    opened_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    entrants_count: Count
    entrants_count_finished: Count
    entrants_count_inactive: Count
    entrants: list[Entrant]
    room_connected: bool
    """Whether a socket to the room is open."""


class Races(Shape):
    """A list of races."""

    races: list[Race]


class RaceName(Shape):
    """A race that none of our bots follows."""

    category: str
    slug: str


class EditedRace(RootModel[Race | RaceName]):
    """The race as it is now, or its name when no bot follows it."""


class Logons(Shape):
    """The queue in which bots wait to log on to Steam."""

    logon_queue_length: Count
    logon_cooldown_until: Time | None
    """Until when all logons pause because Steam limits them."""


class Instance(Shape):
    """A process of a cluster that is alive."""

    name: str
    url: str
    """Where other processes reach it."""
    version: str
    draining: bool
    started_at: Time
    bots: Count
    """How many it runs."""


class System(Shape):
    """Figures of the process; bots, lobbies and races are those of the whole fleet."""

    uptime_seconds: Count
    started_at: Time
    total_bots: Count
    available_bots: Count
    busy_bots: Count
    disconnected_bots: Count
    active_lobbies: Count
    total_lobbies_created: Count
    active_races: Count
    bot_state_summary: dict[str, int]
    bot_status_summary: dict[str, int]
    version: str
    draining: bool
    draining_waits_for: list[str]
    """Ids of lobbies and names of races."""
    steam: Logons | None
    instance: str | None = None
    """The process that answers. Only in a cluster."""
    instances: list[Instance] | None = None
    """Those that are alive. Only in a cluster."""
    unowned_bots: Count | None = None
    """Bots that no process runs now. Only in a cluster."""


class Status(Shape):
    """Everything: the system, every bot, every lobby and every race."""

    system: System
    bots: list[Bot]
    lobbies: list[Lobby]
    races: list[Race]


class HistoryItem(Shape):
    """Something that has happened."""

    id: Id
    time: Time
    kind: HistoryKind
    bot: str | None
    platform: str | None
    before: str | None
    after: str | None
    reason: str | None
    message: str | None
    actor: str | None


class History(Shape):
    """A page of the history, newest first."""

    items: list[HistoryItem]
    next: Id | None
    """What to give as `before` for the page after; null on the last one."""


Verdict = Literal["ok", "degraded", "down"]


class Health(Shape):
    """How the service is as a whole, without names."""

    status: Verdict
    version: str
    time: Time
    components: dict[str, Verdict]


class Reloaded(Shape):
    """What a reload of the configuration has changed."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    unchanged: Count
    needs_restart: list[str]
    """Keys whose new value is not used before a restart."""


class Draining(Shape):
    """Whether new lobbies and races are taken on, and what is waited for."""

    draining: bool
    draining_waits_for: list[str]


class Acted(Shape):
    """What a room said to an action."""

    action: str
    race: str
    answer: dict[str, Any]
    """The message, the race, the messages, or nothing."""


class Waiting(Shape):
    """An order that is still being carried out."""

    order_id: str
    state: Literal["begun"]


class Order(Shape):
    """An order, and the answer that it got."""

    id: str
    action: OrderAction
    target: str | None
    bot: str | None
    platform: str | None
    actor: str | None
    """The name of the key that gave it."""
    state: Literal["begun", "done", "in_doubt"]
    created_at: Time
    finished_at: Time | None
    code: int | None
    """The status of the answer."""
    location: str | None
    """The place of what was created."""
    result: dict[str, Any] | None
    """The body of the answer; of an error without the members that every problem has."""


class OlderBots(Shape):
    """The older service's list: usernames of Dota 2 bots, and whether each is connected."""

    bots: dict[str, bool]


class OlderCreated(Shape):
    """The older service's answer to a creation, with the lobby."""

    status: Literal["success"]
    message: str
    lobby_name: str
    bot_used: str | None
    lobby_id: Id
    lobby: Lobby


class OlderInfo(Shape):
    """The older service's answer about a lobby, with the lobby."""

    status: LobbyState
    lobby_id: Id
    message: str
    lobby: Lobby


class StreamTicket(Shape):
    """What lets a browser open one stream."""

    ticket: str
    """The value of the parameter `ticket`, good for one stream."""
    expires_at: Time


class Problem(Shape):
    """What is wrong, after RFC 9457."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    """What to do about it."""
    instance: str | None
    """The path that was asked for."""
    errors: list[str] | SkipJsonSchema[None] = None
    """The single mistakes, each with its field, or the service's own words."""
    order_id: str | SkipJsonSchema[None] = None
    """The order that it is about, if one was begun."""


class Mistake(Shape):
    """One mistake in the configuration."""

    file: str
    line: Count
    """0 for the whole file."""
    key: str
    message: str


class ReloadProblem(Shape):
    """Why a reload changed nothing."""

    type: Literal["about:blank"]
    title: str
    status: Literal[422]
    detail: str
    instance: str | None
    errors: list[Mistake]


class TargetLabels(Shape):
    """How a target is scraped, and what its samples are labelled with."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, defer_build=True, populate_by_name=True)

    scheme: Annotated[Literal["http", "https"], Field(alias="__scheme__")]
    metrics_path: Annotated[str, Field(alias="__metrics_path__")]
    instance: str | None = None
    """The instance's name. Only in a cluster."""


class Target(Shape):
    """One process to scrape, as Prometheus' HTTP service discovery has it."""

    targets: list[str]
    """Its host and port."""
    labels: TargetLabels


class Targets(RootModel[list[Target]]):
    """The processes to scrape."""


class Description(RootModel[dict[str, Any]]):
    """An OpenAPI 3.1 document."""
