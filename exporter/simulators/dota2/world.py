"""The simulated coordinator as one object: lobbies and the games that come of them, without sockets or a clock.

    Lobbies -> World

    UI -> SERVERSETUP -> (server found) -> RUN -> POSTGAME -> dismissed
                                              `-> UI again, when players fail to load

Order and times are those of recorded lobbies (steam-dota2 protocol notes, section 2).
"""

from collections.abc import Callable
from typing import Final

from exporter.platforms.dota2.wire import GameState, JoinResult, Phase, Team
from exporter.simulators.dota2.lobbies import Lobbies
from exporter.simulators.dota2.policy import Policy
from exporter.simulators.dota2.records import LEFT_GAME, PLAYED, Changed, Dismissed, Lobby, Member, Plan, Refused

_FIRST_MATCH: Final = 8_100_000_001
_FIRST_SERVER: Final = 90_071_992_547_409_920
_HEROES: Final = 138
_LEAVES_BEFORE_END_S: Final = 1.3


def endless(lobby: Lobby) -> Plan:  # noqa: ARG001  (all plans are made alike)
    """Plan a game that goes on until somebody ends it."""
    return Plan()


class World(Lobbies):
    """Everything the coordinator knows: the truth that tests compare with. `plan` says how launched games go."""

    def __init__(self, *, policy: Policy | None = None, seed: int = 1) -> None:
        super().__init__(policy=policy, seed=seed)
        self.plan: Callable[[Lobby], Plan] = endless
        self._launched = 0

    def advance(self, now: float) -> None:
        """Let happen what is due."""
        self.timetable.advance(now)

    def launch(self, host: int, now: float) -> None:
        """Start a game; raises Refused, as when a player is still in the pool.

        Assumption: at least one player must have a place. Assumption: a host on a place never loads the game.
        """
        lobby = self._led_before_game(host)
        others = [each for each in lobby.members if each.steamid != host]
        if any(each.team == Team.POOL for each in others):
            raise Refused(JoinResult.INVALID_LOBBY, "a player is still in the pool")
        if not any(each.seated for each in others):
            raise Refused(JoinResult.INVALID_LOBBY, "nobody would play")
        self._launched += 1
        lobby.launch_number = number = self._launched
        lobby.times_launched += 1
        lobby.plan = self.plan(lobby)
        lobby.phase, lobby.match_id = Phase.SERVER_SETUP, _FIRST_MATCH + number
        self._tell(Changed(lobby))
        self._later(lobby, now + self.policy.server_found_s, self._server_found)

    def fail_to_load(self, lobby: Lobby, now: float) -> None:  # noqa: ARG002
        """Call the game off because players are missing: back to UI, match and server cleared."""
        if lobby.phase != Phase.RUN:
            raise ValueError("there is no game that could be called off")
        lobby.launch_number = 0
        lobby.phase, lobby.match_id, lobby.server_id, lobby.connect = Phase.UI, 0, 0, ""
        lobby.game_state, lobby.started_at = GameState.INIT, None
        for each in lobby.members:
            each.abandoned = False
        self._tell(Changed(lobby))

    def quit_game(self, steamid: int, now: float) -> None:  # noqa: ARG002
        """A player leaves the running game: the only thing of which a running game tells."""
        lobby = self.lobby_of(steamid)
        member = lobby.member(steamid) if lobby is not None else None
        if lobby is None or member is None or lobby.phase != Phase.RUN:
            raise ValueError("there is no game that could be left")
        self._heroes(lobby)
        lobby.game_state = GameState.IN_PROGRESS
        member.leaver_status = LEFT_GAME
        lobby.left.add(lobby.places.index(member))
        del self._of[steamid]
        self._tell(Dismissed(lobby, steamid))
        self._tell(Changed(lobby, people=True))

    def finish(self, lobby: Lobby, outcome: int, now: float) -> None:
        """End the game: the outcome comes with POSTGAME, and in the same second everybody is dismissed."""
        if lobby.phase != Phase.RUN:
            raise ValueError("there is no game that could end")
        self._heroes(lobby)
        lobby.phase, lobby.game_state, lobby.outcome = Phase.POST_GAME, GameState.POST_GAME, outcome
        lobby.duration_s = now - (lobby.started_at or now)
        self._tell(Changed(lobby))
        self._later(lobby, now + self.policy.closed_after_game_s, self.close)

    def _server_found(self, lobby: Lobby, now: float) -> None:
        lobby.server_id = _FIRST_SERVER + lobby.launch_number
        self._tell(Changed(lobby))
        self._later(lobby, now + self.policy.server_runs_s, self._server_runs)

    def _server_runs(self, lobby: Lobby, now: float) -> None:
        lobby.phase, lobby.connect, lobby.started_at = Phase.RUN, f"=[A:1:{lobby.server_id}:{lobby.launch_number}]", now
        self._tell(Changed(lobby))
        host, plan = lobby.member(lobby.leader_id), lobby.plan
        if not plan.loads or (host is not None and host.seated):
            self._later(lobby, now + self.policy.load_limit_s, self.fail_to_load)
        elif plan.duration_s is not None:
            if plan.leaver is not None:
                self._later(lobby, now + plan.duration_s - _LEAVES_BEFORE_END_S, self._leaver_goes)
            self._later(lobby, now + plan.duration_s, self._game_ends)

    def _leaver_goes(self, lobby: Lobby, now: float) -> None:
        if lobby.plan.leaver is not None and lobby.member(lobby.plan.leaver) is not None:
            self.quit_game(lobby.plan.leaver, now)

    def _game_ends(self, lobby: Lobby, now: float) -> None:
        self.finish(lobby, lobby.plan.outcome, now)

    def _heroes(self, lobby: Lobby) -> None:
        """Show what was not known before something happened in the game: heroes, and that players play."""
        for each in self._playing(lobby):
            each.leaver_status = PLAYED
            each.hero_id = each.hero_id or self._random.randint(1, _HEROES)

    @staticmethod
    def _playing(lobby: Lobby) -> list[Member]:
        return [each for each in lobby.players if each.steamid != lobby.leader_id]

    def _later(self, lobby: Lobby, when: float, step: Callable[[Lobby, float], None]) -> None:
        """Do a step of this launch's game, unless the lobby or that game is no more by then."""
        number = lobby.launch_number

        def due(now: float) -> None:
            if not lobby.over and lobby.launch_number == number:
                step(lobby, now)

        self.timetable.at(when, due)
