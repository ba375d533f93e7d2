"""Three real processes under a stream of orders: one after the other restarts; one loses the database; all lose it.

The simulated Steam counts: no account is ever logged on twice at once. Its coordinator counts the lobbies: an order
that was answered made one, no order made two.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.cluster.cabled import Json, Rig, rig
from tests.eventually import eventually, until
from tests.postgresql import PostgreSQL

BOTS: Final = 6
BACK_S: Final = 30.0
"""The promise: so long after a death a bot runs elsewhere. After a stop in order it is a matter of a second or two."""
NOT_NOW: Final = frozenset({404, 502, 503})
"""Of a lobby that another process has just made one hears a moment later."""
CONFLICT: Final = 409
PAUSE_S: Final = 0.05


@dataclass
class Orders:
    """Somebody who makes lobbies and closes them, at any of the processes, and gives nothing up."""

    rig: Rig
    made: list[str] = field(default_factory=list)
    doubtful: list[tuple[str, int, Json]] = field(default_factory=list)
    waiting: dict[str, object] = field(default_factory=dict)
    """The last answer to each order that waits for its turn: what a failing test shows."""

    async def until_more(self) -> None:
        """Wait for some more lobbies."""
        before = len(self.made)

        async def made() -> int:
            return len(self.made)

        await until(made, lambda now: now > before + 2, 60, told=lambda: str(self.waiting))

    async def go_on(self, worker: int) -> None:
        chance = random.Random(worker)
        for number in itertools.count():
            await self._one(f"lobby-{worker}-{number}", chance)

    async def _one(self, name: str, chance: random.Random) -> None:
        wanted = {"name": name, "server_region": "EUW", "game_mode": "CM"}
        status, lobby = await self._given("POST", "/api/v1/lobbies", wanted, f"make-{name}", chance)
        if status == 201:
            self.made.append(name)
        else:  # nobody knows whether it was made: look, and close it if it was
            self.doubtful.append((name, status, lobby))
            lobby = next((each for each in await self._lobbies(chance) if each["name"] == name), {})
        for attempt in itertools.count() if lobby else ():
            path = f"/api/v1/lobbies/{lobby['lobby_id']}"
            status, _ = await self._given("DELETE", path, None, f"close-{name}-{attempt}", chance)
            if status != CONFLICT:  # its bot has just moved, and is not connected yet
                break

    async def _lobbies(self, chance: random.Random) -> list[Json]:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                status, told = await self.rig.call(chance.choice(self.rig.exporters), "GET", "/status/lobbies")
                if status == 200:
                    return list(told["lobbies"])
            await asyncio.sleep(PAUSE_S)

    async def _given(
        self, method: str, path: str, body: Json | None, key: str, chance: random.Random
    ) -> tuple[int, Json]:
        """Give an order until somebody answers it: the same key makes it the same order."""
        while True:
            exporter = chance.choice(self.rig.exporters)
            try:
                status, told = await self.rig.call(exporter, method, path, body, Idempotency_Key=key)
            except (aiohttp.ClientError, TimeoutError) as error:
                status, told = 503, {"detail": repr(error)}
            self.waiting[key] = exporter.name, status, told
            if status not in NOT_NOW:
                del self.waiting[key]
                return status, told
            await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def orders(running: Rig, workers: int = 3) -> AsyncIterator[Orders]:
    """Give orders all the time; on leaving, those that are under way come to their end."""
    giving = Orders(running)
    tasks = [asyncio.create_task(giving.go_on(worker)) for worker in range(workers)]
    try:
        await eventually(lambda: len(giving.made) >= workers, 60)
        yield giving
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def judged(running: Rig, giving: Orders) -> None:
    """No account was on twice; what was answered was done once, and nothing was done twice."""
    assert running.steam.twice == []
    assert {name: running.made[name] for name in giving.made} == dict.fromkeys(giving.made, 1)
    assert max(running.made.values()) == 1, running.made.most_common(3)
    assert not running.coordinator.stats.violations


async def test_a_rolling_restart_under_a_stream_of_orders(database: str, tmp_path: Path) -> None:
    async with rig(tmp_path, database, bots=BOTS, life_s=20.0) as running:
        async with orders(running) as giving:
            for each in running.exporters:
                others = [one for one in running.exporters if one is not each]
                await each.terminate()
                await running.until_whole(*others, limit_s=BACK_S)
                await giving.until_more()
                await each.start()
                await running.until_whole(*running.exporters)
        judged(running, giving)
        assert {status for _, status, _ in giving.doubtful} <= {504}  # whoever is answered otherwise knows


async def test_the_database_is_cut_off_from_one_process_and_then_restarted(
    postgresql: PostgreSQL, database: str, tmp_path: Path
) -> None:
    """What is sent to it waits in the cable, as in a network without a route: nothing says that the way is gone."""
    async with rig(tmp_path, database, bots=BOTS, life_s=6.0) as running:
        lonely, *others = running.exporters
        mine = await running.bots_of(lonely)
        assert mine
        async with orders(running, workers=2) as giving:
            lonely.cable.cut()
            await running.until_whole(*others, limit_s=BACK_S)
            lonely.cable.mend()
            await running.until_whole(*running.exporters)
            postgresql.stop()
            postgresql.start()
            await running.until_whole(*running.exporters)
        assert "bots are stopped: another process may run them" in lonely.log
        judged(running, giving)
