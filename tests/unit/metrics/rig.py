"""A real store with real counters and pages, and fleets of invented bots to fill them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from exporter.errors import AuthReason, FailureReason
from exporter.metrics.counters import Counters
from exporter.metrics.exposition import Exposition, MetricsPage
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import (
    CreateFailure,
    DisconnectReason,
    EntrantStatus,
    LobbyState,
    PlatformTraits,
    RaceState,
)
from exporter.model.status import Entrant, LobbyPlayer, LobbyRecord, Maintenance, RaceView
from exporter.process import ProcessState
from exporter.stats import BotStats, ClusterStats, HttpStats, LogonStats, LoopStats
from exporter.store import StatusStore
from tests import fleet

# Its name gives it the families of races and polls.
RACING = replace(fleet.TRAITS, name="racetime")

TABLES = PlatformTraits(
    name="tables",
    subject="username",
    states=("disconnected", "connecting", "lounge", "at_table"),
    ready="lounge",
    busy=frozenset({"at_table"}),
    moves=frozenset({("connecting", "lounge"), ("lounge", "at_table"), ("at_table", "lounge")}),
    auth_reasons=(AuthReason.GUARD_CODE_REQUIRED, AuthReason.OTHER),
    failure_reasons=(FailureReason.DNS, FailureReason.OTHER),
    disconnect_reasons=(DisconnectReason.KICKED, DisconnectReason.NETWORK, DisconnectReason.OTHER),
    facts=(),
)

# Its name gives it the outage of Steam.
STEAM = replace(TABLES, name="dota2")

OPENMETRICS = "application/openmetrics-text"

Series = tuple[str, frozenset[tuple[str, str]]]


class Page:
    """A page, read back by prometheus_client's own parsers."""

    def __init__(self, page: MetricsPage) -> None:
        self.raw = page
        parse = parse_openmetrics if page.content_type.startswith(OPENMETRICS) else parse_text
        self.body = b"".join(page.parts)
        self.families: list[Metric] = list(parse(self.body.decode()))
        self._samples: defaultdict[str, list[Sample]] = defaultdict(list)
        for family in self.families:
            for sample in family.samples:
                self._samples[sample.name].append(sample)

    def series(self, prefix: str = "") -> dict[Series, float]:
        """Every sample whose name begins with the prefix."""
        return {
            (name, frozenset(sample.labels.items())): sample.value
            for name, samples in self._samples.items()
            for sample in samples
            if name.startswith(prefix)
        }

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample with exactly these labels, None if there is none."""
        return next((sample.value for sample in self._samples.get(name, ()) if sample.labels == labels), None)

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The values of a family's samples that have these labels among theirs, by one other label."""
        return {
            sample.labels[label]: sample.value
            for sample in self._samples.get(name, ())
            if labels.items() <= sample.labels.items()
        }


class Rig:
    """Everything that a page is made from, wired as the program wires it."""

    def __init__(self, traits: Sequence[PlatformTraits] = (RACING, TABLES), **options: Any) -> None:
        self.store = StatusStore()
        self.counters = Counters()
        self.store.subscribe(self.counters.on_change)
        self.bot_stats: dict[str, BotStats] = {}
        self.http = HttpStats()
        self.loop = LoopStats()
        self.process = ProcessState(version="1.2.3", started_at=1.0)
        self.logons: LogonStats | None = None
        self.exposition = Exposition(
            store=self.store,
            counters=self.counters,
            bot_stats=self.bot_stats,
            http=self.http,
            loop=self.loop,
            process=self.process,
            traits=traits,
            logons=lambda: self.logons,
            **options,
        )

    def apply(self, *events: ev.Event) -> None:
        for event in events:
            self.store.apply(event)

    async def page(self, accept: str | None = None, *names: str) -> Page:
        return Page(await self.exposition.page(accept=accept, accept_encoding=None, names=names))


def racer(bot: str = "alpha", category: str = "alttp", at: float = 1.0) -> ev.BotAdded:
    return ev.BotAdded(bot, at, RACING, category, active=True)


def dealer(bot: str = "bravo", at: float = 1.0) -> ev.BotAdded:
    return ev.BotAdded(bot, at, TABLES, f"{bot}-user", active=True)


