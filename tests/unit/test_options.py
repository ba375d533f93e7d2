"""Options of a platform's bots, read by a table."""

import re
from pathlib import Path
from types import MappingProxyType

import pytest

from exporter.config import BotEntry
from exporter.errors import ConfigError
from exporter.options import SecretOption, TextOption, read_options


def no_secret_of_one_letter(text: str) -> None:
    if len(text) == 1:
        raise ValueError("is too short: take more letters")


OPTIONS = (
    TextOption("room", "where it sits", "letters", "attic", re.compile(r"[a-z]+"), "is no room", "is missing: name it"),
    SecretOption("pin", "the pin", "secrets/pin", check=no_secret_of_one_letter),
    SecretOption("token", "the token", "secrets/token", required=False),
)


def entry(folder: Path, **options: object) -> BotEntry:
    return BotEntry("a", "example", True, MappingProxyType(options), str(folder / "config.yaml"), 3, {})


def test_what_is_given(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1234\n")
    given = read_options(entry(tmp_path, room="attic", pin_file="pin", token="t0"), OPTIONS)
    assert given.text("room") == "attic"
    assert given.secret("pin").read().reveal() == "1234"
    token = given.optional_secret("token")
    assert token is not None
    assert token.read().reveal() == "t0"
    assert read_options(entry(tmp_path, room="attic", pin="12"), OPTIONS).optional_secret("token") is None


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"pin": "12"}, ["room: is missing: name it"]),
        ({"room": "", "pin": "12"}, ["room: must not be empty"]),
        ({"room": 5, "pin": "12"}, ["room: must be a string, not a number: quote it"]),
        ({"room": "A1", "pin": "12"}, ["room: is no room"]),
        ({"room": "attic"}, ["pin: is missing: give pin_file (a path) or pin"]),
        ({"room": "attic", "pin": "7"}, ["pin: is too short: take more letters"]),
        ({"room": "attic", "pin": "12", "token": 5}, ["token: must be a string, not a number: quote it"]),
        ({"room": "attic", "pin": "12", "tokens": "x"}, ["tokens: unknown key: did you mean token?"]),
        (
            {"zzz": 1, "room": "A1"},
            [
                "zzz: unknown key: known are room, pin, pin_file, token, token_file",
                "room: is no room",
                "pin: is missing: give pin_file (a path) or pin",
            ],
        ),
    ],
)
def test_every_problem_at_once(tmp_path: Path, options: dict[str, object], wrong: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(entry(tmp_path, **options), OPTIONS)
    assert {f"{each.key}: {each.message}" for each in caught.value.problems} == set(wrong)


def test_a_check_judges_what_the_file_holds_and_names_its_key(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("7\n")
    with pytest.raises(ConfigError) as caught:
        read_options(entry(tmp_path, room="attic", pin_file="pin"), OPTIONS)
    assert [each.key for each in caught.value.problems] == ["pin_file"]
