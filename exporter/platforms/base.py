"""What a platform is to the rest of the program.

A platform's folder provides a `Platform`: its traits, how a bot's options are checked, and how the service that its
bots share (an HTTP session, a logon queue) is opened. Bots report facts through their context and know nothing of
stores, runners or readers.
"""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from structlog.typing import FilteringBoundLogger

from exporter.config import BotEntry, Config
from exporter.errors import NotNow
from exporter.model.events import Event
from exporter.model.states import PlatformTraits
from exporter.model.status import ExpectedPlayers
from exporter.options import Option
from exporter.secrets import Hide
from exporter.stats import BotStats, LogonStats
from exporter.timing import Clock

Reporter = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class BotContext:
    """What a bot is given by its runner: its name, where to report facts, and time, chance and log as parameters.

    `hide` must be told every secret that the bot learns (tokens, passwords), so that no log can show it; of one that is
    replaced from time to time also for how long, or the process would keep all of them for ever. While `draining` is
    true the bot takes on no new lobby or race, and finishes those that it has. Before it logs on, and before each
    order, it asks whether it is `allowed` to act: another process may run the bot by now. Of a lobby that it finds
    again it asks who is `expected`: an earlier run, or another process, may have been told.
    """

    name: str
    report: Reporter
    stats: BotStats
    clock: Clock
    rng: random.Random
    log: FilteringBoundLogger
    hide: Hide
    draining: Callable[[], bool]
    allowed: Callable[[], bool] = lambda: True
    expected: Callable[[int], ExpectedPlayers] = lambda _: None

    def check_allowed(self) -> None:
        """Raise NotNow when the bot may not act in this process any more."""
        if not self.allowed():
            raise NotNow(f"bot {self.name} is not this process' any more: another one runs it, or will in a moment")


class Bot(Protocol):
    """One bot of a platform. It may be run again after `run` has ended; what it learned stays with it."""

    async def run(self) -> None:
        """Connect and serve until cancelled.

        Reports ConnectStarted's successors itself: StateEntered, HealthProved and so on. Raises TransientError or
        AuthError when the connection cannot be made or kept; sockets are closed when it ends, however it ends.
        Returning without an exception is a bug.
        """

    def credentials(self) -> object:
        """Return a value that changes when the operator changes the credentials (never the credentials)."""


@runtime_checkable
class TakesGuardCode(Protocol):
    """A bot whose logon may wait for a code that only an operator can give."""

    def submit_guard_code(self, code: str) -> None:
        """Hand in the code; raises OrderRefused when none is waited for, OrderInvalid when it is none."""


class LogonQueue(Protocol):
    """A queue for logons whose limits hold for all processes that go out by the same address.

    `interval_s` is the time between two logons if one process alone does it; `sharers` is how many do. `on_pause` is
    told of a pause in seconds that the service has asked this process for.
    """

    interval_s: float
    sharers: int
    on_pause: Callable[[float], None]

    def pause_for(self, seconds: float) -> None:
        """Let nobody log on for so long, because another process was told to."""


class Service(Protocol):
    """What the bots of one platform share in this process."""

    @property
    def queue(self) -> LogonQueue | None:
        """The queue in which they wait to log on; None without one."""

    @property
    def logons(self) -> LogonStats | None:
        """The figures of the queue in which they wait to log on; None without one."""

    def bot(self, options: Any, context: BotContext) -> Bot:
        """Return a bot, not yet running."""


class BotOptions(Protocol):
    """A bot's own configuration, checked by its platform. Equal options mean that nothing changed."""

    @property
    def subject(self) -> str:
        """What the bot stands for: its category or Steam username."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One row of the PLATFORMS table.

    `parse(entry)` returns the checked options of one entry of `bots`, or raises ConfigError with all its problems;
    `options` are the keys that it reads.
    `open_service(config, clock, data_dir)` is entered once at start and left after the last bot has stopped; `data_dir`
    is where it may keep what it needs after a restart.
    """

    traits: PlatformTraits
    options: tuple[Option, ...]
    parse: Callable[[BotEntry], BotOptions]
    open_service: Callable[[Config, Clock, Path], AbstractAsyncContextManager[Service]]
