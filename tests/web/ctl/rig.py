"""botctl in a thread of the test, while the server runs on its event loop; and a network that cuts connections."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import structlog

from exporter.app import Application, application, load_fleet
from exporter.ctl.main import main
from exporter.web.settings import WebSettings
from tests.eventually import eventually
from tests.web.control.rig import HERE


@dataclass(frozen=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        return json.loads(self.err)


async def botctl(*arguments: str, data_dir: Path | None = None, typed: str = "", **environ: str) -> Ended:
    """Run a command as it would run in a pipe, with this environment only."""
    place = [f"--data.dir={data_dir}"] if data_dir is not None else []
    raw = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(each, encoding="utf-8", write_through=True) for each in raw)

    def run() -> int:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            return main([*place, *arguments])

    with (
        patch.dict("os.environ", environ, clear=True),
        patch("sys.stdin", io.StringIO(typed)),
        structlog.testing.capture_logs(),  # the server is in the same process, and its log is none of botctl's output
    ):
        code = await asyncio.to_thread(run)
    return Ended(code, *(each.getvalue().decode() for each in raw))


FLEET = """
steam: {logon_interval: 0s}
simulators: {steam: {enabled: true, scenario: quiet}, racetime: {enabled: true, scenario: quiet}}
bots:
  - {name: lobby-1, platform: dota2, username: demo-bot-2, password: demo-password-2}
  - {name: alttpr, platform: racetime, category: alttpr, client_id: demo-alttpr, client_secret: demo-alttpr-secret}
"""


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    more: str = "",
    *,
    web_config: Path | None = None,
    settings: WebSettings = HERE,
    ready: Collection[str] = ("lobby-1", "alttpr"),
) -> AsyncIterator[Application]:
    """Run an exporter with a bot of each platform, and with what `more` configures; `ready` are waited for."""
    (folder / "config.yaml").write_text(FLEET + more)
    fleet = load_fleet(folder / "config.yaml", web_config=web_config)
    async with application(fleet, settings, folder / "data", stagger_s=0.0) as program:
        await eventually(lambda: all(program.store.bots[name].ready for name in ready))
        yield program


@dataclass
class Wire:
    """A proxy in front of a server. `cut` says of each connection whether its answer is lost; `seen` has them."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    cut: Callable[[int], bool] = lambda _: False


@contextlib.asynccontextmanager
async def wire(server: str) -> AsyncIterator[Wire]:
    """Run the proxy: an answer that is cut is lost only after the server has given all of it."""
    parts = urlsplit(server)
    made = Wire()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(made.seen)
        made.seen.append("")
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        made.seen[number] = head.decode()
        back.write(head + await reader.readexactly(length))
        answer = await there.read()  # to its end: the client says Connection: close
        if not made.cut(number):
            writer.write(answer)
            await writer.drain()
        for each in (writer, back):
            each.close()
            with contextlib.suppress(OSError):
                await each.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    made.url = f"http://{host}:{port}"
    async with listening:
        yield made
