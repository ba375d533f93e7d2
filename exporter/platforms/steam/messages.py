"""The messages that pass between a bot and Steam: the one typed door to the steam library's definitions.

Each message is a frozen dataclass whose fields are named as in the protobuf definition; `encode_body` and
`decode_body` go between the two. framing.py packs bodies into frames, GAME messages carry their payload unread.

    service method   ServiceMethodCallFromClientNonAuthed or ...FromClient with header.target_job_name = Method.name
                     -> ServiceMethodResponse with header.eresult and Method.response as its body
    everything else  MESSAGES[number] is the body

Numbers and fields: steam-dota2 protocol notes, section 1.
"""

from dataclasses import dataclass, field, fields, is_dataclass
from enum import IntEnum
from typing import Any, Final, Generic, TypeVar, get_args, get_type_hints

from google.protobuf.message import DecodeError, Message
from steam.enums import EResult
from steam.protobufs import steammessages_auth_pb2 as auth_pb2
from steam.protobufs import steammessages_clientserver_2_pb2 as client2_pb2
from steam.protobufs import steammessages_clientserver_login_pb2 as login_pb2
from steam.protobufs import steammessages_clientserver_pb2 as client_pb2
from steam.protobufs import steammessages_twofactor_pb2 as twofactor_pb2

from exporter.platforms.steam.framing import MULTI, Malformed

PROTOCOL_VERSION: Final = 65580
STEAM_REALM: Final = 1


class Emsg(IntEnum):
    """The message numbers that this program sends or understands."""

    MULTI = MULTI
    DEST_JOB_FAILED = 113
    SERVICE_METHOD_RESPONSE = 147
    SERVICE_METHOD_CALL = 151
    CLIENT_HEART_BEAT = 703
    CLIENT_LOG_OFF = 706
    CLIENT_GAMES_PLAYED = 742
    CLIENT_LOG_ON_RESPONSE = 751
    CLIENT_LOGGED_OFF = 757
    CLIENT_ACCOUNT_INFO = 768
    CLIENT_GAMES_PLAYED_WITH_DATA_BLOB = 5410
    CLIENT_TO_GC = 5452
    CLIENT_FROM_GC = 5453
    CLIENT_LOGON = 5514
    CLIENT_PLAYING_SESSION_STATE = 9600
    SERVICE_METHOD_CALL_NON_AUTHED = 9804
    CLIENT_HELLO = 9805


class Result(IntEnum):
    """Steam's result codes, as far as this program does something special about them."""

    OK = 1
    FAIL = 2
    NO_CONNECTION = 3
    INVALID_PASSWORD = 5
    LOGGED_IN_ELSEWHERE = 6
    INVALID_PARAM = 8
    FILE_NOT_FOUND = 9
    BUSY = 10
    ACCESS_DENIED = 15
    TIMEOUT = 16
    BANNED = 17
    ACCOUNT_NOT_FOUND = 18
    SERVICE_UNAVAILABLE = 20
    REVOKED = 26
    EXPIRED = 27
    DUPLICATE_REQUEST = 29
    LOGON_SESSION_REPLACED = 34
    ACCOUNT_DISABLED = 43
    TRY_ANOTHER_CM = 48
    ALREADY_LOGGED_IN_ELSEWHERE = 50
    ACCOUNT_LOGON_DENIED = 63
    INVALID_LOGIN_AUTH_CODE = 65
    EXPIRED_LOGIN_AUTH_CODE = 71
    ACCOUNT_LOCKED_DOWN = 73
    RATE_LIMIT_EXCEEDED = 84
    ACCOUNT_LOGIN_DENIED_NEED_TWO_FACTOR = 85
    ACCOUNT_LOGIN_DENIED_THROTTLE = 87
    TWO_FACTOR_CODE_MISMATCH = 88
    IP_BANNED = 105


class Confirmation(IntEnum):
    """How a new logon may be confirmed; the code types of an answer are the same numbers."""

    UNKNOWN = 0
    NONE = 1
    EMAIL_CODE = 2
    DEVICE_CODE = 3
    DEVICE_CONFIRMATION = 4
    EMAIL_CONFIRMATION = 5
    MACHINE_TOKEN = 6


def result_name(number: int) -> str:
    """Return a result code as people look it up: `InvalidPassword (5)`."""
    try:
        return f"{EResult(number).name} ({number})"
    except ValueError:
        return f"unknown result ({number})"


# --- service methods: questions and answers ---


@dataclass(frozen=True, slots=True)
class RsaKeyRequest:
    account_name: str = ""


@dataclass(frozen=True, slots=True)
class RsaKey:
    """The key to encrypt a password with, both numbers in hexadecimal."""

    publickey_mod: str = ""
    publickey_exp: str = ""
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class DeviceDetails:
    device_friendly_name: str = ""
    platform_type: int = 0
    os_type: int = 0
    gaming_device_type: int = 0
    machine_id: bytes = b""


