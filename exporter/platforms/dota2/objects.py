"""The coordinator's shared objects, as far as a lobby bot needs them: its lobby, and the names of who is in it.

An update carries the whole object, so it replaces what was known and is never merged (steam-dota2 protocol notes,
section 2). The lobby (2004) and its static part (2014), which has the names, live in the same cache, known by its
owner. A bot is in one lobby at a time: another one takes its place, if the bot is in it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import ObjectType

_MOST_STATICS: Final = 4
_OTHERS: Final = frozenset({2003, 2006, 2007})  # party, party invite, favourite heroes: known, of no use here

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, slots=True)
class LobbySeen:
    """The coordinator described the bot's lobby: the whole of it. Both messages are not to be changed."""

    lobby: pb.CSODOTALobby = field(repr=False)  # it holds the password
    static: pb.CSODOTAStaticLobby | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class LobbyGone:
    """The lobby that was known exists no more, or not for this bot."""

    lobby_id: int


@dataclass(frozen=True, slots=True)
class InviteSeen:
    """Somebody invites the bot to a lobby of theirs."""

    lobby_id: int
    sender_id: int


ObjectEvent = LobbySeen | LobbyGone | InviteSeen
Objects = Iterable[tuple[int, bytes]]


class LobbyCache:
    """The objects that the coordinator shares with one bot, each message of it turned into events.

    Nothing that comes in makes it raise: `odd` is told of what cannot be read, `unknown` of objects of unknown types.
    """

    def __init__(self, steamid: int, *, odd: Callable[[str], None], unknown: Callable[[], None]) -> None:
        self._steamid = steamid
        self._odd = odd
        self._unknown = unknown
        self._lobby: pb.CSODOTALobby | None = None
        self._owner = 0
        self._statics: dict[int, pb.CSODOTAStaticLobby] = {}

    @property
    def lobby_id(self) -> int | None:
        """The lobby that is known."""
        return self._lobby.lobby_id if self._lobby is not None else None

    def subscribed(self, message: pb.CMsgSOCacheSubscribed) -> list[ObjectEvent]:
        """Take a cache. One without a lobby takes none away: several services send parts of the same owner's cache."""
        found = [(each.type_id, data) for each in message.objects for data in each.object_data]
        return self._put(message.owner_soid.id, found)

    def unsubscribed(self, message: pb.CMsgSOCacheUnsubscribed) -> list[ObjectEvent]:
        """Forget a cache; a lobby's is known by its lobby id."""
        owner = message.owner_soid.id
        self._statics.pop(owner, None)
        if self._lobby is not None and owner in (self._owner, self._lobby.lobby_id):
            return self._drop(self._lobby.lobby_id)
        return []

    def put(self, message: pb.CMsgSOSingleObject) -> list[ObjectEvent]:
        """Take one object that is new or has changed."""
        return self._put(message.owner_soid.id, [(message.type_id, message.object_data)])

    def removed(self, message: pb.CMsgSOSingleObject) -> list[ObjectEvent]:
        """Forget one object."""
        return self._remove(message.owner_soid.id, message.type_id, message.object_data)

    def several(self, message: pb.CMsgSOMultipleObjects) -> list[ObjectEvent]:
        """Take a change of several objects at once."""
        owner = message.owner_soid.id
        objects = (*message.objects_added, *message.objects_modified)
        events = self._put(owner, [(each.type_id, each.object_data) for each in objects])
        for each in message.objects_removed:
            events += self._remove(owner, each.type_id, each.object_data)
        return events

    def _put(self, owner: int, objects: Objects) -> list[ObjectEvent]:
        """Take objects of one owner, then tell of the lobby once, with its names."""
        events: list[ObjectEvent] = []
        news = False
        for kind, data in objects:
            match kind:
                case ObjectType.STATIC_LOBBY:
                    self._put_static(owner, data)
                    news = news or owner == self._owner
                case ObjectType.LOBBY:
                    before = self._lobby
                    events += self._put_lobby(owner, data)
                    news = news or self._lobby is not before
                case ObjectType.LOBBY_INVITE:
                    invite = self._read(pb.CSODOTALobbyInvite, data)
                    events += [InviteSeen(invite.group_id, invite.sender_id)] if invite is not None else []
                case _:
                    self._skip(kind)
        if self._lobby is not None and news:
            events.append(LobbySeen(self._lobby, self._statics.get(self._owner)))
        return events

    def _put_static(self, owner: int, data: bytes) -> None:
        static = self._read(pb.CSODOTAStaticLobby, data)
        if static is not None:
            self._statics.pop(owner, None)
            self._statics[owner] = static
            while len(self._statics) > _MOST_STATICS:
                del self._statics[next(iter(self._statics))]

    def _put_lobby(self, owner: int, data: bytes) -> list[ObjectEvent]:
        lobby = self._read(pb.CSODOTALobby, data)
        if lobby is None:
            return []
        if not lobby.lobby_id:
            self._odd("lobby_object")
            return []
        other = self._lobby is None or self._lobby.lobby_id != lobby.lobby_id
        if other and not self._is_in(lobby):
            self._odd("lobby_foreign")
            return []
        gone: list[ObjectEvent] = [LobbyGone(self._lobby.lobby_id)] if other and self._lobby is not None else []
        self._lobby, self._owner = lobby, owner
        return gone

    def _is_in(self, lobby: pb.CSODOTALobby) -> bool:
        everybody = lobby.all_members
        live = (everybody[index].id for index in lobby.member_indices if index < len(everybody))
        return lobby.leader_id == self._steamid or self._steamid in live

    def _remove(self, owner: int, kind: int, data: bytes) -> list[ObjectEvent]:
        if kind == ObjectType.STATIC_LOBBY:
            self._statics.pop(owner, None)
        elif kind == ObjectType.LOBBY:
            read = self._read(pb.CSODOTALobby, data)
            # The object may be cut down to its key, or be empty: then its owner tells.
            gone = (read.lobby_id if read is not None else 0) or (self.lobby_id if owner == self._owner else None)
            if gone is not None and gone == self.lobby_id:
                return self._drop(gone)
        elif kind != ObjectType.LOBBY_INVITE:
            self._skip(kind)
        return []

    def _skip(self, kind: int) -> None:
        if kind not in _OTHERS:
            self._unknown()

    def _drop(self, lobby_id: int) -> list[ObjectEvent]:
        self._lobby = None
        self._statics.pop(self._owner, None)
        return [LobbyGone(lobby_id)]

    def _read(self, kind: type[_M], data: bytes) -> _M | None:
        message = kind()
        try:
            message.ParseFromString(data)
        except DecodeError:
            self._odd("lobby_object")
            return None
        return message
