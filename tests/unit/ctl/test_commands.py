"""The command line itself: help, forms, times. No server."""

from datetime import UTC, datetime

import click
import pytest

from exporter.ctl import main as program
from exporter.ctl.settings import settings
from exporter.ctl.steering import moment

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)


def test_every_command_exists_and_is_described() -> None:
    for name, command in program.load().items():
        assert command.name == name
        assert command.help
        for each in (command, *getattr(command, "commands", {}).values()):
            options = {option for parameter in each.params for option in parameter.opts}
            assert isinstance(each, click.Group) or {"--output", "--url", "--key-file", "--ca-file"} <= options
            assert all(option.help for option in each.params if isinstance(option, click.Option)), each.name


def test_help_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in program.COMMANDS)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("botctl 0.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", "2027-01-15T10:00:00Z"),
        ("1h30m", "2027-01-15T09:30:00Z"),
        ("2030-01-02T03:00:00Z", "2030-01-02T03:00:00Z"),
        ("2030-01-02T03:00:00+02:00", "2030-01-02T01:00:00Z"),
    ],
)
def test_an_end_is_a_duration_or_a_time(text: str, expected: str) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["tomorrow", "", "9" * 30 + "y"])
def test_what_is_neither_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="give a duration such as 2h"):
        moment(text, NOW)


def test_fields_of_a_form() -> None:
    assert settings(["a=1", "b=true", "c=text", "d=", "e=x=y", "f=1.5", 'g="7"', "h=null", "i=[1]"]) == {
        "a": 1, "b": True, "c": "text", "d": "", "e": "x=y", "f": "1.5", "g": "7", "h": "null", "i": [1],
    }  # fmt: skip
    for wrong in ("a", "=1"):
        with pytest.raises(click.BadParameter, match="write field=value"):
            settings([wrong])
