"""Keep one bot running: the failure policy, in one place.

    TransientError          backoff with full jitter, 1 s to 5 min, reset only after 60 s of a proved connection
    RateLimited             wait as long as the service asked
    AuthError, forgivable   try again every 10 minutes, or when it says, or at once when the credentials change
    AuthError, final        wait until the credentials change or an operator restarts the bot
    anything else           our bug: traceback, counted as a crash, backoff

The first failure is logged loudly, repeats of it quietly, and so is the recovery.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import NoReturn

from structlog.typing import FilteringBoundLogger

from exporter.errors import AuthError, RateLimited, TransientError, leading
from exporter.model import events as ev
from exporter.platforms.base import Bot, Reporter
from exporter.timing import Backoff, Clock, cancelled, format_duration


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The waiting times of the failure policy, in seconds."""

    first_s: float = 1.0
    most_s: float = 300.0
    stable_s: float = 60.0
    auth_s: float = 600.0
    credentials_check_s: float = 2.0


class BotRunner:
    """Runs one bot until cancelled, and watches that its proof of health does not grow stale.

    `reporter` must be what the bot was given to report with: the runner learns from the facts that pass through it.
    """

    def __init__(
        self,
        name: str,
        report: Reporter,
        *,
        clock: Clock,
        rng: random.Random,
        log: FilteringBoundLogger,
        policy: RetryPolicy,
    ) -> None:
        self._name = name
        self._report = report
        self._clock = clock
        self._random = rng
        self._log = log
        self._policy = policy
        self._backoff = Backoff(policy.first_s, policy.most_s, rng)
        self._connected_at: float | None = None
        self._proof = asyncio.Event()
        self._proof_until = 0.0
        self._proof_valid_s = 0.0
        self._proof_withdrawn = False
        self._told: object = None
        self._failures = 0

    def reporter(self, event: ev.Event) -> None:
        """Pass a fact of the bot on to the store."""
        self._report(event)
        if isinstance(event, ev.HealthProved):
            now = self._clock.monotonic()
            self._proof_until = now + event.valid_s
            self._proof_valid_s = event.valid_s
            self._proof_withdrawn = False
            self._proof.set()
            if self._connected_at is None:
                self._connected_at = now
                tries = {"failures_before": self._failures} if self._failures else {}
                self._log.info("connected", **tries)
                self._told, self._failures = None, 0
        elif isinstance(event, ev.ServiceLost):
            self._proof_withdrawn = True

    def silence(self) -> None:
        """Report nothing from now on: a bot that was given up must not speak for its successor."""
        self._report = _nothing

    async def run(self, bot: Bot, delay_s: float = 0.0) -> NoReturn:
        """Run the bot again and again, from `delay_s` on.

        Ends only by being cancelled; the bot has then closed its sockets.
        """
        await self._clock.sleep(delay_s)
        while True:
            self._connected_at = None
            self._report(ev.ConnectStarted(self._name, self._clock.now()))
            # Taken before the attempt: what is changed while it is under way has not been refused.
            tried = bot.credentials()
            try:
                await self._serve(bot)
            except Exception as error:  # the runner is where every failure of a bot ends
                if cancelled():  # the order to end came while the bot's tasks ended by this error
                    raise asyncio.CancelledError from error
                await self._fail(leading(error), bot, tried)

    async def _serve(self, bot: Bot) -> NoReturn:
        self._proof.clear()
        watch = asyncio.create_task(self._watch_proof(), name=f"{self._name}: proof")
        try:
            await bot.run()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        msg = "the bot ended without an error"
        raise RuntimeError(msg)

    async def _watch_proof(self) -> NoReturn:
        """Turn a proof that nobody renewed into a fact: a bot that hangs must not stay green."""
        while True:
            await self._proof.wait()
            while (left := self._proof_until - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            self._proof.clear()
            if self._proof_withdrawn:
                continue
            self._log.warning("the last proof of health expired", age=format_duration(self._proof_valid_s))
            self._report(ev.ProofExpired(self._name, self._clock.now(), self._proof_valid_s))

    async def _fail(self, error: BaseException, bot: Bot, tried: object) -> None:
        lived_s = self._clock.monotonic() - self._connected_at if self._connected_at is not None else 0.0
        if lived_s >= self._policy.stable_s:
            self._backoff.reset()
        now = self._clock.now()
        match error:
            case AuthError(reason=refusal):
                delay = self._slow_retry_s(error)
                retry_at = now + delay if delay is not None else None
                self._tell("credentials refused", error, refusal, delay)
                self._report(ev.CredentialsRefused(self._name, now, refusal, str(error), retry_at, error.lost))
                await self._wait_for_credentials(bot, tried, delay)
            case TransientError(reason=reason):
                delay = error.wait_s if isinstance(error, RateLimited) else self._backoff.next_delay()
                self._tell("connection failed", error, reason, delay)
                self._report(ev.ConnectionFailed(self._name, now, reason, str(error), now + delay, error.lost))
                await self._clock.sleep(delay)
            case _:
                delay = self._backoff.next_delay()
                self._log.error("the bot crashed: this is a bug", retry_in=format_duration(delay), exc_info=error)
                message = f"internal error: {type(error).__name__} (see the log)"
                self._report(ev.BotCrashed(self._name, now, message, now + delay))
                await self._clock.sleep(delay)

    def _slow_retry_s(self, error: AuthError) -> float | None:
        if not error.forgivable:
            return None
        if error.retry_in_s is not None:
            return error.retry_in_s
        return self._policy.auth_s * self._random.uniform(0.9, 1.1)

    def _tell(self, what: str, error: BaseException, reason: str, delay: float | None) -> None:
        """Log the first failure of its kind loudly and its repeats quietly."""
        kind = (type(error), reason)
        log = self._log.debug if kind == self._told else self._log.warning
        self._told = kind
        self._failures += 1
        retry_in = format_duration(delay) if delay is not None else "when the credentials change or by restart"
        log(what, reason=str(reason), error=str(error), retry_in=retry_in)

    async def _wait_for_credentials(self, bot: Bot, refused: object, delay: float | None) -> None:
        """Wait for `delay` seconds (None: without end), but no longer than the credentials stay the refused ones."""
        until = None if delay is None else self._clock.monotonic() + delay
        while bot.credentials() == refused:
            left = self._policy.credentials_check_s if until is None else until - self._clock.monotonic()
            if left <= 0:
                return
            await self._clock.sleep(min(left, self._policy.credentials_check_s))
        self._log.info("the credentials changed: trying at once")


def _nothing(_: ev.Event) -> None:
    """Take a fact that does not count."""
