"""What the simulated coordinator says and understands: between the world's records and the game's own messages.

Names, numbers and field numbers come from the definitions that bots share; how a message is dressed, where the real
one may look this way or that, is the `Style`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Final

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import OWNER_LOBBY, GcMsg, ObjectType
from exporter.simulators.dota2.policy import Style
from exporter.simulators.dota2.records import Lobby, Member, Settings

OWNER_PLAYER: Final = 1
VERSION: Final = 6_123
_HERO_FAVOURITES: Final = 2007
_PRACTICE: Final = 1
_NO_COACH: Final = 5
_VARINT: Final = 0
_BYTES: Final = 2
_BEYOND_ALL_FIELDS: Final = 1999

Objects = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the coordinator, not yet in an envelope."""

    number: int
    body: bytes


# --- objects ---


def lobby_object(lobby: Lobby, style: Style) -> bytes:
    """Return the bytes of a CSODOTALobby: always the whole lobby, never a difference."""
    given, said = lobby.settings, pb.CSODOTALobby()
    said.lobby_id = lobby.lobby_id
    said.game_mode = given.game_mode
    said.state = lobby.phase
    said.leader_id = lobby.leader_id
    said.lobby_type = _PRACTICE
    said.allow_cheats = given.allow_cheats
    said.game_name = given.game_name
    said.server_region = given.server_region
    said.game_state = lobby.game_state
    said.allow_spectating = given.allow_spectating
    said.pass_key = given.pass_key
    said.leagueid = given.leagueid
    said.series_type = given.series_type
    said.dota_tv_delay = given.dota_tv_delay
    said.visibility = given.visibility
    said.pause_setting = given.pause_setting
    said.selection_priority_rules = given.selection_priority_rules
    said.lobby_creation_time = int(lobby.created_at)
    # What is not known yet, or not any more, is left out instead of being 0.
    if lobby.match_id:
        said.match_id = lobby.match_id
    if lobby.server_id:
        said.server_id = lobby.server_id
    if lobby.connect:
        said.connect = lobby.connect
    if lobby.outcome:
        said.match_outcome = lobby.outcome
        said.match_duration = int(lobby.duration_s)
    if lobby.started_at is not None:
        said.game_start_time = int(lobby.started_at)
    said.all_members.extend(_member(each) for each in lobby.places)
    live = [n for n, each in enumerate(lobby.places) if each is not None and n not in lobby.left]
    indices = {121: live, 122: sorted(lobby.left), 123: lobby.free}
    data: bytes = said.SerializeToString()
    for number, values in indices.items():
        data += _repeated(number, values, packed=style.packed)
    if style.noise:
        data += _key(_BEYOND_ALL_FIELDS, _BYTES) + _varint(5) + b"noise"
    return data


def static_object(lobby: Lobby) -> bytes:
    """Return the bytes of a CSODOTAStaticLobby: the names, at the same places as in the lobby."""
    names = (each.name if each is not None else "" for each in lobby.places)
    said = pb.CSODOTAStaticLobby(all_members=[pb.CSODOTAStaticLobbyMember(name=name) for name in names])
    return bytes(said.SerializeToString())


def invite_object(lobby: Lobby, sender: int, sender_name: str) -> bytes:
    """Return the bytes of a CSODOTALobbyInvite."""
    said = pb.CSODOTALobbyInvite(group_id=lobby.lobby_id, sender_id=sender, sender_name=sender_name)
    for each in lobby.members:
        said.members.add(name=each.name, steam_id=each.steamid)
    return bytes(said.SerializeToString())


def _member(member: Member | None) -> pb.CSODOTALobbyMember:
    if member is None:
        # A place that was given up looks like a radiant player without a slot: only the indices tell it apart.
        return pb.CSODOTALobbyMember(team=0)
    said = pb.CSODOTALobbyMember(id=member.steamid, team=member.team, leaver_status=member.leaver_status)
    said.coach_team = _NO_COACH
    if member.slot is not None:
        said.slot = member.slot
    if member.hero_id:
        said.hero_id = member.hero_id
    return said


# --- caches ---


def lobby_objects(lobby: Lobby, style: Style, *, people: bool = True) -> Objects:
    """Return the lobby and, when names are of interest, the static lobby."""
    objects: Objects = [(ObjectType.LOBBY, lobby_object(lobby, style))]
    if people:
        objects.append((ObjectType.STATIC_LOBBY, static_object(lobby)))
    return objects


