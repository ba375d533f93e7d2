"""The timer that is set again and again."""

import asyncio

import pytest

from exporter.platforms.dota2.alarm import Alarm, soonest
from tests.clock import ManualClock


async def test_it_rings_at_the_time_that_was_set_last() -> None:
    clock, rung = ManualClock(), list[float]()

    async def ring() -> None:
        rung.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        alarm = Alarm(clock, group, ring)
        alarm.set(1010.0)
        alarm.set(1005.0)
        alarm.set(1005.0)
        await clock.advance(20)
        assert rung == [1005.0]
        alarm.set(1030.0)
        alarm.set(None)
        await clock.advance(20)
        assert rung == [1005.0]
        assert clock.sleeping == []


async def test_a_time_may_move_while_it_is_waited_for() -> None:
    clock, rung = ManualClock(), list[float]()

    async def ring() -> None:
        rung.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        alarm = Alarm(clock, group, ring)
        for sooner, later in ((1005.0, 1010.0), (1025.0, 1040.0)):
            alarm.set(later)
            await clock.advance(1)
            alarm.set(sooner)
            await clock.advance(19)
        assert rung == [1005.0, 1025.0]
        alarm.set(1045.0)
        await clock.advance(1)
        alarm.set(1060.0)
        await clock.advance(10)  # beyond the time that it waited for at first
        alarm.set(1055.0)
        await clock.advance(20)
        assert rung == [1005.0, 1025.0, 1055.0]


async def test_whoever_rings_may_set_it_anew() -> None:
    clock, rung = ManualClock(), list[float]()

    async def ring() -> None:
        rung.append(clock.monotonic())
        alarm.set(clock.monotonic() + 5.0 if len(rung) < 3 else None)

    async with asyncio.TaskGroup() as group:
        alarm = Alarm(clock, group, ring)
        alarm.set(1005.0)
        await clock.advance(60)
    assert rung == [1005.0, 1010.0, 1015.0]


async def test_what_ringing_raises_ends_the_group() -> None:
    clock = ManualClock()

    async def ring() -> None:
        raise ValueError("no")

    async def wait() -> None:
        async with asyncio.TaskGroup() as group:
            Alarm(clock, group, ring).set(1001.0)
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await clock.advance(2)
    with pytest.raises(ExceptionGroup) as ended:
        await waiting
    assert isinstance(ended.value.exceptions[0], ValueError)


def test_the_soonest_of_some_times() -> None:
    assert soonest(3.0, None, 2.0) == 2.0
    assert soonest(None, None) is None
