"""What is sent for each order, and how the lobby shows that it was carried out."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from exporter.errors import OrderRefused
from exporter.platforms.dota2.lobby import account_id
from exporter.platforms.dota2.orders import Order
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.settings import LobbySettings, lobby_has
from exporter.platforms.dota2.wire import GcMsg, Phase, Team

CREATE: Final = Order("create", creates=True)
TO_THE_POOL: Final = pb.CMsgPracticeLobbySetTeamSlot(team=Team.POOL)

_TEAMS: Final = (Team.RADIANT, Team.DIRE)

settings_of = lobby_has


@dataclass(frozen=True, slots=True)
class Request:
    """An order, and the messages that carry it."""

    order: Order
    number: GcMsg
    message: Message
    followed_by: tuple[GcMsg, Message] | None = None


def creation(settings: LobbySettings, version: int) -> pb.CMsgPracticeLobbyCreate:
    """Return the request for a new lobby."""
    return pb.CMsgPracticeLobbyCreate(
        pass_key=settings.password, client_version=version, lobby_details=settings.details()
    )


def invitation(steam_id: int, version: int) -> pb.CMsgInviteToLobby:
    """Return the request to invite somebody."""
    return pb.CMsgInviteToLobby(steam_id=steam_id, client_version=version)


def kick(lobby: pb.CSODOTALobby, account: int) -> Order:
    """Return the order that a player is out of; raises OrderRefused if nobody in the lobby has this account id."""
    _member(lobby, account)
    return Order("kick", shown=lambda seen: account not in _members(seen))


def kick_from_team(lobby: pb.CSODOTALobby, account: int) -> Order:
    """Return the order that a player is off the teams; raises OrderRefused for one who is on none."""
    if _member(lobby, account).team not in _TEAMS:
        raise OrderRefused(f"player {account} is on no team")

    def shown(seen: pb.CSODOTALobby) -> bool:
        member = _members(seen).get(account)
        return member is None or member.team not in _TEAMS

    return Order("kick from team", shown=shown)


def rearrangement(name: str, lobby: pb.CSODOTALobby) -> Order:
    """Return the order that players sit elsewhere; a good answer will do, for chance may leave them where they are."""
    before = _seats(lobby)
    return Order(name, shown=lambda seen: _seats(seen) != before, by_answer=True)


def launch(lobby: pb.CSODOTALobby) -> Order:
    """Return the order that the game begins; raises OrderRefused when it did already."""
    if lobby.state != Phase.UI:
        raise OrderRefused("the game of this lobby has begun already")
    return Order("launch", shown=lambda seen: bool(seen.state != Phase.UI))


def closing(lobby: pb.CSODOTALobby, *, abandon: bool) -> Request:
    """Return the request to end the lobby, or to leave its game; raises OrderRefused for a game, without `abandon`."""
    if lobby.state in (Phase.UI, Phase.POST_GAME):
        return Request(Order("destroy", by_end=True), GcMsg.LOBBY_DESTROY, pb.CMsgDestroyLobbyRequest())
    if not abandon:
        raise OrderRefused("a game runs in this lobby: wait for its end, or leave it with abandon=true")
    leave = (GcMsg.LOBBY_LEAVE, pb.CMsgPracticeLobbyLeave())
    return Request(Order("abandon", by_end=True), GcMsg.ABANDON_GAME, pb.CMsgAbandonCurrentGame(), followed_by=leave)


def _members(lobby: pb.CSODOTALobby) -> dict[int, pb.CSODOTALobbyMember]:
    everybody = lobby.all_members
    return {account_id(everybody[i].id): everybody[i] for i in lobby.member_indices if i < len(everybody)}


def _member(lobby: pb.CSODOTALobby, account: int) -> pb.CSODOTALobbyMember:
    member = _members(lobby).get(account)
    if member is None:
        raise OrderRefused(f"nobody in the lobby has the account id {account}")
    return member


def _seats(lobby: pb.CSODOTALobby) -> dict[int, tuple[int, int]]:
    return {account: (each.team, each.slot) for account, each in _members(lobby).items()}
