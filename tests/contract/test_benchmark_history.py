"""The benchmark of the history still runs: its smoke form ends well. Its figures are none of the tests' business."""

import json
from pathlib import Path

import pytest

from benchmarks import history, targets
from exporter.storage.engine import DEFAULT_FILE


def test_the_history_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures_file = tmp_path / "figures.json"
    assert history.main(["--smoke", f"--json={figures_file}"]) == 0
    report = json.loads(figures_file.read_text())
    shown = capsys.readouterr().out
    for subject in (history.OURS, history.PEER, history.TUNED):
        assert report["rates"][subject][0] > 0
        assert subject in shown
    assert report["lags"][history.OURS][0]["max"] >= 0
    assert all(min(times) > 0 for pages in report["pages"].values() for times in pages.values())
    assert "SQLite" in report["pages"]
    assert len(targets.found({"history": report})) == 2  # the table of all benchmarks finds its figures
    assert not (Path.cwd() / DEFAULT_FILE).exists()
