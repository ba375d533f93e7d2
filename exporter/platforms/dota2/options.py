"""A Dota 2 bot's own configuration, and what readers need to know about the platform."""

import re
from dataclasses import dataclass

from exporter.config import BotEntry
from exporter.errors import AuthReason, DisconnectReason, FailureReason
from exporter.model.states import CONNECTING, DISCONNECTED, PlatformTraits
from exporter.options import SecretOption, TextOption, read_options
from exporter.platforms.dota2 import coordinator
from exporter.platforms.steam.account import AccountSecrets
from exporter.platforms.steam.crypto import shared_secret_bytes
from exporter.platforms.steam.session import ODDITIES

STEAM_ONLINE = "steam_online"
GC_CONNECTED = "gc_connected"
IN_LOBBY = "in_lobby"
IN_GAME = "in_game"

DOTA2 = PlatformTraits(
    name="dota2",
    subject="username",
    states=(DISCONNECTED, CONNECTING, STEAM_ONLINE, GC_CONNECTED, IN_LOBBY, IN_GAME),
    ready=GC_CONNECTED,
    busy=frozenset({IN_LOBBY, IN_GAME}),
    moves=frozenset(
        {
            (CONNECTING, STEAM_ONLINE),
            (STEAM_ONLINE, GC_CONNECTED),
            (GC_CONNECTED, IN_LOBBY),
            (IN_LOBBY, IN_GAME),
            # A lobby that is left or over, and a game that did not come about.
            (IN_LOBBY, GC_CONNECTED),
            (IN_GAME, GC_CONNECTED),
            (IN_GAME, IN_LOBBY),
            # A lobby that was there already when the coordinator came back.
            (STEAM_ONLINE, IN_LOBBY),
            (STEAM_ONLINE, IN_GAME),
            (GC_CONNECTED, IN_GAME),
            # The coordinator went down.
            (GC_CONNECTED, STEAM_ONLINE),
            (IN_LOBBY, STEAM_ONLINE),
            (IN_GAME, STEAM_ONLINE),
        }
    ),
    auth_reasons=tuple(reason for reason in AuthReason if reason is not AuthReason.WRONG_CATEGORY),
    failure_reasons=tuple(FailureReason),
    disconnect_reasons=tuple(DisconnectReason),
    facts=("steam_connected", "gc_connected", "current_lobby_id"),
    protocol_errors=(*ODDITIES, *coordinator.ODDITIES),
)

OPTIONS = (
    TextOption(
        "username",
        "the account name that it logs on with, not the name that others see. One bot for each account; upper and "
        "lower case are the same. It must not be the name of another bot",
        "2 to 64 of printable ASCII without spaces",
        "my-steam-account",
        re.compile(r"[!-~]{2,64}"),
        "is no account name: it has 2 to 64 characters without spaces (it is not the name that others see)",
        "is missing: give the account name that the bot logs on to Steam with",
    ),
    SecretOption("password", "the password", "secrets/lobby-1.password"),
    SecretOption(
        "shared_secret",
        "the shared secret",
        "secrets/lobby-1.shared-secret",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        required=False,
        more=" of the account's mobile authenticator: 20 bytes in base64, `shared_secret` in a maFile. With it the bot "
        "makes its guard codes itself",
        check=shared_secret_bytes,
    ),
)


@dataclass(frozen=True, slots=True)
class Dota2Options:
    """One Dota 2 bot's own configuration."""

    account: AccountSecrets

    @property
    def subject(self) -> str:
        return self.account.username


def parse(entry: BotEntry) -> Dota2Options:
    """Return the checked options of one entry; raises ConfigError with every problem found."""
    given = read_options(entry, OPTIONS)
    secrets = given.secret("password"), given.optional_secret("shared_secret")
    return Dota2Options(AccountSecrets(given.text("username"), *secrets))
