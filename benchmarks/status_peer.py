"""The peers of benchmarks/status.py: aiohttp handlers with ready bytes, and with json.dumps of everything."""

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.exposition_subject import TRAITS, fill
from benchmarks.lines import Json, answer_questions
from exporter.process import ProcessState
from exporter.process import run as run_on_loop
from exporter.stats import BotStats
from exporter.store import StatusStore
from exporter.web import encode


class Peers:
    """One server with both of them."""

    def __init__(self) -> None:
        self._store = StatusStore()
        self._process = ProcessState("1", 1.8e9)
        self._bodies: dict[str, bytes] = {}
        self._port = 0
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Serve until it is ended."""
        app = web.Application()
        app.router.add_get("/ready/{name}", self._bytes)
        app.router.add_get("/dumps/status", self._status)
        app.router.add_get("/dumps/system", self._system)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._end.wait()
        await runner.cleanup()

    def hold(self, asked: Json) -> Json:
        """Fill the store that json.dumps tells of."""
        stats: dict[str, BotStats] = {}
        fill(self._store, stats, asked["bots"])
        return {}

    def load(self, asked: Json) -> Json:
        """Take the ready bytes."""
        self._bodies = {name: Path(path).read_bytes() for name, path in asked["bodies"].items()}
        return {}

    def serve(self, _: Json) -> Json:
        """Return where it is."""
        self._ready.wait()
        return {"port": self._port}

    def ended(self) -> None:
        """Let the server end."""
        self._ready.wait()
        assert self._loop is not None  # noqa: S101  (set before it is ready)
        self._loop.call_soon_threadsafe(self._end.set)

    async def _bytes(self, request: web.Request) -> web.Response:
        return web.Response(body=self._bodies[request.match_info["name"]], content_type="application/json")

    async def _status(self, _: web.Request) -> web.Response:
        bots = self._store.bots
        return _dumped(
            {
                "system": self._figures(),
                "bots": [encode.bot(record, draining=False) for record in bots.values()],
                "lobbies": [
                    encode.lobby(record, bot_username=bots[record.bot].subject)
                    for record in self._store.lobbies.values()
                ],
                "races": [encode.race(record) for record in self._store.races.values()],
            }
        )

    async def _system(self, _: web.Request) -> web.Response:
        return _dumped(self._figures())

    def _figures(self) -> Json:
        return encode.system(self._store, self._process, TRAITS, now=1.8e9, lobbies_created=0, logons=None)


def _dumped(data: Any) -> web.Response:
    return web.Response(text=json.dumps(data), content_type="application/json")


def main() -> int:
    peers = Peers()
    answer_questions({"hold": peers.hold, "load": peers.load, "serve": peers.serve}, peers.ended)
    run_on_loop(peers.run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
