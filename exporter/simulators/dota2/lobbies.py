"""Lobbies before and between games: who may enter, where they sit, who is thrown out.

Whoever changes something passes `now` in Unix seconds. A person is in one lobby at a time (section 2).
"""

import random
from collections.abc import Callable
from typing import Final

from exporter.platforms.dota2.wire import JoinResult, Phase, Team
from exporter.simulators.dota2.policy import Policy
from exporter.simulators.dota2.records import (
    STEAMID_BASE,
    Admitted,
    Changed,
    Dismissed,
    InviteAnswered,
    Invited,
    Lobby,
    Member,
    Notice,
    Refused,
    Settings,
)
from exporter.simulators.dota2.timetable import Timetable

_FIRST_LOBBY: Final = 29_300_000_000_000_000
_LAST_LOBBY: Final = 29_900_000_000_000_000


class Lobbies:
    """All lobbies and the people that the coordinator knows by name."""

    def __init__(self, *, policy: Policy | None = None, seed: int = 1) -> None:
        self.policy = policy or Policy()
        self.timetable = Timetable()
        self.lobbies: dict[int, Lobby] = {}
        self.names: dict[int, str] = {}
        """Persona names by Steam id."""
        self.invites: dict[tuple[int, int], int] = {}
        """Who invited, by lobby and by who was invited."""
        self._of: dict[int, Lobby] = {}
        self._random = random.Random(seed)  # noqa: S311  (a play, not a secret)
        self._subscribers: list[Callable[[Notice], None]] = []

    def subscribe(self, hear: Callable[[Notice], None]) -> None:
        """Have `hear` called with each notice, before the call that caused it returns."""
        self._subscribers.append(hear)

    def lobby_of(self, steamid: int) -> Lobby | None:
        """Return the lobby in which somebody is."""
        return self._of.get(steamid)

    def hosted_by(self, steamid: int) -> Lobby:
        """Return the lobby that somebody leads; raises Refused."""
        lobby = self._of.get(steamid)
        if lobby is None:
            raise Refused(JoinResult.INVALID_LOBBY, "it is in no lobby")
        if lobby.leader_id != steamid:
            raise Refused(JoinResult.ACCESS_DENIED, "it does not lead the lobby")
        return lobby

    # entering

    def create(self, steamid: int, settings: Settings, now: float) -> Lobby:
        """Open a lobby with its host in it: in the pool when it has a league, else on the first radiant place."""
        if steamid in self._of:
            raise Refused(JoinResult.ALREADY_IN_GAME, "it is in a lobby already")
        lobby = Lobby(self._random.randrange(_FIRST_LOBBY, _LAST_LOBBY), settings, steamid, now)
        host = Member(steamid, self.name_of(steamid))
        host.team, host.slot = (Team.POOL, 0) if settings.leagueid else (Team.RADIANT, 1)
        lobby.places.append(host)
        self.lobbies[lobby.lobby_id] = self._of[steamid] = lobby
        self._tell(Admitted(lobby, steamid))
        return lobby

    def join(self, lobby: Lobby, steamid: int, now: float, pass_key: str = "") -> Member:  # noqa: ARG002
        """Enter a lobby: into the player pool, without a slot, at a new place."""
        if steamid in self._of:
            raise Refused(JoinResult.ALREADY_IN_GAME, "it is in a lobby already")
        if lobby.over:
            raise Refused(JoinResult.INVALID_LOBBY, "there is no such lobby any more")
        # Assumption: nobody comes in during a game; no recorded lobby shows it.
        if lobby.phase != Phase.UI:
            raise Refused(JoinResult.ACCESS_DENIED, "the game was launched")
        if pass_key != lobby.settings.pass_key:
            raise Refused(JoinResult.WRONG_PASSWORD, "that is not the password")
        if len(lobby.members) >= self.policy.most_members:
            raise Refused(JoinResult.FULL, "the lobby is full")
        member = Member(steamid, self.name_of(steamid))
        lobby.places.append(member)
        self._of[steamid] = lobby
        self._tell(Changed(lobby, people=True))
        self._tell(Admitted(lobby, steamid))
        return member

    def invite(self, sender: int, steamid: int, now: float) -> Lobby:  # noqa: ARG002
        """Ask somebody to join."""
        lobby = self._of.get(sender)
        if lobby is None:
            raise Refused(JoinResult.INVALID_LOBBY, "it is in no lobby")
        self.invites[lobby.lobby_id, steamid] = sender
        self._tell(Invited(lobby, sender, steamid))
        return lobby

    def answer_invite(self, lobby: Lobby, steamid: int, now: float, *, accept: bool) -> None:
        """Say yes or no to an invitation. Assumption: who was invited needs no password."""
        sender = self.invites.pop((lobby.lobby_id, steamid), None)
        if sender is None:
            raise Refused(JoinResult.ACCESS_DENIED, "it was not invited")
        self._tell(InviteAnswered(lobby, sender, steamid))
        if accept:
            self.join(lobby, steamid, now, lobby.settings.pass_key)

    # places

    def seat(self, steamid: int, team: int, slot: int, now: float) -> None:  # noqa: ARG002
        """Move somebody to a team; slot 0 means the first free one. In the pool only the host has a slot, 0."""
        lobby, member = self._movable(steamid)
        if team == Team.POOL:
            if steamid == lobby.leader_id and not self.policy.obeys_pool_order:
                return
            self._to_pool(lobby, member)
        else:
            taken = {each.slot for each in lobby.members if each.team == team and each is not member}
            places = range(1, self.policy.team_size + 1)
            wanted = slot or next((each for each in places if each not in taken), 0)
            # Assumption: a place that is taken or does not exist is refused, and only these teams have places.
            if team not in {Team.RADIANT, Team.DIRE, Team.BROADCASTER, Team.SPECTATOR}:
                raise Refused(JoinResult.INVALID_LOBBY, f"team {team} has no places")
            if wanted in taken or wanted not in places:
                raise Refused(JoinResult.INVALID_LOBBY, f"place {slot} of team {team} is not free")
            member.team, member.slot = team, wanted
        self._tell(Changed(lobby))

    def kick_from_team(self, host: int, steamid: int, now: float) -> None:  # noqa: ARG002
        """Send somebody from a team back to the pool."""
        lobby = self._led_before_game(host)
        member = self._member_of(lobby, steamid)
        self._to_pool(lobby, member)
        self._tell(Changed(lobby))

    def shuffle(self, host: int, now: float) -> None:  # noqa: ARG002
        """Deal the players anew. Assumption: by chance, as even as possible, on the first places of each team."""
        lobby = self._led_before_game(host)
        players = lobby.players
        self._random.shuffle(players)
        for number, each in enumerate(players):
            each.team, each.slot = (Team.RADIANT, Team.DIRE)[number % 2], number // 2 + 1
        self._tell(Changed(lobby))

    def flip(self, host: int, now: float) -> None:  # noqa: ARG002
        """Exchange the teams; everybody keeps the slot."""
        lobby = self._led_before_game(host)
        for each in lobby.players:
            each.team = Team.DIRE if each.team == Team.RADIANT else Team.RADIANT
        self._tell(Changed(lobby))

    def set_details(self, host: int, settings: Settings, now: float) -> None:  # noqa: ARG002
        """Change what the host may choose."""
        lobby = self._led_before_game(host)
        lobby.settings = settings
        self._tell(Changed(lobby))

    # going

    def leave(self, steamid: int, now: float) -> None:
        """Leave a lobby. While a game is set up or runs this is refused, unless it was abandoned before."""
        lobby = self._of.get(steamid)
        if lobby is None:
            raise Refused(JoinResult.INVALID_LOBBY, "it is in no lobby")
        member = self._member_of(lobby, steamid)
        if lobby.phase in {Phase.SERVER_SETUP, Phase.RUN} and not member.abandoned:
            raise Refused(JoinResult.INVALID_LOBBY, "the game was launched")
        self._remove(lobby, member, now)

    def abandon(self, steamid: int, now: float) -> None:  # noqa: ARG002
        """Give up the running game, so that leaving is allowed. Assumption: it does nothing else."""
        lobby = self._of.get(steamid)
        if lobby is None or lobby.phase not in {Phase.SERVER_SETUP, Phase.RUN}:
            raise Refused(JoinResult.INVALID_LOBBY, "there is no game to abandon")
        self._member_of(lobby, steamid).abandoned = True

    def kick(self, host: int, steamid: int, now: float) -> None:
        """Throw somebody out. Assumption: not the host itself."""
        lobby = self._led_before_game(host)
        if steamid == host:
            raise Refused(JoinResult.ACCESS_DENIED, "a host cannot throw itself out")
        self._remove(lobby, self._member_of(lobby, steamid), now)

    def destroy(self, host: int, now: float) -> None:
        """Close a lobby. Assumption: not while a game is set up or runs."""
        lobby = self._led_before_game(host)
        self.close(lobby, now)

    def close(self, lobby: Lobby, now: float) -> None:  # noqa: ARG002
        """Dismiss everybody: nothing of the lobby is left."""
        members = lobby.members
        self.forget(lobby)
        for each in members:
            self._tell(Dismissed(lobby, each.steamid))

    def forget(self, lobby: Lobby) -> None:
        """Lose a lobby as in a crash: nobody is told."""
        lobby.over = True
        del self.lobbies[lobby.lobby_id]
        for each in lobby.members:
            del self._of[each.steamid]
        self.invites = {key: sender for key, sender in self.invites.items() if key[0] != lobby.lobby_id}

    def name_of(self, steamid: int) -> str:
        """Return somebody's persona name."""
        return self.names.get(steamid) or f"Player {steamid - STEAMID_BASE}"

    def _remove(self, lobby: Lobby, member: Member, now: float) -> None:
        if lobby.members == [member]:
            self.close(lobby, now)
            return
        place = lobby.places.index(member)
        if lobby.phase == Phase.UI:
            lobby.places[place] = None
        else:
            lobby.left.add(place)
        if lobby.leader_id == member.steamid:
            # Assumption: the one who came next leads from now on.
            lobby.leader_id = lobby.members[0].steamid
        del self._of[member.steamid]
        self._tell(Dismissed(lobby, member.steamid))
        self._tell(Changed(lobby, people=True))

    @staticmethod
    def _to_pool(lobby: Lobby, member: Member) -> None:
        member.team, member.slot = Team.POOL, 0 if member.steamid == lobby.leader_id else None

    def _movable(self, steamid: int) -> tuple[Lobby, Member]:
        lobby = self._of.get(steamid)
        if lobby is None:
            raise Refused(JoinResult.INVALID_LOBBY, "it is in no lobby")
        self._before_game(lobby)
        return lobby, self._member_of(lobby, steamid)

    def _led_before_game(self, host: int) -> Lobby:
        lobby = self.hosted_by(host)
        self._before_game(lobby)
        return lobby

    @staticmethod
    def _before_game(lobby: Lobby) -> None:
        # Assumption: once launched, nothing about the lobby can be changed.
        if lobby.phase != Phase.UI:
            raise Refused(JoinResult.INVALID_LOBBY, "the game was launched")

    @staticmethod
    def _member_of(lobby: Lobby, steamid: int) -> Member:
        member = lobby.member(steamid)
        if member is None:
            raise Refused(JoinResult.INVALID_LOBBY, f"{steamid} is not in the lobby")
        return member

    def _tell(self, notice: Notice) -> None:
        for hear in tuple(self._subscribers):
            hear(notice)
