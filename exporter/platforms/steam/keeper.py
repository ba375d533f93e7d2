"""The token files as seen from the event loop: one thread does all of it, and what comes meanwhile as one batch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from exporter.platforms.steam.tokens import StoredLogon, TokenStore

_T = TypeVar("_T")


class TokenKeeper:
    """Reads and writes for all bots of the process. More threads would only quarrel about one disk."""

    def __init__(self, store: TokenStore, thread: ThreadPoolExecutor) -> None:
        self._store = store
        self._thread = thread
        self._loads: list[tuple[str, str, asyncio.Future[StoredLogon]]] = []
        self._saves: list[tuple[str, StoredLogon, asyncio.Future[OSError | None]]] = []
        self._working: asyncio.Task[None] | None = None

    async def load(self, bot: str, account: str) -> StoredLogon:
        """Return what is kept for a bot, as TokenStore.load."""
        done: asyncio.Future[StoredLogon] = asyncio.get_running_loop().create_future()
        self._loads.append((bot, account, done))
        self._begin()
        return await done

    async def save(self, bot: str, stored: StoredLogon) -> None:
        """Keep this for the next start, as TokenStore.save: raises OSError. It is written even if nobody waits."""
        done: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
        self._saves.append((bot, stored, done))
        self._begin()
        error = await done
        if error is not None:
            raise error

    async def finish(self) -> None:
        """Return when everything is written."""
        if self._working is not None:
            await self._working

    def _begin(self) -> None:
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="steam tokens")

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._saves or self._loads:
                saves, self._saves = self._saves, []
                loads, self._loads = self._loads, []
                logons = [(bot, stored) for bot, stored, _ in saves]
                asked = [(bot, account) for bot, account, _ in loads]
                saved, loaded = [done for _, _, done in saves], [done for _, _, done in loads]
                try:
                    errors, found = await loop.run_in_executor(self._thread, self._batch, logons, asked)
                except Exception as error:  # noqa: BLE001  (our bug: it is every waiting bot's to tell)
                    _fail(saved, error)
                    _fail(loaded, error)
                else:
                    _answer(saved, errors)
                    _answer(loaded, found)
        finally:
            self._working = None

    def _batch(
        self, logons: Sequence[tuple[str, StoredLogon]], asked: Sequence[tuple[str, str]]
    ) -> tuple[list[OSError | None], list[StoredLogon]]:
        errors = self._store.save_all(logons) if logons else []
        return errors, [self._store.load(bot, account) for bot, account in asked]


def _answer(waiters: Sequence[asyncio.Future[_T]], answers: Sequence[_T]) -> None:
    for waiter, answer in zip(waiters, answers, strict=True):
        if not waiter.done():
            waiter.set_result(answer)


def _fail(waiters: Sequence[asyncio.Future[_T]], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)


@asynccontextmanager
async def open_keeper(store: TokenStore) -> AsyncIterator[TokenKeeper]:
    """Give a keeper with a thread of its own; on leaving everything is written."""
    with ThreadPoolExecutor(1, thread_name_prefix="steam-tokens") as thread:
        keeper = TokenKeeper(store, thread)
        try:
            yield keeper
        finally:
            await keeper.finish()
