"""Waits that somebody cuts short."""

import asyncio

from exporter.platforms.racetime.pause import Pause
from tests.clock import ManualClock


async def test_it_ends_by_itself() -> None:
    clock = ManualClock()
    pause = Pause(clock)
    task = asyncio.create_task(pause.wait(5.0))
    await clock.advance(4.9)
    assert pause.waiting
    await clock.advance(0.2)
    await task
    assert not pause.waiting


async def test_it_ends_as_soon_as_it_is_told_and_is_told_once() -> None:
    clock = ManualClock()
    pause = Pause(clock)
    task = asyncio.create_task(pause.wait(1000.0))
    await clock.advance(1.0)
    pause.end(2.0)
    assert not pause.waiting
    pause.end(0.0)  # it is about to end already
    await clock.advance(1.9)
    assert not task.done()
    await clock.advance(0.2)
    await task
    again = asyncio.create_task(pause.wait(3.0))
    await clock.advance(3.1)
    await again


async def test_nobody_waits() -> None:
    pause = Pause(ManualClock())
    pause.end(1.0)
    assert not pause.waiting


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    pause = Pause(ManualClock())
    task = asyncio.create_task(pause.wait(1000.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert asyncio.all_tasks() == before
