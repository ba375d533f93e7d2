"""The benchmarks of scrapes and of /status still run: their smoke forms end well.

Their figures are none of the tests' business.
"""

import json
from pathlib import Path

import pytest

from benchmarks import exposition, status


def test_scrapes_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures_file = tmp_path / "figures.json"
    assert exposition.main(["--smoke", f"--json={figures_file}"]) == 0
    report = json.loads(figures_file.read_text())
    shown = capsys.readouterr().out
    (fleet,) = exposition.SMOKE
    without_go = any(exposition.GO in note for note in report["notes"])
    subjects = [each for each in exposition.ALL if each != exposition.GO or not without_go]
    assert report["samples"][fleet.title] > 20 * fleet.bots
    assert len(report["took"][fleet.title]) == 4
    for figures in report["took"][fleet.title].values():
        assert set(figures) == set(subjects)
        assert all(took > 0 for rounds in figures.values() for took in rounds)
    assert set(report["memory_mb"][fleet.title]) == set(subjects)
    assert all(each["max"] >= 0 for rounds in report["stalls"][fleet.title].values() for each in rounds)
    assert min(report["event_us"][fleet.title]) > 0
    assert all(subject in shown for subject in subjects)


def test_status_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures_file = tmp_path / "figures.json"
    assert status.main(["--smoke", f"--json={figures_file}"]) == 0
    report = json.loads(figures_file.read_text())
    shown = capsys.readouterr().out
    assert len(report["took"]) == 3
    for title, figures in report["took"].items():
        assert title in shown
        assert set(figures) == {status.OURS, status.BARE, status.DUMPS}
        assert all(took > 0 for rounds in figures.values() for took in rounds)
    assert report["sizes"]["/status, gzip"] < report["sizes"]["/status"] / 5
