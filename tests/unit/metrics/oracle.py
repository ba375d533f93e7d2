"""The page the slow way: all families made anew, by prometheus_client, from what is known now.

It shares nothing with the product but the catalogue, the records and the counters.
"""

import platform
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client.registry import Collector

from exporter.errors import TroubleKind
from exporter.metrics.catalogue import FAMILIES, LASTING_LOBBY_STATES, LOBBY_TEAMS, Family, Stability
from exporter.metrics.counters import CONNECT_BOUNDS_S, Counters, Tally
from exporter.model.orders import OrderAction, OrderOutcome
from exporter.model.states import (
    LOBBY_OUTCOMES,
    BotStatus,
    CreateFailure,
    EntrantStatus,
    LobbyState,
    PlatformTraits,
    RaceState,
)
from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.process import ProcessState
from exporter.stats import BotStats, Histogram, HttpStats, LogonStats, LoopStats, OrderStats, StorageStats, StreamStats
from exporter.store import StatusStore

_RACES = FAMILIES["bot_races"]
_LOBBIES = FAMILIES["bot_lobbies"]


@dataclass(frozen=True, slots=True)
class HistogramCounts:
    """A histogram at one moment; the counts are not cumulative and have one more entry than the bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @classmethod
    def of(cls, histogram: Histogram) -> "HistogramCounts":
        return cls(histogram.bounds, tuple(histogram.counts), histogram.total)

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> "HistogramCounts":
        return cls(bounds, (0,) * (len(bounds) + 1), 0.0)


class MessageCounts(NamedTuple):
    """One bot's figures from its sockets at one moment; a tuple, because one is made for every bot and page."""

    received: int = 0
    sent: int = 0
    unknown: int = 0
    errors: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, stats: BotStats) -> "MessageCounts":
        errors = tuple(stats.protocol_errors.items()) if stats.protocol_errors else ()
        return cls(stats.messages_received, stats.messages_sent, stats.unknown_messages, errors)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable records and copied numbers: nothing in it changes while it is rendered."""

    bots: tuple[BotRecord, ...]
    races: tuple[RaceRecord, ...]
    lobbies: tuple[LobbyRecord, ...]
    tallies: Mapping[str, Tally]
    messages: Mapping[str, MessageCounts]
    connect_durations: Mapping[str, HistogramCounts]
    create_durations: Mapping[str, HistogramCounts]
    lobby_durations: Mapping[str, HistogramCounts]
    requests: Mapping[tuple[str, str, int], int]
    cut_off: Mapping[str, int]
    request_durations: Mapping[str, HistogramCounts]
    loop_lag: HistogramCounts
    process: ProcessState
    outages: frozenset[str]
    logon_queue_length: int | None
    logon_cooldown_until: float | None
    storage: StorageStats
    orders: Mapping[tuple[str, str], int]
    stream_clients: Mapping[str, int]
    streams_dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures live while they change; `bot_stats` is by the bot's name, `outage` takes a platform's name."""

    store: StatusStore
    counters: Counters
    bot_stats: Mapping[str, BotStats]
    http: HttpStats
    loop: LoopStats
    process: ProcessState
    traits: Sequence[PlatformTraits]
    outage: Callable[[str], bool]
    logons: Callable[[], LogonStats | None]
    storage: StorageStats
    orders: OrderStats
    streams: StreamStats

    def snapshot(self) -> Snapshot:
        """Copy what can change. Shallow, and a few lines a bot: this is all that a page costs the event loop."""
        durations = {each.name: HistogramCounts.empty(CONNECT_BOUNDS_S) for each in self.traits}
        logons = self.logons()
        durations |= {name: HistogramCounts.of(each) for name, each in self.counters.connect_durations.items()}
        return Snapshot(
            bots=tuple(self.store.bots.values()),
            races=tuple(self.store.races.values()),
            lobbies=tuple(self.store.lobbies.values()),
            tallies=self.counters.tallies,
            messages={name: MessageCounts.of(stats) for name, stats in self.bot_stats.items()},
            connect_durations=durations,
            create_durations={
                each.name: HistogramCounts.of(self.counters.create_durations[each.name])
                for each in self.traits
                if _LOBBIES.applies_to(each)
            },
            lobby_durations={
                str(state): HistogramCounts.of(self.counters.lobby_durations[state]) for state in LASTING_LOBBY_STATES
            },
            requests=dict(self.http.requests),
            cut_off=dict(self.http.cut_off),
            request_durations={route: HistogramCounts.of(each) for route, each in self.http.durations.items()},
            loop_lag=HistogramCounts.of(self.loop.lag),
            process=copy(self.process),
            outages=frozenset(each.name for each in self.traits if self.outage(each.name)),
            logon_queue_length=logons.queue_length if logons is not None else None,
            logon_cooldown_until=logons.cooldown_until if logons is not None else None,
            storage=self.storage.copy(),
            orders=dict(self.orders.counts),
            stream_clients=dict(self.streams.clients),
            streams_dropped=dict(self.streams.dropped),
        )


