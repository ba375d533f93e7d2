"""A simulated Steam with a Dota 2 coordinator, a real store and supervisor, and bots between them, over real sockets.

Time stands still unless a test moves it: `clock` is ours, `steam_clock` is Steam's.
"""

import base64
import random
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from exporter.metrics.counters import Counters
from exporter.model import events as ev
from exporter.model.status import BotRecord
from exporter.platforms.dota2.bot import Dota2Bot
from exporter.platforms.dota2.options import DOTA2, Dota2Options
from exporter.platforms.dota2.playing import Dota2Timing
from exporter.platforms.dota2.service import Dota2Service
from exporter.platforms.steam.account import AccountSecrets
from exporter.platforms.steam.network import SteamNetwork, open_network
from exporter.platforms.steam.tokens import StoredLogon
from exporter.runner import RetryPolicy
from exporter.secrets import Secret, SecretSource
from exporter.sections import Steam
from exporter.simulators.dota2 import Coordinator
from exporter.simulators.steam import Account, Policy, SteamSimulator, World
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor
from exporter.timing import Clock
from tests.clock import ManualClock
from tests.eventually import eventually

SECRET = b"twenty bytes of this"
PASSWORD = "correct horse"
SCAN_FOR = (PASSWORD, base64.b64encode(SECRET).decode())


class Rig:
    """Everything between a simulated Steam and what readers see of our bots."""

    def __init__(
        self,
        stack: AsyncExitStack,
        data_dir: Path,
        policy: Policy | None = None,
        *,
        coordinator: Coordinator | None = None,
        timing: Dota2Timing | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.steam_clock = ManualClock()
        self.world = World(policy=policy or Policy(poll_interval_s=0.05, heartbeat_s=300))
        self.coordinator = coordinator or Coordinator()
        self.timing = timing or Dota2Timing(greet_s=0.0)
        self.draining = False
        self.use_simulator(clock=self.steam_clock)
        self.unexpected: list[ev.Change] = []
        self.hidden: set[str] = set()
        self.events: list[ev.Event] = []
        self.store = StatusStore(on_unexpected=self.unexpected.append)
        self.counters = Counters()
        self.store.subscribe(self.counters.on_change)
        self.store.subscribe(lambda change: self.events.append(change.event))
        self.data_dir = data_dir
        self._stack = stack

    def use_simulator(self, **options: Any) -> None:
        """Put another simulator of the same Steam, not yet running, in the place of the present one."""
        self.simulator = SteamSimulator(self.world, games=[self.coordinator], **options)

    async def open(self, *, tls: ssl.SSLContext | None = None, clock: Clock | None = None, **config: Any) -> None:
        """Open our side; the simulator must run. Without other settings it is given the simulator's CMs."""
        settings = config or {"cm_list": self.simulator.cm_urls}
        steam = Steam.model_validate({"logon_interval": "0s"} | settings)
        rng = random.Random(1)
        network = open_network(steam, clock or self.clock, self.data_dir, tls=tls, rng=rng)
        self.network: SteamNetwork = await self._stack.enter_async_context(network)
        self.service = Dota2Service(self.network, self.timing)
        self.supervisor = Supervisor(
            self.store,
            {"dota2": self.service},
            clock=clock or self.clock,
            rng=rng,
            policy=RetryPolicy(),
            hide=lambda secret, _=0.0: self.hidden.add(secret),
            draining=lambda: self.draining,
        )
        self._stack.push_async_callback(self.supervisor.shutdown)

    def account(self, name: str = "alice", **facts: Any) -> Account:
        return self.world.add_account(name, PASSWORD, **facts)

    async def add(self, name: str = "alice", *, password: str = PASSWORD, secret: bytes | None = None) -> BotRecord:
        """Take a bot into the fleet and start it."""
        shared = SecretSource(None, Secret(base64.b64encode(secret).decode())) if secret else None
        options = Dota2Options(AccountSecrets(name, SecretSource(None, Secret(password)), shared))
        await self.supervisor.add(BotSpec(name, DOTA2, options, active=True))
        return self.record(name)

    async def online(self, name: str = "alice") -> BotRecord:
        """Return the bot's record once it works."""
        await eventually(lambda: self.record(name).healthy)
        return self.record(name)

    async def failed(self, name: str = "alice") -> BotRecord:
        """Return the bot's record once it waits for a retry or for an operator."""
        await eventually(lambda: self.record(name).state == "disconnected" and self.record(name).last_error)
        return self.record(name)

    async def settled(self, name: str = "alice") -> bool:
        """Return whether the attempt under way came to a good end, once it came to one."""
        await eventually(lambda: self.record(name).healthy or self.record(name).next_retry_at)
        return self.record(name).healthy

    async def retry(self, name: str = "alice") -> None:
        """Let the time pass until a bot tries again."""
        await self.failed(name)
        at = self.record(name).next_retry_at
        assert at is not None, "it waits for an operator"
        await eventually(lambda: self.clock.sleeping)
        await self.clock.advance(at - self.clock.now() + 0.001)  # the two times of a clock round differently

    def bot(self, name: str = "alice") -> Dota2Bot:
        bot = self.supervisor.bot(name)
        assert isinstance(bot, Dota2Bot)
        return bot

    def record(self, name: str = "alice") -> BotRecord:
        return self.store.bots[name]

    def stored(self, name: str = "alice") -> StoredLogon:
        """Return what is on the disk for a bot."""
        return self.network.tokens.load(name, name)

    def seen(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind)]

    def count(self, family: str, word: str = "", name: str = "alice") -> int:
        """Return what is counted of a bot."""
        return self.counters.tallies[name].get(family, {}).get(word, 0)
