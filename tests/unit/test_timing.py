"""Durations, backoff and phases."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import TransientError
from exporter.timing import Backoff, format_duration, parse_duration, phase, set_within
from tests.clock import ManualClock


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("90d", 7_776_000), ("250ms", 0.25), ("1y2w", 32_745_600), ("0", 0)],
)
def test_prometheus_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "s", "30 s", "-5s", "1.5h", "30s5m", "ten seconds", "5M"])
def test_other_texts_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (45.2, "45s"), (200, "3m20s"), (7500, "2h5m"), (349200, "4d1h"), (60, "1m")]
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(), st.integers(1, 3000))
def test_backoff_is_uniform_below_a_ceiling_that_doubles(seed: int, tries: int) -> None:
    backoff = Backoff(1.0, 300.0, random.Random(seed))
    delays = [backoff.next_delay() for _ in range(min(tries, 40))]
    assert all(0 <= delay <= min(300.0, 2.0**n) for n, delay in enumerate(delays))
    backoff.reset()
    assert backoff.next_delay() <= 1.0


def test_backoff_survives_a_very_long_outage() -> None:
    backoff = Backoff(1.0, 300.0, random.Random(1))
    assert all(backoff.next_delay() <= 300.0 for _ in range(5000))


async def test_a_phase_that_hangs_is_named() -> None:
    with pytest.raises(TransientError, match=r"first poll: no answer within 0\.01s") as caught:
        async with phase("first poll", 0.01):
            await asyncio.Event().wait()
    assert caught.value.reason == "timeout"


async def test_a_time_limit_of_its_own_passes_through_a_phase() -> None:
    with pytest.raises(TimeoutError):
        async with phase("token", 60):
            raise TimeoutError


async def test_an_event_is_waited_for_by_the_clock() -> None:
    clock, event = ManualClock(), asyncio.Event()
    for happens in (False, True):
        waiting = asyncio.create_task(set_within(event, 5.0, clock))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert clock.sleeping == [5.0]
        assert not waiting.done()
        if happens:
            event.set()
        else:
            await clock.advance(5.0)
        assert await waiting is happens
        assert clock.sleeping == []
    waiting = asyncio.create_task(set_within(asyncio.Event(), 5.0, clock))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert clock.sleeping == []
    assert len(asyncio.all_tasks()) == 1
