"""The numbers of the Dota 2 game coordinator's messages, shared objects and enumerations.

Bots and the simulated coordinator share them; the messages themselves are in `proto/dota2.proto`. Numbers that are not
here are skipped by whoever reads (steam-dota2 protocol notes, section 2).
"""

from enum import IntEnum
from typing import Final

DOTA2_APPID: Final = 570
CLIENT_SESSION_NEED: Final = 104
ENGINE_SOURCE_2: Final = 1
OWNER_LOBBY: Final = 3
"""CMsgSOIDOwner.type of a lobby's cache. Assumption: readers go by the objects in it, so it decides nothing here."""


class GcMsg(IntEnum):
    """What a message is about, without the protobuf bit."""

    OBJECT_CREATED = 21
    OBJECT_UPDATED = 22
    OBJECT_DESTROYED = 23
    CACHE_SUBSCRIBED = 24
    CACHE_UNSUBSCRIBED = 25
    OBJECTS_UPDATED = 26
    CACHE_CHECK = 27
    CACHE_REFRESH = 28
    CACHE_UP_TO_DATE = 29
    PING_REQUEST = 3001
    PING_RESPONSE = 3002
    WELCOME = 4004
    HELLO = 4006
    CONNECTION_STATUS = 4009
    INVITATION_CREATED = 4502
    INVITE_TO_LOBBY = 4512
    LOBBY_INVITE_RESPONSE = 4513
    ABANDON_GAME = 7035
    LOBBY_CREATE = 7038
    LOBBY_LEAVE = 7040
    LOBBY_LAUNCH = 7041
    LOBBY_JOIN = 7044
    LOBBY_SET_DETAILS = 7046
    LOBBY_SET_TEAM_SLOT = 7047
    LOBBY_RESPONSE = 7055
    LOBBY_KICK = 7081
    LOBBY_JOIN_RESPONSE = 7113
    LOBBY_SHUFFLE = 7188
    LOBBY_FLIP = 7320
    LOBBY_KICK_FROM_TEAM = 8047
    LOBBY_DESTROY = 8246
    LOBBY_DESTROY_RESPONSE = 8247


class ObjectType(IntEnum):
    """The types of shared objects that matter here."""

    LOBBY = 2004
    LOBBY_INVITE = 2011
    STATIC_LOBBY = 2014


class SessionStatus(IntEnum):
    """CMsgConnectionStatus.status."""

    HAVE_SESSION = 0
    GOING_DOWN = 1
    NO_SESSION = 2
    IN_QUEUE = 3
    NO_STEAM = 4
    SUSPENDED = 5
    STEAM_GOING_DOWN = 6


class Phase(IntEnum):
    """CSODOTALobby.state."""

    UI = 0
    SERVER_SETUP = 1
    RUN = 2
    POST_GAME = 3
    READY_UP = 4
    NOT_READY = 5
    SERVER_ASSIGN = 6


class Team(IntEnum):
    """DOTA_GC_TEAM."""

    RADIANT = 0
    DIRE = 1
    BROADCASTER = 2
    SPECTATOR = 3
    POOL = 4
    NO_TEAM = 5


class JoinResult(IntEnum):
    """CMsgPracticeLobbyJoinResponse.result, which also answers a creation."""

    SUCCESS = 0
    ALREADY_IN_GAME = 1
    INVALID_LOBBY = 2
    WRONG_PASSWORD = 3
    ACCESS_DENIED = 4
    GENERIC_ERROR = 5
    WRONG_VERSION = 6
    IN_TEAM_PARTY = 7
    NO_LOBBY_FOUND = 8
    FULL = 9
    CUSTOM_GAME_VERSION = 10
    TIMEOUT = 11
    COOLDOWN = 12
    BUSY = 13
    NO_PLAYTIME = 14


class DestroyResult(IntEnum):
    """CMsgDestroyLobbyResponse.result."""

    SUCCESS = 0
    ACCESS_DENIED = 1


class GameState(IntEnum):
    """CSODOTALobby.game_state, as far as it was seen in a lobby."""

    INIT = 0
    IN_PROGRESS = 5
    POST_GAME = 6


class Outcome(IntEnum):
    """CSODOTALobby.match_outcome."""

    UNKNOWN = 0
    RADIANT = 2
    DIRE = 3
    NEUTRAL = 4
    NO_WINNER = 5
    NETWORK = 64
    LEAVER = 65
    SERVER_CRASH = 66
    NEVER_STARTED = 67
    CANCELLED = 68
    SUSPICIOUS = 69
