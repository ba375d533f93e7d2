"""Guessing is slow: how many wrong keys and passwords an address may send in a minute."""

from collections import OrderedDict, deque
from typing import Final

from exporter.timing import Clock

MOST_FAILURES: Final = 10
WINDOW_S: Final = 60.0
_MOST_ADDRESSES: Final = 10_000


class Failures:
    """Counts refused credentials by address, over the last minute. What is right is never counted."""

    def __init__(self, clock: Clock, *, most_addresses: int = _MOST_ADDRESSES) -> None:
        self._clock = clock
        self._most_addresses = most_addresses
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return for how many seconds this address may fail no more: 0 while it may."""
        times = self._times.get(address)
        if times is None or len(times) < MOST_FAILURES:
            return 0.0
        return max(0.0, times[0] + WINDOW_S - self._clock.monotonic())

    def note(self, address: str) -> None:
        """Count one failure; those made while an address must wait are not counted, or it would wait for ever."""
        if self.wait_s(address) > 0:
            return
        times = self._times.setdefault(address, deque(maxlen=MOST_FAILURES))
        times.append(self._clock.monotonic())
        self._times.move_to_end(address)
        if len(self._times) > self._most_addresses:
            self._times.popitem(last=False)  # the one whose last failure is the longest ago