Labels = tuple[str, ...]
Row = tuple[Labels, float]


@dataclass(frozen=True, slots=True)
class BotFigures:
    """All that the rows of one bot are made of."""

    record: BotRecord
    tally: Tally
    messages: MessageCounts
    rooms: int
    rooms_connected: int
    draining: bool
    lobby: LobbyRecord | None = None


BotValues = Callable[[BotFigures], Iterable[Row]]


def _number(figure: Callable[[BotFigures], float | None]) -> BotValues:
    """One row without labels, or none while the figure is not known."""

    def rows(bot: BotFigures) -> Iterable[Row]:
        value = figure(bot)
        return () if value is None else (((), value),)

    return rows


def _one_of(words: Callable[[PlatformTraits], Iterable[str]], present: Callable[[BotRecord], str | None]) -> BotValues:
    """A row for each word, 1 for the present one, which has a row even if the platform did not declare it."""

    def rows(bot: BotFigures) -> Iterable[Row]:
        now = present(bot.record)
        declared = dict.fromkeys(str(word) for word in words(bot.record.traits))
        if now is not None:
            declared.setdefault(now)
        return [((word,), float(word == now)) for word in declared]

    return rows


def _count(family: str) -> BotValues:
    return _number(lambda bot: bot.tally.get(family, {}).get("", 0))


def _counts(family: str, words: Callable[[PlatformTraits], Iterable[str]]) -> BotValues:
    """A row for each word from the start, and for every other that was counted."""

    def rows(bot: BotFigures) -> Iterable[Row]:
        counted = dict(bot.tally.get(family, {}))
        declared = dict.fromkeys((str(word) for word in words(bot.record.traits)), 0)
        return [((word,), count) for word, count in (declared | counted).items()]

    return rows


def _category(record: BotRecord) -> str:
    return record.subject if record.traits.subject == "category" else ""


def _reason(record: BotRecord) -> str | None:
    return None if record.status_reason is None else str(record.status_reason)


def _lobby_info(lobby: LobbyRecord | None) -> Iterable[Row]:
    if lobby is None or lobby.lobby_id is None:
        return ()
    return (((str(lobby.lobby_id), lobby.server_region_name, lobby.game_mode_name), 1),)


def _lobby_players(lobby: LobbyRecord | None) -> Iterable[Row]:
    teams = Counter(player.team for player in lobby.players) if lobby is not None else Counter[str]()
    return [((team,), teams[team]) for team in LOBBY_TEAMS]


