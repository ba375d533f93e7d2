"""How many logons one address may try: beyond that the server answers with a rate limit for a while."""

from collections import defaultdict, deque


class RateLimit:
    """At most `most` tries in `window_s` seconds per address, then none for `pause_s`.

    Assumption: the numbers of real Steam are unknown; about 25 minutes is what clients wait, and tries during the
    pause lengthen it (steam-dota2 protocol notes, section 1).
    """

    def __init__(self, most: int, window_s: float, *, pause_s: float = 1500.0) -> None:
        self._most = most
        self._window_s = window_s
        self._pause_s = pause_s
        self._tries: defaultdict[str, deque[float]] = defaultdict(deque)
        self._paused_until: dict[str, float] = {}

    def admit(self, address: str, now: float) -> bool:
        """Count one try; False while the address is paused."""
        if now < self._paused_until.get(address, now):
            self._paused_until[address] = now + self._pause_s
            return False
        tries = self._tries[address]
        while tries and tries[0] <= now - self._window_s:
            tries.popleft()
        tries.append(now)
        if len(tries) <= self._most:
            return True
        tries.clear()
        self._paused_until[address] = now + self._pause_s
        return False

    def paused_until(self, address: str) -> float:
        """Return when the pause of this address ends, 0 if there was none."""
        return self._paused_until.get(address, 0.0)
