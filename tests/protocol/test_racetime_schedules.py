"""Random schedules of faults, from seeds: whatever the site does, the exporter never lies and always comes back.

A failing schedule is printed, and replays with SCHEDULES=<seed>. BOT_EXPORTER_SCHEDULES=1000 plays so many.
"""

import asyncio
import dataclasses
import os
from pathlib import Path

import pytest

from exporter.simulators.faults import FaultSchedule
from exporter.simulators.racetime import KINDS
from tests.protocol.fleet_rig import CATEGORIES, QUICK_PATIENCE, Fleet, racetime_fleet, tasks_left

COUNT = int(os.environ.get("BOT_EXPORTER_SCHEDULES", "80"))
AT_ONCE = 10
POLL_S = 0.15
LENGTH_S = 1.2
# A site that asks for ten minutes of quiet gets them; here it asks for one second. Huge things are as huge as needed.
GENTLE = {"too_many": ("1",), "huge_body": ("9",), "frame_huge": ("9",)}
KINDS_HERE = {name: dataclasses.replace(kind, details=GENTLE.get(name, kind.details)) for name, kind in KINDS.items()}
STALE_S = 3 * POLL_S + 0.1  # three intervals, and some turns of the loop in which each part learns of it


def schedule_of(seed: int) -> FaultSchedule:
    who = [f"demo-{name}" for name in CATEGORIES]
    return FaultSchedule.random(seed, KINDS_HERE, length_s=LENGTH_S, count=1 + seed % 5, who=who, longest_s=1.0)


async def play(seed: int, folder: Path) -> None:
    """Play one schedule against a fleet; raises AssertionError with the schedule."""
    schedule = schedule_of(seed)
    try:
        async with asyncio.timeout(600), racetime_fleet(folder, poll_s=POLL_S, alone=False) as fleet:
            fleet.site.faults.play(schedule)
            # The listener comes back a tick after the fault that had closed it.
            while fleet.site.faults.playing or fleet.site.faults.active or not fleet.site.listening:
                never_green_without_proof(fleet)
                await asyncio.sleep(0.02)
            await the_truth_shows(fleet)
            await fleet.agree()
            for name in CATEGORIES:
                assert fleet.app.supervisor.bot(name) is not None
    except (AssertionError, TimeoutError, ExceptionGroup) as error:
        msg = f"seed {seed}: {error!r}\n{schedule.dumps()}"
        raise AssertionError(msg) from error


def never_green_without_proof(fleet: Fleet) -> None:
    now = fleet.clock.now()
    for bot in fleet.app.store.bots.values():
        if bot.healthy:
            assert bot.last_status_check_at is not None
            assert now - bot.last_status_check_at < STALE_S, bot


async def the_truth_shows(fleet: Fleet) -> None:
    """Once the faults are over: who can work works, in every room; whose credentials are gone says so."""
    for name in CATEGORIES:
        truth = fleet.site.truth(f"demo-{name}", f"demo-{name}-secret")
        if truth.can_poll:
            await fleet.healthy(name)
        else:
            bot = await fleet.until(name, lambda bot: bot["status_name"] == "auth_failed")
            assert bot["status_reason"] == "invalid_credentials"


@pytest.mark.parametrize("batch", range(COUNT // (AT_ONCE * 2)))
async def test_random_schedules(batch: int, tmp_path: Path) -> None:
    """Twenty schedules a batch, ten of them at a time."""
    chosen = os.environ.get("SCHEDULES")
    seeds = [int(chosen)] if chosen else range(batch * AT_ONCE * 2, (batch + 1) * AT_ONCE * 2)
    gate = asyncio.Semaphore(AT_ONCE)

    async def gated(seed: int) -> None:
        async with gate:
            await play(seed, tmp_path / str(seed))

    before = asyncio.all_tasks()
    results = await asyncio.gather(*(gated(seed) for seed in seeds), return_exceptions=True)
    assert tasks_left(before) == set()
    failures = [str(each) for each in results if each is not None]
    assert not failures, "\n\n".join(failures)


def test_schedules_are_repeatable_and_can_be_written_down() -> None:
    assert schedule_of(7) == schedule_of(7) == FaultSchedule.loads(schedule_of(7).dumps())
    kinds = {fault.kind for seed in range(COUNT) for fault in schedule_of(seed).faults}
    assert kinds == set(KINDS)  # so many schedules meet every kind of fault


def test_the_patience_of_these_tests_is_shorter_than_a_schedule() -> None:
    assert QUICK_PATIENCE.request_s < LENGTH_S
