"""Helper process: one bot of the public library racetime-bot, run as its users run it.

Arguments: host and port of the site, category, client id, client secret. It runs in the virtual environment of the
peer, so it uses nothing else of this project than the line protocol.

Overridden is only what the library offers for it: the host, no TLS, and the handler, which does what the library's
own does and remembers the last line of chat.
"""

import asyncio
import logging
import sys
import time
from importlib.metadata import version
from typing import Any

from racetime_bot import Bot, RaceHandler

from benchmarks.lines import Json, answer_questions


class Seen:
    """What the one handler of this process has seen."""

    def __init__(self) -> None:
        self.cpu_at_room_s: float | None = None
        self.race: Json = {}
        self.last: str | None = None

    def rooms(self) -> Json:
        """Return what the bot knows of its room."""
        if not self.race:
            return {}
        entrants = {each["user"]["id"]: each["status"]["value"] for each in self.race["entrants"]}
        return {
            self.race["name"]: {"state": self.race["status"]["value"], "entrants": entrants, "last": self.last},
        }


def bot_class(host: str, seen: Seen) -> type[Any]:
    """Return the library's bot for a site on loopback."""

    class Handler(RaceHandler):  # type: ignore[misc]
        async def race_data(self, data: Json) -> None:
            await super().race_data(data)
            seen.race = data["race"]
            if seen.cpu_at_room_s is None:
                seen.cpu_at_room_s = time.process_time()

        async def chat_message(self, data: Json) -> None:
            seen.last = data["message"]["id"]
            await super().chat_message(data)

    class LoopbackBot(Bot):  # type: ignore[misc]
        racetime_host = host
        racetime_secure = False

        def get_handler_class(self) -> type[Handler]:
            return Handler

    return LoopbackBot


def main() -> None:
    """Run the bot until the input ends."""
    cpu_at_start_s = time.process_time()
    host, category, client_id, client_secret = sys.argv[1:5]
    logger = logging.getLogger("peer")
    logger.setLevel(logging.WARNING)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    seen = Seen()
    hello = {
        "cpu_s": cpu_at_start_s,
        "versions": {name: version(name) for name in ("racetime-bot", "aiohttp", "websockets", "requests")},
    }
    answer_questions(
        {
            "hello": lambda _: hello,
            "room_cpu": lambda _: {"cpu_s": seen.cpu_at_room_s},
            "cpu": lambda _: {"cpu_s": time.process_time()},
            "seen": lambda _: seen.rooms(),
        },
        ended=lambda: loop.call_soon_threadsafe(loop.stop),
    )
    bot_class(host, seen)(category, client_id, client_secret, logger).run()


if __name__ == "__main__":
    main()
