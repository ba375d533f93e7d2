"""A real Alertmanager from Debian."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.command import LIMIT_S
from tests.e2e.prometheus import free_port
from tests.tools import require_tool


@dataclass
class Alertmanager:
    """A running Alertmanager."""

    address: str
    log: Path
    session: aiohttp.ClientSession

    async def alerts(self, name: str = "") -> list[dict[str, Any]]:
        """Return the alerts that it holds, or those of one name; what is resolved it no longer shows."""
        params = {"filter": f'alertname="{name}"'} if name else {}
        async with self.session.get(f"http://{self.address}/api/v2/alerts", params=params) as response:
            assert response.status == 200, await response.text()
            found: list[dict[str, Any]] = await response.json()
            return found

    async def send(self, *alerts: dict[str, str]) -> None:
        """Hand it alerts with these labels, as Prometheus does."""
        body = [
            {"labels": labels, "annotations": {"summary": labels["alertname"], "description": f"{labels}"}}
            for labels in alerts
        ]
        async with self.session.post(f"http://{self.address}/api/v2/alerts", json=body) as response:
            assert response.status == 200, await response.text()

    async def ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with self.session.get(f"http://{self.address}/-/ready") as response:
                return response.status == 200
        return False


@asynccontextmanager
async def alertmanager(config: Path, folder: Path) -> AsyncIterator[Alertmanager]:
    """Run an Alertmanager, without gossip, until the block ends."""
    program = require_tool("prometheus-alertmanager", "prometheus-alertmanager")
    address = f"127.0.0.1:{free_port()}"
    path = folder / "alertmanager.log"
    with path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
            "--log.level=debug",
            stdout=log,
            stderr=log,
        )
        try:
            async with aiohttp.ClientSession() as session:
                running = Alertmanager(address, path, session)
                async with asyncio.timeout(LIMIT_S):
                    while not await running.ready():
                        assert process.returncode is None, path.read_text()
                        await asyncio.sleep(0.05)
                yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
