"""What a bot keeps of its logon, so that the next one needs neither password nor code: one file a bot."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import orjson
import structlog

from exporter.platforms.steam.files import unfinished, write_all

LIFE_S: Final = 200 * 86400.0
TOKEN_HIDDEN_S: Final = LIFE_S + 86400.0
"""How long logs hide a token: as long as it may be good, and a day more; each logon begins that anew."""
_MOST_BYTES: Final = 64 * 1024

_log = structlog.get_logger(component="steam tokens")


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a refresh token says of itself; None for what it does not say."""

    steamid: int | None = None
    issued_at: float | None = None
    expires_at: float | None = None

    def renew_at(self) -> float | None:
        """Return when less than a third of its life is left."""
        if self.expires_at is None:
            return None
        issued_at = self.issued_at if self.issued_at is not None else self.expires_at - LIFE_S
        return self.expires_at - (self.expires_at - issued_at) / 3


def token_facts(token: str) -> TokenFacts:
    """Read a token (a JWT) as far as it can be read; the signature is Steam's affair."""
    parts = token.split(".")
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return TokenFacts()
    if not isinstance(claims, dict):
        return TokenFacts()
    sub = claims.get("sub")
    steamid = int(sub) if isinstance(sub, str) and sub.isascii() and sub.isdigit() and len(sub) <= 20 else None
    if steamid is not None and steamid >= 1 << 64:
        steamid = None
    return TokenFacts(steamid, _time(claims.get("iat")), _time(claims.get("exp")))


def _time(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11
    return float(value) if usable and isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class StoredLogon:
    """The refresh token, the machine token that spares a guard code, and whose they are."""

    account: str
    steamid: int = 0
    refresh_token: str = field(default="", repr=False)
    guard_data: str = field(default="", repr=False)

    def without_token(self) -> "StoredLogon":
        """Return what remains when the refresh token is dead: the machine token is good for years."""
        return replace(self, refresh_token="")


class TokenStore:
    """The files under a folder of the data directory, 0600 in 0700. Its calls block: use a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unsaved: dict[str, StoredLogon] = {}

    def tidy(self, older_than_s: float = 0.0) -> None:
        """Delete what a killed process left half-written: nobody would ever read it, and it may hold a token."""
        for path in unfinished(self._folder, older_than_s):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("a leftover token file cannot be deleted", file=str(path), error=error.strerror)

    def load(self, bot: str, account: str) -> StoredLogon:
        """Return what is kept for a bot; empty if there is nothing, or if it is another account's.

        A file that cannot be understood is put aside, with a warning, and treated as absent.
        """
        nothing = StoredLogon(account)
        if (unsaved := self._unsaved.get(bot)) is not None:
            return unsaved if unsaved.account == account else nothing
        path = self._path(bot)
        try:
            with path.open("rb") as stream:
                data = stream.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return nothing
        except OSError as error:
            _log.warning("a token file cannot be read", bot=bot, file=str(path), error=error.strerror)
            return nothing
        stored = _parsed(data)
        if stored is None:
            _log.warning("a token file is damaged: it is put aside and a logon by password follows", file=str(path))
            self._put_aside(path)
            return nothing
        return stored if stored.account == account else nothing

    def save(self, bot: str, stored: StoredLogon) -> None:
        """Keep this for the next start; it is on the disk when this returns.

        Raises OSError; then it is kept in memory, for a new token has made the one on the disk invalid.
        """
        (error,) = self.save_all([(bot, stored)])
        if error is not None:
            raise error

    def save_all(self, logons: Sequence[tuple[str, StoredLogon]]) -> list[OSError | None]:
        """Keep several, which costs less than one by one; returns for each why it is not on the disk, or None."""
        for bot, stored in logons:
            self._unsaved[bot] = stored
        errors = write_all([(self._path(bot), _text(stored)) for bot, stored in logons])
        for (bot, stored), error in zip(logons, errors, strict=True):
            if error is None and self._unsaved.get(bot) is stored:
                del self._unsaved[bot]
        return errors

    def _path(self, bot: str) -> Path:
        return self._folder / f"{bot}.json"

    @staticmethod
    def _put_aside(path: Path) -> None:
        try:
            path.replace(path.with_suffix(".damaged"))
        except OSError as error:
            _log.warning("the damaged token file cannot be put aside", file=str(path), error=error.strerror)


def _text(stored: StoredLogon) -> bytes:
    fields = {
        "account": stored.account,
        "steamid": str(stored.steamid),
        "refresh_token": stored.refresh_token,
        "guard_data": stored.guard_data,
    }
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2)


def _parsed(data: bytes) -> StoredLogon | None:
    if len(data) > _MOST_BYTES:
        return None
    try:
        fields = orjson.loads(data)
    except ValueError:
        return None
    names = ("account", "steamid", "refresh_token", "guard_data")
    if not isinstance(fields, dict) or not all(isinstance(fields.get(name), str) for name in names):
        return None
    account, steamid, refresh_token, guard_data = (fields[name] for name in names)
    if not (steamid.isascii() and steamid.isdigit() and len(steamid) <= 20 and int(steamid) < 1 << 64):
        return None
    return StoredLogon(account, int(steamid), refresh_token, guard_data)