@dataclass(frozen=True, slots=True)
class BeginAuthRequest:
    """A logon by password; `encrypted_password` is base64 of RSA PKCS#1 v1.5."""

    account_name: str = ""
    encrypted_password: str = field(default="", repr=False)
    encryption_timestamp: int = 0
    remember_login: bool = False
    persistence: int = 1
    website_id: str = ""
    device_details: DeviceDetails = DeviceDetails()
    guard_data: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AllowedConfirmation:
    confirmation_type: int = 0
    associated_message: str = ""


@dataclass(frozen=True, slots=True)
class AuthBegun:
    """A logon that waits for its confirmations, `interval` seconds between two polls."""

    client_id: int = 0
    request_id: bytes = field(default=b"", repr=False)
    interval: float = 0.0
    allowed_confirmations: tuple[AllowedConfirmation, ...] = ()
    steamid: int = 0
    extended_error_message: str = ""


@dataclass(frozen=True, slots=True)
class GuardCodeRequest:
    client_id: int = 0
    steamid: int = 0
    code: str = field(default="", repr=False)
    code_type: int = 0


@dataclass(frozen=True, slots=True)
class GuardCodeTaken:
    """The answer to a code says nothing beyond its result."""


@dataclass(frozen=True, slots=True)
class PollRequest:
    client_id: int = 0
    request_id: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Polled:
    """How the logon stands: without a refresh token it still waits."""

    new_client_id: int = 0
    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    account_name: str = ""
    new_guard_data: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RenewRequest:
    """`renewal_type` 1 allows Steam to issue a new refresh token."""

    refresh_token: str = field(default="", repr=False)
    steamid: int = 0
    renewal_type: int = 0


@dataclass(frozen=True, slots=True)
class Renewed:
    """The refresh token is empty when Steam saw no need for a new one."""

    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TimeRequest:
    sender_time: int = 0


@dataclass(frozen=True, slots=True)
class ServerTime:
    server_time: int = 0


