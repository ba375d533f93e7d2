"""What Steam's result codes mean for the failure policy: one table, by where they appear.

The classes are those of the steam-dota2 protocol notes, section 1. A result that is not in the table is transient,
with the reason `other`, and the account logs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from exporter.errors import AuthReason, DisconnectReason, ExporterError, FailureReason
from exporter.platforms.steam.messages import Result, result_name


class Place(StrEnum):
    """Where a result appeared; the words are for people."""

    KEY = "password key"
    BEGIN = "logon by password"
    CODE = "guard code"
    POLL = "logon status"
    LOGON = "logon by token"
    KICKED = "session"
    RENEW = "token renewal"
    TIME = "server time"


class Policy(StrEnum):
    """What to do about a result."""

    TRANSIENT = "transient"  # the next CM, with backoff
    PAUSE_ALL = "pause_all"  # no logon of this address for a while
    TOKEN_DEAD = "token_dead"  # noqa: S105  (a policy) drop the token, one logon by password
    SUSPECT = "suspect"  # a wrong password, unless Steam lies: believe it the third time
    CODE_WRONG = "code_wrong"  # ask for another code
    CODE_DONE = "code_done"  # confirmed already: go on
    UNCONFIRMED = "unconfirmed"  # nobody confirmed in time: begin anew
    PERMANENT = "permanent"  # until an operator acts
    USED_ELSEWHERE = "used_elsewhere"  # somebody plays with the account: retry slowly
    REPLACED = "replaced"  # reconnect once; twice in an hour is another process with this account


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a result means: the policy, the reason to show, and how a session ends by it."""

    policy: Policy
    reason: AuthReason | FailureReason
    lost: DisconnectReason = DisconnectReason.NETWORK
    bad_cm: bool = False
    hint: str = ""
    known: bool = True


class Refused(ExporterError):
    """Steam answered with a result that is not OK; the account decides what follows."""

    def __init__(self, place: Place, result: int, text: str = "") -> None:
        self.place = place
        self.result = result
        self.verdict = verdict(place, result)
        words = [f"{place}: Steam answered {result_name(result)}"]
        words += [each for each in (self.verdict.hint, text[:200]) if each]
        super().__init__(": ".join(words))


def _transient(reason: FailureReason, *, bad_cm: bool = False) -> Verdict:
    return Verdict(Policy.TRANSIENT, reason, bad_cm=bad_cm)


def _permanent(reason: AuthReason, hint: str) -> Verdict:
    return Verdict(Policy.PERMANENT, reason, DisconnectReason.TOKEN, hint=hint)


_PAUSE: Final = Verdict(Policy.PAUSE_ALL, AuthReason.RATE_LIMITED, hint="too many logons from this address")
_REVOKED: Final = Verdict(Policy.TOKEN_DEAD, AuthReason.TOKEN_REVOKED)
_EXPIRED: Final = Verdict(Policy.TOKEN_DEAD, AuthReason.TOKEN_EXPIRED)
_WRONG_CODE: Final = Verdict(Policy.CODE_WRONG, AuthReason.GUARD_CODE_MISMATCH)
_GUARD: Final = _permanent(AuthReason.GUARD_CODE_REQUIRED, "a Steam Guard code is wanted")
_MISMATCH: Final = _permanent(AuthReason.GUARD_CODE_MISMATCH, "the Steam Guard code is wrong")
_UNCONFIRMED: Final = Verdict(Policy.UNCONFIRMED, AuthReason.GUARD_CODE_REQUIRED, hint="nobody confirmed it in time")
_TOKEN_END: Final = Verdict(Policy.TRANSIENT, FailureReason.OTHER, DisconnectReason.TOKEN)
_OTHER: Final = Verdict(Policy.TRANSIENT, FailureReason.OTHER, known=False)

