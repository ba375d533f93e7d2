"""Helper process of the soak: both simulated services, life in them, and faults at random until it is told to be calm.

Arguments: racetime bots, Dota 2 bots, seed, seconds from one fault to the next. It knows the truth: which rooms must
have a socket, who must be logged on, which account is in which lobby.
"""

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.lines import Json, say
from exporter.platforms.dota2.wire import GcMsg, Team
from exporter.simulators.dota2 import Coordinator, Message, truth_of
from exporter.simulators.racetime import KINDS, Race, RacetimeSimulator
from exporter.simulators.racetime import World as SiteWorld
from exporter.simulators.steam import Phase, Policy, SteamSimulator, World, hostile
from exporter.timing import SystemClock

PASSWORD = "of-the-soak"
LONGEST_FAULT_S = 6.0
_EVENT_S = 0.05
_PEOPLE = 40
# Not drawn: what takes away credentials, what asks for minutes of quiet, and megabytes for hundreds of bots at once.
_LEFT_OUT = frozenset({"deactivate_bot", "refuse_credentials", "too_many", "huge_body", "frame_huge"})
_PHASES = (Phase.ACCEPT, Phase.UPGRADE, Phase.HELLO, Phase.LOGON, Phase.HEARTBEAT, Phase.PLAY, Phase.GAME)
_BASE = 0x0110000100000000 + 1_000_000


