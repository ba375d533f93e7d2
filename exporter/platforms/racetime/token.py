"""The bearer token of one bot: which one to use, until when, and when to ask for the next."""

from dataclasses import dataclass, field

from exporter.model import events as ev
from exporter.platforms.base import BotContext


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the site issued it."""

    value: str = field(repr=False)
    life_s: float


class TokenKeeper:
    """Keeps the present token. Whoever fails to renew it does nothing: the old one is good until it expires.

    A new token does not invalidate the older ones, and every request makes a row at the site (racetime protocol
    notes, section 3): so one is asked for at half life, not at every reconnect.
    """

    def __init__(self, context: BotContext) -> None:
        self._context = context
        self._token: Token | None = None
        self._issued_at = 0.0

    def issued(self, token: Token) -> None:
        """Use this token from now on, and tell until when it is good."""
        self._token = token
        self._issued_at = self._context.clock.monotonic()
        now = self._context.clock.now()
        self._context.report(ev.TokenIssued(self._context.name, now, now + token.life_s))

    def drop(self) -> None:
        """Forget the token: the credentials that it was issued for have changed."""
        self._token = None

    @property
    def current(self) -> str | None:
        """The token to use; None without one that is still good."""
        if self._token is None or self.age_s >= self._token.life_s:
            return None
        return self._token.value

    @property
    def age_s(self) -> float:
        """Seconds since the present token was issued."""
        return self._context.clock.monotonic() - self._issued_at

    @property
    def life_left_s(self) -> float:
        """Seconds until the present token expires; 0 without a token."""
        return max(0.0, self._token.life_s - self.age_s) if self._token is not None else 0.0

    @property
    def renew_in_s(self) -> float:
        """Seconds until half of the present token's life is over; 0 without a token."""
        if self._token is None:
            return 0.0
        return max(0.0, self._token.life_s / 2 - self.age_s)
