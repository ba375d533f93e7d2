"""What all racetime.gg bots of the process share: HTTP sessions, the keepalive of their sockets, and the board."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from exporter.config import Config
from exporter.platforms.base import BotContext
from exporter.platforms.racetime.board import Board
from exporter.platforms.racetime.bot import RacetimeBot
from exporter.platforms.racetime.client import Patience, RacetimeClient
from exporter.platforms.racetime.handlers import HandlerFactory, only_watch
from exporter.platforms.racetime.keepalive import Keepalive
from exporter.platforms.racetime.options import RacetimeOptions
from exporter.platforms.racetime.rooms import RoomTiming
from exporter.timing import Clock

_MOST_CONNECTIONS = 32

_log = structlog.get_logger(component="racetime")


class RacetimeService:
    """Makes the bots of one site, which does not limit their logons."""

    logons = None
    queue = None

    def __init__(
        self,
        client: RacetimeClient,
        board: Board,
        *,
        poll_interval_s: float,
        timing: RoomTiming | None = None,
        handlers: HandlerFactory = only_watch,
    ) -> None:
        self._client = client
        self._board = board
        self._poll_interval_s = poll_interval_s
        self._timing = timing or RoomTiming()
        self._handlers = handlers

    def bot(self, options: RacetimeOptions, context: BotContext) -> RacetimeBot:
        """Return a bot, not yet running."""
        return RacetimeBot(
            options,
            context,
            self._client,
            self._board,
            poll_interval_s=self._poll_interval_s,
            timing=self._timing,
            handlers=self._handlers,
        )


@asynccontextmanager
async def open_session(
    base_url: str, user_agent: str, patience: Patience | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RacetimeClient]:
    """Give a client with sessions of its own: no cookies, no proxies of the environment, few connections.

    `tls` is one context for requests and all rooms: one for each socket would cost more memory than a bot.
    """
    tls = tls or ssl.create_default_context()
    patience = patience or Patience()
    keepalive = Keepalive(patience.ping_s)

    def session(*, keep: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, force_close=not keep, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent},
        )

    async with (
        session(keep=True) as reads,
        session(keep=False) as orders,
        _background(keepalive.run(), "racetime keepalive"),
    ):
        yield RacetimeClient(
            reads, orders, base_url, user_agent=user_agent, patience=patience, keepalive=keepalive, tls=tls
        )


@asynccontextmanager
async def open_board(client: RacetimeClient, clock: Clock, poll_interval_s: float) -> AsyncIterator[Board]:
    """Give a board that is kept up to date meanwhile."""
    board = Board(client, clock, poll_interval_s)
    async with _background(board.run(), "racetime board"):
        yield board


@asynccontextmanager
async def open_service(
    config: Config,
    clock: Clock,
    data_dir: Path,  # noqa: ARG001  (the seam's)
    *,
    patience: Patience | None = None,
    timing: RoomTiming | None = None,
) -> AsyncIterator[RacetimeService]:
    """Open what the bots share; closed after the last of them has stopped."""
    racetime = config.racetime
    poll_s = racetime.poll_interval_s
    async with (
        open_session(racetime.url, racetime.user_agent, patience) as client,
        open_board(client, clock, poll_s) as board,
    ):
        yield RacetimeService(client, board, poll_interval_s=poll_s, timing=timing)


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, object], name: str) -> AsyncIterator[None]:
    """Do this work meanwhile."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_complain)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _complain(task: "asyncio.Task[object]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("what all bots share has ended: this is a bug", task=task.get_name(), exc_info=error)
