"""The benchmark of a cluster still runs: its smoke form ends well. Its figures are none of the tests' business."""

import json
from pathlib import Path

import pytest

from benchmarks import cluster
from benchmarks.cluster_member import AS_SHIPPED, timing
from tests.tools import require_program


def test_a_cluster_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    require_program(found[-1] if found else None, "postgres", "postgresql")
    figures_file = tmp_path / "figures.json"
    assert cluster.main(["--smoke", f"--json={figures_file}"]) == 0
    report = json.loads(figures_file.read_text())
    shown = capsys.readouterr().out
    (figures,) = report["rounds"]
    for row in cluster.ROWS:
        assert figures[row.key] > 0 or row.key == "lost", row.key
        assert row.title in shown
    assert figures["taken_s"] <= figures["back_s"]
    assert report["statements"]


def test_leases_that_live_shorter_have_the_proportions_of_the_shipped_ones() -> None:
    assert timing(AS_SHIPPED.life_s) == AS_SHIPPED
    half = timing(AS_SHIPPED.life_s / 2)
    for share, whole in (
        (half.beat_s, AS_SHIPPED.beat_s),
        (half.margin_s, AS_SHIPPED.margin_s),
        (half.silence_s, AS_SHIPPED.silence_s),
    ):
        assert share == whole / 2
