"""What reached the simulator: its own truth about traffic, for tests."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    """Counts since the simulator was made. What is about accounts and logons is in the world."""

    directory_requests: Counter[str] = field(default_factory=Counter)
    """Requests to the directory by path."""
    connections: Counter[int] = field(default_factory=Counter)
    """Accepted WebSockets by connection manager."""
    received: Counter[int] = field(default_factory=Counter)
    """Messages received by number."""
    methods: Counter[str] = field(default_factory=Counter)
    """Service calls by name."""
    ignored: Counter[int] = field(default_factory=Counter)
    """Messages received that this simulator has no use for, by number."""
    heartbeats: Counter[str] = field(default_factory=Counter)
    """Heartbeats by account."""
    dropped_silent: int = 0
    """Connections dropped because their client said nothing for too long."""
    violations: list[str] = field(default_factory=list)
    """What clients did that the protocol forbids, in words. A good client leaves this empty."""
