"""Tell one upstream outage from many bad bots.

When most of a platform's bots fail alike, it is the service or the way to it: one condition, told once, instead of
one for every bot. A single bot proves nothing about its service.
"""

from collections import Counter

import structlog

from exporter.errors import FailureReason
from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.model.status import BotRecord

LEAST_BOTS = 2
_NETWORK = frozenset(
    str(reason)
    for reason in FailureReason
    if reason not in (FailureReason.PROTOCOL, FailureReason.GC_DOWN, FailureReason.OTHER)
)

_log = structlog.get_logger(component="outage")


class OutageWatch:
    """A subscriber of the store: for each platform, whether most of the bots that should work fail alike.

    An event costs the same whatever the size of the fleet. "Alike" means by the network, of whatever kind: a service
    that restarts refuses some connections and answers others with 502.
    """

    __slots__ = ("_failing", "_judged", "_out", "_wanted")

    def __init__(self) -> None:
        self._judged: dict[str, tuple[str, bool]] = {}  # bot -> platform, whether it fails by the network
        self._wanted: Counter[str] = Counter()
        self._failing: Counter[str] = Counter()
        self._out: set[str] = set()

    def active(self, platform: str) -> bool:
        """Return whether the platform's service is out, as far as our bots can tell."""
        return platform in self._out

    def on_change(self, change: ev.Change) -> None:
        """Take a changed bot into account."""
        if not isinstance(change, ev.BotChange):
            return
        judged = _judge(change.after)
        before = self._judged.get(change.name)
        if judged == before:
            return
        if before is not None:
            self._count(before, -1)
        if judged is None:
            del self._judged[change.name]
        else:
            self._judged[change.name] = judged
            self._count(judged, +1)
        for platform in {each[0] for each in (before, judged) if each is not None}:
            self._decide(platform)

    def _count(self, judged: tuple[str, bool], step: int) -> None:
        platform, fails = judged
        self._wanted[platform] += step
        self._failing[platform] += step * fails

    def _decide(self, platform: str) -> None:
        failing, wanted = self._failing[platform], self._wanted[platform]
        out = failing >= LEAST_BOTS and failing * 2 > wanted
        if out and platform not in self._out:
            self._out.add(platform)
            _log.warning("the service seems to be out: most bots fail alike", platform=platform, failing=failing)
        elif not out and platform in self._out:
            self._out.discard(platform)
            _log.info("the service is back for most bots", platform=platform, still_failing=failing)


def _judge(record: BotRecord | None) -> tuple[str, bool] | None:
    """Return the bot's platform and whether it fails by the network; None for one that need not work now."""
    if record is None or not record.is_active or record.maintenance is not None:
        return None
    fails = record.status is BotStatus.CONNECTION_ERROR and record.status_reason in _NETWORK
    return record.platform, fails
