"""The page for a bare Debian, word for word: its commands put the servers in place, and a message arrives.

Left out is what only root and systemd can do: packages, owners, and the services, which are started here as Debian's
units start them. The files lie in a scratch directory, the ports are free ones, and waiting is shorter.
"""

import asyncio
import contextlib
import os
import re
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.e2e.alertmanager import Alertmanager
from tests.e2e.command import LIMIT_S, ROOT, exporter
from tests.e2e.inboxes import Inboxes, inboxes
from tests.e2e.paging import quick
from tests.e2e.prometheus import Prometheus, free_port
from tests.eventually import eventually, until
from tests.tools import require_tool

SUDO = """#!/bin/sh
case "$1" in
  apt-get|systemctl|chown) exit 0 ;;
  install) for last; do :; done; exec mkdir -p "$last" ;;
esac
exec "$@"
"""
ASK = "curl -s -H 'Content-Type"


def blocks(heading: str) -> list[str]:
    """Return the commands below a heading of the page."""
    section = (ROOT / "docs" / "install.md").read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2]
    return re.findall(r"```sh\n(.*?)```", re.split(r"\n###? ", section)[0], re.DOTALL)


async def shell(script: str, folder: Path, typed: str = "") -> None:
    """Have bash carry out commands of the page, with `sudo` as far as it goes here; the first that fails ends it."""
    sudo = folder / "bin" / "sudo"
    sudo.parent.mkdir(exist_ok=True)
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PATH": f"{sudo.parent}:{os.environ['PATH']}"},
        cwd=ROOT,
    )
    async with asyncio.timeout(LIMIT_S):
        out, _ = await process.communicate(typed.encode())
    assert process.returncode == 0, out.decode()


def here(script: str, folder: Path) -> str:
    return re.sub(r"/etc/(prometheus|alertmanager|default)\b", rf"{folder}/\1", script)


@asynccontextmanager
async def service(name: str, folder: Path, args: Sequence[str]) -> AsyncIterator[Path]:
    """Run one of Debian's programs as its unit does, but for where it keeps things; yield its log."""
    log = folder / f"{name}.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(require_tool(name, name), *args, stdout=stream, stderr=stream)
    try:
        yield log
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def ready(server: Alertmanager | Prometheus, log: Path) -> None:
    await until(server.ready, limit_s=LIMIT_S, told=lambda: f"see {log}")


def arguments(file: Path, port: int, address: str) -> list[str]:
    """Return what the page has written for a service, at a free port."""
    (args,) = re.findall(r'^ARGS="(.*)"$', file.read_text(), re.MULTILINE)
    assert f"--web.listen-address={address}" in args
    return shlex.split(args.replace(address, f"127.0.0.1:{port}"))


def adapt(folder: Path, mailbox: Inboxes, target: str, manager: int) -> None:
    """Give what the page has put in place other addresses, and less patience."""
    for name in ("prometheus.yml", "alerting-rules.yml", "recording-rules.yml", "alertmanager.yml"):
        path = folder / "prometheus" / name
        text = quick(path.read_text()).replace("_interval: 15s", "_interval: 500ms")
        for old, new in {
            "127.0.0.1:9977": target,
            "127.0.0.1:9093": f"127.0.0.1:{manager}",
            "/etc/alertmanager": f"{folder}/alertmanager",
            "https://watchdog.invalid/set-at-start": f"{mailbox.url}/watchdog",
        }.items():
            text = text.replace(old, new)
        path.write_text(text)


async def test_the_page_for_debian_leads_to_a_message(tmp_path: Path) -> None:
    require_tool("promtool", "prometheus")
    require_tool("amtool", "prometheus-alertmanager")
    (place,) = blocks("Prometheus and Alertmanager")
    told, test = blocks("Be told")
    assert test.startswith(ASK)
    ports = free_port(), free_port()
    for name in ("prometheus", "alertmanager", "default"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.yaml").write_text("bots: []\n")
    async with inboxes() as mailbox, exporter(tmp_path / "config.yaml", tmp_path / "data") as running:
        await shell(here(place, tmp_path), tmp_path)
        await shell(here(told, tmp_path), tmp_path, f"{mailbox.url}/slack\n")
        adapt(tmp_path, mailbox, running.url.removeprefix("http://"), ports[1])
        config, kept = f"--config.file={tmp_path}/prometheus", f"{tmp_path}/kept"
        watching = [
            *arguments(tmp_path / "default" / "prometheus", ports[0], "127.0.0.1:9090"),
            f"{config}/prometheus.yml",
            f"--storage.tsdb.path={kept}",
            "--rules.alert.resend-delay=2s",
        ]
        telling = [
            *arguments(tmp_path / "default" / "prometheus-alertmanager", ports[1], "127.0.0.1:9093"),
            f"{config}/alertmanager.yml",
            f"--storage.path={kept}",
        ]
        async with (
            service("prometheus-alertmanager", tmp_path, telling) as told_log,
            service("prometheus", tmp_path, watching) as watched_log,
            aiohttp.ClientSession() as session,
        ):
            manager = Alertmanager(f"127.0.0.1:{ports[1]}", told_log, session)
            server = Prometheus(f"http://127.0.0.1:{ports[0]}", session)
            await ready(manager, told_log)
            await ready(server, watched_log)
            await shell(test.replace("127.0.0.1:9093", manager.address), tmp_path)
            await eventually(lambda: mailbox.slack, LIMIT_S)
            assert mailbox.slack[0]["attachments"][0]["title"] == "WARNING: This is a test. Bot just-a-test, racetime"

            await server.until('up{job="bot-exporter"}', (), {(): 1})
            await eventually(lambda: mailbox.watchdog, LIMIT_S)
            await manager.send({"alertname": "BotAllDown", "severity": "critical", "platform": "racetime"})
            await eventually(lambda: len(mailbox.slack) > 1, LIMIT_S)
            assert mailbox.slack[1]["attachments"][0]["title"] == "CRITICAL: BotAllDown racetime"
            assert not mailbox.mail
            assert not mailbox.pagerduty
