"""The rate limit of the web configuration file: a token bucket for the whole server."""

from exporter.timing import Clock
from exporter.web_config import Rate


class RateLimiter:
    """Lets requests pass as long as there are tokens. Without a rate everything passes."""

    def __init__(self, clock: Clock, rate: Rate | None = None) -> None:
        self._clock = clock
        self._rate: Rate | None = None
        self._tokens = 0.0
        self._at = 0.0
        self.change(rate)

    def change(self, rate: Rate | None) -> None:
        """Use another rate from now on, with a full bucket; the same rate goes on with the bucket that it has."""
        if rate != self._rate:
            self._rate = rate
            self._tokens = float(rate.burst) if rate is not None else 0.0
            self._at = self._clock.monotonic()

    def wait_s(self) -> float:
        """Take a token and return 0, or return the seconds until there will be one."""
        if self._rate is None:
            return 0.0
        now = self._clock.monotonic()
        self._tokens = min(float(self._rate.burst), self._tokens + (now - self._at) / self._rate.interval_s)
        self._at = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) * self._rate.interval_s
        self._tokens -= 1.0
        return 0.0
