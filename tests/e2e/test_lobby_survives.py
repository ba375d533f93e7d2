"""A lobby outlives the process that hosts it: kill -9 in mid lobby and in mid game, start again, and it is adopted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from exporter.platforms.dota2.wire import Outcome, Team
from exporter.simulators.dota2 import SCENARIOS, Plan
from exporter.simulators.steam import SteamSimulator
from exporter.simulators.steam import demo as demo_accounts
from exporter.timing import SystemClock
from tests.e2e.command import Running, exporter
from tests.eventually import until

CONFIG = """
steam: {{logon_interval: 100ms, cm_list: {cms}}}
bots:
  - {{name: mine, platform: dota2, username: demo-bot-2, password: demo-password-2}}
"""

PLAYERS = (76561197960287930, 76561197960287931)

Json = dict[str, Any]


class Client:
    """Reads the exporter and gives it orders, with the key that it made."""

    def __init__(self, running: Running, data: Path) -> None:
        self._running = running
        self._key = {"X-API-Key": (data / "admin.key").read_text().strip()}

    async def order(self, method: str, path: str, body: Json | None = None) -> Json:
        async with (
            aiohttp.ClientSession(self._running.url) as session,
            session.request(method, path, json=body, headers=self._key) as response,
        ):
            answer: Json = await response.json()
        assert response.status < 300, (answer, self._running.log)
        return answer

    async def until(self, path: str, good: Callable[[Json], bool]) -> Json:
        async with aiohttp.ClientSession(self._running.url) as session:

            async def ask() -> tuple[int, Json]:
                async with session.get(path) as response:
                    return response.status, await response.json()

            _, answer = await until(ask, lambda each: each[0] == 200 and good(each[1]), told=lambda: self._running.log)
            return answer


async def test_killed_in_mid_lobby_and_in_mid_game(tmp_path: Path) -> None:
    clock = SystemClock()
    steam = demo_accounts(clock.now())
    scenario = SCENARIOS["quiet"](steam.world.accounts)
    world = scenario.coordinator.world
    world.plan = lambda _: Plan(duration_s=3600.0, outcome=Outcome.RADIANT)
    simulator = SteamSimulator(steam.world, clock=clock, scenario=steam, games=[scenario.coordinator], tick_s=0.1)
    await simulator.start()
    config, data = tmp_path / "config.yaml", tmp_path / "data"
    config.write_text(CONFIG.format(cms=list(simulator.cm_urls)))
    try:
        async with exporter(config, data) as running:
            client = Client(running, data)
            await client.until("/status/bots/mine", lambda bot: bool(bot["available"]))
            wanted: Json = {"name": "Tonight", "password": "hunter2", "server_region": "EUW", "game_mode": "CM"}
            wanted["expected_players"] = [str(each) for each in PLAYERS]
            lobby = await client.order("POST", "/api/v1/lobbies", wanted)
            running.process.kill()
            assert await running.exit_code() == -9
        place = f"/status/lobbies/{lobby['lobby_id']}"
        async with exporter(config, data) as running:
            client = Client(running, data)
            adopted = await client.until(place, lambda lobby: bool(lobby["watched"]))
            kept = ("lobby_id", "name", "state", "bot", "server_region_name", "game_mode_name", "has_password")
            assert [adopted[key] for key in kept] == [lobby[key] for key in kept]
            bot = await client.until("/status/bots/mine", lambda bot: bool(bot["state"] == "in_lobby"))
            assert (bot["healthy"], bot["available"], bot["current_lobby_id"]) == (True, False, lobby["lobby_id"])
            (hosted,) = world.lobbies.values()
            for who in PLAYERS:
                world.join(hosted, who, clock.now(), "hunter2")
            world.seat(PLAYERS[0], Team.RADIANT, 1, clock.now())
            half = await client.until(place, lambda lobby: bool(lobby["radiant_count"] == 1))
            world.seat(PLAYERS[1], Team.DIRE, 1, clock.now())
            both = await client.until(place, lambda lobby: bool(lobby["dire_count"] == 1))
            assert (half["state"], both["state"]) == ("waiting", "ready"), "who is expected is known after the kill"
            await client.order("POST", f"/api/v1/lobbies/{lobby['lobby_id']}/launch")
            await client.until(place, lambda lobby: bool(lobby["state"] == "in_game"))
            running.process.kill()
            assert await running.exit_code() == -9
        async with exporter(config, data) as running:
            client = Client(running, data)
            game = await client.until(place, lambda lobby: bool(lobby["state"] == "in_game"))
            assert game["match_id"] is not None
            system = await client.until("/status/system", lambda system: bool(system["busy_bots"] == 1))
            assert (system["active_lobbies"], system["total_lobbies_created"]) == (1, 1)
            assert not any("hunter2" in line for line in running.log)
        assert scenario.coordinator.stats.violations == []
    finally:
        await simulator.stop()
