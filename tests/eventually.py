"""Wait for a condition instead of a time: the one place where tests over real sockets look again and again."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

LOOK_S = 0.005


async def eventually(condition: Callable[[], _T], limit_s: float = 10.0) -> _T:
    """Return the condition's first true value; fails with what it returned last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while not (value := condition()):
        assert loop.time() < end, f"still {value!r} after {limit_s:g}s"
        await asyncio.sleep(LOOK_S)
    return value
