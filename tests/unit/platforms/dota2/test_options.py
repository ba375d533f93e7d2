"""A Dota 2 bot's own configuration."""

import base64
from pathlib import Path

import pytest

from exporter.config import load
from exporter.errors import ConfigError, Problem
from exporter.platforms import PLATFORMS
from exporter.platforms.dota2.options import DOTA2, Dota2Options, parse
from exporter.web.encode import check_traits

SECRET = base64.b64encode(b"twenty bytes of this").decode()


def options(tmp_path: Path, keys: str) -> Dota2Options:
    file = tmp_path / "config.yaml"
    file.write_text(f"bots: [{{name: a, platform: dota2, {keys}}}]\n")
    return parse(load(file).bots[0])


def problems(tmp_path: Path, keys: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        options(tmp_path, keys)
    return list(caught.value.problems)


def test_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    found = options(tmp_path, f"username: gaben, password_file: password, shared_secret: {SECRET}")
    assert found.subject == "gaben"
    assert found.account.password.read().reveal() == "hunter2"
    assert found.account.shared_secret is not None
    assert found.account.shared_secret.read().reveal() == SECRET
    assert SECRET not in repr(found)
    assert found == options(tmp_path, f"username: gaben, password_file: password, shared_secret: {SECRET}")
    assert found != options(tmp_path, "username: gaben, password_file: password")


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ("password: x", "username", "is missing"),
        ("username: 5, password: x", "username", "must be a string"),
        ("username: a b, password: x", "username", "is no account name"),
        ("username: gaben", "password", "is missing"),
        ("username: gaben, password_file: absent", "password_file", "cannot be read"),
        ("username: gaben, password: x, shared_secret: hunter2", "shared_secret", "must be base64"),
        ("username: gaben, password: x, category: alttpr", "category", "unknown key"),
    ],
)
def test_mistakes(tmp_path: Path, keys: str, key: str, message: str) -> None:
    (problem,) = problems(tmp_path, keys)
    assert problem.key.endswith(f".{key}")
    assert message in problem.message
    assert "hunter2" not in problem.message


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "shared_secret_file: absent, category: x")) == 4


def test_the_platform_is_in_the_table() -> None:
    assert PLATFORMS["dota2"].traits is DOTA2
    check_traits([DOTA2])
    for before, after in DOTA2.moves:
        assert {before, after} <= set(DOTA2.states)
