"""Wait for a condition instead of a time: the one place where tests over real sockets look again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")

LIMIT_S = 60.0
"""Only guards against waiting for ever: far more than anything takes on the busiest machine."""
LOOK_S = 0.005
ASK_S = 0.05
"""Between two questions to a program: each costs it something."""


async def eventually(condition: Callable[[], _T], limit_s: float = LIMIT_S) -> _T:
    """Return the condition's first true value; fails with what it returned last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while not (value := condition()):
        assert loop.time() < end, f"still {value!r} after {limit_s:g}s"
        await asyncio.sleep(LOOK_S)
    return value


async def until(
    ask: Callable[[], Awaitable[_T]],
    fits: Callable[[_T], object] = bool,
    limit_s: float = LIMIT_S,
    *,
    told: Callable[[], object] = lambda: "",
) -> _T:
    """Ask again and again, and return the first answer that fits; fails with the last one and with what is `told`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while not fits(answer := await ask()):
        assert loop.time() < end, f"still {answer!r} after {limit_s:g}s {told()}"
        await asyncio.sleep(ASK_S)
    return answer
