"""A Dota 2 bot's own configuration, and what readers need to know about the platform."""

import re
from dataclasses import dataclass
from pathlib import Path

from exporter.config import BotEntry, secret_option
from exporter.errors import AuthReason, ConfigError, DisconnectReason, FailureReason, Problem
from exporter.model.states import CONNECTING, DISCONNECTED, PlatformTraits
from exporter.platforms.dota2 import coordinator
from exporter.platforms.steam.account import AccountSecrets
from exporter.platforms.steam.crypto import shared_secret_bytes
from exporter.platforms.steam.session import ODDITIES
from exporter.secrets import SecretSource
from exporter.yaml_lines import kind_of, quote_hint, unknown_key

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

_KEYS = ("username", "password", "password_file", "shared_secret", "shared_secret_file")
_USERNAME = re.compile(r"[!-~]{2,64}")


@dataclass(frozen=True, slots=True)
class Dota2Options:
    """One Dota 2 bot's own configuration."""

    account: AccountSecrets

    @property
    def subject(self) -> str:
        return self.account.username


def parse(entry: BotEntry) -> Dota2Options:
    """Return the checked options of one entry; raises ConfigError with every problem found.

    A relative file is looked for beside the file that names it.
    """
    problems = [entry.problem(key, unknown_key(key, _KEYS)) for key in entry.options if key not in _KEYS]
    username = _username(entry, problems)
    base_dir = Path(entry.file).parent
    password = _secret(entry, "password", base_dir, problems)
    shared_secret = None
    if "shared_secret" in entry.options or "shared_secret_file" in entry.options:
        shared_secret = _secret(entry, "shared_secret", base_dir, problems)
        if shared_secret is not None:
            try:
                shared_secret_bytes(shared_secret.read().reveal())
            except ValueError as error:
                key = "shared_secret" if "shared_secret" in entry.options else "shared_secret_file"
                problems.append(entry.problem(key, str(error)))
    if problems or password is None:
        raise ConfigError(problems)
    return Dota2Options(AccountSecrets(username, password, shared_secret))


def _secret(entry: BotEntry, key: str, base_dir: Path, problems: list[Problem]) -> SecretSource | None:
    try:
        return secret_option(entry, key, base_dir)
    except ConfigError as error:
        problems += error.problems
        return None


def _username(entry: BotEntry, problems: list[Problem]) -> str:
    value = entry.options.get("username")
    if isinstance(value, str) and _USERNAME.fullmatch(value):
        return value
    if "username" not in entry.options:
        message = "is missing: give the account name that the bot logs on to Steam with"
    elif isinstance(value, str):
        message = "is no account name: it has 2 to 64 characters without spaces (it is not the name that others see)"
    else:
        message = f"must be a string, not {kind_of(value)}{quote_hint(value)}"
    problems.append(entry.problem("username", message))
    return ""
