"""What racetime.gg bots are, and how the entry of one in the configuration is checked."""

import re
from dataclasses import dataclass

from exporter.config import BotEntry
from exporter.errors import AuthReason, FailureReason
from exporter.model.states import CONNECTING, DISCONNECTED, DisconnectReason, PlatformTraits
from exporter.options import SecretOption, TextOption, read_options
from exporter.platforms.racetime.values import Oddity
from exporter.secrets import SecretSource

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

OPTIONS = (
    TextOption(
        "category",
        "the category's slug: the part after the host in its address",
        "1 to 64 letters, digits, `_` and `-`",
        "alttpr",
        re.compile(r"[A-Za-z0-9_-]{1,64}"),
        "is no category slug: it is the part after racetime.gg/ in the category's address, such as alttpr",
    ),
    TextOption(
        "client_id",
        "from the category's manage/bots page",
        "printable ASCII without spaces",
        "the-client-id",
        re.compile(r"[!-~]{1,255}"),
        "must be printable ASCII without spaces, as the category's manage/bots page shows it",
    ),
    SecretOption("client_secret", "the client secret", "secrets/alttpr.secret"),
)


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
    """Return the checked options of one entry; raises ConfigError with every problem found."""
    given = read_options(entry, OPTIONS)
    return RacetimeOptions(given.text("category"), given.text("client_id"), given.secret("client_secret"))
