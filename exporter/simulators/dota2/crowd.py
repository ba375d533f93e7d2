"""People who come to lobbies, sit down, change their minds, and play: the demo's players."""

import contextlib
import random
from functools import partial
from typing import Final

from exporter.platforms.dota2.wire import Outcome, Phase, Team
from exporter.simulators.dota2.fixtures import Fixtures, people
from exporter.simulators.dota2.records import Admitted, Lobby, Notice, Plan, Refused
from exporter.simulators.dota2.world import World

_ARRIVAL_S: Final = (0.4, 1.6)
_SITTING_S: Final = (0.8, 3.0)
_HESITATES: Final = 0.3
_DEFAULT_PLAYERS: Final = 4
_DEFAULT_GAME_S: Final = 40.0


class Crowd:
    """Fills each new lobby with as many players as its fixture wants, and plans its games."""

    def __init__(self, world: World, fixtures: Fixtures, rng: random.Random) -> None:
        self._world = world
        self._fixtures = fixtures
        self._random = rng
        self._people = people()
        world.names.update(self._people)
        world.plan = self._plan
        world.subscribe(self._hear)

    def _hear(self, notice: Notice) -> None:
        if isinstance(notice, Admitted) and notice.steamid == notice.lobby.leader_id:
            self._invite_all(notice.lobby)

    def _invite_all(self, lobby: Lobby) -> None:
        """Have players come one after the other; one of them may go again, and another comes instead."""
        fixture = self._fixtures.by_name(lobby.settings.game_name)
        wanted = fixture.players if fixture is not None else _DEFAULT_PLAYERS
        rng, when = self._random, lobby.created_at + 0.5
        for number in range(wanted):
            when += rng.uniform(*_ARRIVAL_S)
            self._world.timetable.at(when, partial(self._come, lobby, number))
        if rng.random() < _HESITATES:
            self._world.timetable.at(when + 4.0, lambda now: self._hesitate(lobby, now))

    def _come(self, lobby: Lobby, place: int, now: float) -> None:
        """Somebody who is in no lobby comes, and sits down after a while."""
        free = [each for each in self._people if self._world.lobby_of(each) is None]
        if lobby.over or not free:
            return
        somebody, team = self._random.choice(free), (Team.RADIANT, Team.DIRE)[place % 2]
        with contextlib.suppress(Refused):  # the host may have launched, or changed the password
            self._world.join(lobby, somebody, now, lobby.settings.pass_key)
            sits_at = now + self._random.uniform(*_SITTING_S)
            self._world.timetable.at(sits_at, lambda then: self._sit(lobby, somebody, team, then))

    def _sit(self, lobby: Lobby, somebody: int, team: Team, now: float) -> None:
        if self._world.lobby_of(somebody) is lobby:
            with contextlib.suppress(Refused):  # thrown out, or the host launched
                self._world.seat(somebody, team, 0, now)

    def _hesitate(self, lobby: Lobby, now: float) -> None:
        """Somebody gives up the place, and somebody else comes for it."""
        if lobby.phase != Phase.UI or lobby.over or not lobby.players:
            return
        member = lobby.players[-1]
        if member.steamid not in self._people:
            return  # the host still sits there
        place = 0 if member.team == Team.RADIANT else 1
        self._world.leave(member.steamid, now)
        if not lobby.over:
            self._world.timetable.at(now + 1.5, lambda then: self._come(lobby, place, then))

    def _plan(self, lobby: Lobby) -> Plan:
        fixture = self._fixtures.by_name(lobby.settings.game_name)
        if fixture is None:
            return Plan(duration_s=_DEFAULT_GAME_S, outcome=self._random.choice((Outcome.RADIANT, Outcome.DIRE)))
        loads = lobby.times_launched > fixture.failed_loads
        leaver = lobby.players[0].steamid if fixture.has_leaver else None
        return Plan(loads=loads, duration_s=fixture.game_s, outcome=fixture.outcome, leaver=leaver)
