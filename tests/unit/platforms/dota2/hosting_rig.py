"""A coordinator session and what a bot knows of its lobbies, without a bot, sockets or tasks."""

import random
from collections.abc import Mapping

import structlog

from exporter.model import events as ev
from exporter.model.status import ExpectedPlayers
from exporter.platforms.base import BotContext, Reporter
from exporter.platforms.dota2.coordinator import Coordinator
from exporter.platforms.dota2.hosting import Hosting, HostingTiming
from exporter.platforms.dota2.objects import LobbyGone, LobbySeen
from exporter.platforms.dota2.options import DOTA2
from exporter.stats import BotStats
from tests.clock import ManualClock
from tests.unit.platforms.dota2 import gc


def context(
    report: Reporter,
    clock: ManualClock | None = None,
    stats: BotStats | None = None,
    known: Mapping[int, ExpectedPlayers] | None = None,
) -> BotContext:
    return BotContext(
        name="alice",
        report=report,
        stats=stats or BotStats(),
        clock=clock or ManualClock(),
        rng=random.Random(1),
        log=structlog.get_logger(),
        hide=lambda *_: None,
        draining=lambda: False,
        expected=(known if known is not None else {}).get,
    )


class HostingRig:
    """Feeds messages of the coordinator to `hosting`; `left` counts how often a lobby had to be left.

    `known` is what is kept of who is expected in which lobby.
    """

    def __init__(self, report: Reporter, timing: HostingTiming | None = None) -> None:
        self.stats = BotStats()
        self.clock = ManualClock()
        self.left = 0
        self.gc = Coordinator(self.stats, gc.BOT)
        self.known: dict[int, ExpectedPlayers] = {}
        asked = context(report, self.clock, self.stats, self.known)
        self.hosting = Hosting(asked, timing or HostingTiming(), self._leave)
        report(ev.BotAdded("alice", 0.0, DOTA2, "alice", active=True))

    def play(self, msgtype: int, payload: bytes, now: float) -> None:
        for event in self.gc.receive(msgtype, payload, now):
            match event:
                case LobbySeen(lobby=lobby, static=static):
                    self.hosting.seen(lobby, static, gc.BOT, now)
                case LobbyGone():
                    self.hosting.gone(now)

    async def later(self, seconds: float) -> None:
        """Let the clock go on."""
        await self.clock.advance(seconds)

    def _leave(self) -> None:
        self.left += 1
