"""What other processes say through the database: PostgreSQL's LISTEN, on one connection beside the writer's."""

import random
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import structlog

from exporter.storage.engine import Target, listening
from exporter.storage.trouble import StorageTrouble
from exporter.timing import Backoff, Clock

_FIRST_RETRY_S: Final = 0.25
_MOST_RETRY_S: Final = 5.0

_log = structlog.get_logger(component="cluster")


class Bell:
    """Calls whoever waits for a channel, with the words of each message, on the event loop.

    Messages are lost while the database is away. So each channel is called with an empty text once it is heard (again):
    something may have happened. `channels` are names that we chose; add to them before `run`.
    """

    def __init__(self, where: Target, *, clock: Clock, rng: random.Random) -> None:
        self._where = where
        self._clock = clock
        self._backoff = Backoff(_FIRST_RETRY_S, _MOST_RETRY_S, rng)
        self._channels: dict[str, Callable[[str], None]] = {}

    def on(self, channel: str, called: Callable[[str], None]) -> None:
        """Have `called` told of each message on a channel."""
        self._channels[channel] = called

    async def run(self) -> NoReturn:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen(dict(self._channels))
            except StorageTrouble as trouble:
                # The lease loop says loudly that the database is away; this is its echo.
                _log.debug("other processes are not heard now", error=str(trouble))
            await self._clock.sleep(self._backoff.next_delay())

    async def _listen(self, channels: Mapping[str, Callable[[str], None]]) -> None:
        async with listening(self._where, tuple(channels)) as messages:
            self._backoff.reset()
            for called in channels.values():
                called("")
            async for message in messages:
                channels[message.channel](message.payload)
