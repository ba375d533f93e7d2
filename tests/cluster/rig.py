"""Several processes of one fleet on loopback, with both services simulated in the test's own process."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from exporter.simulators.dota2 import SCENARIOS
from exporter.simulators.dota2.world import World as Lobbies
from exporter.simulators.racetime import RacetimeSimulator, quiet
from exporter.simulators.steam import SteamSimulator
from exporter.simulators.steam import demo as demo_accounts
from exporter.simulators.steam.world import World as Accounts
from exporter.timing import SystemClock
from tests.eventually import until

ROOT = Path(__file__).resolve().parents[2]
CATEGORIES = ("alttpr", "ootr", "smz3")
ACCOUNTS = (2, 4, 6, 8, 10, 12)  # they want no device code
BOTS = frozenset({*CATEGORIES, *(f"dota-{number}" for number in ACCOUNTS)})
_UP = re.compile(r'^bot_up\{bot="([^"]+)",platform="[^"]+"\} ([01])\.0$', re.MULTILINE)

Json = dict[str, Any]


@dataclass
class Member:
    """One process."""

    name: str
    process: asyncio.subprocess.Process
    url: str
    data: Path
    log_file: Path
    reading: aiohttp.ClientSession

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def page(self) -> str:
        """What Prometheus gets of this process."""
        async with self.reading.get(f"{self.url}/metrics") as response:
            return await response.text()

    async def bots(self) -> dict[str, bool]:
        """The bots that run in this process, and whether each is connected."""
        return {name: up == "1" for name, up in _UP.findall(await self.page())}

    async def order(self, method: str, path: str, body: Json | None = None) -> Json:
        key = {"X-API-Key": (self.data / "admin.key").read_text().strip()}
        async with self.reading.request(method, f"{self.url}{path}", json=body, headers=key) as response:
            answer: Json = await response.json()
        assert response.status < 300, (answer, self.log)
        return answer

    async def ready(self) -> tuple[int, str]:
        async with self.reading.get(f"{self.url}/-/ready") as response:
            return response.status, await response.text()


@dataclass
class Cluster:
    """The processes, and the truth about what they did to the services."""

    folder: Path
    config: str
    accounts: Accounts
    lobbies: Lobbies
    reading: aiohttp.ClientSession
    members: dict[str, Member] = field(default_factory=dict)

    async def start(self, *names: str) -> None:
        await asyncio.gather(*map(self._start, names))

    async def _start(self, name: str) -> None:
        config, log = self.folder / f"{name}.yaml", self.folder / f"{name}.log"
        config.write_text(self.config.replace("INSTANCE", name))
        with log.open("a") as stream:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.cluster.member", str(config), str(self.folder / name)),
                stdout=asyncio.subprocess.PIPE,
                stderr=stream,
                cwd=ROOT,
            )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            url = (await process.stdout.readline()).decode().strip()
        assert url, log.read_text()
        self.members[name] = Member(name, process, url, self.folder / name, log, self.reading)

    async def spread(self, *names: str) -> dict[str, dict[str, bool]]:
        """The bots of each process."""
        return {name: await self.members[name].bots() for name in names}

    async def balanced(self, *names: str, limit_s: float = 60.0) -> Mapping[str, dict[str, bool]]:
        """Wait until these processes have all bots between them, connected and in fair shares."""

        def fair(seen: Mapping[str, dict[str, bool]]) -> bool:
            shares = [len(bots) for bots in seen.values()]
            return self.whole(seen) and max(shares) - min(shares) <= 1

        return await until(lambda: self.spread(*names), fair, limit_s, told=self.told)

    @staticmethod
    def whole(seen: Mapping[str, dict[str, bool]]) -> bool:
        """Say whether every bot runs, once and connected."""
        there = [bot for bots in seen.values() for bot in bots]
        return sorted(there) == sorted(BOTS) and all(up for bots in seen.values() for up in bots.values())

    def told(self) -> str:
        return "\n".join(f"--- {each.name}\n{each.log}" for each in self.members.values())

    async def close(self) -> None:
        for each in self.members.values():
            if each.alive:
                each.signal(signal.SIGCONT)
                each.process.kill()
                await each.ended()


def configuration(storage_url: str, cms: object, racetime: str, folder: Path) -> str:
    """The same for all processes, but for the instance's name."""
    races = [f"{{name: {c}, platform: racetime, category: {c}, client_id: demo-{c}, client_secret: demo-{c}-secret}}"
             for c in CATEGORIES]  # fmt: skip
    lobbies = [f"{{name: dota-{n}, platform: dota2, username: demo-bot-{n}, password: demo-password-{n}}}"
               for n in ACCOUNTS]  # fmt: skip
    return "\n".join(
        [
            "cluster: {enabled: true, instance: INSTANCE, advertise_url: 'http://127.0.0.1:9977'}",
            f"storage: {{url: '{storage_url}'}}",
            f"steam: {{logon_interval: 0s, cm_list: {cms}, token_dir: '{folder / 'tokens'}'}}",
            f"racetime: {{url: '{racetime}', poll_interval: 500ms}}",
            "bots:",
            *(f"  - {each}" for each in (*races, *lobbies)),
        ]
    )


@asynccontextmanager
async def cluster(folder: Path, storage_url: str) -> AsyncIterator[Cluster]:
    """Run both services; processes are started by the test, and ended when it is over."""
    clock = SystemClock()
    steam = demo_accounts(clock.now())
    scenario = SCENARIOS["quiet"](steam.world.accounts)
    site = RacetimeSimulator(quiet(clock.now()).world, clock=clock, category_cache_s=0.0, race_cache_s=0.0)
    simulator = SteamSimulator(steam.world, clock=clock, scenario=steam, games=[scenario.coordinator], tick_s=0.1)
    async with AsyncExitStack() as stack:
        for service in (site, simulator):
            await service.start()
            stack.push_async_callback(service.stop)
        reading = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)))
        config = configuration(storage_url, list(simulator.cm_urls), site.url, folder)
        made = Cluster(folder, config, steam.world, scenario.coordinator.world, reading)
        stack.push_async_callback(made.close)
        yield made
