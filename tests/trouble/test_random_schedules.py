"""Random schedules over both platforms at once: whatever comes together, the fleet comes back and all agree.

A failing one is made smaller and printed with its seed. `pytest tests/trouble --seed=7` plays the schedule of one seed,
`--schedules=500` those of five hundred.
"""

import asyncio
from pathlib import Path

import pytest

from exporter.simulators.faults import Fault, FaultSchedule
from tests.protocol.fleet_rig import tasks_left
from tests.trouble.deeds import MIXED, Stage
from tests.trouble.mixed import BOTS, mixed_fleet
from tests.trouble.shrink import shrunk

LENGTH_S = 90.0
LONGEST_S = 45.0
# A lock costs real seconds: the database waits for it in a thread. The others need an operator.
_LEFT_OUT = frozenset({"database_locked", "site_deactivate_bot", "site_refuse_credentials"})
KINDS = {name: kind for name, kind in MIXED.items() if name not in _LEFT_OUT}


def schedule_of(seed: int) -> FaultSchedule:
    """Return the schedule of a seed: half of its faults are not racetime.gg's, which has the most kinds by far."""
    count = 3 + seed % 6
    other = {name: kind for name, kind in KINDS.items() if not name.startswith("site_")}
    parts = [
        FaultSchedule.random(seed + offset, kinds, length_s=LENGTH_S, count=count, who=BOTS, longest_s=LONGEST_S)
        for offset, kinds in ((0, KINDS), (1_000_000, other))
    ]
    return FaultSchedule(tuple(sorted((row for part in parts for row in part.faults), key=lambda row: row.start_s)))


async def play(schedule: FaultSchedule, folder: Path) -> None:
    """Play a schedule against a fleet; raises AssertionError or TimeoutError when the fleet does not hold."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(3600.0), mixed_fleet(folder) as fleet:
        levels = fleet.levels()
        await Stage(fleet).play(schedule)
        await fleet.recover()
        await fleet.agree()
        await fleet.settled(levels)
        if not any(fault.kind.startswith(("database", "disk")) for fault in schedule.faults):
            assert fleet.app.storage.stats.dropped == 0
    assert tasks_left(before) == set()


async def test_random_schedules(trouble_seed: int, tmp_path: Path) -> None:
    schedule, tries = schedule_of(trouble_seed), 0

    async def fails(some: FaultSchedule) -> bool:
        nonlocal tries
        tries += 1
        try:
            await play(some, tmp_path / str(tries))
        except (AssertionError, TimeoutError, ExceptionGroup):
            return True
        return False

    try:
        await play(schedule, tmp_path / "0")
    except (AssertionError, TimeoutError, ExceptionGroup) as error:
        small = await shrunk(schedule, fails)
        told = f"seed {trouble_seed}: {error!r}\nof {len(schedule.faults)} faults these are enough:\n{small.dumps()}"
        raise AssertionError(told) from error


def test_a_seed_is_a_schedule_and_many_seeds_meet_every_kind() -> None:
    assert schedule_of(7) == schedule_of(7) == FaultSchedule.loads(schedule_of(7).dumps())
    met = {fault.kind for seed in range(200) for fault in schedule_of(seed).faults}
    assert met == set(KINDS)


@pytest.mark.parametrize("guilty", [("a",), ("a", "d"), ("a", "b", "c", "d", "e", "f")])
async def test_a_failing_schedule_is_made_as_small_as_it_can_be(guilty: tuple[str, ...]) -> None:
    schedule = FaultSchedule(tuple(Fault(name, start_s=10.0 + at) for at, name in enumerate("abcdefgh")))

    async def fails(some: FaultSchedule) -> bool:
        return {fault.kind for fault in some.faults} >= set(guilty)

    small = await shrunk(schedule, fails)
    assert tuple(fault.kind for fault in small.faults) == guilty
    assert small.faults[0].start_s == 0.0
