"""What is sent to create or change a lobby, or about a person in one; described for the API, and checked."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

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
from exporter.platforms.dota2.settings import (
    FIRST_STEAM_ID,
    LAST_STEAM_ID,
    MOST_NAME_CHARS,
    MOST_PASSWORD_CHARS,
    MOST_SEATED,
)
from exporter.web.control.requests import Body, example

_MOST_INVITED: Final = 50


def _steam_id(given: object) -> int:
    """Take a Steam id as a string, as answers have it, or as a number."""
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) < 20:
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not FIRST_STEAM_ID < given <= LAST_STEAM_ID:
        raise ValueError("give 64-bit Steam ids, such as 76561197960287930")
    return given


def _schema(choices: Choices) -> WithJsonSchema:
    """Describe what a setting takes: a number, which may be one that we do not know, or one of the words."""
    number = {"type": "integer", "minimum": 0, "maximum": MOST}
    words = [word for each in choices.all for word in (each.name, each.alias) if word is not None]
    return WithJsonSchema({"anyOf": [number, {"type": "string", "enum": words}]})


def _text(most: int, least: int = 0) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": least, "maxLength": most})


# What the schemas say beyond the types is checked by `lobby_settings`, whose words are better.
SteamId = Annotated[
    int,
    BeforeValidator(_steam_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": FIRST_STEAM_ID, "maximum": LAST_STEAM_ID},
                {"type": "string", "pattern": "^7656119[0-9]{10}$"},
            ],
            "description": "A 64-bit Steam id, as a number or a string.",
        }
    ),
]
Choice = int | str
Region = Annotated[Choice, _schema(REGIONS)]
Mode = Annotated[Choice, _schema(MODES)]
_NAME: Final = _text(MOST_NAME_CHARS, 1)
_FLAG: Final = WithJsonSchema({"type": "boolean"})
_NUMBER: Final = WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST})


class LobbyChanges(Body):
    """Settings of a lobby; what is left out stays as it is."""

    model_config = example(name="Semifinals", server_region="EUW")

    # None stands for what was not sent; a null that was is refused, and so is not in the schemas.
    name: Annotated[str | None, _NAME] = None
    password: Annotated[str | None, _text(MOST_PASSWORD_CHARS)] = Field(default=None, repr=False)
    server_region: Annotated[Choice | None, _schema(REGIONS)] = None
    game_mode: Annotated[Choice | None, _schema(MODES)] = None
    allow_cheats: Annotated[bool | None, _FLAG] = None
    allow_spectating: Annotated[bool | None, _FLAG] = None
    league_id: Annotated[int | None, _NUMBER] = None
    series_type: Annotated[int | None, _NUMBER] = None
    visibility: Annotated[Choice | None, _schema(VISIBILITIES)] = None
    dota_tv_delay: Annotated[Choice | None, _schema(TV_DELAYS)] = None
    pause_setting: Annotated[Choice | None, _schema(PAUSE_SETTINGS)] = None
    selection_priority_rules: Annotated[Choice | None, _schema(SELECTION_PRIORITIES)] = None


class NewLobby(LobbyChanges):
    """A lobby to create. `bot` asks for one bot; otherwise any free one hosts it."""

    model_config = example(name="Finals", password="sesame", server_region="EUW", game_mode="CM", expected_players=10)  # noqa: S106  (no secret)

    name: Annotated[str, _NAME]
    server_region: Region
    game_mode: Mode
    bot: str | None = None
    invite: Annotated[list[SteamId], Field(max_length=_MOST_INVITED, default_factory=list)]
    expected_players: (
        Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_SEATED})]
        | Annotated[list[SteamId], Field(max_length=MOST_SEATED)]
        | None
    ) = None


class Player(Body):
    """A person, by the 64-bit Steam id."""

    model_config = example(steam_id="76561197960287930")

    steam_id: SteamId


class Kicked(Player):
    """Who has to go: out of the lobby, or with `from_team` only off the team."""

    model_config = example(steam_id="76561197960287930", from_team=True)

    from_team: bool = False