# --- ordinary messages ---


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a connection: without it the CM hangs up."""

    protocol_version: int = 0


@dataclass(frozen=True, slots=True)
class IpAddress:
    v4: int = 0


@dataclass(frozen=True, slots=True)
class Logon:
    """A logon by refresh token, which travels in `access_token`; neither name nor password."""

    protocol_version: int = 0
    client_os_type: int = 0
    should_remember_password: bool = False
    obfuscated_private_ip: IpAddress = IpAddress()
    machine_id: bytes = b""
    chat_mode: int = 0
    supports_rate_limit_response: bool = False
    access_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LogonResponse:
    eresult: int = 2
    heartbeat_seconds: int = 0
    cell_id: int = 0
    eresult_extended: int = 0
    client_instance_id: int = 0


@dataclass(frozen=True, slots=True)
class HeartBeat:
    send_reply: bool = False


@dataclass(frozen=True, slots=True)
class LogOff:
    """The client leaves."""


@dataclass(frozen=True, slots=True)
class LoggedOff:
    """The CM ends the session and closes the connection after that."""

    eresult: int = 2


@dataclass(frozen=True, slots=True)
class AccountInfo:
    persona_name: str = ""
    ip_country: str = ""


@dataclass(frozen=True, slots=True)
class PlayingSessionState:
    """Whether another session of this account plays."""

    playing_blocked: bool = False
    playing_app: int = 0


@dataclass(frozen=True, slots=True)
class GamePlayed:
    game_id: int = 0


@dataclass(frozen=True, slots=True)
class GamesPlayed:
    games_played: tuple[GamePlayed, ...] = ()


@dataclass(frozen=True, slots=True)
class GameMessage:
    """A message to or from a game's coordinator; `msgtype` with the protobuf bit, the payload is the game's affair."""

    appid: int = 0
    msgtype: int = 0
    payload: bytes = field(default=b"", repr=False)


_Q = TypeVar("_Q")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Method(Generic[_Q, _R]):
    """A service method: what is asked and what is answered."""

    name: str
    request: type[_Q]
    response: type[_R]


GET_RSA_KEY: Final = Method("Authentication.GetPasswordRSAPublicKey#1", RsaKeyRequest, RsaKey)
BEGIN_AUTH: Final = Method("Authentication.BeginAuthSessionViaCredentials#1", BeginAuthRequest, AuthBegun)
SEND_CODE: Final = Method("Authentication.UpdateAuthSessionWithSteamGuardCode#1", GuardCodeRequest, GuardCodeTaken)
POLL_AUTH: Final = Method("Authentication.PollAuthSessionStatus#1", PollRequest, Polled)
RENEW_TOKEN: Final = Method("Authentication.GenerateAccessTokenForApp#1", RenewRequest, Renewed)
QUERY_TIME: Final = Method("TwoFactor.QueryTime#1", TimeRequest, ServerTime)
METHODS: Final[dict[str, Method[Any, Any]]] = {
    each.name: each for each in (GET_RSA_KEY, BEGIN_AUTH, SEND_CODE, POLL_AUTH, RENEW_TOKEN, QUERY_TIME)
}

MESSAGES: Final[dict[int, type[object]]] = {
    Emsg.CLIENT_HEART_BEAT: HeartBeat,
    Emsg.CLIENT_LOG_OFF: LogOff,
    Emsg.CLIENT_GAMES_PLAYED: GamesPlayed,
    Emsg.CLIENT_LOG_ON_RESPONSE: LogonResponse,
    Emsg.CLIENT_LOGGED_OFF: LoggedOff,
    Emsg.CLIENT_ACCOUNT_INFO: AccountInfo,
    Emsg.CLIENT_GAMES_PLAYED_WITH_DATA_BLOB: GamesPlayed,
    Emsg.CLIENT_TO_GC: GameMessage,
    Emsg.CLIENT_FROM_GC: GameMessage,
    Emsg.CLIENT_LOGON: Logon,
    Emsg.CLIENT_PLAYING_SESSION_STATE: PlayingSessionState,
    Emsg.CLIENT_HELLO: Hello,
}

_PROTOS: Final[dict[type[object], type[Message]]] = {
    RsaKeyRequest: auth_pb2.CAuthentication_GetPasswordRSAPublicKey_Request,
    RsaKey: auth_pb2.CAuthentication_GetPasswordRSAPublicKey_Response,
    BeginAuthRequest: auth_pb2.CAuthentication_BeginAuthSessionViaCredentials_Request,
    AuthBegun: auth_pb2.CAuthentication_BeginAuthSessionViaCredentials_Response,
    GuardCodeRequest: auth_pb2.CAuthentication_UpdateAuthSessionWithSteamGuardCode_Request,
    GuardCodeTaken: auth_pb2.CAuthentication_UpdateAuthSessionWithSteamGuardCode_Response,
    PollRequest: auth_pb2.CAuthentication_PollAuthSessionStatus_Request,
    Polled: auth_pb2.CAuthentication_PollAuthSessionStatus_Response,
    RenewRequest: auth_pb2.CAuthentication_AccessToken_GenerateForApp_Request,
    Renewed: auth_pb2.CAuthentication_AccessToken_GenerateForApp_Response,
    TimeRequest: twofactor_pb2.CTwoFactor_Time_Request,
    ServerTime: twofactor_pb2.CTwoFactor_Time_Response,
    Hello: login_pb2.CMsgClientHello,
    Logon: login_pb2.CMsgClientLogon,
    LogonResponse: login_pb2.CMsgClientLogonResponse,
    HeartBeat: login_pb2.CMsgClientHeartBeat,
    LogOff: login_pb2.CMsgClientLogOff,
    LoggedOff: login_pb2.CMsgClientLoggedOff,
    AccountInfo: login_pb2.CMsgClientAccountInfo,
    PlayingSessionState: client2_pb2.CMsgClientPlayingSessionState,
    GamesPlayed: client_pb2.CMsgClientGamesPlayed,
    GameMessage: client2_pb2.CMsgGCClient,
}


# --- between dataclasses and protobuf messages ---

_B = TypeVar("_B")


def encode_body(message: object) -> bytes:
    """Return the bytes of one of the messages above; fields that are empty, 0 or False are left out."""
    proto = _PROTOS[type(message)]()
    _fill(proto, message)
    return proto.SerializeToString()


def decode_body(kind: type[_B], body: bytes) -> _B:
    """Return the message of these bytes, absent fields with Steam's own defaults; raises Malformed."""
    proto = _PROTOS[kind]()
    try:
        proto.ParseFromString(body)
    except DecodeError:
        raise Malformed("body", f"a {kind.__name__} cannot be read") from None
    return _read(kind, proto)


def _fill(proto: Message, message: object) -> None:
    for name, _, many, nested in _shape(type(message)):
        value = getattr(message, name)
        if not value:
            continue
        if many:
            for each in value:
                _fill(getattr(proto, name).add(), each)
        elif nested:
            _fill(getattr(proto, name), value)
        else:
            setattr(proto, name, value)


def _read(kind: type[_B], proto: Message) -> _B:
    values: dict[str, object] = {}
    for name, item, many, nested in _shape(kind):
        value = getattr(proto, name)
        if many:
            value = tuple(_read(item, each) for each in value)
        elif nested:
            value = _read(item, value)
        elif item is str and not isinstance(value, str):
            # A string that is no UTF-8 comes out of the library as bytes.
            raise Malformed("body", f"{kind.__name__}.{name} is no text")
        values[name] = value
    return kind(**values)


_Shape = tuple[tuple[str, type[Any], bool, bool], ...]
_SHAPES: Final[dict[type[object], _Shape]] = {}


def _shape(kind: type[object]) -> _Shape:
    """Return each field's name, the type of its items, whether there may be many, and whether one is a message."""
    shape = _SHAPES.get(kind)
    if shape is None:
        hints = get_type_hints(kind)
        assert is_dataclass(kind)  # noqa: S101  (every key of _PROTOS is one)
        found = ((each.name, hints[each.name]) for each in fields(kind))
        items = ((name, get_args(hint)[0] if get_args(hint) else hint, bool(get_args(hint))) for name, hint in found)
        shape = tuple((name, item, many, is_dataclass(item)) for name, item, many in items)
        _SHAPES[kind] = shape
    return shape
