"""Every metric there is: name, type, labels, meaning. Nothing is exposed that is not written down here.

The page, its documentation and the checks of dashboards and alert rules all read this one table. Label values come
from the configuration or from closed lists, never from the outside: no player names, race slugs or error texts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from exporter.errors import AuthReason, FailureReason, TroubleKind
from exporter.model.orders import OrderAction, OrderOutcome
from exporter.model.states import (
    LOBBY_OUTCOMES,
    BotStatus,
    CreateFailure,
    DisconnectReason,
    EntrantStatus,
    LobbyState,
    PlatformTraits,
    RaceState,
)
from exporter.stats import HttpStats, StreamStats


class Kind(StrEnum):
    """The type of a family, in Prometheus' words."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Stability(StrEnum):
    """What a user may rely on."""

    STABLE = "stable"
    EXPERIMENTAL = "experimental"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Label:
    """A label: its closed list of values, or in words where they come from."""

    name: str
    values: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `platforms` names those whose bots have it; empty means all of them."""

    name: str
    help: str
    kind: Kind
    labels: tuple[Label, ...] = ()
    stability: Stability = Stability.STABLE
    platforms: tuple[str, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def openmetrics_name(self) -> str:
        """OpenMetrics, and prometheus_client with it, names a counter's family without the suffix of its samples."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name

    @property
    def sample_names(self) -> tuple[str, ...]:
        """The names that a query can ask for."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "count", "sum"))
        return (self.name,)

    def applies_to(self, traits: PlatformTraits) -> bool:
        """Return whether bots of that platform have this metric."""
        return not self.platforms or traits.name in self.platforms


@dataclass(frozen=True, slots=True)
class Group:
    """Families that are read together."""

    title: str
    about: str
    families: tuple[Family, ...]


def _words(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


_BOT = Label("bot", source="the bot's name in the configuration")
_PLATFORM = Label("platform", source="the bot's platform in the configuration")
_CATEGORY = Label("category", source="the category of a configured racetime.gg bot")
_CATEGORY_OR_NONE = Label("category", source="the category of a racetime.gg bot, empty for other platforms")
_STATE = Label("state", source="every state of the bot's platform, see below")
_STATUS = Label("status", values=tuple(status.word for status in BotStatus))
_RACE_STATUS = Label("status", values=_words(RaceState))
_CURRENT_RACE_STATUS = Label("status", values=tuple(str(state) for state in RaceState if not state.ended))
_ENTRANT_STATUS = Label("status", values=_words(EntrantStatus))
_OUTCOME = Label("outcome", values=tuple(str(state) for state in RaceState if state.ended))
_FAILURE = Label("reason", values=_words(FailureReason))
_REFUSAL = Label("reason", values=_words(AuthReason))
_LOSS = Label("reason", values=_words(DisconnectReason))
_STATUS_REASON = Label("reason", values=tuple(dict.fromkeys(_words((*AuthReason, *FailureReason)))))
_CONNECTED = Label("connected", values=("true", "false"))
LASTING_LOBBY_STATES = tuple(state for state in LobbyState if state is not LobbyState.FINISHED)
LOBBY_TEAMS = ("radiant", "dire", "spectator", "unassigned")
_LOBBY_STATE = Label("state", values=_words(LobbyState))
_LASTING_LOBBY_STATE = Label("state", values=_words(LASTING_LOBBY_STATES))
_LOBBY_ID = Label("lobby_id", source="the lobby's id, as long as the lobby is open")
_REGION = Label("server_region", source="the region's short form, or its number if that has none")
_MODE = Label("game_mode", source="the game mode's short form, or its number if that has none")
_TEAM = Label("team", values=LOBBY_TEAMS)
_LOBBY_OUTCOME = Label("outcome", values=LOBBY_OUTCOMES)
_NOT_CREATED = Label("reason", values=_words(CreateFailure))
_ERROR_KIND = Label("kind", source="what was wrong with the message, one of the platform's own words")
_TROUBLE = Label("reason", values=_words(TroubleKind))
_ROUTE = Label("route", source="the pattern of the route, never the path that was asked for")
_METHOD = Label("method", source="the HTTP method")
_CODE = Label("code", source="the HTTP status code; there from the first answer on")
_VERSION = Label("version", source="the version of bot-exporter")
_PYTHON = Label("python", source="the version of Python that runs it")
_GENERATION = Label("generation", values=("0", "1", "2"))
_PYTHON_INFO = (
    Label("implementation", source="the name of the interpreter, such as `CPython`"),
    *(Label(name, source="a part of Python's version") for name in ("major", "minor", "patchlevel")),
    Label("version", source="Python's version"),
)

_RACETIME = ("racetime",)
_DOTA2 = ("dota2",)


def _gauge(name: str, text: str, *labels: Label, platforms: tuple[str, ...] = ()) -> Family:
    return Family(name, text, Kind.GAUGE, labels, platforms=platforms)


def _bot_gauge(name: str, text: str, *labels: Label) -> Family:
    return _gauge(name, text, _BOT, _PLATFORM, *labels)


def _bot_counter(name: str, text: str, *labels: Label, platforms: tuple[str, ...] = ()) -> Family:
    return Family(name, text, Kind.COUNTER, (_BOT, _PLATFORM, *labels), platforms=platforms)


def _external(name: str, text: str, kind: Kind, *labels: Label) -> Family:
    return Family(name, text, kind, labels, Stability.EXTERNAL)


_STATUS_GROUP = Group(
    "Bots: what they are doing now",
    "One series a bot, or one for each value of `state`, `status` and `reason`, of which the present one is 1.",
    (
        _bot_gauge("bot_info", "A bot of the configuration; always 1.", _CATEGORY_OR_NONE),
        _bot_gauge("bot_state", "Where the bot is in its platform's life cycle: 1 for the present state.", _STATE),
        _bot_gauge("bot_status", "The verdict on the bot: 1 for the present status.", _STATUS),
        _bot_gauge("bot_status_reason", "Why the bot is not connected: 1 for the present reason.", _STATUS_REASON),
        _bot_gauge("bot_up", "Whether the bot works, proved by a recent answer of the service."),
        _bot_gauge("bot_active", "Whether the bot is switched on."),
        _bot_gauge("bot_available", "Whether the bot can take new work at once."),
        _bot_gauge("bot_maintenance", "Whether an operator announced maintenance of the bot."),
        _bot_gauge("bot_guard_code_waiting", "Whether a logon of the bot waits for a guard code."),
    ),
)
_TIMES_GROUP = Group(
    "Bots: when",
    "Unix times. A series is absent while its time is not known or there is none.",
    (
        _bot_gauge("bot_connected_since_timestamp_seconds", "Since when the bot has been connected without a break."),
        _bot_gauge("bot_last_connected_timestamp_seconds", "When the bot last became connected."),
        _bot_gauge("bot_last_status_check_timestamp_seconds", "When the service last proved that the bot works."),
        _bot_gauge("bot_last_activity_timestamp_seconds", "When something last happened in a lobby or race."),
        _bot_gauge("bot_last_error_timestamp_seconds", "When the bot's last error happened."),
        _bot_gauge("bot_next_retry_timestamp_seconds", "When the bot tries to connect again."),
        _bot_gauge("bot_token_expiry_timestamp_seconds", "When the token that the bot logs on with expires."),
    ),
)
_CONNECTION_GROUP = Group(
    "Bots: connections and messages",
    "Counters of this process. Every reason and state that the platform has is there from the start, with 0.",
    (
        _bot_counter("bot_connection_attempts_total", "Attempts to connect."),
        _bot_counter("bot_reconnects_total", "Times the bot became connected again after it was not."),
        _bot_counter("bot_connection_failures_total", "Connections that could not be made or kept.", _FAILURE),
        _bot_counter("bot_auth_failures_total", "Times the service refused the bot's credentials.", _REFUSAL),
        _bot_counter("bot_disconnects_total", "Ends of connections that had got beyond connecting.", _LOSS),
        _bot_counter(
            "bot_crashes_total", "Failures of the bot's own code: each is a bug, with a traceback in the log."
        ),
        _bot_counter("bot_state_transitions_total", "Times the bot entered a state.", _STATE),
        _bot_counter("bot_messages_received_total", "Messages received from the service."),
        _bot_counter("bot_messages_sent_total", "Messages sent to the service."),
        _bot_counter("bot_unknown_messages_total", "Messages received of a kind that the bot does not know."),
        _bot_counter(
            "bot_protocol_errors_total", "Messages received that break the service's own protocol.", _ERROR_KIND
        ),
        Family(
            "bot_connect_duration_seconds",
            "Time from the start of an attempt until the service first proved that the bot works.",
            Kind.HISTOGRAM,
            (_PLATFORM,),
        ),
    ),
)
_RACE_GROUP = Group(
    "Races on racetime.gg",
    "Only for fleets with racetime.gg bots. Race rooms that a bot follows, ended ones until it leaves them; a room "
    "counts once in `bot_races` and `bot_race_entrants`, however many bots follow it. Every category of a configured "
    "bot has every status.",
    (
        _gauge("bot_races", "Race rooms by the status of the race.", _CATEGORY, _RACE_STATUS, platforms=_RACETIME),
        _gauge(
            "bot_race_entrants",
            "Entrants, by their own status, of the race rooms whose entrants are known.",
            _CATEGORY,
            _ENTRANT_STATUS,
            platforms=_RACETIME,
        ),
        _gauge(
            "bot_race_rooms",
            "Race rooms that the bot is in or should be in, by whether its socket to the room is open.",
            _BOT,
            _PLATFORM,
            _CONNECTED,
            platforms=_RACETIME,
        ),
        _gauge(
            "bot_race_oldest_state_since_timestamp_seconds",
            "Since when the race that has been longest in this status is in it; absent if no race is.",
            _CATEGORY,
            _CURRENT_RACE_STATUS,
            platforms=_RACETIME,
        ),
        _bot_counter("bot_races_created_total", "Race rooms that the bot opened.", platforms=_RACETIME),
        _bot_counter(
            "bot_races_finished_total",
            "Races seen to end, once each, by how they ended first; counted for the first bot in the room.",
            _OUTCOME,
            platforms=_RACETIME,
        ),
        _bot_counter("bot_racetime_polls_total", "Finished polls of the category, good or bad.", platforms=_RACETIME),
        _bot_counter(
            "bot_racetime_poll_failures_total", "Failed polls of the category.", _FAILURE, platforms=_RACETIME
        ),
        _gauge(
            "bot_racetime_outage",
            "Whether most racetime.gg bots that should work fail alike by the network: one outage, not many bad bots.",
            platforms=_RACETIME,
        ),
    ),
)
_LOBBY_GROUP = Group(
    "Lobbies in Dota 2",
    "Only for fleets with Dota 2 bots. A lobby that its bot cannot see now counts in the state in which it was seen "
    "last; a finished one counts for ten minutes more.",
    (
        _gauge("bot_lobbies", "Lobbies by their state.", _PLATFORM, _LOBBY_STATE, platforms=_DOTA2),
        _gauge(
            "bot_lobby_info",
            "An open lobby of the bot; always 1.",
            _BOT,
            _PLATFORM,
            _LOBBY_ID,
            _REGION,
            _MODE,
            platforms=_DOTA2,
        ),
        _gauge(
            "bot_lobby_players",
            "Players in the open lobby of the bot, without the bot itself; 0 without a lobby.",
            _BOT,
            _PLATFORM,
            _TEAM,
            platforms=_DOTA2,
        ),
        _gauge(
            "bot_lobby_state_since_timestamp_seconds",
            "Since when the open lobby of the bot is in its present state; absent without a lobby.",
            _BOT,
            _PLATFORM,
            _LASTING_LOBBY_STATE,
            platforms=_DOTA2,
        ),
        _bot_counter(
            "bot_lobbies_created_total", "Lobbies that were ordered and that the coordinator made.", platforms=_DOTA2
        ),
        _bot_counter(
            "bot_lobbies_finished_total",
            "Lobbies that ended, by how: `no_match` was closed without a match, `unknown` ended out of sight.",
            _LOBBY_OUTCOME,
            platforms=_DOTA2,
        ),
        _bot_counter(
            "bot_lobby_create_failures_total",
            "Lobbies that were ordered and did not come about, or not in time.",
            _NOT_CREATED,
            platforms=_DOTA2,
        ),
        Family(
            "bot_lobby_create_duration_seconds",
            "Time from the order of a lobby until the coordinator showed it.",
            Kind.HISTOGRAM,
            (_PLATFORM,),
            platforms=_DOTA2,
        ),
        Family(
            "bot_lobby_state_duration_seconds",
            "How long lobbies were in a state, observed when they leave it.",
            Kind.HISTOGRAM,
            (_LASTING_LOBBY_STATE,),
            platforms=_DOTA2,
        ),
    ),
)
_STEAM_GROUP = Group(
    "Steam",
    "About what all Steam bots of this process share.",
    (
        _gauge(
            "bot_steam_logon_queue_length",
            "Bots that wait for their turn to log on; Steam limits the logons of one address.",
            platforms=_DOTA2,
        ),
        _gauge(
            "bot_steam_logon_cooldown_until_timestamp_seconds",
            "Until when all logons pause after a rate-limit answer of Steam; absent if they do not.",
            platforms=_DOTA2,
        ),
        _gauge(
            "bot_steam_outage",
            "Whether most Steam bots that should work fail alike by the network: one outage, not many bad bots.",
            platforms=_DOTA2,
        ),
    ),
)
_EXPORTER_GROUP = Group(
    "The exporter itself",
    "About this process.",
    (
        _gauge("bot_exporter_build_info", "What is running; always 1.", _VERSION, _PYTHON),
        _gauge(
            "bot_exporter_config_last_reload_successful", "Whether the last reading of the configuration succeeded."
        ),
        _gauge(
            "bot_exporter_config_last_reload_success_timestamp_seconds",
            "When the configuration was last read successfully.",
        ),
        _gauge(
            "bot_exporter_web_config_reload_successful",
            "Whether the last reading of the web configuration file succeeded; absent without such a file.",
        ),
        _gauge("bot_exporter_draining", "Whether the process refuses new lobbies and races."),
        _gauge("bot_exporter_storage_up", "Whether the last attempt to write to the database succeeded."),
        _gauge("bot_exporter_history_queue_length", "Changes that wait to be written to the database."),
        Family(
            "bot_exporter_history_dropped_total",
            "Changes that gave way because the database was away for too long, or that it refused.",
            Kind.COUNTER,
        ),
        Family("bot_exporter_history_write_failures_total", "Failed attempts to write.", Kind.COUNTER, (_TROUBLE,)),
        Family("bot_exporter_retention_deleted_total", "Old rows deleted from the database.", Kind.COUNTER),
        Family("bot_exporter_event_loop_lag_seconds", "How late the event loop was, each tick.", Kind.HISTOGRAM),
        Family(
            "bot_exporter_unexpected_transitions_total",
            "Changes of state that the model does not expect; each is a bug or news from a service.",
            Kind.COUNTER,
        ),
        Family(
            "bot_exporter_orders_total",
            "Orders that came to an end, by what was ordered and what came of it.",
            Kind.COUNTER,
            (Label("action", tuple(map(str, OrderAction))), Label("outcome", tuple(map(str, OrderOutcome)))),
        ),
        Family(
            "bot_exporter_stream_clients",
            "Streams of the live feed that are open now.",
            Kind.GAUGE,
            (Label("protocol", StreamStats.PROTOCOLS),),
        ),
        Family(
            "bot_exporter_stream_clients_dropped_total",
            "Streams that this server ended: their clients did not read, or may read no longer.",
            Kind.COUNTER,
            (Label("reason", StreamStats.REASONS),),
        ),
        Family("bot_exporter_http_requests_total", "HTTP requests answered.", Kind.COUNTER, (_ROUTE, _METHOD, _CODE)),
        Family(
            "bot_exporter_http_request_duration_seconds", "Time to answer HTTP requests.", Kind.HISTOGRAM, (_ROUTE,)
        ),
        Family(
            "bot_exporter_http_connections_cut_off_total",
            "Connections ended because their clients did not read the answers: too slowly, or too many such at once.",
            Kind.COUNTER,
            (Label("reason", HttpStats.CUT_OFF),),
        ),
    ),
)
_CLUSTER_GROUP = Group(
    "The cluster",
    "About this process among others that run the same fleet; absent where it runs the fleet alone. Each process tells "
    "only of its own bots: sum over the instances for the fleet.",
    (
        _gauge("bot_exporter_cluster_up", "Whether this process renews its leases; its bots stop when it cannot."),
        _gauge("bot_exporter_cluster_instances", "Instances that are alive, as this process saw them last."),
        _gauge("bot_exporter_cluster_bots_owned", "Bots that this process runs, by its leases."),
        _gauge("bot_exporter_cluster_bots_unowned", "Bots of the configuration that no instance may run now."),
        Family(
            "bot_exporter_cluster_leases_lost_total",
            "Leases that ended without being given back: their bots were stopped at once.",
            Kind.COUNTER,
        ),
        Family(
            "bot_exporter_cluster_takeovers_total",
            "Bots that this process took over because the lease of another instance had run out.",
            Kind.COUNTER,
        ),
    ),
)
_PROCESS_GROUP = Group(
    "Process and Python",
    "From Python's client library, as most programs expose them. The `process_` metrics exist on Linux only.",
    (
        _external("process_virtual_memory_bytes", "Virtual memory size in bytes.", Kind.GAUGE),
        _external("process_resident_memory_bytes", "Resident memory size in bytes.", Kind.GAUGE),
        _external("process_start_time_seconds", "Start time of the process in Unix seconds.", Kind.GAUGE),
        _external("process_cpu_seconds_total", "User and system CPU time spent in seconds.", Kind.COUNTER),
        _external("process_open_fds", "Number of open file descriptors.", Kind.GAUGE),
        _external("process_max_fds", "Maximum number of open file descriptors.", Kind.GAUGE),
        _external("python_info", "The Python that runs the process; always 1.", Kind.GAUGE, *_PYTHON_INFO),
        _external("python_gc_objects_collected_total", "Objects collected.", Kind.COUNTER, _GENERATION),
        _external("python_gc_objects_uncollectable_total", "Objects not collectable.", Kind.COUNTER, _GENERATION),
        _external("python_gc_collections_total", "Collections of a generation.", Kind.COUNTER, _GENERATION),
    ),
)

GROUPS = (
    _STATUS_GROUP,
    _TIMES_GROUP,
    _CONNECTION_GROUP,
    _RACE_GROUP,
    _LOBBY_GROUP,
    _STEAM_GROUP,
    _EXPORTER_GROUP,
    _CLUSTER_GROUP,
    _PROCESS_GROUP,
)

# Every family by its name, in the order of the page.
FAMILIES = {family.name: family for group in GROUPS for family in group.families}


# The families by each name that they answer to: their own, those of their samples, and theirs in OpenMetrics.
_OWNERS: dict[str, set[str]] = {}
for _family in FAMILIES.values():
    for _name in (_family.name, _family.openmetrics_name, *_family.sample_names):
        _OWNERS.setdefault(_name, set()).add(_family.name)


def family_names(asked: Iterable[str]) -> frozenset[str]:
    """Return the names of the families that own any of the names asked for; unknown names own none."""
    return frozenset().union(*(_OWNERS.get(name, ()) for name in asked))
