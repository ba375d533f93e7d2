"""The wheel alone is enough: installed into a fresh environment, outside the checkout, the command does its work."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.command import ROOT, exporter, run_to_end
from tests.wheel import build_wheel, fresh_environment, install, sources


@dataclass(frozen=True)
class Installed:
    """A wheel, and the environment that it is installed in."""

    wheel: Path
    command: Path
    share: Path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    scratch = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(scratch)
    python = fresh_environment(scratch / "venv")
    install(python, wheel)
    return Installed(wheel, python.with_name("bot-exporter"), scratch / "venv" / "share" / "bot-exporter")


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    beside = [each for each in names if not each.startswith("exporter/")]
    assert sorted(each for each in names if each.startswith("exporter/")) == sources()
    shared = {each.partition("/share/bot-exporter/")[2] for each in beside if "/share/bot-exporter/" in each}
    assert all(".dist-info/" in each or ".data/data/share/bot-exporter/" in each for each in beside)
    assert {"config.yaml", "alerts/alerting-rules.yml", "systemd/bot-exporter.service"} <= shared
    assert {each for each in shared if each.startswith("dashboards/")} == {
        each.relative_to(ROOT).as_posix() for each in (ROOT / "dashboards").glob("*.json")
    }


async def test_the_command_runs_outside_the_checkout(installed: Installed, tmp_path: Path) -> None:
    shipped = installed.share / "config.yaml"
    version = await run_to_end("--version", command=installed.command, cwd=tmp_path)
    assert version.code == 0, version.err
    checked = await run_to_end("--config.check", f"--config.file={shipped}", command=installed.command, cwd=tmp_path)
    assert (checked.code, checked.out) == (0, f"{shipped} is fine: 12 bots\n"), checked.err
    flags = (f"--config.file={shipped}", f"--data.dir={tmp_path / 'data'}")
    async with (
        exporter(shipped, tmp_path / "data", command=(installed.command,), cwd=tmp_path) as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        assert running.greeting[0].split()[:2] == version.out.split()[:2]
        for path, words in (
            ("/metrics", 'bot_info{bot="lobby-1"'),
            ("/status", '"name":"alttpr"'),
            ("/", "static/page.js"),
            ("/static/page.js", "feed"),
            ("/-/ready", "Ready"),
        ):
            async with session.get(path) as response:
                text = await response.text()
                assert (response.status, words in text) == (200, True), (path, text)
    assert [line for line in running.log if "level=info" not in line] == []
    migrated = await run_to_end("migrate", "--check", *flags, command=installed.command, cwd=tmp_path)
    assert migrated.code == 0, migrated
    assert os.listdir(tmp_path) == ["data"]  # noqa: PTH208  (nothing else runs in this loop)
