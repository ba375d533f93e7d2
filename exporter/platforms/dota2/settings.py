"""What somebody asks of a lobby: checked before anything is sent, and written as the coordinator's own message.

Numbers, names and short forms are all taken (choices.py). The password is a secret of the players: it shows in no
representation, and leaves this module only in the message itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final

from exporter.errors import OrderInvalid
from exporter.model.status import ExpectedPlayers
from exporter.platforms.dota2.choices import (
    MODES,
    MOST,
    PAUSE_SETTINGS,
    REGIONS,
    SELECTION_PRIORITIES,
    TV_DELAYS,
    VISIBILITIES,
    Choices,
)
from exporter.platforms.dota2.proto import dota2_pb2 as pb

MOST_NAME_CHARS: Final = 100
MOST_PASSWORD_CHARS: Final = 50
MOST_SEATED: Final = 10
FIRST_STEAM_ID: Final = 0x0110000100000000
LAST_STEAM_ID: Final = FIRST_STEAM_ID + 2**32 - 1

Expected = int | Collection[int] | None
"""Who is expected, as somebody may say it; `check_expected` makes ExpectedPlayers of it."""


@dataclass(frozen=True, slots=True)
class LobbySettings:
    """The settings of one lobby, as numbers; `lobby_settings` makes them of what people type."""

    name: str
    password: str = field(default="", repr=False)
    server_region: int = 2
    game_mode: int = 1
    allow_cheats: bool = False
    allow_spectating: bool = True
    league_id: int = 0
    series_type: int = 0
    visibility: int = 0
    dota_tv_delay: int = 1
    pause_setting: int = 0
    selection_priority_rules: int = 0

    def changed(self, changes: Mapping[str, object]) -> "LobbySettings":
        """Return the settings with some of them changed; raises OrderInvalid as `lobby_settings` does."""
        return replace(self, **_checked(changes))  # type: ignore[arg-type]

    def details(self, lobby_id: int | None = None) -> pb.CMsgPracticeLobbySetDetails:
        """Return the message that carries them all, for a new lobby or for this one."""
        return pb.CMsgPracticeLobbySetDetails(
            lobby_id=lobby_id,
            game_name=self.name,
            server_region=self.server_region,
            game_mode=self.game_mode,
            allow_cheats=self.allow_cheats,
            fill_with_bots=False,
            allow_spectating=self.allow_spectating,
            pass_key=self.password,
            leagueid=self.league_id,
            series_type=self.series_type,
            allchat=False,
            dota_tv_delay=self.dota_tv_delay,
            lan=False,
            visibility=self.visibility,
            pause_setting=self.pause_setting,
            selection_priority_rules=self.selection_priority_rules,
        )

    def shown_by(self, lobby: pb.CSODOTALobby) -> bool:
        """Return whether a lobby has these settings."""
        return lobby_has(lobby) == self


def lobby_has(lobby: pb.CSODOTALobby) -> LobbySettings:
    """Return the settings that a lobby has now."""
    return LobbySettings(
        name=lobby.game_name,
        password=lobby.pass_key,
        server_region=lobby.server_region,
        game_mode=lobby.game_mode,
        allow_cheats=lobby.allow_cheats,
        allow_spectating=lobby.allow_spectating,
        league_id=lobby.leagueid,
        series_type=lobby.series_type,
        visibility=lobby.visibility,
        dota_tv_delay=lobby.dota_tv_delay,
        pause_setting=lobby.pause_setting,
        selection_priority_rules=lobby.selection_priority_rules,
    )


def lobby_settings(given: Mapping[str, object]) -> LobbySettings:
    """Return the settings that somebody typed; raises OrderInvalid with every problem, naming the field."""
    if "name" not in given:
        checks = _problems(given)
        raise OrderInvalid("; ".join(["name: is missing", *checks]), ["name: is missing", *checks])
    return LobbySettings(**_checked(given))  # type: ignore[arg-type]


def check_expected(given: Expected) -> ExpectedPlayers:
    """Return who is expected, as a number or as Steam ids, each once; raises OrderInvalid."""
    if given is None:
        return None
    if isinstance(given, int):
        if isinstance(given, bool) or not 1 <= given <= MOST_SEATED:
            raise OrderInvalid(f"expected_players: must be 1 to {MOST_SEATED} players, or a list of their Steam ids")
        return given
    ids = tuple(dict.fromkeys(given))
    if not 1 <= len(ids) <= MOST_SEATED:
        raise OrderInvalid(f"expected_players: give 1 to {MOST_SEATED} Steam ids")
    for each in ids:
        check_steam_id("expected_players", each)
    return ids


def check_steam_id(what: str, given: object) -> int:
    """Return a 64-bit Steam id of a person; raises OrderInvalid."""
    if not isinstance(given, int) or not FIRST_STEAM_ID < given <= LAST_STEAM_ID:
        raise OrderInvalid(f"{what}: {str(given)[:30]!r} is no 64-bit Steam id, such as 76561197960287930")
    return given


def check_account_id(given: object) -> int:
    """Return a 32-bit account id; raises OrderInvalid."""
    if not isinstance(given, int) or isinstance(given, bool) or not 0 < given < 2**32:
        raise OrderInvalid(f"account_id: {str(given)[:30]!r} is no account id: it is the lower half of a Steam id")
    return given


_CHOICES: Final[Mapping[str, Choices]] = {
    each.what: each for each in (REGIONS, MODES, VISIBILITIES, TV_DELAYS, PAUSE_SETTINGS, SELECTION_PRIORITIES)
}
_FLAGS: Final = ("allow_cheats", "allow_spectating")
_NUMBERS: Final = ("league_id", "series_type")
_LENGTHS: Final = {"name": MOST_NAME_CHARS, "password": MOST_PASSWORD_CHARS}


def _checked(given: Mapping[str, object]) -> dict[str, object]:
    problems = _problems(given)
    if problems:
        raise OrderInvalid("; ".join(problems), problems)
    return {key: _value(key, value) for key, value in given.items()}


def _problems(given: Mapping[str, object]) -> list[str]:
    known = [each.name for each in fields(LobbySettings)]
    problems = [f"{key}: unknown setting, use one of {', '.join(known)}" for key in given if key not in known]
    for key, value in given.items():
        if key in known:
            try:
                _value(key, value)
            except ValueError as error:
                problems.append(f"{key}: {error}" if not str(error).startswith(key) else str(error))
    return problems


def _value(key: str, value: object) -> object:
    """Return one setting as the coordinator wants it; raises ValueError, whose text never holds a password."""
    if key in _LENGTHS:
        return _text(value, _LENGTHS[key], may_be_empty=key != "name")
    if key in _FLAGS:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a number or a name" if key in _CHOICES else "must be a number")
    if key in _CHOICES:
        return _CHOICES[key].parse(value)
    if not isinstance(value, int) or not 0 <= value <= MOST:
        raise ValueError(f"must be a number from 0 to {MOST}")
    return value


def _text(value: object, most: int, *, may_be_empty: bool) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if not may_be_empty and not value.strip():
        raise ValueError("must not be empty")
    if len(value) > most:
        raise ValueError(f"at most {most} characters, not {len(value)}")
    if any(ord(each) < 32 or "\ud800" <= each <= "\udfff" for each in value):
        raise ValueError("must not hold control characters")
    return value
