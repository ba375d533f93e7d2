"""What is known about this process itself, shared by the composition root and the readers."""

import asyncio
import gc
from collections.abc import Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, TypeVar

VERSION: Final = version("bot-exporter")

_T = TypeVar("_T")


@dataclass(slots=True)
class ProcessState:
    """`ready` once everything is started and until stopping begins; times are Unix seconds."""

    version: str
    started_at: float
    ready: bool = False
    draining: bool = False
    unexpected_transitions: int = 0
    config_loaded_at: float | None = None
    config_ok: bool = True
    web_config_ok: bool | None = None
    """Whether the last reading of the web configuration file succeeded; None without such a file."""


def settle() -> None:
    """Tell the garbage collector that what exists now lives as long as the process: it need not look at it again.

    Done before the event loop runs, because looking at it once takes a tenth of a second.
    """
    gc.collect()
    gc.freeze()


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a new event loop: uvloop's where that is installed."""
    try:
        import uvloop  # noqa: PLC0415  (an extra that not everybody installs)
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
