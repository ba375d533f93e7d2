"""Helper process: the simulated racetime.gg, with a category, a bot and a room for each bot of the fleet.

It knows what is true, when which room has a socket, and makes something happen in every room.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.lines import Json, say
from exporter.simulators.racetime import Race, RacetimeSimulator, User, World
from exporter.simulators.racetime.wire import entrant_word
from exporter.timing import SystemClock

_LOOK_S = 0.01
_TEXT = "Good luck and have fun everyone, line {} of this race"


class Site:
    """The world of the benchmark. Questions come one at a time."""

    def __init__(self, bots: int, entrants: int) -> None:
        self._clock = SystemClock()
        self._world = World(seed=7)
        self._rooms: list[tuple[Race, list[User]]] = []
        for number in range(bots):
            category = self._world.add_category(f"cat{number}", f"Category {number}")
            self._world.add_bot(category, f"Bot {number}", client_id=f"id{number}", client_secret=f"secret-{number}")
            race = self._world.open_race(category, now=self._clock.now(), slug=f"big-race-{number}")
            users = [self._world.add_user(f"Racer {number} {each}") for each in range(entrants)]
            for user in users:
                self._world.join(race, user, self._clock.now())
            self._rooms.append((race, users))
        self._simulator = RacetimeSimulator(self._world, clock=self._clock)
        self._traffic: asyncio.Task[None] | None = None
        self._events = 0
        self._opening: asyncio.Task[None] | None = None
        self._half_s: float | None = None
        self._all_s: float | None = None

    async def start(self, _: Json) -> Json:
        """Listen, and note from now on when rooms have a socket."""
        await self._simulator.start()
        self._opening = asyncio.create_task(self._watch_rooms())
        return {"url": self._simulator.url}

    async def rooms(self, question: Json) -> Json:
        """Wait until every room has a socket: seconds from the last start until half and until all had one, or None."""
        if self._opening is not None:
            await asyncio.wait({self._opening}, timeout=question["for_s"])
        return {"open": self._open_rooms(), "half_s": self._half_s, "all_s": self._all_s}

    async def traffic(self, question: Json) -> Json:
        """Make something happen in each room every `every_s` seconds: two lines of chat, then a change of the race."""
        self._traffic = asyncio.create_task(self._make_traffic(question["every_s"]))
        return {}

    async def quiet(self, _: Json) -> Json:
        """End the traffic."""
        if self._traffic is not None:
            self._traffic.cancel()
            await asyncio.wait({self._traffic})
        events, self._events = self._events, 0
        return {"events": events}

    async def crash(self, _: Json) -> Json:
        """Drop every connection, as a killed server does."""
        await self._simulator.crash()
        return {}

    async def come_back(self, _: Json) -> Json:
        """Listen again on the same port. Meanwhile every room has got a line and a change that no bot could see."""
        for number in range(len(self._rooms)):
            self._chat(number)
            self._change(number)
            self._chat(number)
        return await self.start({})

    async def truth(self, _: Json) -> Json:
        """Return the state and the last line of every room."""
        return {
            str(race): {
                "state": race.state.value,
                "entrants": {each.user.id: entrant_word(race, each) for each in race.entrants if each.user},
                "last": race.messages[-1].id,
            }
            for race, _ in self._rooms
        }

    async def _watch_rooms(self) -> None:
        began = time.monotonic()
        self._half_s = self._all_s = None
        while self._all_s is None:
            open_rooms = self._open_rooms()
            waited_s = time.monotonic() - began
            if self._half_s is None and open_rooms * 2 >= len(self._rooms):
                self._half_s = waited_s
            if open_rooms == len(self._rooms):
                self._all_s = waited_s
            await asyncio.sleep(_LOOK_S)

    def _open_rooms(self) -> int:
        return sum(bool(self._simulator.open_sockets(race)) for race, _ in self._rooms)

    async def _make_traffic(self, every_s: float) -> None:
        began, step_s = time.monotonic(), every_s / len(self._rooms)
        while True:
            turn, number = divmod(self._events, len(self._rooms))
            await asyncio.sleep(max(0.0, began + self._events * step_s - time.monotonic()))
            self._events += 1
            if turn % 3 == 2:
                self._change(number)
            else:
                self._chat(number)

    def _chat(self, number: int) -> None:
        race, users = self._rooms[number]
        self._world.chat(race, users[1], _TEXT.format(len(race.messages)), self._clock.now())

    def _change(self, number: int) -> None:
        race, users = self._rooms[number]
        entrant = race.entrant_of(users[0])
        deed = self._world.unready if entrant is not None and entrant.ready else self._world.ready
        deed(race, users[0], self._clock.now())


async def main() -> None:
    """Answer questions until the input ends."""
    site = Site(int(sys.argv[1]), int(sys.argv[2]))
    answers: dict[str, Callable[[Json], Awaitable[Json]]] = {
        "start": site.start,
        "rooms": site.rooms,
        "traffic": site.traffic,
        "quiet": site.quiet,
        "crash": site.crash,
        "come_back": site.come_back,
        "truth": site.truth,
    }
    while line := await asyncio.to_thread(sys.stdin.readline):
        question: Json = json.loads(line)
        say(await answers[question["ask"]](question))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
