"""The installed command, its configuration edited while it runs."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.command import LIMIT_S, Running, exporter
from tests.e2e.site import site
from tests.eventually import eventually


class Client:
    """Reads the running command."""

    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self.running = running
        self.session = session

    async def bots(self) -> dict[str, dict[str, Any]]:
        async with self.session.get("/status/bots") as response:
            return {bot["name"]: bot for bot in (await response.json())["bots"]}

    async def health(self) -> str:
        async with self.session.get("/health") as response:
            return str((await response.json())["status"])

    async def until(
        self, good: Callable[[dict[str, dict[str, Any]]], bool], limit_s: float = LIMIT_S
    ) -> dict[str, Any]:
        end = time.monotonic() + limit_s
        while not good(bots := await self.bots()):
            assert time.monotonic() < end, (bots, self.running.log)
            await asyncio.sleep(0.05)
        return bots

    async def line(self, *words: str, times: int = 1) -> None:
        """Wait for so many log lines with all of these words."""
        await eventually(lambda: self.count(*words) >= times)

    def count(self, *words: str) -> int:
        return sum(all(word in line for word in words) for line in self.running.log)


def everyone_connected(bots: dict[str, dict[str, Any]]) -> bool:
    return all(bot["healthy"] for bot in bots.values())


def without(text: str, name: str) -> str:
    return "\n".join(line for line in text.splitlines() if f"name: {name}," not in line)


async def test_sighup(tmp_path: Path) -> None:
    async with (
        site(tmp_path, poll="10s") as held,
        exporter(held.config, tmp_path / "data") as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        client, whole = Client(running, session), held.config.read_text()
        before = await client.until(everyone_connected)
        held.config.write_text(without(whole, "ootr"))
        running.process.send_signal(signal.SIGHUP)
        await client.line('msg="configuration reloaded"', "by=SIGHUP", "removed=1", "unchanged=3")
        after = await client.bots()
        assert sorted(after) == ["alttpr", "sm", "smz3"]
        assert all(after[name]["connected_since"] == before[name]["connected_since"] for name in after)

        held.config.write_text(without(whole, "sm") + "\npots: []\nbots_files: [nowhere.yaml]\n")
        running.process.send_signal(signal.SIGHUP)
        await client.line("configuration not reloaded", "level=error", "problems=2")
        assert client.count("wrong configuration", "pots: unknown key") == 1
        assert client.count("wrong configuration", "nowhere.yaml does not exist") == 1
        assert await client.health() == "degraded"
        assert sorted(await client.bots()) == sorted(after)

        held.config.write_text(whole)
        running.process.send_signal(signal.SIGHUP)
        await client.until(lambda bots: len(bots) == 4 and everyone_connected(bots))
        assert await client.health() == "ok"
        assert {name: (await client.bots())[name]["connected_since"] for name in after} == {
            name: before[name]["connected_since"] for name in after
        }
    assert not any("secret" in line for line in running.log)


async def test_auto_reload(tmp_path: Path) -> None:
    """A file of bots that comes, is wrong, is mended, and a secret that is corrected: nobody has to send anything."""

    def settled(bots: dict[str, dict[str, Any]]) -> bool:
        refused = str(bots["sm"]["status_name"]) == "auth_failed"
        return refused and sum(bot["healthy"] for bot in bots.values()) == 3

    async with site(tmp_path, wrong_secrets=["sm"], poll="10s") as held:
        held.config.write_text(held.config.read_text() + "\nbots_files: [more/*.yaml]\n")
        async with (
            exporter(held.config, tmp_path / "data", "--config.enable-auto-reload") as running,
            aiohttp.ClientSession(running.url) as session,
        ):
            client = Client(running, session)
            before = await client.until(settled)
            more = tmp_path / "more" / "bots.yaml"
            more.parent.mkdir()
            more.write_text("- {name: second, platform: racetime, category: ootr}\n")
            await client.line("configuration not reloaded", "a changed file", "problems=2")
            assert await client.health() == "degraded"
            more.write_text(
                "- {name: second, platform: racetime, category: ootr, client_id: demo-ootr,"
                " client_secret_file: ../secrets/ootr}\n"
            )
            (held.secrets / "sm").write_text("demo-sm-secret\n")
            bots = await client.until(lambda bots: len(bots) == 5 and everyone_connected(bots))
            for name in ("alttpr", "ootr", "smz3"):
                assert bots[name]["connected_since"] == (
                    before[name]["connected_since"] or bots[name]["connected_since"]
                )
                assert bots[name]["reconnects"] == 0
            assert client.count("wrong configuration") == 2  # once, not at each look
            assert await client.health() == "ok"


async def test_many_signals_at_once_and_one_at_the_end(tmp_path: Path) -> None:
    async with (
        site(tmp_path, poll="10s") as held,
        exporter(held.config, tmp_path / "data") as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        client = Client(running, session)
        for _ in range(50):
            running.process.send_signal(signal.SIGHUP)
        await client.line("configuration reloaded", "unchanged=4")
        await client.until(everyone_connected)
        assert 1 <= client.count("configuration reloaded") <= 50
        running.process.send_signal(signal.SIGHUP)
        running.terminate()  # a reload must not keep the process from ending
        assert await running.exit_code() == 0
    assert client.count("level=error") == client.count("Traceback") == 0
