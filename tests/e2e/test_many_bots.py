"""Two hundred bots in one process: whatever happens, every bot counts once and only once."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from exporter.app import application, load_fleet
from exporter.runner import RetryPolicy
from exporter.simulators.racetime import RacetimeSimulator, World
from exporter.web.settings import WebSettings
from tests.eventually import eventually
from tests.steady import LoopClock

BOTS = 200
QUICK = RetryPolicy(first_s=0.2, most_s=1.0)


def world_of(count: int) -> World:
    world = World(seed=5)
    for number in range(count):
        category = world.add_category(f"cat{number}", f"Category {number}", short_name=f"C{number}", goals=("Any%",))
        world.add_bot(category, f"Bot {number}", client_id=f"id{number}", client_secret=f"secret-{number}")
    return world


def config_of(count: int, url: str, wrong: set[int]) -> str:
    bots = (
        f"  - {{name: bot{n}, platform: racetime, category: cat{n}, client_id: id{n},"
        f" client_secret: {'wrong' if n in wrong else 'secret'}-{n}}}"
        for n in range(count)
    )
    return "\n".join((f"racetime: {{url: '{url}', poll_interval: 1s}}", "bots:", *bots))


async def test_two_hundred_bots_keep_the_counts_conserved(tmp_path: Path) -> None:
    clock, chance = LoopClock(), random.Random(11)
    world = world_of(BOTS)
    simulator = RacetimeSimulator(world, clock=clock, category_cache_s=0, race_cache_s=0, races_cache_s=0)
    await simulator.start()
    wrong = {3, 77, 150}
    config = tmp_path / "config.yaml"
    config.write_text(config_of(BOTS, simulator.url, wrong))
    settings = WebSettings(listen=(("127.0.0.1", 0),))
    async with (
        application(load_fleet(config), settings, tmp_path / "data", clock=clock, policy=QUICK, stagger_s=0) as app,
        aiohttp.ClientSession(f"http://127.0.0.1:{app.web.addresses[0][1]}") as session,
        AsyncExitStack() as stack,
    ):

        async def system() -> dict[str, int]:
            async with session.get("/status/system") as response:
                figures: dict[str, int] = await response.json()
            assert figures["total_bots"] == BOTS
            assert figures["available_bots"] + figures["busy_bots"] + figures["disconnected_bots"] == BOTS
            for summary in ("bot_state_summary", "bot_status_summary"):
                counts: dict[str, int] = figures[summary]  # type: ignore[assignment]  # the summaries are mappings
                assert sum(counts.values()) == BOTS
            return figures

        def connected() -> int:
            return sum(bot.healthy for bot in app.store.bots.values())

        async def trouble() -> None:
            """Races open and end, operators stop and start bots, and the site restarts, all at once."""
            for number in chance.sample(range(BOTS), 60):
                race = world.open_race(world.categories[f"cat{number}"], now=clock.now())
                if chance.random() < 0.5:
                    world.cancel(race, None, clock.now())
            names = [f"bot{number}" for number in chance.sample(range(BOTS), 40)]
            await asyncio.gather(*(app.supervisor.stop(name) for name in names[:20]))
            await asyncio.gather(*(app.supervisor.restart(name) for name in names))
            await simulator.crash()
            await simulator.start()

        async def watch(done: asyncio.Event) -> int:
            looks = 0
            while not done.is_set():
                await system()
                looks += 1
            return looks

        await eventually(lambda: connected() == BOTS - len(wrong))
        done = asyncio.Event()
        watching = asyncio.create_task(watch(done))
        stack.push_async_callback(asyncio.wait, {watching})
        stack.callback(done.set)
        await trouble()
        active = {str(race) for race in world.races.values() if race.is_current}
        await eventually(lambda: connected() == BOTS - len(wrong))
        expected = {name for name in active if int(name.split("/")[0][3:]) not in wrong}
        await eventually(lambda: {name for name, race in app.store.races.items() if race.connected} == expected)
        done.set()
        assert await watching > 10
        figures = await system()
        assert figures["busy_bots"] == len({name.split("/")[0] for name in expected})
        assert app.process.unexpected_transitions == 0
    await simulator.stop()
    assert not simulator.open_sockets()
