"""One process per data directory."""

from pathlib import Path

import pytest

from exporter.datadir import data_directory
from exporter.errors import StartError


def test_it_is_created_for_this_user_alone(tmp_path: Path) -> None:
    with data_directory(tmp_path / "new" / "data") as path:
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    with data_directory(tmp_path), pytest.raises(StartError, match=r"another bot-exporter \(process \d+\)"):
        data_directory(tmp_path).__enter__()
    with data_directory(tmp_path):
        pass  # free again


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StartError, match=r"cannot write to the data directory .*give --data.dir"):
        data_directory(blocked / "data").__enter__()
