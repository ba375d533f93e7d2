"""An order outlives its process only as a doubt: after a kill -9 in the middle of one it is not sent again."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from exporter.platforms.dota2.wire import GcMsg
from exporter.simulators.dota2 import SCENARIOS
from exporter.simulators.steam import SteamSimulator
from exporter.simulators.steam import demo as demo_accounts
from exporter.timing import SystemClock
from tests.e2e.command import Running, exporter
from tests.eventually import eventually, until

CONFIG = """
steam: {{logon_interval: 100ms, cm_list: {cms}}}
bots:
  - {{name: mine, platform: dota2, username: demo-bot-2, password: demo-password-2}}
"""
LOBBY = {"name": "Tonight", "server_region": "EUW", "game_mode": "CM"}

Json = dict[str, Any]


def client(running: Running, data: Path) -> aiohttp.ClientSession:
    key = (data / "admin.key").read_text().strip()
    return aiohttp.ClientSession(running.url, headers={"X-API-Key": key, "Idempotency-Key": "tonight-1"})


async def create(session: aiohttp.ClientSession, body: Json = LOBBY, **headers: str) -> tuple[int, Json]:
    """Ask for a lobby, also while no bot is free yet."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def ask() -> tuple[int, Json]:
        async with session.post("/api/v1/lobbies", json=body, headers=named) as answer:
            return answer.status, await answer.json(content_type=None)

    return await until(ask, lambda answer: answer[0] != 503)


async def test_killed_in_the_middle_of_an_order(tmp_path: Path) -> None:
    clock = SystemClock()
    steam = demo_accounts(clock.now())
    scenario = SCENARIOS["quiet"](steam.world.accounts)
    coordinator = scenario.coordinator
    simulator = SteamSimulator(steam.world, clock=clock, scenario=steam, games=[coordinator], tick_s=0.1)
    await simulator.start()
    config, data = tmp_path / "config.yaml", tmp_path / "data"
    config.write_text(CONFIG.format(cms=list(simulator.cm_urls)))
    try:
        coordinator.faults.silence(GcMsg.LOBBY_CREATE)
        async with exporter(config, data) as running, client(running, data) as session:
            asking = asyncio.create_task(create(session))
            await eventually(lambda: coordinator.stats.received[GcMsg.LOBBY_CREATE] == 1)
            running.process.kill()
            assert await running.exit_code() == -9
            assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], aiohttp.ClientError)
        coordinator.faults.clear()
        async with exporter(config, data) as running, client(running, data) as session:
            for _ in range(2):
                status, problem = await create(session)
                assert (status, "its end is not known" in problem["detail"]) == (409, True), problem
            order_id = problem["detail"].split()[2]
            async with session.get(f"/api/v1/orders/{order_id}") as answer:
                order = await answer.json()
            assert (order["state"], order["action"], order["target"]) == ("in_doubt", "create_lobby", "Tonight")
            assert (await create(session, LOBBY | {"name": "Another"}))[0] == 422
            async with session.get("/status/history?kind=order") as answer:
                told = [(item["after"], item["actor"]) for item in (await answer.json())["items"]]
            assert [each for each in told if each[0] != "refused"] == [("in_doubt", "admin")]
            status, lobby = await create(session, Idempotency_Key="tonight-2")
            assert (status, lobby["bot"]) == (201, "mine")
            assert coordinator.stats.received[GcMsg.LOBBY_CREATE] == 2  # the second key's, and nothing of the first
            assert len(coordinator.world.lobbies) == 1
    finally:
        await simulator.stop()
