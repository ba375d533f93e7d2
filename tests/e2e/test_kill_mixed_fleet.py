"""A fleet of both platforms is killed at random moments in the middle of orders, and started again: nothing is lost.

What was answered holds. What was not is in doubt, or was never begun, and is sent at most once.
"""

import asyncio
import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from exporter.simulators.dota2 import Coordinator
from exporter.simulators.racetime import RacetimeSimulator, quiet
from exporter.simulators.steam import Policy, SteamSimulator, World
from exporter.timing import SystemClock
from tests.e2e.command import Running, exporter
from tests.eventually import until
from tests.protocol.fleet_rig import CATEGORIES
from tests.trouble.mixed import BOTS, HOSTS, PASSWORD, config_of

KILLS = 3
SEED = 5
ORDER_S = 0.03

Json = dict[str, Any]


@dataclass
class Book:
    """What was ordered, and what was answered."""

    answers: dict[str, tuple[str, Json | None, int, Json]] = field(default_factory=dict)
    """By key: path, body, status and answer."""
    unanswered: dict[str, tuple[str, Json | None]] = field(default_factory=dict)
    active: dict[str, bool | None] = field(default_factory=dict)
    """Of each bot what was answered last; None while nobody can know."""
    maintenance: dict[str, str | None] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Of all lobbies that were ever ordered."""


async def ask(session: aiohttp.ClientSession, path: str) -> Json:
    async with session.get(path) as response:
        answer: Json = await response.json()
        assert response.status == 200, answer
        return answer


async def give(session: aiohttp.ClientSession, book: Book, key: str, path: str, body: Json | None) -> None:
    """Give an order and note its answer; until then nobody knows."""
    book.unanswered[key] = path, body
    async with session.post(path, json=body, headers={"Idempotency-Key": key}) as response:
        answer: Json = await response.json()
    del book.unanswered[key]
    book.answers[key] = path, body, response.status, answer


async def orders(session: aiohttp.ClientSession, book: Book, chance: random.Random, number: int) -> None:
    """Give orders until the process is gone."""

    async def one(count: int) -> None:  # one after the other: of two at once nobody could say which was the last
        key, bot = f"{number}-{count}", chance.choice(BOTS)
        match chance.randrange(4):
            case 0:
                wanted = chance.random() < 0.5
                book.active[bot] = None
                await give(session, book, key, f"/api/v1/bots/{bot}/{'start' if wanted else 'stop'}", None)
                book.active[bot] = wanted
            case 1:
                book.maintenance.pop(bot, None)
                await give(session, book, key, f"/api/v1/bots/{bot}/maintenance", {"reason": key})
                book.maintenance[bot] = key
            case _:
                book.names.add(key)
                lobby = {"name": key, "server_region": "USE", "game_mode": "CM"}
                await give(session, book, key, "/api/v1/lobbies", lobby)

    count = 0
    with suppress(aiohttp.ClientError):
        while True:
            await one(count)
            count += 1
            await asyncio.sleep(ORDER_S * chance.random())


async def ready(session: aiohttp.ClientSession, running: Running) -> None:
    """Wait until every bot that is to run works."""

    def complete(answer: Json) -> bool:
        bots = answer["bots"]
        return all(bot["healthy"] or not bot["is_active"] for bot in bots) and len(bots) == len(BOTS)

    await until(lambda: ask(session, "/status/bots"), complete)


async def holds(session: aiohttp.ClientSession, book: Book, coordinator: Coordinator) -> None:
    """Compare the exporter that was started again with what was answered before."""
    bots = {bot["name"]: bot for bot in (await ask(session, "/status/bots"))["bots"]}
    for name, active in book.active.items():
        assert active is None or bots[name]["is_active"] is active, (name, active)
    for name, reason in book.maintenance.items():
        assert bots[name]["maintenance"] is not None, name
        assert bots[name]["maintenance"]["reason"] == reason
    created = [answer for path, _, status, answer in book.answers.values() if status == 201]
    system = await ask(session, "/status/system")
    assert system["total_lobbies_created"] >= len(created)
    for key, (path, body, status, answer) in book.answers.items():
        async with session.post(path, json=body, headers={"Idempotency-Key": key}) as response:
            again = await response.json()
        if status == 201:
            assert (response.status, again["lobby_id"]) == (status, answer["lobby_id"]), key
        elif status == 200:
            assert response.status == 200, key
    told = (await ask(session, "/status/history?kind=order&limit=500"))["items"]
    done = [item for item in told if item["after"] in {"done", "created"}]
    assert len(done) >= sum(status in {200, 201} for _, _, status, _ in book.answers.values())
    received = [lobby.settings.game_name for lobby in coordinator.world.lobbies.values()]
    assert len(received) == len(set(received))  # no order made two lobbies
    assert set(received) <= book.names


async def doubts(session: aiohttp.ClientSession, book: Book) -> int:
    """Give the orders that nobody answered once more; returns how many are in doubt, which are not sent again."""
    found = 0
    for key, (path, body) in list(book.unanswered.items()):
        async with session.post(path, json=body, headers={"Idempotency-Key": key}) as response:
            answer = await response.json()
        if response.status == 409 and "its end is not known" in answer["detail"]:
            found += 1
        else:  # never begun, or ended before its answer could go out
            assert response.status in {200, 201, 409, 503}, answer
        del book.unanswered[key]
        book.active = {bot: None if f"/{bot}/" in path else active for bot, active in book.active.items()}
    return found


async def test_a_fleet_that_is_killed_again_and_again_in_the_middle_of_orders(tmp_path: Path) -> None:
    clock, chance, book = SystemClock(), random.Random(SEED), Book()
    site = RacetimeSimulator(quiet(clock.now()).world, clock=clock, category_cache_s=0, race_cache_s=0, races_cache_s=0)
    world, coordinator = World(policy=Policy(poll_interval_s=0.05)), Coordinator()
    for name in HOSTS:
        world.add_account(f"user-{name}", PASSWORD)
    steam = SteamSimulator(world, clock=clock, games=[coordinator], tick_s=0.1)
    await site.start()
    await steam.start()
    race = site.world.open_race(site.world.categories[CATEGORIES[0]], now=clock.now())
    config, data = tmp_path / "config.yaml", tmp_path / "data"
    config.write_text(config_of(site, steam, poll="1s", logon="10ms"))
    try:
        for number in range(KILLS + 1):
            async with exporter(config, data) as running:
                key = {"X-API-Key": (data / "admin.key").read_text().strip()}
                async with aiohttp.ClientSession(running.url, headers=key) as session:
                    if number:
                        await holds(session, book, coordinator)
                        await doubts(session, book)
                    await ready(session, running)
                    if number == KILLS:
                        break
                    ordering = asyncio.create_task(orders(session, book, chance, number))
                    await asyncio.sleep(chance.uniform(0.1, 1.0))  # the moment of the kill is what is drawn
                    running.process.kill()
                    assert await running.exit_code() == -9
                    await ordering
        assert len(book.answers) > 3 * KILLS
        assert len(world.logons()) == len(HOSTS)
        tokens = [json.loads(path.read_text()) for path in (data / "tokens").glob("*.json")]
        assert len(tokens) == len(HOSTS)
        assert race.is_current
    finally:
        await site.stop()
        await steam.stop()
