"""Requests that are kept waiting on purpose, and the ways in which their wait ends."""

import asyncio
from typing import Any

from aiohttp import web

from exporter.simulators.faults import Switch
from exporter.timing import Clock


class Holds:
    """Who waits, and for what. While it is closed, because the server is down, nobody waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[asyncio.Future[bool], tuple[web.Request | None, Switch | None]] = {}
        self._open = False

    def __len__(self) -> int:
        return len(self._held)

    def open(self) -> None:
        """Let requests wait."""
        self._open = True

    def close(self) -> None:
        """End every wait."""
        self._open = False
        for waiting in self._held:
            _end(waiting, False)

    def release(self, switch: Switch) -> None:
        """End the waits that this fault caused."""
        for waiting, (_, cause) in self._held.items():
            if cause is switch:
                _end(waiting, True)

    def release_the_left(self) -> None:
        """End the waits whose client has gone."""
        for waiting, (request, _) in self._held.items():
            if _has_left(request):
                _end(waiting, False)

    async def wait(
        self, request: web.Request | None, seconds: float | None = None, switch: Switch | None = None
    ) -> bool:
        """Wait so long, or for ever, but no longer than `switch` is on.

        False means that there is nobody to answer any more: the server stops, or the client of `request` has left.
        Without a request the wait goes on although the client has left.
        """
        if not self._open or _has_left(request):
            return False
        if switch is not None and not switch.on:
            return True
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held[waiting] = request, switch
        both: set[asyncio.Future[Any]] = {waiting}
        if seconds is not None:
            both.add(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._held[waiting]
            for each in both - {waiting}:
                each.cancel()
                await asyncio.wait({each})
        return waiting.result() if waiting.done() else True


def _has_left(request: web.Request | None) -> bool:
    return request is not None and request.transport is None


def _end(waiting: asyncio.Future[bool], answer: bool) -> None:
    if not waiting.done():
        waiting.set_result(answer)
