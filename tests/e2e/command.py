"""The installed command as a subprocess, as a person or a service manager runs it."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

COMMAND = Path(sys.executable).with_name("bot-exporter")
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0
"""Only guards against hanging: a start costs more than a second of a processor that others want too."""


@dataclass
class Running:
    """A running exporter: its process, address, and what it has written so far."""

    process: asyncio.subprocess.Process
    url: str
    greeting: list[str]
    log: list[str] = field(default_factory=list)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self, limit_s: float = LIMIT_S) -> int:
        async with asyncio.timeout(limit_s):
            return await self.process.wait()


@dataclass(frozen=True)
class Ended:
    """What a command that ends by itself printed."""

    code: int
    out: str
    err: str


async def run_to_end(
    *arguments: str,
    cwd: Path = ROOT,
    command: Path = COMMAND,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Ended:
    """Run the command until it ends."""
    process = await asyncio.create_subprocess_exec(
        str(command),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=cwd,
    )
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def exporter(
    config: Path,
    data_dir: Path,
    *arguments: str,
    command: Sequence[str | Path] = (COMMAND,),
    cwd: Path = ROOT,
    environment: Mapping[str, str] = MappingProxyType({}),
    start_s: float = LIMIT_S,
    stop_s: float = LIMIT_S,
) -> AsyncIterator[Running]:
    """Run the exporter on a free port until the block ends; it must then stop by itself on SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        f"--config.file={config}",
        f"--data.dir={data_dir}",
        "--web.listen-address=127.0.0.1:0",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "error", **environment},
        cwd=cwd,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    log: list[str] = []
    reader = asyncio.create_task(_read_lines(process.stderr, log))
    try:
        greeting: list[str] = []
        async with asyncio.timeout(start_s):
            while not any("Stop with Ctrl-C" in line for line in greeting):
                line = await process.stdout.readline()
                assert line, f"the exporter ended: {log}"
                greeting.append(line.decode().rstrip())
        found = re.search(r"metrics +(https?://[^/]+)", "\n".join(greeting))
        assert found is not None
        running = Running(process, found[1], greeting, log)
        yield running
        if process.returncode is None:
            running.terminate()
            assert await running.exit_code(stop_s) == 0, log
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reader


async def _read_lines(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode().rstrip())
