"""Helper process: one bot-exporter as shipped, with all bots of the fleet.

Arguments: configuration file, data directory, and `watched` to find stalls of its loop with a ticker, which costs
processor time of its own.
"""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

from benchmarks.lines import Json, answer_questions
from benchmarks.measure import versions
from benchmarks.parts import Ticker
from exporter.app import Application, application, load_fleet
from exporter.logs import configure
from exporter.model import events as ev
from exporter.platforms.racetime.bot import RacetimeBot
from exporter.process import run as run_on_loop
from exporter.process import settle
from exporter.reload import Fleet
from exporter.web.settings import WebSettings


class Connecting:
    """Notes what it has cost until a room was entered; the last room counts."""

    def __init__(self) -> None:
        self.rooms = 0
        self.cpu_s = 0.0

    def on_change(self, change: ev.Change) -> None:
        """Hear of every fact."""
        if isinstance(change.event, ev.RoomConnected) and change.kind == "race":
            self.rooms += 1
            self.cpu_s = time.process_time()


def seen(app: Application) -> Json:
    """Return what the bots know of their rooms."""
    rooms: Json = {}
    for name, race in list(app.store.races.items()):
        bot = app.supervisor.bot(race.bots[0])
        room = bot.room(race.view.slug) if isinstance(bot, RacetimeBot) else None
        rooms[name] = {
            "state": race.view.state.value,
            "entrants": {each.user_id: each.status.value for each in race.view.entrants},
            "last": room.watch.last_message_id if room is not None else None,
            "connected": bool(race.connected),
        }
    return rooms


async def serve(fleet: Fleet, data_dir: Path, cpu_at_start_s: float, *, watched: bool) -> None:
    """Run the exporter until the input ends."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    ticker, connecting = Ticker(loop), Connecting()
    if watched:
        ticker.start()
    async with application(fleet, WebSettings(listen=(("127.0.0.1", 0),)), data_dir) as app:
        app.store.subscribe(connecting.on_change)
        hello = {
            "cpu_s": cpu_at_start_s,
            "url": "http://{}:{}".format(*app.web.addresses[0]),
            "versions": versions("aiohttp", "websockets", "uvloop", "orjson"),
        }
        answer_questions(
            {
                "hello": lambda _: hello,
                "room_cpu": lambda _: {"rooms": connecting.rooms, "cpu_s": connecting.cpu_s},
                "cpu": lambda _: {"cpu_s": time.process_time()},
                "seen": lambda _: seen(app),
                "stalls": lambda _: ticker.stalls(),
            },
            ended=lambda: loop.call_soon_threadsafe(done.set),
        )
        await done.wait()


def main() -> None:
    """Run on the event loop that the command uses."""
    cpu_at_start_s = time.process_time()
    configure("info", "logfmt")
    fleet = load_fleet(Path(sys.argv[1]))
    settle()
    with contextlib.suppress(KeyboardInterrupt):
        run_on_loop(serve(fleet, Path(sys.argv[2]), cpu_at_start_s, watched="watched" in sys.argv[3:]))


if __name__ == "__main__":
    main()
