"""Each fault of the table alone, at a fleet of both platforms: it is told, nothing is left of it, nobody is stuck."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.simulators.faults import EVERYWHERE, Fault, Target
from tests.trouble.deeds import GARBAGE, MIXED, PHASES, SITE, Stage
from tests.trouble.mixed import HOSTS, MixedFleet, mixed_fleet

HOLD_S = 45.0  # longer than any phase of a logon may take

# Before the logon says who it is, a fault of a phase is everybody's.
_OF_ALL = ("accept", "upgrade", "hello", "key")
_OF_ONE = tuple(sorted(PHASES - set(_OF_ALL)))


async def strike(fleet: MixedFleet, stage: Stage, faults: Sequence[Fault], hold_s: float = HOLD_S) -> None:
    """Have faults for a while, with every session ended so that they are met; then all must be as before."""
    levels = fleet.levels()
    ends = [await stage.begin(fault) for fault in faults]
    await stage.begin(Fault("steam_kick", detail="3"))
    until = fleet.clock.monotonic() + hold_s
    while fleet.clock.monotonic() < until:
        fleet.explained()
        await asyncio.sleep(1.0)
    for end in ends:
        await end()
    await stage.calm()
    await fleet.recover()
    await fleet.agree()
    await fleet.settled(levels)


def walks() -> list[list[Fault]]:
    """Return every way of disturbing a phase, three at a time where each can have its own bot."""
    found = []
    for kind in ("steam_hang", "steam_drop_before", "steam_drop_after"):
        found += [[Fault(kind, phase)] for phase in _OF_ALL]
        for first in range(0, len(_OF_ONE), len(HOSTS)):
            phases = _OF_ONE[first : first + len(HOSTS)]
            found.append([Fault(kind, str(Target(*each))) for each in zip(phases, HOSTS, strict=False)])
    return found


@pytest.mark.parametrize("kind", ["steam_hang", "steam_drop_before", "steam_drop_after"])
async def test_a_logon_that_is_disturbed_at_each_phase(kind: str, tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        for faults in walks():
            if faults[0].kind == kind:
                import time
                t=time.monotonic()
                await strike(fleet, stage, faults, HOLD_S if kind == "steam_hang" else 10.0)
                print(faults, time.monotonic()-t)
