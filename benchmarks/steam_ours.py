"""Helper process: one bot-exporter as shipped, with all Steam bots of the fleet, which all begin at once.

Arguments: configuration file, data directory, and `watched` to find stalls of its loop with a ticker, which costs
processor time of its own. It loads everything, and starts when it is told to.
"""

import asyncio
import contextlib
import sys
import threading
import time
from pathlib import Path

from benchmarks.lines import Json, answer_questions
from benchmarks.measure import versions
from benchmarks.parts import Ticker
from exporter.app import application, load_fleet
from exporter.logs import Redactor, configure
from exporter.model import events as ev
from exporter.platforms.dota2.options import GC_CONNECTED, STEAM_ONLINE
from exporter.process import run as run_on_loop
from exporter.process import settle
from exporter.reload import Fleet
from exporter.web.settings import WebSettings


def disk_cpu_s() -> float:
    """Return the processor time of the thread that reads and writes token files."""
    idents = [thread.ident for thread in threading.enumerate() if thread.name.startswith("steam-tokens")]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in idents if ident is not None)


class LoggingOn:
    """Notes what it has cost until the last of `wanted` bots was online, and until it had the coordinator's welcome."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self.online = self.welcomed = 0
        self.again = 0
        self.cpu_s = self.disk_cpu_s = 0.0
        self.at_s = 0.0
        self.welcomed_cpu_s = self.welcomed_at_s = 0.0

    def on_change(self, change: ev.Change) -> None:
        """Hear of every fact."""
        match change.event:
            case ev.StateEntered(state=state) if state == STEAM_ONLINE:
                self.online += 1
                if self.online == self._wanted:
                    self.cpu_s, self.at_s = time.process_time(), time.monotonic()
                    self.disk_cpu_s = disk_cpu_s()
            case ev.StateEntered(state=state) if state == GC_CONNECTED:
                self.welcomed += 1
                if self.welcomed == self._wanted:
                    self.welcomed_cpu_s, self.welcomed_at_s = time.process_time(), time.monotonic()
            case ev.ConnectionFailed() | ev.CredentialsRefused() | ev.BotCrashed():
                self.again += 1


class Subject:
    """The exporter, and what is asked about it."""

    def __init__(self, fleet: Fleet, data_dir: Path, redactor: Redactor, *, watched: bool) -> None:
        self._fleet, self._data_dir, self._redactor = fleet, data_dir, redactor
        self._loop = asyncio.get_running_loop()
        self._go, self._done = asyncio.Event(), asyncio.Event()
        self._watched, self._ticker = watched, Ticker(self._loop)
        self._logging_on = LoggingOn(len(fleet.specs))
        self._began_cpu_s = self._began_s = 0.0
        self._stalls_of_start: Json = {}

    async def serve(self) -> None:
        """Wait for the word, then run until the input ends."""
        about = {"versions": versions("websockets", "uvloop", "protobuf", "steam-next"), "cpu_s": time.process_time()}
        answer_questions(
            {
                "hello": lambda _: about,
                "go": lambda _: self._begin(),
                "online": lambda _: self._online(),
                "cpu": lambda _: {"cpu_s": time.process_time()},
                "stalls": lambda _: self._ticker.stalls(),
                "start_stalls": lambda _: self._stalls_of_start,
            },
            ended=lambda: self._loop.call_soon_threadsafe(self._end),
        )
        await self._go.wait()
        if self._done.is_set():
            return
        if self._watched:
            self._ticker.start()
            await asyncio.sleep(0)
        settings = WebSettings(listen=(("127.0.0.1", 0),))
        async with application(self._fleet, settings, self._data_dir, stagger_s=0.0, hide=self._redactor.add) as app:
            app.store.subscribe(self._logging_on.on_change)
            if self._watched:  # what the start costs is over when the ticker has had its turn
                await asyncio.sleep(0)
                self._stalls_of_start = self._ticker.stalls()
            await self._done.wait()

    def _begin(self) -> Json:
        self._began_cpu_s, self._began_s = time.process_time(), time.monotonic()
        self._loop.call_soon_threadsafe(self._go.set)
        return {}

    def _end(self) -> None:
        self._done.set()
        self._go.set()

    def _online(self) -> Json:
        found = self._logging_on
        return {
            "online": found.online,
            "again": found.again,
            "cpu_s": found.cpu_s - self._began_cpu_s,
            "disk_cpu_s": found.disk_cpu_s,
            "wall_s": found.at_s - self._began_s,
            "welcomed": found.welcomed,
            "welcomed_cpu_s": found.welcomed_cpu_s - self._began_cpu_s,
            "welcomed_s": found.welcomed_at_s - self._began_s,
        }


async def main(config: Path, data_dir: Path, *, watched: bool) -> None:
    """Load the fleet and serve."""
    redactor = configure("info", "logfmt")
    fleet = load_fleet(config)
    settle()
    await Subject(fleet, data_dir, redactor, watched=watched).serve()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        run_on_loop(main(Path(sys.argv[1]), Path(sys.argv[2]), watched="watched" in sys.argv[3:]))
