"""What all Dota 2 bots of the process share: the way to Steam."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from exporter.config import Config
from exporter.platforms.base import BotContext, LogonQueue
from exporter.platforms.dota2.bot import Dota2Bot
from exporter.platforms.dota2.options import Dota2Options
from exporter.platforms.dota2.playing import Dota2Timing
from exporter.platforms.steam.network import SteamNetwork, open_network
from exporter.stats import LogonStats
from exporter.timing import Clock


class Dota2Service:
    """Makes the bots; `timing` is for all of them."""

    def __init__(self, network: SteamNetwork, timing: Dota2Timing | None = None) -> None:
        self._network = network
        self._timing = timing

    @property
    def logons(self) -> LogonStats:
        """The figures of the queue for logons."""
        return self._network.limiter.stats

    @property
    def queue(self) -> LogonQueue:
        """The queue for logons itself."""
        return self._network.limiter

    def bot(self, options: Dota2Options, context: BotContext) -> Dota2Bot:
        """Return a bot, not yet running."""
        return Dota2Bot(options, context, self._network, self._timing)


@asynccontextmanager
async def open_service(
    config: Config, clock: Clock, data_dir: Path, *, timing: Dota2Timing | None = None
) -> AsyncIterator[Dota2Service]:
    """Open what the bots share; closed after the last of them has stopped."""
    async with open_network(config.steam, clock, data_dir) as network:
        yield Dota2Service(network, timing)
