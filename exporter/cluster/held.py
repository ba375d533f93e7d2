"""The leases that this instance holds, by its own monotonic clock: how long each may be trusted."""

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Times in seconds.

    A lease lives `life_s` and is renewed every `beat_s`, after a failure every `retry_s`. Bots are cut off `margin_s`
    before its end: it covers how long a bot may take to stop. A bot that nobody claims for `patience_s` is anybody's;
    whoever takes it then keeps it for `sticky_s`, for nobody else seems to want it. An event loop that has not turned
    for `silence_s` is taken for one that hangs.
    """

    life_s: float = 20.0
    beat_s: float = 5.0
    retry_s: float = 0.5
    margin_s: float = 7.0
    patience_s: float = 12.0
    sticky_s: float = 600.0
    silence_s: float = 10.0


class Held:
    """Leases with their ends. One counts from the moment at which it was asked for, not from the answer.

    A lease is trusted until `margin_s` before its end. What is held changes on the event loop; `renewed` may be called
    by a thread.
    """

    def __init__(self, timing: LeaseTiming) -> None:
        self._timing = timing
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()
        self.renewed_at: float | None = None
        """When the last statement was sent that renewed what is held; None before the first one."""

    def __contains__(self, bot: object) -> bool:
        return bot in self._until

    def __len__(self) -> int:
        return len(self._until)

    @property
    def bots(self) -> Collection[str]:
        """All of them, also those that cannot be trusted any more."""
        return self._until.keys()

    def claimed(self, bots: Iterable[str], sent: float) -> None:
        """These are held now, by a statement that was sent then."""
        with self._lock:
            self._extend(bots, sent)

    def renewed(self, bots: Iterable[str], sent: float) -> None:
        """Of these, those that are held still were renewed by a statement that was sent then."""
        with self._lock:
            self._extend([bot for bot in bots if bot in self._until], sent)
            self.renewed_at = max(sent, self.renewed_at or sent)

    def forget(self, bots: Iterable[str]) -> None:
        """These are not held any more."""
        with self._lock:
            for bot in bots:
                self._until.pop(bot, None)

    def _extend(self, bots: Iterable[str], sent: float) -> None:
        for bot in bots:
            self._until[bot] = max(sent + self._timing.life_s, self._until.get(bot, sent))

    def trusted(self, bot: str, now: float) -> bool:
        """Return whether the bot may act now."""
        until = self._until.get(bot)
        return until is not None and now < until - self._timing.margin_s

    def over(self, now: float) -> list[str]:
        """Return the bots that must end now."""
        return [bot for bot in self._until if not self.trusted(bot, now)]

    def left_s(self, now: float) -> float | None:
        """Return in how many seconds the first bot must end; None without any."""
        if not self._until:
            return None
        return max(0.0, min(self._until.values()) - self._timing.margin_s - now)
