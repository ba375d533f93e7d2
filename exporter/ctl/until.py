"""Waiting for something to become true on the server, by looking again and again."""

import time
from collections.abc import Callable
from typing import Any, Final

from exporter.ctl.client import Answer
from exporter.ctl.failures import NotReached, Unreachable
from exporter.ctl.session import Session
from exporter.ctl.words import span

LOOK_S: Final = 0.5


def until(
    session: Session,
    look: Callable[[], Answer],
    reached: Callable[[Any], bool],
    what: str,
    limit_s: float,
    *,
    over: Callable[[Any], str | None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Answer:
    """Return the first answer of `look` for which `reached` holds.

    Raises NotReached after `limit_s` seconds, or as soon as `over` says why it cannot come about any more. A server
    that is away for a moment is waited for as well.
    """
    end = monotonic() + limit_s
    with session.waiting(f"waiting until {what}"):
        while True:
            try:
                answer = look()
            except Unreachable:
                if monotonic() >= end:
                    raise
            else:
                data = answer.data
                if reached(data):
                    return answer
                why = over(data)
                if why is not None:
                    raise NotReached(f"it will not come to that {what}: {why}")
                if monotonic() >= end:
                    raise NotReached(f"after {span(limit_s)} it was still not so that {what}")
            sleep(LOOK_S)