def cache(owner: tuple[int, int], version: int, objects: Iterable[tuple[int, bytes]]) -> pb.CMsgSOCacheSubscribed:
    """Return a cache with all that is in it; `owner` is its type and id."""
    said = pb.CMsgSOCacheSubscribed(version=version, owner_soid=_owner(owner))
    for type_id, data in objects:
        said.objects.add(type_id=type_id, object_data=[data])
    return said


def subscribed(owner: tuple[int, int], version: int, objects: Objects) -> Message:
    """Hand over a cache."""
    return Message(GcMsg.CACHE_SUBSCRIBED, cache(owner, version, objects).SerializeToString())


def unsubscribed(owner: tuple[int, int]) -> Message:
    """Take a cache away."""
    return Message(GcMsg.CACHE_UNSUBSCRIBED, pb.CMsgSOCacheUnsubscribed(owner_soid=_owner(owner)).SerializeToString())


def single(number: int, owner: tuple[int, int], version: int, type_id: int, data: bytes) -> Message:
    """Create (21), update (22) or destroy (23) one object."""
    said = pb.CMsgSOSingleObject(type_id=type_id, object_data=data, version=version, owner_soid=_owner(owner))
    return Message(number, said.SerializeToString())


def updated(owner: tuple[int, int], version: int, objects: Objects, style: Style) -> list[Message]:
    """Say what objects are like now."""
    if style.single_updates:
        return [single(GcMsg.OBJECT_UPDATED, owner, version, *each) for each in objects]
    said = pb.CMsgSOMultipleObjects(version=version, owner_soid=_owner(owner))
    for type_id, data in objects:
        said.objects_modified.add(type_id=type_id, object_data=data)
    return [Message(GcMsg.OBJECTS_UPDATED, said.SerializeToString())]


def opened(lobby: Lobby, version: int, style: Style) -> list[Message]:
    """Hand a lobby over to somebody who just came in."""
    owner, objects = lobby_owner(lobby), lobby_objects(lobby, style)
    if not style.created_as_object:
        return [subscribed(owner, version, objects)]
    created = [single(GcMsg.OBJECT_CREATED, owner, version, *each) for each in objects]
    return [subscribed(owner, version, []), *created]


def lobby_owner(lobby: Lobby) -> tuple[int, int]:
    """Return whose cache a lobby's objects are in."""
    return OWNER_LOBBY, lobby.lobby_id


def player_objects(steamid: int, style: Style) -> Objects:
    """Return what is in a player's own cache: things that bots have no use for."""
    return [(_HERO_FAVOURITES, _repeated(1, [steamid % 97, 8], packed=False))] if style.noise else []


def _owner(owner: tuple[int, int]) -> pb.CMsgSOIDOwner:
    return pb.CMsgSOIDOwner(type=owner[0], id=owner[1])


# --- the session and answers ---


def welcome(caches: Iterable[pb.CMsgSOCacheSubscribed]) -> Message:
    """Let a player in."""
    said = pb.CMsgClientWelcome(version=VERSION, outofdate_subscribed_caches=list(caches))
    return Message(GcMsg.WELCOME, said.SerializeToString())


def connection_status(status: int, *, position: int = 0, size: int = 0, wait_s: float = 0.0) -> Message:
    """Say how a player's session stands; the figures are those of the queue."""
    said = pb.CMsgConnectionStatus(status=status)
    if size:
        said.queue_position, said.queue_size = position, size
        said.estimated_wait_seconds_remaining = int(wait_s)
    return Message(GcMsg.CONNECTION_STATUS, said.SerializeToString())


def result(number: int, value: int) -> Message:
    """Answer with a result in field 1, as all answers to orders have it."""
    return Message(number, _key(1, _VARINT) + _varint(value))


def invitation_created(lobby: Lobby, steamid: int, *, offline: bool) -> Message:
    """Say that somebody was asked."""
    said = pb.CMsgInvitationCreated(group_id=lobby.lobby_id, steam_id=steamid, user_offline=offline)
    return Message(GcMsg.INVITATION_CREATED, said.SerializeToString())


def settings_of(said: pb.CMsgPracticeLobbySetDetails, before: Settings) -> Settings:
    """Return the settings after such a message. Assumption: what it leaves out stays as it was."""
    given = {each.name: getattr(said, each.name) for each in fields(Settings) if said.HasField(each.name)}
    return replace(before, **given)


# --- bytes ---


def _repeated(number: int, values: list[int], *, packed: bool) -> bytes:
    if not packed:
        return b"".join(_key(number, _VARINT) + _varint(each) for each in values)
    inner = b"".join(map(_varint, values))
    return _key(number, _BYTES) + _varint(len(inner)) + inner if values else b""


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
