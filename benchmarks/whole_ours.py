"""Helper process: one bot-exporter as shipped, with its whole fleet.

Arguments: configuration file, data directory, and `generated` for bots without a socket, each of which says once a
second what a bot with a socket says when its heartbeat was answered.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.lines import Json, answer_questions
from benchmarks.measure import versions
from benchmarks.parts import Ticker
from exporter.app import Application, application, load_fleet
from exporter.config import Config
from exporter.logs import Redactor, configure
from exporter.model import events as ev
from exporter.platforms import PLATFORMS
from exporter.platforms.base import BotContext
from exporter.platforms.dota2.options import GC_CONNECTED, STEAM_ONLINE
from exporter.platforms.steam.online import PROOF_BEATS
from exporter.process import run as run_on_loop
from exporter.process import settle
from exporter.reload import Fleet
from exporter.timing import Clock
from exporter.web.settings import WebSettings

BEAT_S = 1.0


class Generated:
    """A bot whose service is a timer. A turn that comes late is not made up for, so that too much work shows."""

    def __init__(self, context: BotContext) -> None:
        self._context = context

    async def run(self) -> NoReturn:
        context, name = self._context, self._context.name
        for state in (STEAM_ONLINE, GC_CONNECTED):
            context.report(ev.StateEntered(name, context.clock.now(), state))
        await context.clock.sleep(context.rng.random() * BEAT_S)
        while True:
            context.stats.messages_sent += 1
            context.stats.messages_received += 1
            context.report(ev.HealthProved(name, context.clock.now(), PROOF_BEATS * BEAT_S))
            await context.clock.sleep(BEAT_S)

    def credentials(self) -> object:
        return None


class Generator:
    """What they share: nothing."""

    logons = None
    queue = None

    def bot(self, _: Any, context: BotContext) -> Generated:
        return Generated(context)


@asynccontextmanager
async def generator(_config: Config, _clock: Clock, _data_dir: Path) -> AsyncIterator[Generator]:
    """Stand where the platform's own service does."""
    yield Generator()


class Subject:
    """The running program, and what is asked about it."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._ticker = Ticker(asyncio.get_running_loop())

    def fleet(self, _: Json) -> Json:
        """Return how many bots work, and how many messages all have received and sent."""
        records, stats = list(self._app.store.bots.values()), list(self._app.supervisor.stats.values())
        return {
            "healthy": sum(record.healthy for record in records),
            "state": sum(record.state == GC_CONNECTED for record in records),
            "received": sum(each.messages_received for each in stats),
            "sent": sum(each.messages_sent for each in stats),
            "cpu_s": time.process_time(),
        }

    async def watch(self) -> None:
        """Begin to look for stalls, which costs processor time of its own."""
        self._ticker.start()

    def stalls(self, _: Json) -> Json:
        """Return the stalls since this was last asked."""
        return self._ticker.stalls()


async def serve(fleet: Fleet, data_dir: Path, redactor: Redactor, *, generated: bool) -> None:
    """Run the exporter until the input ends."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    platforms = dict(PLATFORMS)
    if generated:
        platforms["dota2"] = replace(platforms["dota2"], open_service=generator)
    settings = WebSettings(listen=(("127.0.0.1", 0),))
    async with application(fleet, settings, data_dir, hide=redactor.add, platforms=platforms) as app:
        subject = Subject(app)
        hello = {
            "url": app.url,
            "versions": versions("websockets", "aiohttp", "uvloop", "isal", "protobuf", "steam-next"),
        }

        def watch(_: Json) -> Json:
            asyncio.run_coroutine_threadsafe(subject.watch(), loop).result()
            return {}

        answer_questions(
            {"hello": lambda _: hello, "fleet": subject.fleet, "watch": watch, "stalls": subject.stalls},
            ended=lambda: loop.call_soon_threadsafe(done.set),
        )
        await done.wait()


def main() -> None:
    """Run on the event loop that the command uses."""
    redactor = configure("info", "logfmt")
    fleet = load_fleet(Path(sys.argv[1]))
    settle()
    with contextlib.suppress(KeyboardInterrupt):
        run_on_loop(serve(fleet, Path(sys.argv[2]), redactor, generated="generated" in sys.argv[3:]))


if __name__ == "__main__":
    main()
