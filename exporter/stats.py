"""Figures that are no facts about a bot: counted where they arise, read by the metrics, never an event each."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence


class Histogram:
    """Counts of observations by upper bound, as Prometheus histograms have them (buckets here are not cumulative)."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class BotStats:
    """What one bot's sockets saw since the process started; it outlives the bot's connections."""

    __slots__ = ("messages_received", "messages_sent", "protocol_errors", "unknown_messages")

    def __init__(self) -> None:
        self.messages_received = 0
        self.messages_sent = 0
        self.unknown_messages = 0
        self.protocol_errors: Counter[str] = Counter()


class HttpStats:
    """What the web server answered: `requests` by (route, method, status code), seconds by route.

    `cut_off` counts the connections that it ended because their clients did not read: too `slow`, or `crowded`, when
    all such clients together made it keep too much.
    """

    __slots__ = ("cut_off", "durations", "requests")

    CUT_OFF = ("slow", "crowded")

    BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.durations: dict[str, Histogram] = {}
        self.cut_off: Counter[str] = Counter()

    def observe(self, route: str, method: str, code: int, seconds: float) -> None:
        """Count one answered request; `route` is the pattern, never the path that was asked for."""
        self.requests[route, method, code] += 1
        if route not in self.durations:
            self.durations[route] = Histogram(self.BOUNDS_S)
        self.durations[route].observe(seconds)


class OrderStats:
    """The orders that came to an end: `counts` by (what was ordered, what came of it)."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()


class StreamStats:
    """The live feed: streams that are open now by protocol, and those that this server ended by reason."""

    __slots__ = ("clients", "dropped")

    PROTOCOLS = ("websocket", "sse")
    REASONS = ("slow", "revoked")

    def __init__(self) -> None:
        self.clients: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()


class LogonStats:
    """The queue for logons that a service limits: how many bots wait, and until when all must (Unix seconds)."""

    __slots__ = ("cooldown_until", "queue_length")

    def __init__(self) -> None:
        self.queue_length = 0
        self.cooldown_until: float | None = None


class StorageStats:
    """How the storage is. `opened` once it could be opened, `up` while its last attempt to write succeeded.

    `queue_length` is what waits to be written, `dropped` what will never be; `failures` are failed attempts by what
    was wrong.
    """

    __slots__ = ("deleted", "dropped", "failures", "opened", "queue_length", "up")

    def __init__(self) -> None:
        self.opened = False
        self.up = False
        self.queue_length = 0
        self.dropped = 0
        self.deleted = 0
        self.failures: Counter[str] = Counter()

    def copy(self) -> "StorageStats":
        """Return the figures as they are now."""
        now = StorageStats()
        now.opened, now.up = self.opened, self.up
        now.queue_length, now.dropped, now.deleted = self.queue_length, self.dropped, self.deleted
        now.failures = Counter(self.failures)
        return now


class ClusterStats:
    """This process among others: instances alive, bots owned, leases lost and bots taken over since the start.

    `unowned` are bots of the configuration that are nobody's, as far as this process knows. `joined` once it was let
    in; `trouble` says what keeps the leases from being renewed, None while nothing does.
    """

    __slots__ = ("instances", "joined", "lost", "owned", "takeovers", "trouble", "unowned")

    def __init__(self) -> None:
        self.instances = 0
        self.owned = 0
        self.unowned = 0
        self.lost = 0
        self.takeovers = 0
        self.joined = False
        self.trouble: str | None = None

    @property
    def up(self) -> bool:
        """Whether the leases are being renewed."""
        return self.joined and self.trouble is None


class LoopStats:
    """How late the event loop was, in seconds a tick."""

    __slots__ = ("lag",)

    BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

    def __init__(self) -> None:
        self.lag = Histogram(self.BOUNDS_S)
