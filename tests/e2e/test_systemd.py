"""The shipped unit: systemd accepts it and calls it tight, and the real command lives with what it takes away."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.confine import settings
from tests.e2e.command import COMMAND, ROOT, exporter
from tests.eventually import eventually, until
from tests.listener import Listener
from tests.tools import require_tool

UNIT = ROOT / "deploy" / "systemd" / "bot-exporter.service"
SHIPPED = ROOT / "config.yaml"
CONFINE = ROOT / "tests" / "confine.py"
EXPOSURE = 2.0

FORBIDDEN = """
import json, mmap, os, socket, sys
from pathlib import Path
def number(act):
    try:
        act()
    except OSError as error:
        return error.errno
    return 0
print(json.dumps({
    "write elsewhere": number(lambda: Path(sys.argv[1], "other").write_text("")),
    "write": number(lambda: Path(sys.argv[1], "data", "file").write_text("")),
    "run what is written": number(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "another family": number(lambda: socket.socket(socket.AF_NETLINK)),
    "leave the root": number(lambda: os.chroot("/")),
}))
"""


@pytest.fixture
def analyze() -> str:
    return require_tool("systemd-analyze", "systemd")


def here(tmp_path: Path) -> Path:
    """Return a copy of the unit whose command is the one that is installed here."""
    text = UNIT.read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
    assert start == "/opt/bot-exporter/bin/bot-exporter"
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(start, str(COMMAND)), encoding="utf-8")
    return copy


def test_systemd_accepts_it(analyze: str, tmp_path: Path) -> None:
    ended = subprocess.run([analyze, "verify", "--man=no", here(tmp_path)], capture_output=True, text=True, check=False)
    ours = [line for line in (ended.stdout + ended.stderr).splitlines() if UNIT.name in line]
    assert (ended.returncode, ours) == (0, [])


def test_systemd_finds_a_mistake(analyze: str, tmp_path: Path) -> None:
    unit = here(tmp_path)
    text = unit.read_text(encoding="utf-8").replace("WatchdogSec=30s", "WatchdogSec=soon")
    unit.write_text(text, encoding="utf-8")
    ended = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert f"{UNIT.name}:{text[: text.index('=soon')].count(chr(10)) + 1}: Failed to parse" in ended.stderr


def test_its_sandbox_is_tight(analyze: str) -> None:
    command = [analyze, "security", "--offline=true", "--no-pager", "--json=short", str(UNIT)]
    checks = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    exposed = sum(float(each["exposure"]) for each in checks if each["exposure"])
    threshold = [*command[:-1], f"--threshold={round(EXPOSURE * 10)}", str(UNIT)]
    ended = subprocess.run(threshold, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, exposed


def test_its_flags_exist_and_its_limits_fit_the_command() -> None:
    unit = settings(UNIT)
    (start,) = unit["ExecStart"]
    shown = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(flag in shown for flag in re.findall(r"--[a-z.-]+", start))
    assert unit["RestartPreventExitStatus"] == ["2"]
    assert unit["StateDirectory"] == ["bot-exporter"]
    assert "--data.dir=/var/lib/bot-exporter" in start


def test_the_stand_in_for_the_sandbox_bites(analyze: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    command = [
        sys.executable,
        str(CONFINE),
        str(UNIT),
        str(tmp_path / "data"),
        sys.executable,
        "-c",
        FORBIDDEN,
        str(tmp_path),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = {"run what is written": 1, "another family": 1, "leave the root": 1}
    if os.geteuid() == 0:
        wanted["write elsewhere"] = errno.EROFS
    assert json.loads(ended.stdout) == {"write elsewhere": 0, "write": 0, **wanted}, ended.stderr


async def test_the_command_lives_with_what_the_unit_takes_away(analyze: str, tmp_path: Path) -> None:
    """Whole fleets of both platforms, a scrape and a reload: nothing of it needs more than is allowed."""
    command = (sys.executable, CONFINE, UNIT, tmp_path, COMMAND)
    with Listener.at(str(tmp_path / "notify")) as heard:
        environment = {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "30000000", "PYTHONDONTWRITEBYTECODE": "1"}
        async with (
            exporter(SHIPPED, tmp_path / "data", command=command, environment=environment) as running,
            aiohttp.ClientSession(running.url) as session,
        ):
            await eventually(lambda: any("READY" in each for each in heard.waiting()))
            await everyone_connected(session, running.log)
            async with session.get("/metrics") as response:
                page = await response.text()
            started = re.search(r"^process_start_time_seconds (\S+)$", page, re.MULTILINE)
            assert started is not None
            assert abs(float(started[1]) - time.time()) < 300
            running.process.send_signal(signal.SIGHUP)
            await eventually(lambda: any("configuration reloaded" in line for line in running.log))
        assert [line for line in running.log if "level=info" not in line] == []
    assert {each.stat().st_mode & 0o077 for each in (tmp_path / "data").rglob("*")} == {0}


async def everyone_connected(session: aiohttp.ClientSession, log: list[str]) -> None:
    async def connected() -> int:
        async with session.get("/status/system") as response:
            return int((await response.json())["bot_status_summary"]["connected"])

    await until(connected, lambda number: number == 12, 60, told=lambda: log)
