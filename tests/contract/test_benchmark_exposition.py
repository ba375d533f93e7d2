"""The benchmarks of scrapes and of /status still run: their smoke forms end well.

Their figures are none of the tests' business.
"""

import json
from pathlib import Path

import pytest

from benchmarks import exposition, status, targets


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
    # The table of all benchmarks finds its figures, which are those of other fleets.
    by_fleet = ("samples", "cpu", "memory_mb", "stalls", "event_us")
    full = {what: {each.title: report[what][fleet.title] for each in exposition.FULL} for what in by_fleet}
    rows = [row for row in targets.ROWS if row.page == "benchmarks_exposition.md" and "/status" not in row.title]
    parts = [f"{row.title}: {part.what}" for row in rows for part in row.parts]
    of_go = [f"{row.title}: {part.what}" for row in rows for part in row.parts if "Go's" in row.title + part.what]
    assert list(targets.found({"exposition": full})) == [each for each in parts if not (without_go and each in of_go)]


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
    assert len(targets.found({"status": report})) == 3  # the table of all benchmarks finds its figures
    assert report["sizes"]["/status, gzip"] < report["sizes"]["/status"] / 5
