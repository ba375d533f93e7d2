"""What can go wrong, as policy: the class of an error decides what the runner does next.

    ExporterError
    ├── ConfigError                 the operator's input is wrong: every problem is listed, exit code 2
    ├── StartError                  the machine says no (port in use, data directory locked): exit code 2
    ├── TransientError(reason)      network or service trouble: try again with backoff
    │   └── RateLimited(wait_s)     the service named a time: wait that long
    ├── AuthError(reason)           credentials refused: retry slowly, or not at all
    └── OrderError                  an order was not carried out; the bot goes on
        ├── OrderRefused            no: the bot's own state does not allow it
        │   ├── OrderInvalid        no: what was asked for makes no sense, whatever the state
        │   ├── UnknownTarget       no: what it is about does not exist
        │   ├── Occupied            no: the bot has other work already
        │   ├── NotNow              no: nobody can take it now, somebody may later
        │   └── ServiceRefused      no: the service said so
        ├── OrderInDoubt            no answer came: it may or may not have happened
        ├── OrderConflict           its idempotency key was used for another order
        └── StorageAway             it cannot be written down now, and so it is not carried out

Every other exception is a bug of ours: a traceback in the log, a crash in the metrics, and backoff.
Messages are shown to operators on /status and in logs: they name the trouble and never hold a secret.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class AuthReason(StrEnum):
    """Why a service refused a bot's credentials."""

    INVALID_CREDENTIALS = "invalid_credentials"
    GUARD_CODE_REQUIRED = "guard_code_required"
    GUARD_CODE_MISMATCH = "guard_code_mismatch"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  (a label value, no secret)
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    RATE_LIMITED = "rate_limited"
    ACCOUNT_DISABLED = "account_disabled"
    WRONG_CATEGORY = "wrong_category"
    OTHER = "other"


class FailureReason(StrEnum):
    """Why a connection could not be made or kept."""

    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    HTTP_5XX = "http_5xx"
    PROTOCOL = "protocol"
    SERVICE_UNAVAILABLE = "service_unavailable"
    GC_DOWN = "gc_down"
    OTHER = "other"


class DisconnectReason(StrEnum):
    """Why a connection that worked has ended."""

    PEER_CLOSED = "peer_closed"
    KEEPALIVE = "keepalive"
    KICKED = "kicked"
    SESSION_REPLACED = "session_replaced"
    TOKEN = "token"  # noqa: S105
    RELOAD = "reload"
    OPERATOR = "operator"
    SHUTDOWN = "shutdown"
    NETWORK = "network"
    OTHER = "other"


class TroubleKind(StrEnum):
    """What is wrong with the database."""

    AWAY = "away"
    FULL = "full"
    LOCKED = "locked"
    DAMAGED = "damaged"
    REFUSED = "refused"
    OTHER = "other"


class ExporterError(Exception):
    """Base of all errors that this program raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in the operator's input: where it is and what to do about it."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(ExporterError):
    """The configuration is wrong; carries every problem found, sorted by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class StartError(ExporterError):
    """The machine does not let the program start; the message says what to change."""


class TransientError(ExporterError):
    """Network or service trouble that may pass by itself. `lost` says how a connection that worked has ended by it."""

    def __init__(
        self, reason: FailureReason, message: str, *, lost: DisconnectReason = DisconnectReason.NETWORK
    ) -> None:
        self.reason = reason
        self.lost = lost
        super().__init__(message)


class RateLimited(TransientError):
    """The service asked for a pause of `wait_s` seconds."""

    def __init__(self, wait_s: float, message: str, *, lost: DisconnectReason = DisconnectReason.NETWORK) -> None:
        self.wait_s = wait_s
        super().__init__(FailureReason.SERVICE_UNAVAILABLE, message, lost=lost)


class AuthError(ExporterError):
    """Credentials refused. `forgivable` says whether the service may accept the same ones later.

    `retry_in_s` is when, if the service or its rules say so. `lost` says how a connection that worked has ended by it.
    """

    def __init__(
        self,
        reason: AuthReason,
        message: str,
        *,
        forgivable: bool = True,
        retry_in_s: float | None = None,
        lost: DisconnectReason = DisconnectReason.TOKEN,
    ) -> None:
        self.reason = reason
        self.forgivable = forgivable
        self.retry_in_s = retry_in_s
        self.lost = lost
        super().__init__(message)


class OrderError(ExporterError):
    """An order was not carried out; the message is for whoever gave it."""


class OrderRefused(OrderError):
    """The answer is no, and nothing was changed; `errors` holds the single reasons, such as the service's own words."""

    def __init__(self, message: str, errors: Sequence[str] = ()) -> None:
        self.errors = tuple(errors)
        super().__init__(message)


class OrderInvalid(OrderRefused):
    """What was asked for is wrong in itself; `errors` name the fields. Nothing was sent, unless the service says so."""


class UnknownTarget(OrderRefused):
    """There is no bot, lobby, race or room of that name."""


class Occupied(OrderRefused):
    """The bot has work of the same kind already; another one may be free."""


class NotNow(OrderRefused):
    """Nobody can take the order at this time. Nothing was sent; it can be given again in `retry_s` seconds."""

    def __init__(self, message: str, retry_s: int = 10) -> None:
        self.retry_s = retry_s
        super().__init__(message)


class ServiceRefused(OrderRefused):
    """The service said no, or could not be reached to be asked."""


class OrderInDoubt(OrderError):
    """No answer came in time: the order may or may not have been carried out. Never send it again blindly."""


class OrderConflict(OrderError):
    """The idempotency key of the order was used for another one."""


class StorageAway(OrderError):
    """The order, or what became of it, cannot be written down now."""


def leading(error: BaseException) -> BaseException:
    """Return the one error of a (nested) group that decides: a bug first, then credentials, then the network."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [leading(each) for each in error.exceptions]

    def weight(leaf: BaseException) -> int:
        match leaf:
            case TransientError():
                return 2
            case AuthError():
                return 1
            case _:
                return 0

    return min(leaves, key=weight)
