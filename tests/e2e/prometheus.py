"""A real Prometheus server from Debian, scraping a real exporter."""

import asyncio
import contextlib
import socket
import textwrap
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.e2e.command import LIMIT_S
from tests.tools import require_tool

CONFIG = """
global: {{scrape_interval: 400ms, scrape_timeout: 400ms, evaluation_interval: 400ms}}
scrape_configs:
  - job_name: bot-exporter
    static_configs: [{{targets: ["{target}"]}}]
{more}"""

Samples = dict[tuple[str, ...], float]


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Prometheus:
    """Asks a running Prometheus."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of a successful answer of the API."""
        async with self._session.get(f"{self._url}/api/v1/{path}", params=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    async def query(self, promql: str, *labels: str) -> Samples:
        """Return the instant vector: values by the values of the named labels."""
        answer = await self.ask("query", query=promql)
        return {
            tuple(sample["metric"].get(label, "") for label in labels): float(sample["value"][1])
            for sample in answer["result"]
        }

    async def until(self, promql: str, labels: Sequence[str], expected: Samples, limit_s: float = LIMIT_S) -> None:
        """Ask again until the answer is the expected one."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit_s
        while (answer := await self.query(promql, *labels)) != expected:
            assert loop.time() < end, f"{promql} is still {answer}, not {expected}"
            await asyncio.sleep(0.1)

    async def ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with self._session.get(f"{self._url}/-/ready") as response:
                return response.status == 200
        return False


@asynccontextmanager
async def prometheus(
    target_url: str, folder: Path, text: str | None = None, *arguments: str, more: str = ""
) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes the target every 400 ms, or does what another configuration's text says.

    `more` are further lines for the scrape.
    """
    program = require_tool("prometheus", "prometheus")
    config = folder / "prometheus.yml"
    scrape = CONFIG.format(target=urlsplit(target_url).netloc, more=textwrap.indent(more, "    "))
    config.write_text(text or scrape)
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *arguments,
            stdout=log,
            stderr=log,
        )
        try:
            async with aiohttp.ClientSession() as session:
                server = Prometheus(f"http://127.0.0.1:{port}", session)
                async with asyncio.timeout(LIMIT_S):
                    while not await server.ready():
                        assert process.returncode is None, (folder / "prometheus.log").read_text()
                        await asyncio.sleep(0.05)
                yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
