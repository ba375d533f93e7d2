"""What racetime.gg bots are, and how the entry of one in the configuration is checked."""

import re
from dataclasses import dataclass
from pathlib import Path

from exporter.config import BotEntry, secret_option
from exporter.errors import AuthReason, ConfigError, FailureReason, Problem
from exporter.model.states import CONNECTING, DISCONNECTED, DisconnectReason, PlatformTraits
from exporter.platforms.racetime.values import Oddity
from exporter.secrets import SecretSource
from exporter.yaml_lines import kind_of, quote_hint, unknown_key

ONLINE = "online"
IN_RACE = "in_race"

RACETIME = PlatformTraits(
    name="racetime",
    subject="category",
    states=(DISCONNECTED, CONNECTING, ONLINE, IN_RACE),
    ready=ONLINE,
    busy=frozenset({IN_RACE}),
    moves=frozenset({(CONNECTING, ONLINE), (ONLINE, IN_RACE), (IN_RACE, ONLINE)}),
    auth_reasons=(AuthReason.INVALID_CREDENTIALS, AuthReason.WRONG_CATEGORY),
    failure_reasons=(
        FailureReason.DNS,
        FailureReason.REFUSED,
        FailureReason.TIMEOUT,
        FailureReason.TLS,
        FailureReason.HTTP_5XX,
        FailureReason.PROTOCOL,
        FailureReason.SERVICE_UNAVAILABLE,
        FailureReason.OTHER,
    ),
    disconnect_reasons=(
        DisconnectReason.NETWORK,
        DisconnectReason.TOKEN,
        DisconnectReason.OPERATOR,
        DisconnectReason.RELOAD,
        DisconnectReason.SHUTDOWN,
        DisconnectReason.OTHER,
    ),
    facts=("races", "last_poll_at", "token_expires_at"),
    protocol_errors=tuple(kind.value for kind in Oddity),
)

_KEYS = ("category", "client_id", "client_secret", "client_secret_file")
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLIENT_ID = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class RacetimeOptions:
    """One category bot's own configuration."""

    category: str
    client_id: str
    client_secret: SecretSource

    @property
    def subject(self) -> str:
        return self.category


def parse(entry: BotEntry) -> RacetimeOptions:
    """Return the checked options of one entry; raises ConfigError with every problem found.

    A relative `client_secret_file` is looked for beside the file that names it.
    """
    problems = [entry.problem(key, unknown_key(key, _KEYS)) for key in entry.options if key not in _KEYS]
    category = _text(entry, "category", problems)
    if category and not _SLUG.fullmatch(category):
        hint = "is no category slug: it is the part after racetime.gg/ in the category's address, such as alttpr"
        problems.append(entry.problem("category", hint))
    client_id = _text(entry, "client_id", problems)
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        hint = "must be printable ASCII without spaces, as the category's manage/bots page shows it"
        problems.append(entry.problem("client_id", hint))
    try:
        secret = secret_option(entry, "client_secret", Path(entry.file).parent)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return RacetimeOptions(category, client_id, secret)


def _text(entry: BotEntry, key: str, problems: list[Problem]) -> str:
    value = entry.options.get(key)
    if isinstance(value, str) and value:
        return value
    if key not in entry.options:
        problems.append(entry.problem(key, "is missing"))
    elif value == "":
        problems.append(entry.problem(key, "must not be empty"))
    else:
        problems.append(entry.problem(key, f"must be a string, not {kind_of(value)}{quote_hint(value)}"))
    return ""
