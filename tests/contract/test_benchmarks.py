"""The benchmarks still run: their smoke forms end well. What they measure is none of the tests' business."""

import asyncio
import json
import sys
from pathlib import Path

from benchmarks import targets

ROOT = Path(__file__).resolve().parents[2]


async def test_the_racetime_fleet_is_measured(tmp_path: Path) -> None:
    figures_file = tmp_path / "figures.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.racetime_fleet",
        "--smoke",
        "--no-peer",
        f"--json={figures_file}",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(900):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    report = json.loads(figures_file.read_text())
    figures = report["figures"]
    for key in ("connect_cpu_s", "steady_cpu_s", "rss_mb", "stall_steady_max", "stall_restart_max", "back_s"):
        assert figures[key]["bot-exporter"]["middle"] > 0, key
        assert figures[key]["title"] in out.decode()
    for key in ("state_right", "chat_right"):
        assert figures[key]["bot-exporter"]["low"] == report["options"]["bots"] == 5
    found = targets.found({"racetime_fleet": report})  # the table of all benchmarks finds its figures
    assert list(found) == ["racetime bots, a category with a room each: all back"]  # the others need the peer
    assert figures["ended"]["bot-exporter"]["high"] == 0
