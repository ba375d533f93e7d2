"""The numbers behind the families that are about this process, or about the fleet as a whole."""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.errors import TroubleKind
from exporter.metrics.catalogue import FAMILIES, LASTING_LOBBY_STATES
from exporter.metrics.counters import Counters
from exporter.metrics.lines import Labels, Row
from exporter.model.orders import OrderAction, OrderOutcome
from exporter.model.states import LobbyState, PlatformTraits
from exporter.process import ProcessState
from exporter.stats import (
    ClusterStats,
    Histogram,
    HttpStats,
    LogonStats,
    LoopStats,
    OrderStats,
    StorageStats,
    StreamStats,
)

_LOBBIES = FAMILIES["bot_lobbies"]

Labelled = tuple[Labels, Histogram]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures live while they change. `outage` takes a platform's name; `bots` and `lobbies` are counts."""

    counters: Counters
    http: HttpStats
    loop: LoopStats
    process: ProcessState
    traits: Sequence[PlatformTraits]
    outage: Callable[[str], bool]
    logons: Callable[[], LogonStats | None]
    storage: StorageStats
    orders: OrderStats
    streams: StreamStats
    bots: Mapping[str, int]
    lobbies: Mapping[LobbyState, int]
    cluster: ClusterStats | None = None

    @property
    def hosts(self) -> list[str]:
        """The platforms that have bots which could have lobbies."""
        return sorted(name for name in _LOBBIES.platforms if self.bots.get(name))


def _lobbies(now: Sources) -> Iterable[Row]:
    return [((host, str(state)), now.lobbies.get(state, 0)) for host in now.hosts for state in LobbyState]


def _outage(platform_name: str) -> Callable[[Sources], Iterable[Row]]:
    """One row once the platform has bots: without bots nobody can tell."""
    return lambda now: (((), now.outage(platform_name)),) if now.bots.get(platform_name) else ()


def _optional(value: float | None) -> Iterable[Row]:
    return () if value is None else (((), value),)


def _queue_length(now: Sources) -> Iterable[Row]:
    queue = now.logons()
    return () if queue is None else (((), queue.queue_length),)


def _cooldown(now: Sources) -> Iterable[Row]:
    queue = now.logons()
    return _optional(queue.cooldown_until if queue is not None else None)


def _cluster(value: Callable[[ClusterStats], float]) -> Callable[[Sources], Iterable[Row]]:
    """One row where several processes share the fleet."""
    return lambda now: () if now.cluster is None else (((), value(now.cluster)),)


OWN_VALUES: Mapping[str, Callable[[Sources], Iterable[Row]]] = {
    "bot_lobbies": _lobbies,
    "bot_racetime_outage": _outage("racetime"),
    "bot_steam_outage": _outage("dota2"),
    "bot_steam_logon_queue_length": _queue_length,
    "bot_steam_logon_cooldown_until_timestamp_seconds": _cooldown,
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
        ((str(action), str(outcome)), now.orders.counts[action, outcome])
        for action in OrderAction
        for outcome in OrderOutcome
    ],
    "bot_exporter_stream_clients": lambda now: [
        ((protocol,), now.streams.clients[protocol]) for protocol in StreamStats.PROTOCOLS
    ],
    "bot_exporter_stream_clients_dropped_total": lambda now: [
        ((reason,), now.streams.dropped[reason]) for reason in StreamStats.REASONS
    ],
    "bot_exporter_cluster_up": _cluster(lambda cluster: cluster.up),
    "bot_exporter_cluster_instances": _cluster(lambda cluster: cluster.instances),
    "bot_exporter_cluster_bots_owned": _cluster(lambda cluster: cluster.owned),
    "bot_exporter_cluster_bots_unowned": _cluster(lambda cluster: cluster.unowned),
    "bot_exporter_cluster_leases_lost_total": _cluster(lambda cluster: cluster.lost),
    "bot_exporter_cluster_takeovers_total": _cluster(lambda cluster: cluster.takeovers),
    "bot_exporter_unexpected_transitions_total": lambda now: (((), now.process.unexpected_transitions),),
    "bot_exporter_http_requests_total": lambda now: [
        ((route, method, str(code)), count) for (route, method, code), count in now.http.requests.items()
    ],
    "bot_exporter_http_connections_cut_off_total": lambda now: [
        ((reason,), now.http.cut_off[reason]) for reason in HttpStats.CUT_OFF
    ],
}


def _connect_durations(now: Sources) -> Iterable[Labelled]:
    """Every platform there is has one from the start."""
    durations = now.counters.connect_durations
    return [((name,), durations[name]) for name in dict.fromkeys((*(each.name for each in now.traits), *durations))]


HISTOGRAMS: Mapping[str, Callable[[Sources], Iterable[Labelled]]] = {
    "bot_connect_duration_seconds": _connect_durations,
    "bot_lobby_create_duration_seconds": lambda now: [
        ((each.name,), now.counters.create_durations[each.name])
        for each in now.traits
        if now.hosts and _LOBBIES.applies_to(each)
    ],
    "bot_lobby_state_duration_seconds": lambda now: [
        ((str(state),), now.counters.lobby_durations[state]) for state in LASTING_LOBBY_STATES if now.hosts
    ],
    "bot_exporter_event_loop_lag_seconds": lambda now: [((), now.loop.lag)],
    "bot_exporter_http_request_duration_seconds": lambda now: [
        ((route,), each) for route, each in now.http.durations.items()
    ],
}
