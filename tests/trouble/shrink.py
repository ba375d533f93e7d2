"""Make a failing schedule of faults smaller: delta debugging over its rows, and the seed that a run is given."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from exporter.simulators.faults import Fault, FaultSchedule

Fails = Callable[[FaultSchedule], Awaitable[bool]]


async def shrunk(schedule: FaultSchedule, fails: Fails, most_tries: int = 40) -> FaultSchedule:
    """Return the smallest schedule found that still fails; it tries at most so many.

    First rows go, in ever smaller parts (ddmin), then the rest begins as early as it can.
    """
    rows, tries, parts = schedule.faults, 0, 2

    async def still_fails(some: tuple[Fault, ...]) -> bool:
        nonlocal tries
        tries += 1
        return tries <= most_tries and await fails(FaultSchedule(some, schedule.repeat_s))

    while len(rows) > 1 and tries < most_tries:
        size = max(1, len(rows) // parts)
        for first in range(0, len(rows), size):
            fewer = rows[:first] + rows[first + size :]
            if fewer and await still_fails(fewer):
                rows, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(rows), parts * 2)
    early = tuple(replace(row, start_s=round(row.start_s - rows[0].start_s, 3)) for row in rows)
    return FaultSchedule(early if early != rows and await still_fails(early) else rows, schedule.repeat_s)
