"""How punctual the event loop is: what a stall costs every bot's heartbeat."""

from typing import NoReturn

from exporter.stats import LoopStats
from exporter.timing import Clock

TICK_S = 0.5


async def watch_loop(stats: LoopStats, clock: Clock) -> NoReturn:
    """Observe by how much each tick comes late, until cancelled."""
    while True:
        due = clock.monotonic() + TICK_S
        await clock.sleep(TICK_S)
        stats.lag.observe(max(0.0, clock.monotonic() - due))
