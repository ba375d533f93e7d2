"""A fleet to which everything happens that dashboards show, under a Prometheus with the shipped alerting rules."""

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from exporter.platforms.dota2.wire import GcMsg, JoinResult, Outcome, Team
from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import SCENARIOS, Plan
from exporter.simulators.dota2.scenarios import Scenario
from exporter.simulators.steam import Phase, SteamSimulator
from exporter.simulators.steam import demo as demo_accounts
from exporter.timing import SystemClock
from tests.e2e.command import Running, exporter
from tests.e2e.paging import prometheus_config
from tests.e2e.prometheus import Prometheus, prometheus
from tests.e2e.site import CATEGORIES, Site, site
from tests.eventually import eventually

Json = dict[str, Any]

RACETIME: Final = CATEGORIES
DOTA2: Final = ("hosting", "played", "unlucky", "kicked", "mailed", "limited", "resting")
PASSWORD: Final = "the-password"
PLAYERS: Final = (76561197960287930, 76561197960287931)
WORKING: Final = 7


@dataclass
class BusyFleet:
    """All of it, running, with the troubles still to come."""

    running: Running
    server: Prometheus
    held: Site
    steam: SteamSimulator
    dota2: Scenario
    key: str

    async def order(self, method: str, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
        """Give an order, or try to with another key."""
        headers = {"X-API-Key": self.key if key is None else key}
        async with (
            aiohttp.ClientSession(self.running.url) as session,
            session.request(method, path, json=body, headers=headers) as response,
        ):
            answer: Json = await response.json()
            return answer

    async def lobby(self, bot: str, name: str) -> Json:
        return await self.order(
            "POST", "/api/v1/lobbies", {"name": name, "server_region": "EUW", "game_mode": "CM", "bot": bot}
        )

    async def live(self) -> None:
        """Let everything happen, good and bad."""
        await self.server.until("sum(bot_up)", (), {(): WORKING})
        await self._play_lobbies()
        await self._run_races()
        await self._refuse_a_reload()
        await self.order("POST", "/api/v1/bots/played/restart")
        await self.order("POST", "/api/v1/bots/ootr/maintenance", {"reason": "new cables"})
        await self.order("POST", "/api/v1/bots/resting/start", key="not-the-key")
        self.held.simulator.faults.on("http_status", "category@smz3", "502")
        account = self.steam.world.accounts["user-kicked"]
        self.steam.world.kick(self.steam.world.sessions_of(account)[0], Result.LOGGED_IN_ELSEWHERE)
        await self.server.until('bot_up{bot=~"smz3|kicked"}', ("bot",), {("smz3",): 0, ("kicked",): 0})
        # Last, because then no bot logs on any more.
        self.steam.faults.refuse(Phase.BEGIN, Result.RATE_LIMIT_EXCEEDED, username="user-limited")
        await self.order("POST", "/api/v1/bots/limited/start")

    async def _play_lobbies(self) -> None:
        """One lobby waits for players, one is played to its end, one does not come about."""
        world, clock = self.dota2.coordinator.world, self.held
        world.plan = lambda _: Plan(duration_s=0.5, outcome=Outcome.RADIANT)
        unlucky = self.steam.world.accounts["user-unlucky"].steamid
        self.dota2.coordinator.faults.refuse(GcMsg.LOBBY_CREATE, JoinResult.BUSY, times=9, steamid=unlucky)
        await self.lobby("hosting", "Waiting")
        played = await self.lobby("played", "Played")
        await self.lobby("unlucky", "Never")
        (room,) = [lobby for lobby in world.lobbies.values() if lobby.settings.game_name == "Played"]
        for who, team in zip(PLAYERS, (Team.RADIANT, Team.DIRE), strict=True):
            world.join(room, who, clock.now(), "")
            world.seat(who, team, 1, clock.now())
        await self.order("POST", f"/api/v1/lobbies/{played['lobby_id']}/launch")
        await self.server.until('sum(bot_lobbies_finished_total{bot="played"})', (), {(): 1})

    async def _run_races(self) -> None:
        """One race is open with two entrants, one is cancelled while the bot looks."""
        world, now = self.held.world, self.held.now()
        first, second, *_ = world.users.values()
        race, over = (world.open_race(world.categories["alttpr"], now=now, by=first) for _ in range(2))
        for who in (first, second):
            world.join(race, who, now)
        await self.server.until('bot_race_rooms{bot="alttpr",connected="true"}', (), {(): 2})
        world.cancel(over, first, self.held.now())
        await self.server.until('bot_races_finished_total{bot="alttpr",outcome="cancelled"}', (), {(): 1})

    async def _refuse_a_reload(self) -> None:
        """Break the configuration, then mend it."""
        good = self.held.config.read_text()
        reloaded = "bot_exporter_config_last_reload_successful"
        self.held.config.write_text(f"pots: []\n{good}")
        self.running.process.send_signal(signal.SIGHUP)
        await self.server.until(f"max_over_time({reloaded}[2s])", (), {(): 0})
        self.held.config.write_text(good)
        # What happens within ten seconds of the start counts as the start.
        await self.server.until("time() - max(process_start_time_seconds) > bool 12", (), {(): 1})
        self.running.process.send_signal(signal.SIGHUP)
        await self.server.until(reloaded, (), {(): 1})


@asynccontextmanager
async def busy_fleet(folder: Path) -> AsyncIterator[BusyFleet]:
    """Run the services, the exporter and Prometheus until the block ends."""
    clock = SystemClock()
    accounts = demo_accounts(clock.now())
    for name in DOTA2:
        accounts.world.add_account(f"user-{name}", PASSWORD, email_code="R7PQK" if name == "mailed" else "")
    scenario = SCENARIOS["quiet"](accounts.world.accounts)
    steam = SteamSimulator(accounts.world, clock=clock, scenario=accounts, games=[scenario.coordinator], tick_s=0.1)
    async with AsyncExitStack() as stack:
        held = await stack.enter_async_context(site(folder, wrong_secrets=["sm"]))
        await steam.start()
        stack.push_async_callback(steam.stop)
        _add_dota2(held.config, steam)
        web = folder / "web.yml"
        web.write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
        data = folder / "data"
        running = await stack.enter_async_context(exporter(held.config, data, f"--web.config.file={web}"))
        rules = folder / "prometheus.d"
        text = prometheus_config(rules, running.url.removeprefix("http://"), "127.0.0.1:9")
        server = await stack.enter_async_context(prometheus(running.url, rules, text))
        key = await eventually(lambda: (data / "admin.key").read_text().strip())
        yield BusyFleet(running, server, held, steam, scenario, key)


def _add_dota2(config: Path, steam: SteamSimulator) -> None:
    at_rest = {"limited", "resting"}
    bots = [
        f"  - {{name: {name}, platform: dota2, username: user-{name}, password: {PASSWORD},"
        f" active: {str(name not in at_rest).lower()}}}"
        for name in DOTA2
    ]
    head = f"steam: {{logon_interval: 50ms, cm_list: {steam.cm_urls}}}\n"
    config.write_text(head + config.read_text() + "\n" + "\n".join(bots) + "\n")
