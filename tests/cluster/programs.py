"""Whole exporters of one cluster in one test: real bots on simulators, real leases, and a client at each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from exporter.app import Application, application, load_fleet
from exporter.cluster.held import LeaseTiming
from exporter.web.settings import WebSettings
from tests.e2e.prometheus import free_port
from tests.eventually import until

Json = dict[str, Any]
KEY = "the-key-of-all"
TIMING = LeaseTiming(life_s=20.0, beat_s=0.5, margin_s=7.0, patience_s=1.0)


@dataclass
class Program:
    """One exporter and a client at it."""

    name: str
    running: Application
    session: aiohttp.ClientSession

    async def call(self, path: str, method: str = "GET", body: Json | None = None, **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, json=body, headers=named) as answer:
            return answer.status, await answer.json(content_type=None)

    async def shown(self, path: str) -> Any:
        status, body = await self.call(path)
        assert status in {200, 503}, body
        return body


@asynccontextmanager
async def programs(folder: Path, database: str, *names: str, bots: int) -> AsyncIterator[list[Program]]:
    """Run exporters of these names with so many Dota 2 bots, until each bot works somewhere and all know it."""
    async with AsyncExitStack() as stack:
        begun = [stack.enter_async_context(_program(folder / name, database, name, bots)) for name in names]
        running = list(await asyncio.gather(*begun))
        for each in running:
            await until(
                lambda each=each: each.shown("/status/system"),  # type: ignore[misc]
                lambda system: system["available_bots"] == bots and len(system["instances"]) == len(names),
                60,
            )
        yield running


@asynccontextmanager
async def _program(folder: Path, database: str, name: str, bots: int) -> AsyncIterator[Program]:
    port = free_port()
    accounts = [f"demo-bot-{2 * number}" for number in range(1, bots + 1)]
    entries = "\n".join(
        f"  - {{name: lobby-{number}, platform: dota2, username: {account},"
        f" password: {account.replace('bot', 'password')}}}"
        for number, account in enumerate(accounts, 1)
    )
    config = (
        f"storage: {{url: '{database}'}}\n"
        f"cluster: {{enabled: true, instance: {name}, advertise_url: 'http://127.0.0.1:{port}'}}\n"
        "web: {keys: [{name: boss, role: admin, key_file: admin.key}]}\n"
        "steam: {logon_interval: 0s}\n"
        "simulators: {steam: {enabled: true, scenario: quiet}}\n"
        f"bots:\n{entries}\n"
    )
    write(folder, config)
    settings = replace(WebSettings(), listen=(("127.0.0.1", port),))
    fleet = load_fleet(folder / "config.yaml")
    async with (
        application(fleet, settings, folder / "data", stagger_s=0.0, lease_timing=TIMING) as running,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}) as session,
    ):
        yield Program(name, running, session)


def write(folder: Path, config: str) -> None:
    """Write the configuration and the key that all exporters have."""
    folder.mkdir()
    (folder / "admin.key").write_text(KEY)
    (folder / "config.yaml").write_text(config)
