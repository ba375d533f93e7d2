"""Counts what happened, from the changes that the store tells: how often, where a record only knows what is now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from exporter.metrics.catalogue import FAMILIES
from exporter.model import events as ev
from exporter.model.states import (
    CONNECTING,
    DISCONNECTED,
    UNKNOWN_OUTCOME,
    BotStatus,
    DisconnectReason,
    LobbyState,
)
from exporter.model.status import BotRecord
from exporter.stats import Histogram

# A bot's counts by the name of the family, and there by the value of its own label ("" where it has none).
Tally = Mapping[str, Mapping[str, int]]

CREATE_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
LOBBY_BOUNDS_S = (1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1200.0, 1800.0, 2700.0, 3600.0, 7200.0)
CONNECT_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

_POLLING = FAMILIES["bot_racetime_polls_total"]


class Counters:
    """A subscriber of the store. An event costs the same whatever the size of the fleet; a removed bot is forgotten.

    `connect_durations` has a histogram for each platform that had a bot connect, `create_durations` for each that had a
    lobby made, and `lobby_durations` for each state that a lobby left. `lobbies_created` outlives its bots.
    `counted` has the families in which a bot was counted since its reader took them out.
    """

    __slots__ = (
        "_connecting",
        "connect_durations",
        "counted",
        "create_durations",
        "lobbies_created",
        "lobby_durations",
        "tallies",
    )

    def __init__(self) -> None:
        self.tallies: dict[str, dict[str, dict[str, int]]] = {}
        self.counted: dict[str, set[str]] = {}
        self._connecting: set[str] = set()
        self.connect_durations: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(CONNECT_BOUNDS_S))
        self.create_durations: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(CREATE_BOUNDS_S))
        self.lobby_durations: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(LOBBY_BOUNDS_S))
        self.lobbies_created = 0

    def on_change(self, change: ev.Change) -> None:
        """Count what the change says."""
        if isinstance(change, ev.BotChange):
            self._on_bot(change)
        elif isinstance(change, ev.RaceChange):
            self._on_race(change)
        else:
            self._on_lobby(change)

    def _count(self, bot: str, family: str, word: str = "") -> None:
        counts = self.tallies.setdefault(bot, {}).setdefault(family, {})
        counts[word] = counts.get(word, 0) + 1
        self.counted.setdefault(bot, set()).add(family)

    def _on_bot(self, change: ev.BotChange) -> None:
        if change.after is None:
            self.tallies.pop(change.name, None)
            self.counted.pop(change.name, None)
            self._connecting.discard(change.name)
            return
        if change.before is None:
            self.tallies[change.name] = {}
            return
        for family, word in _counts(change.event, change.after):
            self._count(change.name, family, word)
        if isinstance(change.event, ev.LobbyCreated):
            self.lobbies_created += 1
            self.create_durations[change.after.platform].observe(change.event.took_s)
            self.lobby_durations[LobbyState.CREATING].observe(change.event.took_s)
        if change.before.state != change.after.state:
            self._count(change.name, "bot_state_transitions_total", change.after.state)
            if change.after.state == DISCONNECTED and change.before.state != CONNECTING:
                self._count(change.name, "bot_disconnects_total", _lost(change.event))
        self._time_connect(change.name, change.before, change.after, change.event)

    def _time_connect(self, name: str, before: BotRecord, after: BotRecord, event: ev.Event) -> None:
        """Observe the first proof after an attempt; a proof that merely came late again is no connect."""
        if isinstance(event, ev.ConnectStarted):
            self._connecting.add(name)
        elif after.status is BotStatus.CONNECTED and before.status is not BotStatus.CONNECTED:
            if name in self._connecting and before.connect_started_at is not None:
                seconds = max(0.0, event.at - before.connect_started_at)  # the wall clock may be set back
                self.connect_durations[after.platform].observe(seconds)
            self._connecting.discard(name)

    def _on_race(self, change: ev.RaceChange) -> None:
        before, after = change.before, change.after
        if before is None or after is None or before.first_ended is not None or after.first_ended is None:
            return
        # A room that is over when it is first seen (after a restart of this process, say) was counted before.
        owner = next((bot for bot in after.bots if bot in self.tallies), change.event.bot)
        self._count(owner, "bot_races_finished_total", str(after.first_ended))

    def _on_lobby(self, change: ev.LobbyChange) -> None:
        """Observe how long a lobby was in the state that it leaves, and count its end, once.

        One that is over when it is first seen was counted before, by an earlier process.
        """
        before, after = change.before, change.after
        if before is None or after is None or before.state is after.state:
            return
        self.lobby_durations[before.state].observe(max(0.0, change.event.at - before.state_since))
        if before.active and not after.active and after.bot in self.tallies:
            self._count(after.bot, "bot_lobbies_finished_total", after.match_outcome or UNKNOWN_OUTCOME)


def _counts(event: ev.Event, bot: BotRecord) -> Iterable[tuple[str, str]]:
    """Return what the event counts as, by family and the value of its own label."""
    match event:
        case ev.HealthProved():
            return (("bot_racetime_polls_total", ""),) if _POLLING.applies_to(bot.traits) else ()
        case ev.CheckFailed(reason=reason):
            if not _POLLING.applies_to(bot.traits):
                return ()
            return (("bot_racetime_polls_total", ""), ("bot_racetime_poll_failures_total", str(reason)))
        case ev.ConnectStarted():
            return (("bot_connection_attempts_total", ""),)
        case ev.ConnectionFailed(reason=reason) | ev.ServiceLost(reason=reason):
            return (("bot_connection_failures_total", str(reason)),)
        case ev.CredentialsRefused(reason=refusal) | ev.TokenRefused(reason=refusal):
            return (("bot_auth_failures_total", str(refusal)),)
        case ev.GuardCodeRequested(reason=wanted):
            return (("bot_auth_failures_total", str(wanted)),)
        case ev.BotCrashed():
            return (("bot_crashes_total", ""),)
        case ev.RaceCreated():
            return (("bot_races_created_total", ""),)
        case ev.LobbyCreated():
            return (("bot_lobbies_created_total", ""),)
        case ev.LobbyCreateFailed(reason=why):
            return (("bot_lobby_create_failures_total", str(why)),)
        case _:
            return ()


def _lost(event: ev.Event) -> str:
    """Return how a connection ended; an event that does not say so is not supposed to end one."""
    match event:
        case ev.ConnectionFailed() | ev.Disconnected() | ev.BotStopped() | ev.CredentialsRefused() | ev.BotCrashed():
            return str(event.lost)
        case _:
            return str(DisconnectReason.OTHER)