BOT_VALUES: Mapping[str, BotValues] = {
    "bot_info": lambda bot: (((_category(bot.record),), 1),),
    "bot_state": _one_of(lambda traits: traits.states, lambda record: record.state),
    "bot_status": _one_of(lambda _: (status.word for status in BotStatus), lambda record: record.status.word),
    "bot_status_reason": _one_of(lambda traits: traits.status_reasons, _reason),
    "bot_up": _number(lambda bot: bot.record.healthy),
    "bot_active": _number(lambda bot: bot.record.is_active),
    "bot_available": _number(lambda bot: bot.record.ready and not bot.draining),
    "bot_maintenance": _number(lambda bot: bot.record.maintenance is not None),
    "bot_guard_code_waiting": _number(lambda bot: bot.record.guard_code_waiting),
    "bot_connected_since_timestamp_seconds": _number(lambda bot: bot.record.connected_since),
    "bot_last_connected_timestamp_seconds": _number(lambda bot: bot.record.last_connected_at),
    "bot_last_status_check_timestamp_seconds": _number(lambda bot: bot.record.last_status_check_at),
    "bot_last_activity_timestamp_seconds": _number(lambda bot: bot.record.last_activity),
    "bot_last_error_timestamp_seconds": _number(lambda bot: bot.record.last_error_time),
    "bot_next_retry_timestamp_seconds": _number(lambda bot: bot.record.next_retry_at),
    "bot_token_expiry_timestamp_seconds": _number(lambda bot: bot.record.token_expires_at),
    "bot_connection_attempts_total": _count("bot_connection_attempts_total"),
    "bot_reconnects_total": _number(lambda bot: bot.record.reconnects),
    "bot_connection_failures_total": _counts("bot_connection_failures_total", lambda traits: traits.failure_reasons),
    "bot_auth_failures_total": _counts("bot_auth_failures_total", lambda traits: traits.auth_reasons),
    "bot_disconnects_total": _counts("bot_disconnects_total", lambda traits: traits.disconnect_reasons),
    "bot_crashes_total": _count("bot_crashes_total"),
    "bot_state_transitions_total": _counts("bot_state_transitions_total", lambda traits: traits.states),
    "bot_messages_received_total": _number(lambda bot: bot.messages.received),
    "bot_messages_sent_total": _number(lambda bot: bot.messages.sent),
    "bot_unknown_messages_total": _number(lambda bot: bot.messages.unknown),
    "bot_protocol_errors_total": lambda bot: [
        ((kind,), count)
        for kind, count in (dict.fromkeys(bot.record.traits.protocol_errors, 0) | dict(bot.messages.errors)).items()
    ],
    "bot_race_rooms": lambda bot: (
        (("true",), bot.rooms_connected),
        (("false",), bot.rooms - bot.rooms_connected),
    ),
    "bot_races_created_total": _count("bot_races_created_total"),
    "bot_races_finished_total": _counts(
        "bot_races_finished_total", lambda _: (state for state in RaceState if state.ended)
    ),
    "bot_lobby_info": lambda bot: _lobby_info(bot.lobby),
    "bot_lobby_players": lambda bot: _lobby_players(bot.lobby),
    "bot_lobby_state_since_timestamp_seconds": lambda bot: (
        () if bot.lobby is None else (((str(bot.lobby.state),), bot.lobby.state_since),)
    ),
    "bot_lobbies_created_total": _count("bot_lobbies_created_total"),
    "bot_lobbies_finished_total": _counts("bot_lobbies_finished_total", lambda _: LOBBY_OUTCOMES),
    "bot_lobby_create_failures_total": _counts("bot_lobby_create_failures_total", lambda _: CreateFailure),
    "bot_racetime_polls_total": _count("bot_racetime_polls_total"),
    "bot_racetime_poll_failures_total": _counts(
        "bot_racetime_poll_failures_total", lambda traits: traits.failure_reasons
    ),
}


def categories(snapshot: Snapshot) -> list[str]:
    """Return the categories of the configured bots that have races, each once."""
    return sorted({record.subject for record in snapshot.bots if _RACES.applies_to(record.traits)})


def _races(snapshot: Snapshot) -> Iterable[Row]:
    counts = Counter((race.view.category, race.view.state) for race in snapshot.races)
    return [
        ((category, str(status)), counts[category, status]) for category in categories(snapshot) for status in RaceState
    ]


def _entrants(snapshot: Snapshot) -> Iterable[Row]:
    counts = Counter((race.view.category, entrant.status) for race in snapshot.races for entrant in race.view.entrants)
    return [
        ((category, str(status)), counts[category, status])
        for category in categories(snapshot)
        for status in EntrantStatus
    ]


