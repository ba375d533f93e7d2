"""How an account gets its tokens, without sockets (steam-dota2 protocol notes, section 1, rows 2 to 7).

    GetPasswordRSAPublicKey -> BeginAuthSession -> (code -> Update)... -> Poll... -> refresh token

A flow is a generator: it yields what it needs (an answer, a pause, a code) and is sent what came of it. It raises
Refused for a result that ends it, and TransientError for an answer that makes no sense.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from exporter.errors import AuthError, AuthReason, FailureReason, TransientError
from exporter.platforms.steam.crypto import CODE_LIFE_S, encrypt_password, guard_code, machine_id
from exporter.platforms.steam.messages import (
    BEGIN_AUTH,
    GET_RSA_KEY,
    POLL_AUTH,
    PROTOCOL_VERSION,
    QUERY_TIME,
    SEND_CODE,
    AuthBegun,
    BeginAuthRequest,
    Confirmation,
    DeviceDetails,
    GuardCodeRequest,
    IpAddress,
    Logon,
    Method,
    Polled,
    PollRequest,
    Result,
    RsaKeyRequest,
    TimeRequest,
)
from exporter.platforms.steam.results import Place, Policy, Refused
from exporter.platforms.steam.tokens import StoredLogon, token_facts
from exporter.secrets import Secret

DEVICE_NAME: Final = "bot-exporter"
# Two sessions of one account with the same LoginID replace each other: the same for every bot of this product.
LOGIN_ID: Final = 0x424F5445
MOST_CODES: Final = 3
_MOST_POLLS: Final = 60
_POLL_BOUNDS_S: Final = (0.05, 30.0)
_STEAM_CLIENT: Final = 1
_OS_TYPE: Final = 20  # Assumption: Steam does not mind which system a client says it runs on
_CHAT_MODE: Final = 2
_OPERATOR: Final = (
    Confirmation.DEVICE_CODE,
    Confirmation.EMAIL_CODE,
    Confirmation.DEVICE_CONFIRMATION,
    Confirmation.EMAIL_CONFIRMATION,
)

_Q = TypeVar("_Q")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Ask(Generic[_Q, _R]):
    """Ask this service method; the flow is sent an Answer."""

    method: Method[_Q, _R]
    request: _Q


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service method answered; `message` is None if the result is not OK or it cannot be read."""

    result: int
    message: object | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds; the flow is sent None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ConfirmationWanted:
    """Wait at most `seconds` for the operator; the flow is sent the code, or None if none came.

    `wrong` after a code that Steam did not accept.
    """

    kind: Confirmation
    seconds: float
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The operator need not do anything more; the flow is sent None."""


Step = Ask[Any, Any] | Pause | ConfirmationWanted | Confirmed
Flow = Generator[Step, Any, _R]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a logon by password needs; `shared_secret` makes device codes."""

    account: str
    password: Secret
    shared_secret: bytes | None = field(default=None, repr=False)


def logon_message(stored: StoredLogon) -> Logon:
    """Return the logon by refresh token; the header must name the account's steamid."""
    return Logon(
        protocol_version=PROTOCOL_VERSION,
        client_os_type=_OS_TYPE,
        should_remember_password=True,
        obfuscated_private_ip=IpAddress(LOGIN_ID),
        machine_id=machine_id(stored.account),
        chat_mode=_CHAT_MODE,
        supports_rate_limit_response=True,
        access_token=stored.refresh_token,
    )


def password_logon(credentials: Credentials, guard_data: str, now: Callable[[], float]) -> Flow[StoredLogon]:
    """Get a refresh token by password; `now` is the wall clock, which device codes depend on."""
    begun = yield from _begin(credentials, guard_data)
    kinds = {each.confirmation_type for each in begun.allowed_confirmations}
    session = _Session(begun)
    polled: Polled | None = None
    if not kinds or Confirmation.NONE in kinds:
        pass
    elif Confirmation.DEVICE_CODE in kinds and credentials.shared_secret is not None:
        yield from _device_codes(session, credentials.shared_secret, now)
    elif wanted := next((kind for kind in _OPERATOR if kind in kinds), None):
        polled = yield from _operator(session, wanted)
    elif Confirmation.MACHINE_TOKEN not in kinds:
        message = f"Steam wants a confirmation that is not known here: {sorted(kinds)}"
        raise AuthError(AuthReason.OTHER, message, forgivable=False)
    polled = polled or (yield from _granted(session))
    steamid = token_facts(polled.refresh_token).steamid or begun.steamid
    return StoredLogon(credentials.account, steamid, polled.refresh_token, polled.new_guard_data or guard_data)


@dataclass(slots=True)
class _Session:
    """A logon that was begun: Steam may give it another client id at any poll."""

    begun: AuthBegun
    client_id: int = 0

    def __post_init__(self) -> None:
        self.client_id = self.begun.client_id

    @property
    def interval_s(self) -> float:
        least, most = _POLL_BOUNDS_S
        return min(max(self.begun.interval, least), most)


