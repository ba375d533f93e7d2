"""Readers of the live feed, by the three rules of docs/feed.md; what they have must be what /status says."""

import asyncio
import random
from collections import OrderedDict
from typing import Any

import aiohttp
import orjson

_REMEMBERED = 2_000
_AGAIN_S = 0.2

Key = tuple[str, str | None]
Json = dict[str, Any]


class Frames:
    """Decodes each frame once, however many readers get it: they share the objects."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Json] = OrderedDict()
        self.seen = 0

    def decode(self, text: str) -> Json:
        self.seen += 1
        frame = self._known.get(text)
        if frame is None:
            frame = self._known[text] = orjson.loads(text)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return frame


class Reader:
    """One client of the feed. It comes back where it was; a slow one waits before each frame."""

    def __init__(self, session: aiohttp.ClientSession, frames: Frames, chance: random.Random, slow_s: float) -> None:
        self.objects: dict[Key, Any] = {}
        self.connections = 0
        self.slow_s = slow_s
        self._session = session
        self.frames = frames
        self._chance = chance
        self._cursor = ""

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            since = {"since": self._cursor} if self._cursor else {}
            try:
                async with self._session.ws_connect("/status/stream", params=since) as socket:
                    self.connections += 1
                    await self._read(socket)
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(_AGAIN_S * self._chance.random())

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        fresh = True
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            if self.slow_s:
                await asyncio.sleep(self.slow_s)
            frame = self.frames.decode(message.data)
            if fresh and frame["type"] == "snapshot":
                self.objects.clear()
            fresh = False
            kind, name, data = frame["kind"], frame["id"], frame["data"]
            if kind is not None and data is not None:
                self.objects[kind, name] = data
            elif kind is not None:
                self.objects.pop((kind, name), None)
            self._cursor = frame["cursor"]
