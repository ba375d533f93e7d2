"""What is known about this process itself, shared by the composition root and the readers."""

from dataclasses import dataclass


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