def _begin(credentials: Credentials, guard_data: str) -> Flow[AuthBegun]:
    answer = yield from _ask(GET_RSA_KEY, RsaKeyRequest(credentials.account))
    key = _good(Place.KEY, GET_RSA_KEY, answer)
    try:
        password = encrypt_password(key, credentials.password.reveal())
    except ValueError:
        raise TransientError(FailureReason.PROTOCOL, "Steam's key for the password is none") from None
    details = DeviceDetails(DEVICE_NAME, _STEAM_CLIENT, _OS_TYPE, 1, machine_id(credentials.account))
    request = BeginAuthRequest(
        account_name=credentials.account,
        encrypted_password=password,
        encryption_timestamp=key.timestamp,
        remember_login=True,
        persistence=1,
        website_id="Unknown",
        device_details=details,
        guard_data=guard_data,
    )
    answer = yield from _ask(BEGIN_AUTH, request)
    return _good(Place.BEGIN, BEGIN_AUTH, answer)


def _device_codes(session: _Session, secret: bytes, now: Callable[[], float]) -> Flow[None]:
    """Send at most three codes, each another one, with the time of Steam from the second on."""
    offset_s, last = 0.0, ""
    for attempt in range(1, MOST_CODES + 1):
        code = guard_code(secret, now() + offset_s)
        if code == last:
            # Assumption: a code counts once, so the next one must be waited for.
            yield Pause(CODE_LIFE_S - (now() + offset_s) % CODE_LIFE_S)
            code = guard_code(secret, now() + offset_s)
        last = code
        refused = yield from _send_code(session, code, Confirmation.DEVICE_CODE)
        if refused is None:
            return
        if refused.verdict.policy is not Policy.CODE_WRONG:
            raise refused
        if attempt == 1:
            # Assumption: Steam tells its time to a session that is not logged on; without it the own clock must do.
            answer = yield from _ask(QUERY_TIME, TimeRequest(int(now())))
            if answer.message is not None and (told := _good(Place.TIME, QUERY_TIME, answer)).server_time:
                offset_s = told.server_time - now()
    message = f"{MOST_CODES} device codes were refused: shared_secret is another account's, or the clock is wrong"
    raise AuthError(AuthReason.GUARD_CODE_MISMATCH, message, forgivable=False)


def _operator(session: _Session, kind: Confirmation) -> Flow[Polled | None]:
    """Wait for the operator's code or confirmation; polls meanwhile, as it may be confirmed on a phone as well."""
    wrong = False
    while True:
        code = yield ConfirmationWanted(kind, session.interval_s, wrong)
        if code is None:
            polled = yield from _poll(session)
            if polled is not None:
                yield Confirmed()
                return polled
            continue
        refused = yield from _send_code(session, code, kind)
        if refused is None:
            yield Confirmed()
            return None
        if refused.verdict.policy is not Policy.CODE_WRONG:
            raise refused
        wrong = True


def _send_code(session: _Session, code: str, kind: Confirmation) -> Flow[Refused | None]:
    """Return why a code was not accepted; None if it was, or if it is needed no more."""
    request = GuardCodeRequest(session.client_id, session.begun.steamid, code, kind)
    answer = yield from _ask(SEND_CODE, request)
    if answer.result == Result.OK:
        return None
    refused = Refused(Place.CODE, answer.result, answer.text)
    return None if refused.verdict.policy is Policy.CODE_DONE else refused


def _granted(session: _Session) -> Flow[Polled]:
    """Poll until Steam gives the tokens of a logon that needs no more confirmation."""
    for _ in range(_MOST_POLLS):
        polled = yield from _poll(session)
        if polled is not None:
            return polled
        yield Pause(session.interval_s)
    raise TransientError(FailureReason.TIMEOUT, f"Steam gave no token within {_MOST_POLLS} polls")


def _poll(session: _Session) -> Flow[Polled | None]:
    answer = yield from _ask(POLL_AUTH, PollRequest(session.client_id, session.begun.request_id))
    polled = _good(Place.POLL, POLL_AUTH, answer)
    session.client_id = polled.new_client_id or session.client_id
    return polled if polled.refresh_token else None


def _ask(method: Method[_Q, _R], request: _Q) -> Flow[Answer]:
    answer = yield Ask(method, request)
    assert isinstance(answer, Answer)  # noqa: S101  (what drives a flow answers each step in kind)
    return answer


def _good(place: Place, method: Method[_Q, _R], answer: Answer) -> _R:
    """Return the message of a good answer; raises Refused or TransientError."""
    if answer.result != Result.OK:
        raise Refused(place, answer.result, answer.text)
    if not isinstance(answer.message, method.response):
        raise TransientError(FailureReason.PROTOCOL, f"{place}: Steam's answer cannot be read")
    return answer.message
