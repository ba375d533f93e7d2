"""Messages that a bot must survive: each is nonsense of one kind, for `Coordinator.say` and `Faults.instead`.

coordinator.say(steamid, *hostile.garbage())
coordinator.say(steamid, *hostile.lobby_in_unknown_state(lobby, 42))
"""

from collections.abc import Callable
from dataclasses import replace as copy_of
from typing import Final

from exporter.platforms.dota2.wire import GcMsg, ObjectType
from exporter.simulators.dota2 import wire
from exporter.simulators.dota2.policy import Style
from exporter.simulators.dota2.records import Lobby, Member
from exporter.simulators.dota2.wire import Message

NOBODY_KNOWS: Final = 8_999
UNKNOWN_TYPE: Final = 2_999
_CUT_OFF: Final = b"\x0a\xff\x01"
_VERSION: Final = 1 << 60


def garbage() -> list[Message]:
    """Return every message that carries something, with bytes that cannot be read."""
    told = (
        GcMsg.OBJECT_CREATED,
        GcMsg.OBJECT_UPDATED,
        GcMsg.OBJECT_DESTROYED,
        GcMsg.CACHE_SUBSCRIBED,
        GcMsg.CACHE_UNSUBSCRIBED,
        GcMsg.OBJECTS_UPDATED,
        GcMsg.CACHE_UP_TO_DATE,
        GcMsg.CONNECTION_STATUS,
        GcMsg.INVITATION_CREATED,
        GcMsg.LOBBY_RESPONSE,
        GcMsg.LOBBY_JOIN_RESPONSE,
        GcMsg.LOBBY_DESTROY_RESPONSE,
    )
    return [Message(number, _CUT_OFF) for number in told]


def unknown_message() -> list[Message]:
    """Return a message whose number nobody knows."""
    return [Message(NOBODY_KNOWS, b"\x08\x01")]


def unknown_object(lobby: Lobby) -> list[Message]:
    """Return an object of a type that nobody knows, created, changed and destroyed in the lobby's own cache."""
    owner, object_ = wire.lobby_owner(lobby), (UNKNOWN_TYPE, b"\x08\x01")
    return [
        wire.single(GcMsg.OBJECT_CREATED, owner, _VERSION, *object_),
        *wire.updated(owner, _VERSION, [object_], Style()),
        wire.single(GcMsg.OBJECT_DESTROYED, owner, _VERSION, *object_),
    ]


def broken_lobby(lobby: Lobby) -> list[Message]:
    """Return an update of the lobby whose object cannot be read."""
    return wire.updated(wire.lobby_owner(lobby), _VERSION, [(ObjectType.LOBBY, _CUT_OFF)], Style())


def lobby_in_unknown_state(lobby: Lobby, state: int) -> list[Message]:
    """Return an update in which the lobby is in a state that nobody knows."""
    return _disguised(lobby, lambda fake: setattr(fake, "phase", state))


def lobby_with_unknown_values(lobby: Lobby, value: int) -> list[Message]:
    """Return an update in which game state, outcome, mode, region and a member's team have this value."""

    def change(fake: Lobby) -> None:
        fake.game_state, fake.outcome = value, value
        fake.settings = copy_of(fake.settings, game_mode=value, server_region=value)
        fake.places = [*fake.places, Member(76561197960265729, "Nobody", team=value)]

    return _disguised(lobby, change)


def foreign_lobby(lobby: Lobby) -> list[Message]:
    """Return a lobby of somebody else in a cache of its own: not the lobby that the bot hosts."""

    def change(fake: Lobby) -> None:
        fake.lobby_id, fake.leader_id = lobby.lobby_id + 1, 76561197960265730
        fake.places = [Member(76561197960265730, "Somebody else")]

    fake = _changed(lobby, change)
    return [wire.subscribed(wire.lobby_owner(fake), _VERSION, wire.lobby_objects(fake, Style()))]


def indices_beyond(lobby: Lobby) -> list[Message]:
    """Return an update whose indices point at members that there are not."""
    data = wire.lobby_object(lobby, Style()) + b"\xc8\x07\xe7\x07"  # member_indices: 999
    return wire.updated(wire.lobby_owner(lobby), _VERSION, [(ObjectType.LOBBY, data)], Style())


def _disguised(lobby: Lobby, change: Callable[[Lobby], None]) -> list[Message]:
    fake = _changed(lobby, change)
    return wire.updated(wire.lobby_owner(lobby), _VERSION, wire.lobby_objects(fake, Style()), Style())


def _changed(lobby: Lobby, change: Callable[[Lobby], None]) -> Lobby:
    fake = copy_of(lobby)
    change(fake)
    return fake
