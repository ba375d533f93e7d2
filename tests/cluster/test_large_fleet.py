"""A whole fleet that is free at once: it is claimed in portions, with a beat between them, and what is left is told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from exporter.cluster.keeper import Keeper
from exporter.cluster.members import Membership
from exporter.stats import ClusterStats
from exporter.storage.leases import Me
from tests.clock import ManualClock
from tests.cluster.table import ModelTable, Tables
from tests.cluster.test_keeper import TIMING, Bots

FLEET = tuple(f"bot-{number}" for number in range(450))
_T = TypeVar("_T")


def at_once(work: Callable[[], _T], /) -> Awaitable[_T]:
    answer = asyncio.get_running_loop().create_future()
    answer.set_result(work())
    return answer


class Alone:
    """One process and its table."""

    def __init__(self) -> None:
        self.tables, self.clock, self.stats = Tables(), ManualClock(), ClusterStats()
        self.bots = Bots(lambda: self.tables.now)
        self.keeper = Keeper(
            ModelTable(self.tables, Me("a", "a-1", "", "", ""), TIMING.life_s),
            Membership("a", "a-1"),
            self.bots,
            self.stats,
            clock=self.clock,
            in_thread=at_once,
            draining=lambda: False,
            timing=TIMING,
        )

    async def look(self) -> tuple[int, int, int]:
        """Look once; returns how many bots run, how many are owned, and how many are nobody's."""
        assert await self.keeper.look()
        return len(self.bots.running), self.stats.owned, self.stats.unowned


async def test_a_large_fleet_is_claimed_in_portions_one_right_after_the_other() -> None:
    """To start thousands of bots takes as long as a lease lives: between portions all leases are renewed."""
    process = Alone()
    async with process.keeper.configured(dict.fromkeys(FLEET, frozenset())):
        pass
    assert await process.look() == (200, 200, 250)
    assert await process.look() == (400, 400, 50)
    assert await process.look() == (450, 450, 0)


async def test_it_does_not_wait_for_the_next_beat() -> None:
    """Far less time passes than between two beats, and every bot has an owner."""
    process = Alone()
    async with process.keeper.configured(dict.fromkeys(FLEET, frozenset())):
        pass
    running = asyncio.create_task(process.keeper.run())
    for _ in range(10):
        await process.clock.advance(TIMING.beat_s / 40)
    running.cancel()
    await asyncio.wait({running})
    assert len(process.bots.running) == len(FLEET)


async def test_a_bot_that_only_others_may_run_is_nobodys() -> None:
    process = Alone()
    pins = {"mine": frozenset({"a"}), "theirs": frozenset({"b"}), "anybodys": frozenset[str]()}
    async with process.keeper.configured(pins):
        pass
    assert await process.look() == (2, 2, 1)


async def test_bots_that_are_lost_are_nobodys_as_far_as_one_knows() -> None:
    """Who is cut off does not see that another process takes them."""
    process = Alone()
    async with process.keeper.configured(dict.fromkeys(FLEET[:3], frozenset())):
        pass
    assert await process.look() == (3, 3, 0)
    process.clock.skip(TIMING.life_s)
    process.keeper.fence()
    assert (process.stats.owned, process.stats.unowned, process.stats.lost) == (0, 3, 3)
