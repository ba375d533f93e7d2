"""The queue for logons: fair, spaced, paused once, and nobody is lost who gives up."""

import asyncio
import random

import pytest

from exporter.platforms.steam.limiter import PAUSE_S, LogonLimiter
from tests.clock import ManualClock


class Queue:
    """A limiter and who went through it, and when."""

    def __init__(self, interval_s: float = 10.0) -> None:
        self.clock = ManualClock()
        self.limiter = LogonLimiter(interval_s, self.clock, random.Random(1))
        self.began = self.clock.monotonic()
        self.through: list[tuple[str, float]] = []
        self.waited: list[str] = []

    def enter(self, name: str) -> asyncio.Task[None]:
        async def go() -> None:
            await self.limiter.turn(self.waited.append)
            self.through.append((name, self.clock.monotonic() - self.began))

        return asyncio.create_task(go())


async def test_first_come_first_served() -> None:
    queue = Queue()
    tasks = [queue.enter(name) for name in "abc"]
    await queue.clock.settle()
    assert queue.through == [("a", 0.0)]
    assert queue.limiter.stats.queue_length == 2
    await queue.clock.advance(9.9)
    assert len(queue.through) == 1
    await queue.clock.advance(30)
    assert queue.through == [("a", 0.0), ("b", 10.0), ("c", 20.0)]
    assert queue.limiter.stats.queue_length == 0
    assert len(queue.waited) == 2
    await asyncio.gather(*tasks)


async def test_who_comes_late_does_not_wait() -> None:
    queue = Queue()
    await queue.limiter.turn()
    await queue.clock.advance(10)
    await queue.limiter.turn(queue.waited.append)
    assert queue.waited == []


async def test_no_limit() -> None:
    queue = Queue(0.0)
    for _ in range(1000):
        await queue.limiter.turn(queue.waited.append)
    assert queue.waited == []


@pytest.mark.parametrize("leaver", [0, 1, 2])
async def test_who_gives_up_costs_the_others_nothing(leaver: int) -> None:
    queue = Queue()
    await queue.limiter.turn()
    tasks = [queue.enter(name) for name in "abc"]
    await queue.clock.advance(5)
    tasks[leaver].cancel()
    await queue.clock.advance(100)
    assert [at for _, at in queue.through] == [10.0, 20.0]
    assert queue.limiter.stats.queue_length == 0
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_pause_is_for_all_and_is_not_lengthened() -> None:
    queue = Queue()
    waiting = queue.enter("a")
    await queue.clock.settle()
    behind = queue.enter("b")
    await queue.clock.settle()
    left = queue.limiter.pause()
    assert PAUSE_S <= left <= PAUSE_S * 1.1
    assert queue.limiter.stats.cooldown_until == pytest.approx(queue.clock.now() + left)
    await queue.clock.advance(100)
    assert queue.limiter.pause() == pytest.approx(left - 100)
    queue.enter("c")
    await queue.clock.settle()
    assert "pause until" in queue.waited[-1]
    await queue.clock.advance(left - 100)
    assert [name for name, _ in queue.through] == ["a", "b"]
    assert queue.limiter.stats.cooldown_until is None
    await queue.clock.advance(10)
    assert [name for name, _ in queue.through] == ["a", "b", "c"]
    assert queue.limiter.pause() >= PAUSE_S
    await asyncio.gather(waiting, behind)


async def test_who_waits_is_told_when_a_pause_begins() -> None:
    queue = Queue()
    tasks = [queue.enter(name) for name in "abc"]
    await queue.clock.settle()
    assert queue.waited == ["waits for its turn to log on"] * 2
    queue.limiter.pause()
    assert [words.rpartition(" ")[0] for words in queue.waited[2:]] == [
        "Steam limits our logons: all of them pause until"
    ] * 2
    await queue.clock.advance(2 * PAUSE_S)
    await asyncio.gather(*tasks)


async def test_processes_behind_one_address_share_the_pace() -> None:
    queue = Queue()
    queue.limiter.sharers = 3
    tasks = [queue.enter(name) for name in "ab"]
    await queue.clock.advance(29.9)
    assert queue.through == [("a", 0.0)]
    await queue.clock.advance(0.2)
    assert queue.through == [("a", 0.0), ("b", 30.0)]
    await asyncio.gather(*tasks)


async def test_a_pause_is_told_and_one_of_another_process_is_kept() -> None:
    first, second = Queue(), Queue()
    told: list[float] = []
    first.limiter.on_pause = told.append
    first.limiter.pause()
    first.limiter.pause()
    assert len(told) == 1
    assert PAUSE_S <= told[0] <= PAUSE_S * 1.1
    second.limiter.pause_for(told[0] - 1)
    second.limiter.pause_for(told[0] - 2)  # what is read again and again is the same pause
    second.limiter.pause_for(0)
    task = second.enter("a")
    await second.clock.settle()
    assert second.waited[0].startswith("Steam limits our logons")
    await second.clock.advance(told[0] - 1.5)
    assert second.through == []
    await second.clock.advance(1.0)
    assert [name for name, _ in second.through] == ["a"]
    await task
    first.limiter.pause_for(10)
    assert first.limiter.stats.cooldown_until == pytest.approx(first.clock.now() + told[0]), "none is shortened"
