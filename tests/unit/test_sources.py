"""What a reading of the configuration depends on, and whether any of it has changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config import load
from exporter.errors import ConfigError
from exporter.sources import Sources

MAIN = """\
web: {keys: [{name: eye, role: read, key_file: secrets/eye}]}
bots_files: [bots/*.yaml, plain.list]
bots: [{name: a, platform: p, password_file: secrets/a}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "config.yaml": MAIN,
        "bots/one.yaml": "- {name: b, platform: p, deeper: {token_file: b-token}}\n",
        "plain.list": "- {name: c, platform: p}\n",
        "secrets/eye": "eye",
        "secrets/a": "a",
        "bots/b-token": "b",
        "other": "not named anywhere",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def read(folder: Path) -> Sources:
    sources = Sources()
    load(folder / "config.yaml", sources=sources)
    return sources


def replace_by_a_file_of_the_same_size(path: Path) -> None:
    path.with_name("new").write_text("x" * path.stat().st_size)
    path.with_name("new").replace(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "the main file": lambda folder: (folder / "config.yaml").write_text(MAIN + "\n"),
    "a file of bots": lambda folder: (folder / "bots/one.yaml").write_text("[]"),
    "a file of bots without a pattern": lambda folder: (folder / "plain.list").write_text("[]"),
    "a new match": lambda folder: (folder / "bots/two.yaml").write_text("[]"),
    "a match that is gone": lambda folder: (folder / "bots/one.yaml").unlink(),
    "the main file is gone": lambda folder: (folder / "config.yaml").unlink(),
    "a key": lambda folder: (folder / "secrets/eye").write_text("another"),
    "a secret": lambda folder: replace_by_a_file_of_the_same_size(folder / "secrets/a"),
    "a secret of a file of bots": lambda folder: (folder / "bots/b-token").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen_and_seen_to_be_taken_back(folder: Path, change: str) -> None:
    sources = read(folder)
    assert sources.look() == sources.seen
    CHANGES[change](folder)
    assert sources.look() != sources.seen
    assert sources.look() == sources.look()


def test_what_is_not_part_of_it_does_not_count(folder: Path) -> None:
    sources = read(folder)
    (folder / "other").write_text("changed")
    (folder / "bots/two.txt").write_text("matches nothing")
    os.utime(folder / "config.yaml", (1, 1))  # written again with the same content
    assert sources.look() == sources.seen


REPAIRS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "no YAML": (
        lambda folder: (folder / "config.yaml").write_text("bots: ["),
        lambda folder: (folder / "config.yaml").write_text(MAIN),
    ),
    "a broken file of bots": (
        lambda folder: (folder / "bots/one.yaml").write_text("- ["),
        lambda folder: (folder / "bots/one.yaml").write_text("[]"),
    ),
    "a missing file of bots": (
        lambda folder: (folder / "plain.list").unlink(),
        lambda folder: (folder / "plain.list").write_text("[]"),
    ),
    "a missing key": (
        lambda folder: (folder / "secrets/eye").unlink(),
        lambda folder: (folder / "secrets/eye").write_text("back"),
    ),
}


@pytest.mark.parametrize("case", REPAIRS)
def test_the_repair_of_a_bad_configuration_is_a_change(folder: Path, case: str) -> None:
    damage, repair = REPAIRS[case]
    damage(folder)
    sources = Sources()
    with pytest.raises(ConfigError):
        load(folder / "config.yaml", sources=sources)
    assert sources.look() == sources.seen
    repair(folder)
    assert sources.look() != sources.seen


def test_odd_files_are_no_trouble(folder: Path) -> None:
    os.mkfifo(folder / "bots/fifo.yaml")
    sources = Sources()
    for path in (folder / "bots/fifo.yaml", folder / "no\0name", folder / ("long" * 100), folder):
        sources.document(path)
    sources.secrets_of(folder, {"x_file": "no\0name", "y_file": 3, "z_file": "long" * 100})
    assert sources.look() == sources.seen
