"""What players may ask of their lobbies: each message, what the world does about it, and the answer.

Assumptions: each order is answered by 7055 (a refused creation by 7113, see `Style`), joining by 7113, destroying by
8247 and inviting by 4502; the coordinator says no more than the result.
"""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message as Proto

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import DestroyResult, GcMsg, JoinResult
from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import wire
from exporter.simulators.dota2.policy import Style
from exporter.simulators.dota2.records import STEAMID_BASE, Lobby, Refused, Settings
from exporter.simulators.dota2.wire import Message
from exporter.simulators.dota2.world import World

_ANSWERED_BY: Final[dict[int, GcMsg]] = {
    GcMsg.LOBBY_JOIN: GcMsg.LOBBY_JOIN_RESPONSE,
    GcMsg.LOBBY_INVITE_RESPONSE: GcMsg.LOBBY_JOIN_RESPONSE,
    GcMsg.LOBBY_DESTROY: GcMsg.LOBBY_DESTROY_RESPONSE,
}

_Do = Callable[[int, Any, float], list[Message] | None]


def fine(number: int, style: Style) -> Message:
    """Return the answer to an order that was carried out."""
    if style.generic_results and number not in _ANSWERED_BY:
        return wire.result(GcMsg.LOBBY_RESPONSE, Result.OK)
    return wire.result(_ANSWERED_BY.get(number, GcMsg.LOBBY_RESPONSE), JoinResult.SUCCESS)


def no(number: int, result: int, style: Style) -> Message:
    """Return the answer to an order that was refused."""
    if number == GcMsg.LOBBY_DESTROY:
        return wire.result(GcMsg.LOBBY_DESTROY_RESPONSE, DestroyResult.ACCESS_DENIED)
    if number in _ANSWERED_BY or (number == GcMsg.LOBBY_CREATE and style.generic_results):
        return wire.result(GcMsg.LOBBY_JOIN_RESPONSE, result)
    return wire.result(GcMsg.LOBBY_RESPONSE, Result.FAIL if style.generic_results else result)


class Orders:
    """Carries orders out in the world. `reachable` says whether an invitation would reach somebody."""

    def __init__(self, world: World, reachable: Callable[[int], bool]) -> None:
        self._world = world
        self._reachable = reachable
        self._table: dict[int, tuple[type[Proto], _Do]] = {
            GcMsg.LOBBY_CREATE: (pb.CMsgPracticeLobbyCreate, self._create),
            GcMsg.LOBBY_SET_DETAILS: (pb.CMsgPracticeLobbySetDetails, self._set_details),
            GcMsg.LOBBY_JOIN: (pb.CMsgPracticeLobbyJoin, self._join),
            GcMsg.LOBBY_INVITE_RESPONSE: (pb.CMsgLobbyInviteResponse, self._invite_response),
            GcMsg.LOBBY_SET_TEAM_SLOT: (pb.CMsgPracticeLobbySetTeamSlot, self._seat),
            GcMsg.LOBBY_KICK: (pb.CMsgPracticeLobbyKick, self._kick),
            GcMsg.LOBBY_KICK_FROM_TEAM: (pb.CMsgPracticeLobbyKickFromTeam, self._kick_from_team),
            GcMsg.LOBBY_SHUFFLE: (pb.CMsgBalancedShuffleLobby, lambda who, _, now: world.shuffle(who, now)),
            GcMsg.LOBBY_FLIP: (pb.CMsgFlipLobbyTeams, lambda who, _, now: world.flip(who, now)),
            GcMsg.LOBBY_LAUNCH: (pb.CMsgPracticeLobbyLaunch, lambda who, _, now: world.launch(who, now)),
            GcMsg.LOBBY_LEAVE: (pb.CMsgPracticeLobbyLeave, lambda who, _, now: world.leave(who, now)),
            GcMsg.ABANDON_GAME: (pb.CMsgAbandonCurrentGame, lambda who, _, now: world.abandon(who, now)),
            GcMsg.LOBBY_DESTROY: (pb.CMsgDestroyLobbyRequest, lambda who, _, now: world.destroy(who, now)),
            GcMsg.INVITE_TO_LOBBY: (pb.CMsgInviteToLobby, self._invite),
        }

    def __contains__(self, number: int) -> bool:
        return number in self._table

    def carry_out(self, steamid: int, number: int, body: bytes, now: float, style: Style) -> list[Message]:
        """Do it and return the answer; raises Refused, or DecodeError for what cannot be read."""
        kind, do = self._table[number]
        said = kind()
        said.ParseFromString(body)
        answers = do(steamid, said, now)
        return [fine(number, style)] if answers is None else answers

    def _create(self, steamid: int, said: pb.CMsgPracticeLobbyCreate, now: float) -> None:
        self._world.create(steamid, wire.settings_of(said.lobby_details, Settings(pass_key=said.pass_key)), now)

    def _set_details(self, steamid: int, said: pb.CMsgPracticeLobbySetDetails, now: float) -> None:
        lobby = self._world.hosted_by(steamid)
        if said.lobby_id not in {0, lobby.lobby_id}:
            raise Refused(JoinResult.INVALID_LOBBY, "that is not its lobby")
        self._world.set_details(steamid, wire.settings_of(said, lobby.settings), now)

    def _join(self, steamid: int, said: pb.CMsgPracticeLobbyJoin, now: float) -> None:
        self._world.join(self._lobby(said.lobby_id), steamid, now, said.pass_key)

    def _invite(self, steamid: int, said: pb.CMsgInviteToLobby, now: float) -> list[Message]:
        lobby = self._world.invite(steamid, said.steam_id, now)
        return [wire.invitation_created(lobby, said.steam_id, offline=not self._reachable(said.steam_id))]

    def _invite_response(self, steamid: int, said: pb.CMsgLobbyInviteResponse, now: float) -> list[Message] | None:
        lobby = self._lobby(said.lobby_id)
        self._world.answer_invite(lobby, steamid, now, accept=said.accept)
        return None if said.accept else []

    def _seat(self, steamid: int, said: pb.CMsgPracticeLobbySetTeamSlot, now: float) -> None:
        self._world.seat(steamid, said.team, said.slot, now)

    def _kick(self, steamid: int, said: pb.CMsgPracticeLobbyKick, now: float) -> None:
        self._world.kick(steamid, STEAMID_BASE + said.account_id, now)

    def _kick_from_team(self, steamid: int, said: pb.CMsgPracticeLobbyKickFromTeam, now: float) -> None:
        self._world.kick_from_team(steamid, STEAMID_BASE + said.account_id, now)

    def _lobby(self, lobby_id: int) -> Lobby:
        lobby = self._world.lobbies.get(lobby_id)
        if lobby is None:
            raise Refused(JoinResult.INVALID_LOBBY, "there is no such lobby")
        return lobby
