"""botctl on a terminal: the live table, Ctrl-C, and how little is loaded to begin."""

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
from pathlib import Path

import pytest

from tests.e2e.command import LIMIT_S, ROOT
from tests.eventually import eventually
from tests.unit.ctl.answers import fleet, status
from tests.web.ctl.feed import Script, Serve, frame, scripted
from tests.web.ctl.test_watch import snapshot

BOTCTL = str(Path(sys.executable).with_name("botctl"))


class Terminal:
    """A program on a terminal of 80 by 24; `text` is what it wrote, without colours and movements."""

    def __init__(self) -> None:
        self.written = b""
        self._ours, self._its = pty.openpty()
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    async def __call__(self, *command: str) -> asyncio.subprocess.Process:
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color", "PYTHONWARNINGS": "error"}
        process = await asyncio.create_subprocess_exec(
            *command, stdin=self._its, stdout=self._its, stderr=self._its, env=environ, cwd=ROOT
        )
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return process

    def _read(self) -> None:
        self.written += os.read(self._ours, 65536)

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.written.decode(errors="replace"))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        for each in (self._ours, self._its):
            os.close(each)


async def test_a_live_table_and_a_line_for_each_change() -> None:
    data = status(fleet())
    sm = next(each for each in data["bots"] if each["name"] == "sm")
    change = asyncio.Event()

    async def act(connection: object) -> None:
        for each in snapshot(data):
            await connection.send(each)  # type: ignore[attr-defined]
        await change.wait()
        await connection.send(frame("change", 2, "bot", "sm", {**sm, "status_name": "connected"}))  # type: ignore[attr-defined]
        await connection.wait_closed()  # type: ignore[attr-defined]

    played: Serve = act
    terminal = Terminal()
    async with scripted(Script([played])) as url:
        process = await terminal(BOTCTL, "watch", "--url", url)
        try:
            await eventually(lambda: "alttpr/lucky-link-1" in terminal.text)
            change.set()
            await eventually(lambda: "sm  ✗ auth failed, invalid credentials → ✓ connected" in terminal.text)
            await eventually(lambda: "✓ connected     disconnected" in terminal.text)
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(LIMIT_S):
                assert await process.wait() == 0
        finally:
            terminal.close()
    assert "Traceback" not in terminal.text
    assert terminal.written.rstrip().endswith(b"\x1b[?25h")  # the cursor is back


async def test_an_order_that_is_waited_for_can_be_interrupted() -> None:
    held = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        held.set()
        await reader.read()  # until the client leaves
        writer.close()

    listening = await asyncio.start_server(hold, "127.0.0.1", 0)
    terminal = Terminal()
    async with listening:
        url = "http://127.0.0.1:{1}".format(*listening.sockets[0].getsockname())
        process = await terminal(BOTCTL, "stop", "sm", "--url", url)
        try:
            async with asyncio.timeout(LIMIT_S):
                await held.wait()
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 130
            await eventually(lambda: "interrupted; an order that was given goes on" in terminal.text)
        finally:
            terminal.close()
    assert "stop of sm" in terminal.text


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["--help"], {"rich", "http.client", "ssl", "asyncio", "websockets", "exporter.app", "aiohttp"}),
        (["status", "--url", "http://127.0.0.1:1"], {"asyncio", "websockets", "exporter.app", "aiohttp", "pydantic"}),
    ],
)
async def test_little_is_loaded_to_begin(arguments: list[str], without: set[str]) -> None:
    look = (
        "import json, sys; from exporter.ctl.main import main; main(json.loads(sys.argv[1])); "
        "print(json.dumps(list(sys.modules)), file=sys.stderr)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", look, json.dumps(arguments), cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert set(json.loads(err.splitlines()[-1])) & without == set()
