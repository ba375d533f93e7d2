"""What the simulated Steam knows: accounts, auth sessions, tokens, logons. Plain data, times in Unix seconds."""

from dataclasses import dataclass, field
from enum import Enum

from exporter.platforms.steam.messages import Confirmation, Result

STEAMID_BASE = 76561197960265728
"""The 64-bit Steam id of account number 0: universe public, type individual, instance desktop."""


class Guard(Enum):
    """What protects an account besides its password, and how that may be confirmed, in the order told."""

    NONE = (Confirmation.NONE,)
    EMAIL = (Confirmation.EMAIL_CODE,)
    TOTP = (Confirmation.DEVICE_CONFIRMATION, Confirmation.DEVICE_CODE)
    DEVICE_ONLY = (Confirmation.DEVICE_CONFIRMATION,)


@dataclass(slots=True, eq=False)
class Account:
    """One account. `standing` is what Begin and Logon answer about it: OK, or disabled, locked, banned, not found."""

    username: str
    password: str
    steamid: int
    guard: Guard = Guard.NONE
    shared_secret: bytes = b""
    email_code: str = ""
    standing: Result = Result.OK
    totp_step_used: int = -1

    def __str__(self) -> str:
        return self.username


@dataclass(slots=True, eq=False)
class AuthSession:
    """A logon with a password that is under way: from Begin to the poll that hands out the tokens."""

    client_id: int
    request_id: bytes
    account: Account
    confirmations: tuple[Confirmation, ...]
    began_at: float
    approved: bool = False
    denied: bool = False
    wrong_codes: int = 0
    polls: int = 0
    finished: bool = False
    remembers_machine: bool = False


class TokenState(Enum):
    """What became of a refresh token."""

    VALID = "valid"
    REPLACED = "replaced"
    REVOKED = "revoked"


@dataclass(slots=True, eq=False)
class RefreshToken:
    """A refresh token as the server remembers it; `logons` counts how often it logged on."""

    value: str
    account: Account
    issued_at: float
    expires_at: float
    state: TokenState = TokenState.VALID
    renewed_from: "RefreshToken | None" = None
    logons: int = 0

    def valid(self, now: float) -> bool:
        return self.state is TokenState.VALID and now < self.expires_at


@dataclass(slots=True, eq=False)
class Session:
    """One logged-on connection. `login_id` is the LoginID: two sessions with the same one replace each other."""

    session_id: int
    account: Account
    login_id: int
    address: str
    since: float
    games: tuple[int, ...] = ()
    ended: int | None = None

    @property
    def app(self) -> int:
        """Return the game being played, or 0."""
        return self.games[0] if self.games else 0


class LogonKind(Enum):
    """What a logon rests on: a password typed just before, or a token kept from earlier."""

    PASSWORD = "password"  # noqa: S105  (a word, no secret)
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class BeginAttempt:
    """One password as the server saw it."""

    at: float
    username: str
    address: str
    result: int


@dataclass(frozen=True, slots=True)
class LogonAttempt:
    """One ClientLogon as the server saw it."""

    at: float
    username: str
    address: str
    kind: LogonKind
    result: int


@dataclass(frozen=True, slots=True)
class Kicked:
    """The server ends a session: 757 with this result, then the connection closes."""

    session: Session
    result: int


@dataclass(frozen=True, slots=True)
class PlayingChanged:
    """Whether another session of the account plays, as PlayingSessionState tells it."""

    session: Session
    blocked: bool
    app: int


@dataclass(frozen=True, slots=True)
class GamesChanged:
    """A session began or ended playing games."""

    session: Session
    started: tuple[int, ...] = field(default=())
    stopped: tuple[int, ...] = field(default=())


Notice = Kicked | PlayingChanged | GamesChanged
