"""The benchmark of a Steam fleet still runs: its smoke form ends well. Its figures are none of the tests' business."""

import asyncio
import json
import sys
from pathlib import Path

from benchmarks import targets

ROOT = Path(__file__).resolve().parents[2]


async def test_the_steam_fleet_is_measured(tmp_path: Path) -> None:
    figures_file = tmp_path / "figures.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.steam_fleet",
        "--smoke",
        "--kind=password",  # of the two the one that does more
        f"--json={figures_file}",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(900):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode() + out.decode()
    report = json.loads(figures_file.read_text())
    assert report["options"]["bots"] == 20
    figures = report["figures"]["password"]
    for key in (
        "logon_cpu_s",
        "logon_s",
        "welcome_cpu_s",
        "welcome_s",
        "idle_cpu_s",
        "bot_kb",
        "stall_logon_max",
        "stall_idle_max",
    ):
        assert figures[key]["bot-exporter"]["middle"] > 0, key
        assert figures[key]["title"] in out.decode()
    for key in ("online_right", "attempts", "sessions_right"):
        assert figures[key]["bot-exporter"] == {"low": 20, "middle": 20, "high": 20}
    # The table of all benchmarks finds its figures; the processor time needs the peer.
    assert len(targets.found({"steam_fleet": report})) == 2
    assert figures["again"]["bot-exporter"]["high"] == 0