_ANYWHERE: Final[Mapping[int, Verdict]] = {
    Result.FAIL: _transient(FailureReason.OTHER),
    Result.NO_CONNECTION: _transient(FailureReason.SERVICE_UNAVAILABLE),
    Result.BUSY: _transient(FailureReason.SERVICE_UNAVAILABLE),
    Result.TIMEOUT: _transient(FailureReason.TIMEOUT),
    Result.SERVICE_UNAVAILABLE: _transient(FailureReason.SERVICE_UNAVAILABLE, bad_cm=True),
    Result.TRY_ANOTHER_CM: _transient(FailureReason.SERVICE_UNAVAILABLE, bad_cm=True),
    Result.ALREADY_LOGGED_IN_ELSEWHERE: _transient(FailureReason.SERVICE_UNAVAILABLE),
    Result.RATE_LIMIT_EXCEEDED: _PAUSE,
    Result.ACCOUNT_LOGIN_DENIED_THROTTLE: _PAUSE,
    Result.ACCOUNT_LOGON_DENIED: _GUARD,
    Result.INVALID_LOGIN_AUTH_CODE: _MISMATCH,
    Result.EXPIRED_LOGIN_AUTH_CODE: _MISMATCH,
    Result.ACCOUNT_LOGIN_DENIED_NEED_TWO_FACTOR: _GUARD,
    Result.TWO_FACTOR_CODE_MISMATCH: _MISMATCH,
    Result.ACCOUNT_DISABLED: _permanent(AuthReason.ACCOUNT_DISABLED, "the account is disabled"),
    Result.ACCOUNT_LOCKED_DOWN: _permanent(AuthReason.ACCOUNT_DISABLED, "the account is locked"),
    Result.BANNED: _permanent(AuthReason.ACCOUNT_DISABLED, "the account is banned"),
    Result.ACCOUNT_NOT_FOUND: _permanent(AuthReason.INVALID_CREDENTIALS, "there is no such account"),
    Result.IP_BANNED: _permanent(AuthReason.OTHER, "Steam has banned this address"),
    Result.LOGGED_IN_ELSEWHERE: Verdict(
        Policy.USED_ELSEWHERE,
        FailureReason.SERVICE_UNAVAILABLE,
        DisconnectReason.KICKED,
        hint="the account is used elsewhere",
    ),
    Result.LOGON_SESSION_REPLACED: Verdict(
        Policy.REPLACED,
        FailureReason.OTHER,
        DisconnectReason.SESSION_REPLACED,
        hint="another session of the account took its place",
    ),
}

_AT: Final[Mapping[Place, Mapping[int, Verdict]]] = {
    Place.BEGIN: {
        Result.INVALID_PASSWORD: Verdict(
            Policy.SUSPECT, AuthReason.INVALID_CREDENTIALS, hint="the user name or the password is wrong"
        ),
    },
    Place.CODE: {
        Result.INVALID_LOGIN_AUTH_CODE: _WRONG_CODE,
        Result.EXPIRED_LOGIN_AUTH_CODE: _WRONG_CODE,
        Result.TWO_FACTOR_CODE_MISMATCH: _WRONG_CODE,
        Result.DUPLICATE_REQUEST: Verdict(Policy.CODE_DONE, FailureReason.OTHER),
        Result.EXPIRED: _UNCONFIRMED,
    },
    Place.POLL: {
        Result.EXPIRED: _UNCONFIRMED,
        Result.FILE_NOT_FOUND: _permanent(AuthReason.OTHER, "somebody denied it in the Steam app"),
    },
    Place.LOGON: {
        Result.INVALID_PASSWORD: _REVOKED,
        Result.ACCESS_DENIED: _REVOKED,
        Result.REVOKED: _REVOKED,
        Result.EXPIRED: _EXPIRED,
    },
    Place.KICKED: {
        # Assumption: a token that dies while it is used ends the session like that; the next logon tells for sure.
        Result.INVALID_PASSWORD: _TOKEN_END,
        Result.ACCESS_DENIED: _TOKEN_END,
        Result.REVOKED: _TOKEN_END,
        Result.EXPIRED: _TOKEN_END,
    },
}


def verdict(place: Place, result: int) -> Verdict:
    """Return what a result means at this place."""
    found = _AT.get(place, {}).get(result) or _ANYWHERE.get(result, _OTHER)
    if place is Place.KICKED and found.lost is DisconnectReason.NETWORK:
        return Verdict(found.policy, found.reason, DisconnectReason.KICKED, found.bad_cm, found.hint, found.known)
    return found