class Services:
    """Both of them in one process."""

    def __init__(self, racetime: int, dota2: int, seed: int, fault_s: float) -> None:
        self._fault_s = fault_s
        self._clock = SystemClock()
        self._chance = random.Random(seed)
        site, steam = SiteWorld(seed=seed), World(policy=Policy(poll_interval_s=0.5), seed=seed)
        self._users = [site.add_user(f"Racer {number}") for number in range(_PEOPLE)]
        for number in range(racetime):
            category = site.add_category(f"cat{number}", f"Category {number}", goals=("Any%",))
            site.add_bot(category, f"Bot {number}", client_id=f"id{number}", client_secret=f"secret-{number}")
        self._categories = list(site.categories.values())
        self._accounts = [steam.add_account(f"account{number}", PASSWORD) for number in range(dota2)]
        self._site = RacetimeSimulator(site, clock=self._clock, category_cache_s=0, race_cache_s=0, races_cache_s=0)
        self._gc = Coordinator()
        self._gc.world.names.update({_BASE + number: f"Player {number}" for number in range(_PEOPLE)})
        self._steam = SteamSimulator(steam, clock=self._clock, games=[self._gc])
        self._races: list[Race] = []
        self._work: set[asyncio.Task[None]] = set()
        self._ends: dict[object, Callable[[], object]] = {}
        self.faults = 0

    async def start(self, _: Json) -> Json:
        """Listen."""
        await self._site.start()
        await self._steam.start()
        now = self._clock.now()
        self._races = [self._site.world.open_race(each, now=now) for each in self._categories]
        return {"site": self._site.url, "cms": self._steam.cm_urls}

    async def trouble(self, _: Json) -> Json:
        """Let life and trouble begin."""
        self._work = {asyncio.create_task(self._live()), asyncio.create_task(self._disturb())}
        return {}

    async def calm(self, _: Json) -> Json:
        """End all of it."""
        for task in self._work:
            task.cancel()
        results = await asyncio.gather(*self._work, return_exceptions=True)
        for end in tuple(self._ends.values()):
            end()
        self._site.faults.clear()
        self._steam.faults.clear()
        self._gc.faults.clear()
        await self._site.start()
        await self._steam.start()
        failed = [repr(each) for each in results if not isinstance(each, asyncio.CancelledError)]
        return {"faults": self.faults, "failed": failed, "violations": self._gc.stats.violations}

    async def truth(self, _: Json) -> Json:
        """Return what is so now."""
        return {
            "rooms": {
                str(race): sum(each.race is race for each in self._site.open_sockets(race))
                for race in self._races
                if race.is_current
            },
            "logged_on": len(self._steam.world.sessions),
            "lobbies": {
                account.username: str(lobby.lobby_id)
                for account in self._accounts
                if (lobby := truth_of(self._gc, account.steamid).lobby) is not None
            },
        }

    async def _live(self) -> None:
        """Let something happen in a room or a lobby, twenty times a second."""
        while True:
            await asyncio.sleep(_EVENT_S)
            with contextlib.suppress(Exception):  # who cannot do it does not: the simulators refuse what makes no sense
                self._happen()

    def _happen(self) -> None:
        chance, now, world = self._chance, self._clock.now(), self._site.world
        number = chance.randrange(len(self._races))
        race, user = self._races[number], chance.choice(self._users)
        match chance.randrange(8):
            case 0 if not race.is_current or chance.random() < 0.3:
                if race.is_current:
                    world.cancel(race, None, now)
                self._races[number] = world.open_race(race.category, now=now)
            case 1 | 2:
                world.join(race, user, now)
            case 3 | 4:
                world.chat(race, user, f"line {now}", now)
            case _ if self._gc.world.lobbies:
                lobby = chance.choice(list(self._gc.world.lobbies.values()))
                who = _BASE + chance.randrange(_PEOPLE)
                self._gc.world.join(lobby, who, now, "")
                self._gc.world.seat(who, Team(chance.randrange(2)), 0, now)

    async def _disturb(self) -> None:
        """Begin a fault every moment or two; each ends by itself a few seconds later."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.0, 2 * self._fault_s))
            self.faults += 1
            lasts_s = self._chance.uniform(0.5, LONGEST_FAULT_S)
            begin = self._chance.choice([self._at_site, self._at_site, self._at_steam, self._at_coordinator])
            end = await begin()
            key = object()
            self._ends[key] = end

            def over(key: object = key) -> None:
                if (end := self._ends.pop(key, None)) is not None:
                    end()

            asyncio.get_running_loop().call_later(lasts_s, over)

    async def _at_site(self) -> Callable[[], object]:
        chance = self._chance
        kind = chance.choice(sorted(set(KINDS) - _LEFT_OUT))
        route = chance.choice(sorted(KINDS[kind].routes))
        everybody = route == "server" or chance.random() < 0.1
        target = route if everybody else f"{route}@id{chance.randrange(len(self._categories))}"
        switch = self._site.faults.on(kind, target, chance.choice(KINDS[kind].details))
        return lambda: self._site.faults.off(switch)

    async def _at_steam(self) -> Callable[[], object]:
        chance, steam = self._chance, self._steam
        username = None if chance.random() < 0.3 else chance.choice(self._accounts).username
        match chance.randrange(7):
            case 0:
                for session in chance.sample(list(steam.world.sessions.values()), len(steam.world.sessions) // 5):
                    steam.world.kick(session, 3)
            case 1 if chance.random() < 0.3:
                await steam.crash()
                await steam.start()
            case 2:
                for account in chance.sample(self._accounts, max(1, len(self._accounts) // 20)):
                    steam.world.revoke_tokens(account)
            case 3:
                steam.broadcast(chance.choice([hostile.garbage(), hostile.stub(), hostile.cut_gzip()]))
            case 4 if chance.random() < 0.3:
                steam.faults.half_open = True
                return lambda: setattr(steam.faults, "half_open", False)
            case _:
                deed = chance.choice([steam.faults.hang, steam.faults.drop_before, steam.faults.drop_after])
                rule = deed(chance.choice(_PHASES))
                rule.username = username
                return lambda: _without(steam.faults.rules, rule)
        return lambda: None

    async def _at_coordinator(self) -> Callable[[], object]:
        chance, gc = self._chance, self._gc
        match chance.randrange(5):
            case 0:
                gc.go_down()
                return gc.come_back
            case 1:
                gc.restart(lose_lobbies=chance.random() < 0.2)
            case 2:
                for account in chance.sample(self._accounts, max(1, len(self._accounts) // 10)):
                    gc.say(account.steamid, Message(8_999, b"\x08\x01"))
            case _:
                rule = gc.faults.silence(chance.choice([GcMsg.LOBBY_CREATE, GcMsg.LOBBY_DESTROY, GcMsg.HELLO]))
                return lambda: _without(gc.faults.rules, rule)
        return lambda: None


def _without(rules: list[Any], rule: object) -> None:
    if rule in rules:
        rules.remove(rule)


async def main() -> None:
    """Answer questions until the input ends."""
    racetime, dota2, seed = map(int, sys.argv[1:4])
    services = Services(racetime, dota2, seed, float(sys.argv[4]))
    answers: dict[str, Callable[[Json], Awaitable[Json]]] = {
        "start": services.start,
        "trouble": services.trouble,
        "calm": services.calm,
        "truth": services.truth,
    }
    while line := await asyncio.to_thread(sys.stdin.readline):
        question: Json = json.loads(line)
        say(await answers[question["ask"]](question))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