def race(slug: str, state: RaceState = RaceState.OPEN, *entrants: EntrantStatus, category: str = "alttp") -> RaceView:
    view = fleet.race_view(slug, state, category=category)
    people = tuple(Entrant(str(n), f"player {n}", None, each, None, None) for n, each in enumerate(entrants))
    return replace(view, entrants=people, entrants_count=len(people))


def lobby(bot: str, lobby_id: int, state: LobbyState, *players: str, **facts: Any) -> LobbyRecord:
    people = tuple(LobbyPlayer(number, None, team, None) for number, team in enumerate(players, start=1))
    return LobbyRecord(
        key=str(lobby_id),
        bot=bot,
        lobby_id=lobby_id,
        name='"finals"',
        state=state,
        state_since=20.0,
        server_region=3,
        server_region_name="EUW",
        game_mode=99,
        game_mode_name="99",
        has_password=True,
        created_at=20.0,
        players=people,
        **facts,
    )


def connected(bot: str, state: str = "online", at: float = 10.0) -> Iterable[ev.Event]:
    return (
        ev.ConnectStarted(bot, at),
        ev.StateEntered(bot, at + 1.0, state),
        ev.HealthProved(bot, at + 2.0, valid_s=90.0),
    )


def rich_fleet() -> Rig:
    """A fleet of both platforms to which everything has happened, so that every family has a sample."""
    cluster = ClusterStats()
    cluster.joined, cluster.instances, cluster.owned, cluster.lost, cluster.takeovers = True, 3, 4, 1, 2
    rig = Rig((RACING, TABLES, STEAM), cluster=cluster)
    rig.apply(
        racer("alpha", "alttp"),
        racer("al.pha-2", "alttp"),
        racer("delta", "sm"),
        dealer("bravo"),
        ev.BotAdded("foxtrot", 1.0, STEAM, "foxtrot-user", active=True),
        *connected("alpha"),
        ev.TokenIssued("alpha", 12.0, expires_at=36_012.0),
        ev.RaceCreated("alpha", 13.0, "alttp/one-1"),
        ev.RaceUpdated("alpha", 14.0, race("one-1", RaceState.OPEN, EntrantStatus.READY, EntrantStatus.NOT_READY)),
        ev.RaceUpdated("al.pha-2", 14.0, race("one-1")),
        ev.RoomConnected("alpha", 15.0, "alttp/one-1"),
        ev.RaceUpdated("alpha", 15.0, race("two-2", RaceState.IN_PROGRESS, EntrantStatus.IN_PROGRESS)),
        ev.RaceUpdated("alpha", 16.0, race("two-2", RaceState.FINISHED, EntrantStatus.DONE)),
        ev.CheckFailed("alpha", 17.0, FailureReason.TIMEOUT, 'timed "out"\n'),
        ev.ConnectionFailed("delta", 18.0, FailureReason.REFUSED, "refused", 20.0, DisconnectReason.NETWORK),
        *connected("bravo", "lounge"),
        ev.CredentialsRefused("bravo", 19.0, AuthReason.GUARD_CODE_REQUIRED, "code?", retry_at=None),
        *connected("foxtrot", "lounge"),
        ev.LobbyCreated("foxtrot", 20.0, 29, took_s=0.4),
        ev.LobbyUpdated("foxtrot", 20.0, lobby("foxtrot", 28, LobbyState.READY)),
        ev.LobbyUpdated(
            "foxtrot", 21.0, lobby("foxtrot", 28, LobbyState.FINISHED, match_outcome="dire", watched=False)
        ),
        ev.LobbyUpdated("foxtrot", 22.0, lobby("foxtrot", 29, LobbyState.WAITING)),
        ev.LobbyCreateFailed("foxtrot", 23.0, CreateFailure.TIMEOUT, "no confirmation"),
        ev.MaintenanceBegan("bravo", 20.0, Maintenance(None, "tea", None)),
    )
    for name in rig.store.bots:
        rig.bot_stats[name] = BotStats()
    rig.bot_stats["alpha"].messages_received = 7
    rig.bot_stats["alpha"].protocol_errors["bad_json"] = 2
    rig.http.observe("/status/bots/{name}", "GET", 200, 0.003)
    rig.loop.lag.observe(0.002)
    rig.logons = LogonStats()
    rig.logons.queue_length, rig.logons.cooldown_until = 3, 1500.0
    rig.process.config_loaded_at = 2.0
    rig.process.web_config_ok = True
    return rig
