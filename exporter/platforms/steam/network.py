"""What all Steam bots of the process share: the choice of servers, the queue for logons, the tokens on disk."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.platforms.steam.directory import CmDirectory, open_directory
from exporter.platforms.steam.keeper import TokenKeeper, open_keeper
from exporter.platforms.steam.limiter import LogonLimiter
from exporter.platforms.steam.tokens import TokenStore
from exporter.sections import Steam
from exporter.timing import Clock

_LEFT_OVER_S: Final = 3600.0
MOST_OPENING: Final = 32
"""Connections that are made at once: a whole fleet that comes back must not hold up the event loop."""


@dataclass(frozen=True, slots=True)
class SteamNetwork:
    """The shared parts; `tls` is one context for all sockets, for each would cost more memory than a bot.

    `tokens` is what `keeper` keeps; whoever connects holds `opening` meanwhile.
    """

    directory: CmDirectory
    limiter: LogonLimiter
    tokens: TokenStore
    keeper: TokenKeeper
    tls: ssl.SSLContext
    opening: asyncio.Semaphore


@asynccontextmanager
async def open_network(
    config: Steam, clock: Clock, data_dir: Path, *, tls: ssl.SSLContext | None = None, rng: random.Random | None = None
) -> AsyncIterator[SteamNetwork]:
    """Open what the bots share; to be left after the last of them has stopped."""
    tls = tls or ssl.create_default_context()
    rng = rng or random.Random()  # noqa: S311  (jitter and choice, no secret)
    file = data_dir / "steam-servers.json"
    tokens = TokenStore(config.token_dir or data_dir / "tokens")
    # In a folder of several processes a young one is just being written by another.
    await asyncio.to_thread(tokens.tidy, 0.0 if config.token_dir is None else _LEFT_OVER_S)
    async with (
        open_directory(config.directory_url, file, clock=clock, rng=rng, tls=tls, fixed=config.cm_list) as directory,
        open_keeper(tokens) as keeper,
    ):
        limiter = LogonLimiter(config.logon_interval_s, clock, rng)
        yield SteamNetwork(directory, limiter, tokens, keeper, tls, asyncio.Semaphore(MOST_OPENING))
