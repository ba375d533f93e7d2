"""botctl watch against a running exporter: it sees what happens, and comes back when the exporter does."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from exporter.web.settings import WebSettings
from tests.eventually import LIMIT_S, eventually
from tests.web.ctl.rig import botctl, running

BOTCTL = str(Path(sys.executable).with_name("botctl"))


async def test_changes_are_seen_and_a_restart_is_told(tmp_path: Path) -> None:
    lines, said = list[str](), list[str]()
    async with running(tmp_path) as program:
        host, port = program.web.addresses[0]
        process = await asyncio.create_subprocess_exec(
            BOTCTL, "watch", "lobby-1", f"--data.dir={tmp_path / 'data'}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error"},
        )  # fmt: skip
        readers = [asyncio.create_task(_read(process.stdout, lines)), asyncio.create_task(_read(process.stderr, said))]
        await eventually(lambda: any("lobby-1" in each for each in lines))
        assert (await botctl("stop", "lobby-1", data_dir=tmp_path / "data")).code == 0
        await eventually(lambda: any(each.endswith("lobby-1  ✓ connected → - disconnected") for each in lines))
    await eventually(lambda: any("coming back" in each for each in said))
    again = WebSettings(listen=((host, port),))
    async with running(tmp_path, settings=again, ready={"alttpr"}):
        await eventually(lambda: any("the server has begun anew" in each for each in said))
        assert (await botctl("start", "lobby-1", data_dir=tmp_path / "data")).code == 0
        await eventually(lambda: "✓ connected" in lines[-1] or any(each.endswith("→ ✓ connected") for each in lines))
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(LIMIT_S):
            assert await process.wait() == 0
    await asyncio.gather(*readers)
    assert not any("Traceback" in each for each in said)


async def test_frames_are_what_status_says(tmp_path: Path) -> None:
    async with running(tmp_path) as program:
        process = await asyncio.create_subprocess_exec(
            BOTCTL, "watch", "-o", "json", f"--url={program.url}", stdout=asyncio.subprocess.PIPE
        )
        known = dict[str, object]()
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            while line := await process.stdout.readline():
                frame = json.loads(line)
                if frame["kind"] is None:
                    break
                if frame["kind"] == "bot":
                    known[frame["id"]] = frame["data"]
        shown = (await botctl("bots", "-o", "json", data_dir=tmp_path / "data")).data["bots"]
        assert {each["name"]: each["state"] for each in shown} == {
            name: data["state"] for name, data in known.items() if isinstance(data, dict)
        }
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def _read(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
    assert stream is not None
    while line := await stream.readline():
        lines.append(line.decode().rstrip())
