"""The benchmark of the feed still runs: its smoke form ends well. Its figures are none of the tests' business."""

import json
from pathlib import Path

import pytest

from benchmarks import feed, targets


def test_the_feed_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures_file = tmp_path / "figures.json"
    assert feed.main(["--smoke", f"--json={figures_file}"]) == 0
    report = json.loads(figures_file.read_text())
    shown = capsys.readouterr().out
    for subject in (feed.OURS, feed.STALLED, feed.PEER):
        assert report["rates"][subject][0] > 0
        assert subject in shown
    assert report["frame_bytes"] > 100
    assert len(targets.found({"feed": report})) == 2  # the table of all benchmarks finds its figures
    assert report["lags"][feed.OURS][0]["max"] >= 0
