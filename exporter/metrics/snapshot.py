"""What a page is made of, taken in one moment on the event loop and read by a thread afterwards."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

from exporter.metrics.catalogue import FAMILIES, LASTING_LOBBY_STATES
from exporter.metrics.counters import CONNECT_BOUNDS_S, Counters, Tally
from exporter.model.states import PlatformTraits
from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.process import ProcessState
from exporter.stats import BotStats, Histogram, HttpStats, LogonStats, LoopStats, OrderStats, StorageStats, StreamStats
from exporter.store import StatusStore

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
            tallies=self.counters.tallies(),
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