def _oldest(snapshot: Snapshot) -> Iterable[Row]:
    current: defaultdict[tuple[str, RaceState], list[RaceRecord]] = defaultdict(list)
    for race in snapshot.races:
        if race.active:
            current[race.view.category, race.view.state].append(race)
    return [
        ((category, str(status)), min(race.state_since for race in current[category, status]))
        for category in categories(snapshot)
        for status in RaceState
        if (category, status) in current
    ]


def _lobbies(snapshot: Snapshot) -> Iterable[Row]:
    hosts = sorted({record.platform for record in snapshot.bots if _LOBBIES.applies_to(record.traits)})
    counts = Counter(lobby.state for lobby in snapshot.lobbies)
    return [((host, str(state)), counts[state]) for host in hosts for state in LobbyState]


def _outage(platform_name: str) -> Callable[[Snapshot], Iterable[Row]]:
    """One row once the platform has bots: without bots nobody can tell."""

    def rows(snapshot: Snapshot) -> Iterable[Row]:
        if any(record.platform == platform_name for record in snapshot.bots):
            return (((), float(platform_name in snapshot.outages)),)
        return ()

    return rows


def _optional(value: float | None) -> Iterable[Row]:
    return () if value is None else (((), value),)


def _nothing(_: Snapshot) -> Iterable[Row]:
    """Some families are of a cluster, and this process is alone."""
    return ()


FLEET_VALUES: Mapping[str, Callable[[Snapshot], Iterable[Row]]] = {
    "bot_races": _races,
    "bot_race_entrants": _entrants,
    "bot_race_oldest_state_since_timestamp_seconds": _oldest,
    "bot_lobbies": _lobbies,
    "bot_racetime_outage": _outage("racetime"),
    "bot_steam_outage": _outage("dota2"),
    "bot_steam_logon_queue_length": lambda now: _optional(now.logon_queue_length),
    "bot_steam_logon_cooldown_until_timestamp_seconds": lambda now: _optional(now.logon_cooldown_until),
    "bot_exporter_build_info": lambda now: (((now.process.version, platform.python_version()), 1),),
    "bot_exporter_config_last_reload_successful": lambda now: (((), now.process.config_ok),),
    "bot_exporter_config_last_reload_success_timestamp_seconds": lambda now: _optional(now.process.config_loaded_at),
    "bot_exporter_web_config_reload_successful": lambda now: _optional(now.process.web_config_ok),
    "bot_exporter_draining": lambda now: (((), now.process.draining),),
    "bot_exporter_storage_up": lambda now: (((), now.storage.up),),
    "bot_exporter_history_queue_length": lambda now: (((), now.storage.queue_length),),
    "bot_exporter_history_dropped_total": lambda now: (((), now.storage.dropped),),
    "bot_exporter_history_write_failures_total": lambda now: [
        ((str(kind),), now.storage.failures[kind]) for kind in TroubleKind
    ],
    "bot_exporter_retention_deleted_total": lambda now: (((), now.storage.deleted),),
    "bot_exporter_orders_total": lambda now: [
        ((str(action), str(outcome)), now.orders.get((action, outcome), 0))
        for action in OrderAction
        for outcome in OrderOutcome
    ],
    "bot_exporter_stream_clients": lambda now: [
        ((protocol,), now.stream_clients.get(protocol, 0)) for protocol in StreamStats.PROTOCOLS
    ],
    "bot_exporter_stream_clients_dropped_total": lambda now: [
        ((reason,), now.streams_dropped.get(reason, 0)) for reason in StreamStats.REASONS
    ],
    "bot_exporter_unexpected_transitions_total": lambda now: (((), now.process.unexpected_transitions),),
    "bot_exporter_http_requests_total": lambda now: [
        ((route, method, str(code)), count) for (route, method, code), count in now.requests.items()
    ],
    "bot_exporter_http_connections_cut_off_total": lambda now: [
        ((reason,), now.cut_off.get(reason, 0)) for reason in HttpStats.CUT_OFF
    ],
}

