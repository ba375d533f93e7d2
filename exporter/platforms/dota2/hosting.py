"""What a bot knows of its lobbies: the one that it is in, those that are over, and one that it waits for.

It outlives the bot's connections. While there is no session the present lobby is shown as it was seen last, not
watched; the next session shows it again, or it is gone. Facts are reported only when something has changed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import LobbyState
from exporter.model.status import ExpectedPlayers, LobbyRecord
from exporter.platforms.base import BotContext
from exporter.platforms.dota2.alarm import soonest
from exporter.platforms.dota2.lobby import UNASSIGNED, creating_record, gone_record, lobby_record
from exporter.platforms.dota2.options import GC_CONNECTED, IN_GAME, IN_LOBBY
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.settings import LobbySettings, lobby_has

_UNWANTED_S: Final = 600.0
_NEVER: Final = math.inf  # done once, and not again


@dataclass(frozen=True, slots=True)
class HostingTiming:
    """Waiting times in seconds.

    A finished lobby is shown for `linger_s`. `adopt_s` is how long a lobby may come later than the welcome of a new
    session, `move_s` how long the coordinator may take to move the bot to the pool, `postgame_s` how long it may take
    to dissolve a lobby whose game is over.
    """

    linger_s: float = 600.0
    adopt_s: float = 5.0
    move_s: float = 5.0
    postgame_s: float = 10.0


class Hosting:
    """The lobbies of one bot. `now` is in monotonic seconds wherever it appears.

    `leave` is called when a lobby must be left that the coordinator should have dissolved itself.
    """

    def __init__(self, context: BotContext, timing: HostingTiming, leave: Callable[[], None]) -> None:
        self._context = context
        self._timing = timing
        self._leave = leave
        self._expected: ExpectedPlayers = None
        self._expected_next: ExpectedPlayers = None
        self._over: dict[str, float] = {}
        self._unwanted: list[tuple[LobbySettings, float]] = []
        self._creating: LobbyRecord | None = None
        self._create_began = 0.0
        self._lobby: pb.CSODOTALobby | None = None
        self._adopt_by: float | None = None
        self._move_by: float | None = None
        self._leave_at: float | None = None
        self.record: LobbyRecord | None = None

    @property
    def lobby(self) -> pb.CSODOTALobby | None:
        """The lobby that the bot is in, as the coordinator describes it; None while it sees none."""
        return self._lobby if self.record is not None and self.record.watched else None

    @property
    def creating(self) -> bool:
        """Whether a lobby is asked for and not there yet."""
        return self._creating is not None

    @property
    def settings(self) -> LobbySettings | None:
        """The settings of the lobby that the bot is in."""
        return lobby_has(self._lobby) if self._lobby is not None else None

    @property
    def state(self) -> str:
        """Where a bot with a session is in its life cycle."""
        if self.record is None or not self.record.watched:
            return GC_CONNECTED
        return IN_GAME if self.record.state is LobbyState.IN_GAME else IN_LOBBY

    # what the coordinator says

    def session_began(self, now: float, *, with_lobby: bool) -> int | None:
        """A session begins: returns the id of a lobby that the coordinator must be asked about."""
        if self.record is None or with_lobby:
            return None
        self._adopt_by = now + self._timing.adopt_s
        return self.record.lobby_id

    def seen(self, lobby: pb.CSODOTALobby, static: pb.CSODOTAStaticLobby | None, steamid: int, now: float) -> bool:
        """Take in a description of the lobby; returns whether it is another lobby than before."""
        before = self.record if self.record is not None and self.record.lobby_id == lobby.lobby_id else None
        fresh = before is None
        if fresh and self.record is not None:
            self.gone(now)
        if fresh:
            self._expected, self._expected_next = self._expected_next, None
        if self._expected is None:
            self._expected = self._context.expected(lobby.lobby_id)
        self._adopt_by = None
        self._lobby = lobby
        record = lobby_record(
            lobby,
            static,
            bot=self._context.name,
            steamid=steamid,
            at=self._context.clock.now(),
            expected=self._expected,
            before=before,
            note=self._count,
        )
        self._tell(record, now)
        if record.state is LobbyState.FINISHED and self._leave_at is None:
            self._leave_at = now + self._timing.postgame_s
        return fresh

    def current(self, owner_id: int) -> None:
        """The coordinator says that what is known of this lobby is true."""
        if self.record is not None and self.record.lobby_id == owner_id and self._adopt_by is not None:
            self._adopt_by = None
            self._tell(replace(self.record, watched=True), self._context.clock.monotonic())

    def gone(self, now: float) -> None:
        """The lobby is no more."""
        if self.record is None:
            return
        over = gone_record(replace(self.record, state_since=self._context.clock.now()))
        self._tell(over, now)
        self.record = self._lobby = None
        self._expected = None
        self._adopt_by = self._move_by = self._leave_at = None

    def out_of_sight(self) -> None:
        """There is no session any more: the lobby lives on unseen, if it does."""
        self._adopt_by = self._move_by = self._leave_at = None
        if self.record is not None and self.record.watched:
            self._tell(replace(self.record, watched=False), self._context.clock.monotonic())

    # what is ordered

    def create_began(self, settings: LobbySettings, expected: ExpectedPlayers) -> None:
        """A lobby was asked for."""
        self._expected_next = expected
        self._create_began = self._context.clock.monotonic()
        self._creating = creating_record(settings, bot=self._context.name, at=self._context.clock.now())
        self._report_lobby(self._creating)

    def created(self, lobby_id: int, now: float) -> None:
        """The lobby that was asked for is there, and is seen next."""
        self._created()
        at, took_s = self._context.clock.now(), max(0.0, now - self._create_began)
        self._context.report(ev.LobbyCreated(self._context.name, at, lobby_id, took_s, self._expected_next))

    def not_created(self, settings: LobbySettings, now: float, *, unwanted: bool) -> None:
        """It was refused, or takes too long: then it is `unwanted` when it comes."""
        self._created()
        self._expected_next = None
        if unwanted:
            self._unwanted.append((settings, now + _UNWANTED_S))

    def unwanted(self, lobby: pb.CSODOTALobby, now: float) -> bool:
        """Return whether this new lobby is one that nobody waits for any more."""
        found = next((each for each in self._unwanted if now < each[1] and _is_of(lobby, each[0])), None)
        if found is None:
            return False
        self._unwanted.remove(found)
        return True

    def must_move(self, now: float) -> bool:
        """Return whether the bot sits on a team and has to move to the pool; True once a lobby and session."""
        record = self.record
        if record is None or not record.watched or self._lobby is None or self._lobby.state:
            return False
        if record.bot_team in (None, UNASSIGNED):
            self._move_by = None
            return False
        if self._move_by is not None:
            return False
        self._move_by = now + self._timing.move_s
        return True

    # time

    @property
    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        at = soonest(*self._over.values(), self._adopt_by, self._leave_at, self._move_by)
        return at if at != _NEVER else None

    def tick(self, now: float) -> None:
        """Do what is due."""
        for key, at in list(self._over.items()):
            if now >= at:
                del self._over[key]
                self._context.report(ev.LobbyForgotten(self._context.name, self._context.clock.now(), key))
        self._unwanted = [each for each in self._unwanted if now < each[1]]
        if self._adopt_by is not None and now >= self._adopt_by:
            self._context.log.info("the lobby is gone since the last session", lobby=self.record and self.record.key)
            self.gone(now)
        if self._leave_at is not None and now >= self._leave_at:
            self._leave_at = _NEVER
            self._leave()
        if self._move_by is not None and now >= self._move_by:
            self._move_by = _NEVER
            self._context.log.warning(
                "the coordinator leaves the bot on a team: the game will wait for it",
                lobby=self.record and self.record.key,
                team=self.record and self.record.bot_team,
            )

    def _created(self) -> None:
        self._creating = None
        self._context.report(ev.LobbyForgotten(self._context.name, self._context.clock.now(), self._context.name))

    def _tell(self, record: LobbyRecord, now: float) -> None:
        known = self.record
        self.record = record
        if record.state is LobbyState.FINISHED and not (known is not None and known.state is LobbyState.FINISHED):
            self._over[record.key] = now + self._timing.linger_s
            self._context.log.info("lobby finished", lobby=record.key, outcome=record.match_outcome)
        if known is None or replace(record, state_since=known.state_since, created_at=known.created_at) != known:
            self._report_lobby(record)

    def _report_lobby(self, record: LobbyRecord) -> None:
        self._context.report(ev.LobbyUpdated(self._context.name, self._context.clock.now(), record))

    def _count(self, kind: str) -> None:
        self._context.stats.protocol_errors[kind] += 1


def _is_of(lobby: pb.CSODOTALobby, settings: LobbySettings) -> bool:
    """A lobby that comes late is known by its name and password: nothing else of it is ours alone."""
    return bool(lobby.game_name == settings.name and lobby.pass_key == settings.password)
