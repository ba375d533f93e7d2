"""What an operator can do about a bot, by its status and reason: one table for whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do in a sentence, and the page of docs/runbooks that says more; `{bot}` stands for the bot's name."""

    advice: str
    runbook: str | None = None


_SERVICE: Final = "wait: the bot tries again by itself; see in a browser whether the service answers"
_NETWORK: Final = "check this machine's network; the bot tries again by itself"
_AUTH: Final = "BotAuthFailed"

_REMEDIES: Final[Mapping[tuple[str, str | None], Remedy]] = {
    ("connected", None): Remedy("nothing: it works"),
    ("disconnected", None): Remedy("start it, if it is to work: botctl start {bot}"),
    ("unknown", None): Remedy(
        "wait: it has its first try soon, or waits for its turn to log on; if it stays so, read its log lines",
        "BotDown",
    ),
    ("unknown", "instance_away"): Remedy(
        "see why the process that ran it is away; another one that may run it takes it over within half a minute",
        "BotDown",
    ),
    ("unknown", "no_instance"): Remedy(
        "start a process that may run it: see runs_on in the configuration, and instances in /status/system",
        "BotDown",
    ),
    ("auth_failed", "invalid_credentials"): Remedy(
        "write the right secret into the bot's secret file (it is tried within seconds), or correct the configuration "
        "and reload: botctl reload",
        _AUTH,
    ),
    ("auth_failed", "guard_code_required"): Remedy(
        "hand in the code from the app or the e-mail: botctl guard-code {bot}; or confirm the logon in the Steam app. "
        "If the bot has given up meanwhile: botctl restart {bot}",
        _AUTH,
    ),
    ("auth_failed", "guard_code_mismatch"): Remedy(
        "hand in a newer code: botctl guard-code {bot}; with a shared secret compare it with the account's, and check "
        "this machine's clock",
        _AUTH,
    ),
    ("auth_failed", "token_expired"): Remedy("check the password, then log on anew: botctl restart {bot}", _AUTH),
    ("auth_failed", "token_revoked"): Remedy("check the password, then log on anew: botctl restart {bot}", _AUTH),
    ("auth_failed", "rate_limited"): Remedy(
        "wait until the pause is over; do not restart the exporter, each start costs logons", "BotSteamRateLimited"
    ),
    ("auth_failed", "account_disabled"): Remedy(
        "log on by hand and read what Steam says; then botctl restart {bot}", _AUTH
    ),
    ("auth_failed", "wrong_category"): Remedy(
        "correct the bot's category or client_id in the configuration, then botctl reload", _AUTH
    ),
    ("auth_failed", "other"): Remedy(
        "see the message; if another program uses the account stop it, then botctl restart {bot}", _AUTH
    ),
    ("connection_error", "dns"): Remedy(_NETWORK, "BotDown"),
    ("connection_error", "refused"): Remedy(_SERVICE, "BotDown"),
    ("connection_error", "timeout"): Remedy(_SERVICE, "BotDown"),
    ("connection_error", "tls"): Remedy(
        "check this machine's clock and CA certificates, and whether a proxy stands in between", "BotDown"
    ),
    ("connection_error", "http_5xx"): Remedy(_SERVICE, "BotDown"),
    ("connection_error", "protocol"): Remedy(
        "keep the message for the developers; the bot tries again by itself", "BotDown"
    ),
    ("connection_error", "service_unavailable"): Remedy(
        "wait: the bot tries again by itself; if the message says that the account is used elsewhere, end that session",
        "BotDown",
    ),
    ("connection_error", "gc_down"): Remedy(
        "wait: Dota 2's coordinator is away, and the bot asks for it all the time", "BotGameCoordinatorDown"
    ),
    ("connection_error", "other"): Remedy(
        "see the message; if it speaks of an internal error, send the log's traceback to the developers", "BotDown"
    ),
}
_ELSE: Final = Remedy("see the message, and the bot's log lines", "BotDown")


def remedy(status: str, reason: str | None) -> Remedy:
    """Return what to do about a bot with this status and reason, in the words of /status."""
    return _REMEDIES.get((status, reason)) or _REMEDIES.get((status, None)) or _ELSE
