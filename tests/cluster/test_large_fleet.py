"""A whole fleet that is free at once: it is claimed in portions, with a beat between them, and what is left is told."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from structlog.testing import capture_logs

from exporter.cluster.keeper import Keeper
from exporter.cluster.members import Membership
from exporter.errors import TroubleKind
from exporter.stats import ClusterStats
from exporter.storage.leases import Claimed, Me
from exporter.storage.trouble import StorageTrouble
from tests.clock import ManualClock
from tests.cluster.table import ModelTable, Tables
from tests.cluster.test_keeper import TIMING, Bots

FLEET = tuple(f"bot-{number}" for number in range(450))
_T = TypeVar("_T")


def at_once(work: Callable[[], _T], /) -> Awaitable[_T]:
    answer = asyncio.get_running_loop().create_future()
    answer.set_result(work())
    return answer


class SlowBots(Bots):
    """Bots that start once `go` is set."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.go = asyncio.Event()
        self.go.set()

    async def take(self, claimed: Collection[Claimed]) -> None:
        await self.go.wait()
        await super().take(claimed)


class StubbornTable(ModelTable):
    """A table that may refuse claims, and answers everything else."""

    claims = True

    def claim(self, bots: Collection[str]) -> list[Claimed]:
        if not self.claims:
            raise StorageTrouble(TroubleKind.REFUSED, "no claims today")
        return super().claim(bots)


class Alone:
    """One process and its table."""

    def __init__(self) -> None:
        self.tables, self.clock, self.stats = Tables(), ManualClock(), ClusterStats()
        self.bots = SlowBots(lambda: self.tables.now)
        self.table = StubbornTable(self.tables, Me("a", "a-1", "", "", ""), TIMING.life_s)
        self.keeper = Keeper(
            self.table,
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
        await self.clock.settle()
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


async def test_bots_that_take_long_to_start_hold_up_no_beat() -> None:
    """All leases are renewed meanwhile; and nothing more is claimed before the last ones have started."""
    process = Alone()
    process.bots.go.clear()
    async with process.keeper.configured(dict.fromkeys(FLEET, frozenset())):
        pass
    running = asyncio.create_task(process.keeper.run())
    for _ in range(12):  # far longer than a lease lives
        process.tables.now += TIMING.beat_s
        await process.clock.advance(TIMING.beat_s)
        held = [each for each in process.tables.leases.values() if each.owner == "a"]
        assert len(held) == process.stats.owned == 200
        assert min(each.until for each in held) >= process.tables.now + TIMING.life_s - TIMING.beat_s
    assert (process.stats.lost, process.stats.joined, process.stats.trouble) == (0, True, None)
    process.bots.go.set()
    await process.clock.advance(TIMING.beat_s)
    assert len(process.bots.running) == len(FLEET)
    running.cancel()
    await asyncio.wait({running})


async def test_what_happens_while_bots_start_is_looked_at_once_they_have() -> None:
    """It does not wait for the next beat."""
    process = Alone()
    process.bots.go.clear()
    async with process.keeper.configured(dict.fromkeys(FLEET[:3], frozenset())):
        pass
    running = asyncio.create_task(process.keeper.run())
    await process.clock.advance(TIMING.beat_s / 10)
    process.tables.leases["bot-1"].until = 0.0
    process.keeper.wake()
    await process.clock.advance(TIMING.beat_s / 10)
    assert process.stats.lost == 0
    process.bots.go.set()
    await process.clock.advance(TIMING.beat_s / 10)
    assert process.stats.lost == 1
    running.cancel()
    await asyncio.wait({running})


async def test_a_database_that_lets_nothing_be_claimed_is_told_of_until_it_does() -> None:
    process = Alone()
    process.table.claims = False
    async with process.keeper.configured(dict.fromkeys(FLEET[:3], frozenset())):
        pass
    with capture_logs() as told:
        for _ in range(3):
            await process.look()
            assert process.stats.trouble == "no claims today"
    assert [each["error"] for each in told if each["log_level"] == "error"] == ["no claims today"], "once"
    process.table.claims = True
    assert await process.look() == (3, 3, 0)
    assert process.stats.trouble is None


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
