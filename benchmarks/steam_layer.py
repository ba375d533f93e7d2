"""Helper process: bot-exporter's Steam layer alone, doing what the peer's clients do and nothing else.

Arguments: configuration file and data directory. Accounts log on, play Dota 2, greet its coordinator until it answers,
and read on. There is no store, history, web server, status or log of theirs, and no bot of a game.
"""

import asyncio
import contextlib
import random
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

import structlog

from benchmarks.lines import Json, answer_questions
from benchmarks.measure import versions
from benchmarks.steam_ours import disk_cpu_s
from exporter.app import load_fleet
from exporter.errors import ExporterError
from exporter.logs import Redactor, configure
from exporter.platforms.base import BotContext
from exporter.platforms.dota2.options import Dota2Options
from exporter.platforms.steam.account import SteamAccount
from exporter.platforms.steam.framing import PROTOBUF_BIT, Header, encode_frame
from exporter.platforms.steam.messages import GameMessage
from exporter.platforms.steam.network import SteamNetwork, open_network
from exporter.platforms.steam.online import SteamOnline
from exporter.process import run as run_on_loop
from exporter.process import settle
from exporter.reload import Fleet
from exporter.stats import BotStats
from exporter.timing import SystemClock

_DOTA2: Final = 570
_HELLO, _WELCOME = 4006, 4004
_HELLO_BODY: Final = b"\x18\x68\x38\x01"  # client_session_need 104, engine 1
_GREET_S, _HELLO_S = 0.5, 5.0


class Accounts:
    """All accounts, and what it has cost until the last of them was online and welcomed."""

    def __init__(self, fleet: Fleet, data_dir: Path, redactor: Redactor) -> None:
        self._fleet, self._data_dir, self._redactor = fleet, data_dir, redactor
        self._clock = SystemClock()
        self._online = self._welcomed = self._again = 0
        self._began = self._all_online = self._all_welcomed = (0.0, 0.0, 0.0)
        self._go, self._done = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Wait for the word, then run until the input ends."""
        about = {"versions": versions("websockets", "uvloop", "protobuf", "steam-next"), "cpu_s": time.process_time()}
        answer_questions(
            {
                "hello": lambda _: about,
                "go": lambda _: self._begin(),
                "online": lambda _: self._figures(),
                "cpu": lambda _: {"cpu_s": time.process_time()},
            },
            ended=lambda: self._loop.call_soon_threadsafe(self._end),
        )
        await self._go.wait()
        if self._done.is_set():
            return
        async with open_network(self._fleet.config.steam, self._clock, self._data_dir) as network:
            tasks = [asyncio.create_task(self._run(spec.name, spec.options, network)) for spec in self._fleet.specs]
            await self._done.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> Json:
        self._began = self._now()
        self._loop.call_soon_threadsafe(self._go.set)
        return {}

    def _end(self) -> None:
        self._done.set()
        self._go.set()

    async def _run(self, name: str, options: object, network: SteamNetwork) -> NoReturn:
        assert isinstance(options, Dota2Options)  # noqa: S101  (the fleet has no others)
        context = BotContext(
            name,
            lambda _: None,
            BotStats(),
            self._clock,
            random.Random(name),  # noqa: S311
            structlog.get_logger(bot=name),
            self._redactor.add,
            lambda: False,
        )
        account = SteamAccount(options.account, context, network)
        while True:
            try:
                async with account.online() as steam:
                    self._online += 1
                    if self._online == len(self._fleet.specs):
                        self._all_online = self._now()
                    await self._greet(steam)
                    while True:
                        await steam.next_event()
            except ExporterError:
                self._again += 1
                await asyncio.sleep(1)

    async def _greet(self, steam: SteamOnline) -> None:
        await steam.play(_DOTA2)
        at = self._clock.monotonic() + _GREET_S
        while True:
            event = await steam.next_event(at)
            if event is None:
                frame = encode_frame(_HELLO, Header(), _HELLO_BODY)
                await steam.send_to_game(_DOTA2, _HELLO | PROTOBUF_BIT, frame)
                at = self._clock.monotonic() + _HELLO_S
            elif isinstance(event, GameMessage) and event.msgtype & ~PROTOBUF_BIT == _WELCOME:
                self._welcomed += 1
                if self._welcomed == len(self._fleet.specs):
                    self._all_welcomed = self._now()
                return

    def _now(self) -> tuple[float, float, float]:
        return time.process_time(), time.monotonic(), disk_cpu_s()

    def _figures(self) -> Json:
        def since(moment: tuple[float, float, float]) -> list[float]:
            return [at - began for at, began in zip(moment, self._began, strict=True)]

        (cpu_s, wall_s, disk_s), (welcomed_cpu_s, welcomed_s, _) = since(self._all_online), since(self._all_welcomed)
        return {
            "online": self._online,
            "again": self._again,
            "cpu_s": cpu_s,
            "disk_cpu_s": disk_s,
            "wall_s": wall_s,
            "welcomed": self._welcomed,
            "welcomed_cpu_s": welcomed_cpu_s,
            "welcomed_s": welcomed_s,
        }


async def main(config: Path, data_dir: Path) -> None:
    """Load the fleet and serve."""
    redactor = configure("info", "logfmt")
    fleet = load_fleet(config)
    settle()
    await Accounts(fleet, data_dir, redactor).serve()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        run_on_loop(main(Path(sys.argv[1]), Path(sys.argv[2])))
