"""Clients of the live feed for tests: one for each way to read it, both with a replica of what they were told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any

import aiohttp

from exporter.web.stream.hub import LOOK_S, TICK_S
from tests.replica import Key, Replica, events
from tests.web.fleet import Fleet

LIMIT_S = 60.0
EVENTS = {"Accept": "text/event-stream"}


class Stream:
    """One stream, over a WebSocket or as Server-Sent Events; what is taken goes into `replica`."""

    def __init__(self, fleet: Fleet, query: str = "", *, sse: bool = False, replica: Replica | None = None) -> None:
        self._fleet = fleet
        self._url = fleet.url(f"/status/stream{query}")
        self._sse = sse
        self.headers: dict[str, str] = dict(EVENTS) if sse else {}
        self.replica = replica or Replica()
        self.answer: Any = None
        self._rest = ""

    async def __aenter__(self) -> "Stream":
        self.replica.connected()
        if self._sse:
            self.answer = await self._fleet.client.get(self._url, headers=self.headers)
            assert self.answer.status == 200, await self.answer.text()
        else:
            self.answer = await self._fleet.client.ws_connect(self._url, headers=self.headers, max_msg_size=0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sse:
            self.answer.close()
        else:
            await self.answer.close()

    async def take(self, until: Callable[[], bool]) -> None:
        """Take frames until something holds; fails after some seconds, or when the stream ends."""
        async with asyncio.timeout(LIMIT_S):
            while not until():
                assert await self._next(), "the stream has ended"

    async def end(self) -> int | None:
        """Take the rest, and return the code with which the server has closed."""
        async with asyncio.timeout(LIMIT_S):
            while await self._next():
                pass
        return None if self._sse else self.answer.close_code

    async def _next(self) -> bool:
        if self._sse:
            chunk = await self.answer.content.readany()
            self._rest += chunk.decode()
            whole, between, self._rest = self._rest.rpartition("\n\n")
            for cursor, data in events(whole + between):
                self.replica.take(data)
                assert cursor == self.replica.cursor
            return bool(chunk)
        message = await self.answer.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)
            return False
        self.replica.take(message.data)
        return True


@contextlib.asynccontextmanager
async def streaming(
    fleet: Fleet,
    query: str = "",
    *,
    sse: bool = False,
    replica: Replica | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """Open a stream; raises aiohttp.WSServerHandshakeError, or fails, when that is refused."""
    stream = Stream(fleet, query, sse=sse, replica=replica)
    stream.headers |= headers or {}
    async with stream:
        yield stream


async def status(fleet: Fleet) -> dict[Key, Any]:
    """Return what /status says, by kind and id; the time that has passed is left out."""
    said: dict[str, Any] = await fleet.get("/status")
    found: dict[Key, Any] = {("system", None): without_time(said["system"])}
    found |= {("bot", bot["name"]): bot for bot in said["bots"]}
    found |= {("race", race["name"]): race for race in said["races"]}
    found |= {("lobby", lobby["lobby_id"] or lobby["bot"]): lobby for lobby in said["lobbies"]}
    return found


def without_time(system: dict[str, Any]) -> dict[str, Any]:
    return {**system, "uptime_seconds": 0}


def told(stream: Stream) -> dict[Key, Any]:
    """Return what a stream has said, in the same way."""
    return {key: without_time(data) if key[0] == "system" else data for key, data in stream.replica.objects.items()}


async def pass_on(fleet: Fleet) -> None:
    """Let so much time pass that all changes are on their way."""
    await fleet.clock.advance(LOOK_S + TICK_S)
