"""A fault that comes again and again: after the first rounds, in which bounded memories fill, hardly more is kept.

Counts of objects (`levels`) do not see what hangs on no connection: a list that somebody appends to, or what C code
holds. So the bytes of Python objects, and those that the process has of the machine, are held to a bound.
"""

import asyncio
import tracemalloc
from pathlib import Path
from typing import Final

from exporter.platforms.racetime.client import Patience
from exporter.platforms.racetime.rooms import RoomTiming
from exporter.runner import RetryPolicy
from exporter.simulators.faults import Fault
from tests.memory import resident_mb, traced_kb
from tests.protocol.fleet_rig import CATEGORIES, quick_platforms
from tests.trouble.deeds import Stage
from tests.trouble.mixed import HOSTS, MixedFleet, mixed_fleet

ROUNDS: Final = 30
SOON: Final = RetryPolicy(first_s=1.0, most_s=2.0)
SOON_IN_ROOMS: Final = RoomTiming(most_retry_s=2.0)
NOT_OURS: Final = ("*/tests/*", "*/exporter/simulators/*")
MOST_KB: Final = 160.0
"""What is still filling then, such as the last changes, takes 50 to 80 kB; 120 connections are made anew meanwhile."""
MOST_RESIDENT_MB: Final = 8.0


async def reset(fleet: MixedFleet, stage: Stage) -> None:
    """Take every bot its connection, and wait until all are back. What the test notes of it is not kept."""
    await fleet.steam.crash()
    await fleet.steam.start()
    await stage.begin(Fault("site_drop_sockets"))
    await asyncio.sleep(0.1)  # until its end has reached a bot, the bot looks recovered
    await fleet.recover()
    fleet.clean_log()
    fleet.changes.clear()
    fleet.log.clear()


async def test_connections_that_are_lost_again_and_again_leave_nothing_in_memory(tmp_path: Path) -> None:
    platforms = quick_platforms(Patience(), SOON_IN_ROOMS)
    async with mixed_fleet(tmp_path, retry=SOON, platforms=platforms) as fleet:
        stage, asked = Stage(fleet), fleet.site.stats.requests
        opened = asked["GET /ws/o/bot/{slug}"]
        tracemalloc.start(1)
        try:
            for _ in range(ROUNDS // 3):
                await reset(fleet, stage)
            before_kb, before_mb = traced_kb(*NOT_OURS), resident_mb()
            for _ in range(ROUNDS - ROUNDS // 3):
                await reset(fleet, stage)
            more_kb, more_mb = traced_kb(*NOT_OURS) - before_kb, resident_mb() - before_mb
        finally:
            tracemalloc.stop()
        assert all(fleet.app.store.bots[name].reconnects >= ROUNDS for name in HOSTS)
        assert asked["GET /ws/o/bot/{slug}"] - opened >= ROUNDS * len(CATEGORIES)
        assert more_kb < MOST_KB, f"{before_kb:.0f} kB after a third, then {more_kb:.0f} kB more"
        assert more_mb < MOST_RESIDENT_MB, f"{before_mb:.0f} MB after a third, then {more_mb:.0f} MB more"
