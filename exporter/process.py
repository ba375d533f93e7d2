"""What is known about this process itself, shared by the composition root and the readers."""

import gc
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

VERSION: Final = version("bot-exporter")


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