HISTOGRAMS: Mapping[str, Callable[[Snapshot], Iterable[tuple[Labels, HistogramCounts]]]] = {
    "bot_connect_duration_seconds": lambda now: [((name,), each) for name, each in now.connect_durations.items()],
    "bot_lobby_create_duration_seconds": lambda now: [
        ((name,), each) for name, each in now.create_durations.items() if _hosts(now)
    ],
    "bot_lobby_state_duration_seconds": lambda now: [
        ((state,), each) for state, each in now.lobby_durations.items() if _hosts(now)
    ],
    "bot_exporter_event_loop_lag_seconds": lambda now: (((), now.loop_lag),),
    "bot_exporter_http_request_duration_seconds": lambda now: [
        ((route,), each) for route, each in now.request_durations.items()
    ],
}


def _hosts(snapshot: Snapshot) -> bool:
    """Return whether there is a bot that could have lobbies."""
    return any(_LOBBIES.applies_to(record.traits) for record in snapshot.bots)


def bot_figures(snapshot: Snapshot) -> list[BotFigures]:
    """Gather the figures of each bot."""
    # A room whose race has ended is left on purpose: being outside is no trouble.
    rooms = Counter(bot for race in snapshot.races for bot in race.bots if race.active or bot in race.connected)
    connected = Counter(bot for race in snapshot.races for bot in race.connected)
    newest = sorted(snapshot.lobbies, key=lambda lobby: (lobby.created_at, lobby.key))
    lobbies = {lobby.bot: lobby for lobby in newest if lobby.active}
    return [
        BotFigures(
            record=record,
            tally=snapshot.tallies.get(record.name, {}),
            messages=snapshot.messages.get(record.name, MessageCounts()),
            rooms=rooms[record.name],
            rooms_connected=connected[record.name],
            draining=snapshot.process.draining,
            lobby=lobbies.get(record.name),
        )
        for record in snapshot.bots
    ]


def process_registry() -> CollectorRegistry:
    """Return a registry of this process's own with the collectors that prometheus_client brings."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class FleetCollector(Collector):
    """Collects one snapshot; `wanted` are the names of the families to collect. A family without a row is left out."""

    def __init__(self, snapshot: Snapshot, process: CollectorRegistry, wanted: Set[str]) -> None:
        self._snapshot = snapshot
        self._process = process
        self._wanted = wanted

    def collect(self) -> Iterator[Metric]:
        bots = bot_figures(self._snapshot)
        external = False
        for name, family in FAMILIES.items():
            if name not in self._wanted:
                continue
            if family.stability is Stability.EXTERNAL:
                external = True
                continue
            metric = self._family(family, bots)
            if metric.samples:
                yield metric
        if external:
            yield from self._external()

    def describe(self) -> Iterator[Metric]:
        """Keep the registry from collecting everything once more just to learn the names."""
        return iter(())

    def _family(self, family: Family, bots: list[BotFigures]) -> Metric:
        metric = Metric(family.openmetrics_name, family.help, str(family.kind))
        names = family.label_names
        if (bot_values := BOT_VALUES.get(family.name)) is not None:
            for bot in bots:
                if family.applies_to(bot.record.traits):
                    own = (bot.record.name, bot.record.platform)
                    for labels, value in bot_values(bot):
                        metric.add_sample(family.name, dict(zip(names, own + labels, strict=True)), value)
        elif (histograms := HISTOGRAMS.get(family.name)) is not None:
            for labels, histogram in histograms(self._snapshot):
                _add_histogram(metric, dict(zip(names, labels, strict=True)), histogram)
        else:
            for labels, value in FLEET_VALUES.get(family.name, _nothing)(self._snapshot):
                metric.add_sample(family.name, dict(zip(names, labels, strict=True)), value)
        return metric

    def _external(self) -> Iterator[Metric]:
        wanted = {FAMILIES[name].openmetrics_name for name in self._wanted}
        return (metric for metric in self._process.collect() if metric.name in wanted)


def _add_histogram(metric: Metric, labels: dict[str, str], histogram: HistogramCounts) -> None:
    cumulative = list(accumulate(histogram.counts))
    bounds = (*(repr(bound) for bound in histogram.bounds), "+Inf")
    for bound, count in zip(bounds, cumulative, strict=True):
        metric.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, count)
    metric.add_sample(f"{metric.name}_count", labels, cumulative[-1])
    metric.add_sample(f"{metric.name}_sum", labels, histogram.total)
