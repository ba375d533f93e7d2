"""The benchmark of the whole program still runs: its smoke form ends well, and loses nothing."""

import json
from pathlib import Path

import pytest

from benchmarks import whole_process


def test_the_whole_program_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures_file = tmp_path / "figures.json"
    assert whole_process.main(["--smoke", f"--json={figures_file}"]) == 0
    report = json.loads(figures_file.read_text())
    shown = capsys.readouterr().out
    assert report["notes"] == []
    for load in whole_process.SMOKE:
        figures = {key: spread["middle"] for key, spread in report["figures"][load.title].items()}
        assert set(figures) == set(whole_process.TITLES) - (set() if load.sockets else {"site_cpu"})
        assert figures["healthy"] == load.bots
        assert figures["dropped"] == 0
        for key in ("rate", "cpu", "lag_max", "scrape_p50", "frames", "rss_mb", "packed_mb"):
            assert figures[key] > 0, key
        assert load.title in shown
