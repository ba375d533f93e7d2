"""The leases that this instance holds, by its own monotonic clock: how long each may be trusted."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Times in seconds.

    A lease lives `life_s` and is renewed every `beat_s`, after a failure every `retry_s`. Bots are cut off `margin_s`
    before its end: it covers how long a bot may take to stop. A bot that nobody claims for `patience_s` is anybody's;
    whoever takes it then keeps it for `sticky_s`, for nobody else seems to want it.
    """

    life_s: float = 20.0
    beat_s: float = 5.0
    retry_s: float = 0.5
    margin_s: float = 7.0
    patience_s: float = 12.0
    sticky_s: float = 600.0


class Held:
    """Leases with their ends. One counts from the moment at which it was asked for, not from the answer.

    A lease is trusted until `margin_s` before its end.
    """

    def __init__(self, timing: LeaseTiming) -> None:
        self._timing = timing
        self._until: dict[str, float] = {}

    def __contains__(self, bot: object) -> bool:
        return bot in self._until

    def __len__(self) -> int:
        return len(self._until)

    @property
    def bots(self) -> Collection[str]:
        """All of them, also those that cannot be trusted any more."""
        return self._until.keys()

    def asked(self, bots: Iterable[str], sent: float) -> None:
        """These were claimed or renewed by a statement that was sent then."""
        for bot in bots:
            self._until[bot] = max(sent + self._timing.life_s, self._until.get(bot, sent))

    def forget(self, bots: Iterable[str]) -> None:
        """These are not held any more."""
        for bot in bots:
            self._until.pop(bot, None)

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
