"""The failure policy: what happens after each class of error, and that a stale proof is noticed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.errors import (
    AuthError,
    AuthReason,
    DisconnectReason,
    ExporterError,
    FailureReason,
    RateLimited,
    TransientError,
)
from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.model.status import BotRecord
from exporter.runner import BotRunner, RetryPolicy
from exporter.store import StatusStore
from tests.clock import ManualClock
from tests.fleet import added

REFUSED = TransientError(FailureReason.REFUSED, "nobody listens")
Script = Callable[["ScriptedBot"], Awaitable[None]]


class ScriptedBot:
    """A bot of an invented platform: each run plays the next script, the last one again and again."""

    def __init__(self, report: Callable[[ev.Event], None], clock: ManualClock, *scripts: Script) -> None:
        self.report = report
        self.clock = clock
        self.scripts = list(scripts)
        self.runs = 0
        self.secret = "one"

    async def run(self) -> None:
        script = self.scripts[min(self.runs, len(self.scripts) - 1)]
        self.runs += 1
        await script(self)

    def credentials(self) -> object:
        return self.secret

    def prove(self, valid_s: float = 90.0) -> None:
        self.report(ev.StateEntered("alpha", self.clock.now(), "online"))
        self.report(ev.HealthProved("alpha", self.clock.now(), valid_s))


def fails(error: Exception, *, after_s: float | None = None) -> Script:
    """Fail at once, or `after_s` seconds of a connection that is proved all the while."""

    async def script(bot: ScriptedBot) -> None:
        if after_s is not None:
            bot.prove(valid_s=after_s + 1)
            await bot.clock.sleep(after_s)
        raise error

    return script


async def hangs(bot: ScriptedBot) -> NoReturn:
    bot.prove(valid_s=90)
    await asyncio.Event().wait()
    raise AssertionError


class Bench:
    """A runner with its bot on a store, and a clock to move."""

    def __init__(self, *scripts: Script) -> None:
        self.clock = ManualClock()
        self.odd = list[ev.Change]()
        self.store = StatusStore(on_unexpected=self.odd.append)
        self.facts = list[ev.Event]()
        self.store.subscribe(lambda change: self.facts.append(change.event))
        self.store.apply(added())
        log = structlog.get_logger()
        rng = random.Random(7)
        self.runner = BotRunner("alpha", self.store.apply, clock=self.clock, rng=rng, log=log, policy=RetryPolicy())
        self.bot = ScriptedBot(self.runner.reporter, self.clock, *scripts)

    @property
    def record(self) -> BotRecord:
        return self.store.bots["alpha"]

    @asynccontextmanager
    async def running(self):  # type: ignore[no-untyped-def]  # a fixture in all but name
        task = asyncio.create_task(self.runner.run(self.bot))
        await self.clock.settle()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task})
            assert self.odd == []


async def test_network_trouble_is_retried_with_growing_jitter() -> None:
    delays = []
    async with Bench(fails(REFUSED)).running() as bench:
        for _ in range(14):
            record = bench.record
            assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "refused")
            delay = record.next_retry_at - bench.clock.now()
            delays.append(delay)
            runs = bench.bot.runs
            await bench.clock.advance(max(0.0, delay - 0.001))
            assert bench.bot.runs == runs
            await bench.clock.advance(0.002)
            assert bench.bot.runs == runs + 1
    assert all(delay <= min(300, 2**n) for n, delay in enumerate(delays))
    assert max(delays) > 60


async def test_backoff_is_reset_only_by_a_connection_that_lived() -> None:
    short, long = fails(REFUSED, after_s=59), fails(REFUSED, after_s=61)
    async with Bench(*[fails(REFUSED)] * 9, short, fails(REFUSED), long).running() as bench:
        ceilings = []
        while bench.bot.runs < 13:
            if bench.record.next_retry_at is not None:
                ceilings.append(bench.record.next_retry_at - bench.clock.now())
                await bench.clock.advance(ceilings[-1] + 0.001)
            else:
                await bench.clock.advance(61)
    assert ceilings[-1] <= 1.0
    assert ceilings[9:11] != []
    assert max(ceilings[9:11]) > 2.0


@pytest.mark.parametrize("forgivable", [True, False])
async def test_refused_credentials(forgivable: bool) -> None:
    error = AuthError(AuthReason.INVALID_CREDENTIALS, "the secret is wrong", forgivable=forgivable)
    async with Bench(fails(error)).running() as bench:
        record = bench.record
        assert (record.status, record.status_reason) == (BotStatus.AUTH_FAILED, "invalid_credentials")
        if forgivable:
            assert 540 <= record.next_retry_at - bench.clock.now() <= 660
            await bench.clock.advance(539)
            assert bench.bot.runs == 1
            await bench.clock.advance(122)
            assert bench.bot.runs == 2
        else:
            assert record.next_retry_at is None
            await bench.clock.advance(3600)
            assert bench.bot.runs == 1


async def test_refused_credentials_with_a_time_of_their_own() -> None:
    error = AuthError(AuthReason.RATE_LIMITED, "too many logons", retry_in_s=1500.0)
    async with Bench(fails(error), hangs).running() as bench:
        assert bench.record.next_retry_at - bench.clock.now() == pytest.approx(1500.0)
        await bench.clock.advance(1501)
        assert bench.record.status is BotStatus.CONNECTED


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (REFUSED, DisconnectReason.NETWORK),
        (TransientError(FailureReason.OTHER, "bye", lost=DisconnectReason.KICKED), DisconnectReason.KICKED),
        (RateLimited(9, "later", lost=DisconnectReason.KICKED), DisconnectReason.KICKED),
        (AuthError(AuthReason.OTHER, "no"), DisconnectReason.TOKEN),
        (AuthError(AuthReason.OTHER, "no", lost=DisconnectReason.SESSION_REPLACED), DisconnectReason.SESSION_REPLACED),
    ],
)
async def test_the_error_says_how_the_connection_ended(error: ExporterError, lost: DisconnectReason) -> None:
    async with Bench(fails(error)).running() as bench:
        assert [each.lost for each in bench.facts if isinstance(each, ev.ConnectionFailed | ev.CredentialsRefused)] == [
            lost
        ]


@pytest.mark.parametrize("forgivable", [True, False])
async def test_changed_credentials_are_tried_at_once(forgivable: bool) -> None:
    error = AuthError(AuthReason.INVALID_CREDENTIALS, "the secret is wrong", forgivable=forgivable)
    async with Bench(fails(error), hangs).running() as bench:
        bench.bot.secret = "two"
        await bench.clock.advance(2.1)
        assert bench.record.status is BotStatus.CONNECTED


async def test_credentials_that_change_during_an_attempt_are_tried_after_it() -> None:
    async def changes_and_fails(bot: ScriptedBot) -> None:
        bot.secret = "two"  # after it was read
        raise AuthError(AuthReason.INVALID_CREDENTIALS, "the secret is wrong", forgivable=False)

    async with Bench(changes_and_fails, hangs).running() as bench:
        assert bench.record.status is BotStatus.CONNECTED


async def test_a_silenced_runner_reports_nothing() -> None:
    async with Bench(hangs).running() as bench:
        bench.runner.silence()
        told = list(bench.facts)
        bench.bot.prove()
        assert bench.facts == told


async def test_a_pause_that_the_service_asked_for() -> None:
    async with Bench(fails(RateLimited(1500, "too many logons")), hangs).running() as bench:
        await bench.clock.advance(1499)
        assert bench.bot.runs == 1
        await bench.clock.advance(2)
        assert bench.record.status is BotStatus.CONNECTED


async def test_a_bug_is_a_crash_and_the_bot_comes_back() -> None:
    async with Bench(fails(KeyError("surprise")), hangs).running() as bench:
        assert bench.record.status_message == "internal error: KeyError (see the log)"
        await bench.clock.advance(1)
        assert bench.record.status is BotStatus.CONNECTED


async def test_a_bot_that_just_ends_is_a_bug_too() -> None:
    async def returns(_: ScriptedBot) -> None:
        return

    async with Bench(returns).running() as bench:
        assert bench.record.status_message == "internal error: RuntimeError (see the log)"


async def test_errors_of_a_task_group_are_told_apart() -> None:
    group = ExceptionGroup("tasks", [REFUSED, AuthError(AuthReason.WRONG_CATEGORY, "deactivated")])
    async with Bench(fails(group)).running() as bench:
        assert bench.record.status_reason == "wrong_category"


async def test_a_bot_that_hangs_does_not_stay_green() -> None:
    async with Bench(hangs).running() as bench:
        assert bench.record.healthy
        await bench.clock.advance(89)
        assert bench.record.healthy
        await bench.clock.advance(2)
        assert (bench.record.status, bench.record.status_reason) == (BotStatus.CONNECTION_ERROR, "timeout")
        bench.bot.prove()
        assert bench.record.healthy
        await bench.clock.advance(91)
        assert not bench.record.healthy


async def test_the_first_failure_is_loud_and_its_repeats_are_quiet() -> None:
    other = TransientError(FailureReason.DNS, "no such host")
    with capture_logs() as logs:
        async with Bench(*[fails(REFUSED)] * 3, fails(other), hangs).running() as bench:
            while not bench.record.healthy:
                await bench.clock.advance(1)
    assert [(entry["log_level"], entry.get("reason")) for entry in logs] == [
        ("warning", "refused"),
        ("debug", "refused"),
        ("debug", "refused"),
        ("warning", "dns"),
        ("info", None),
    ]


async def test_cancelling_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with Bench(hangs).running():
        pass
    assert asyncio.all_tasks() == before


async def test_an_order_to_end_is_not_lost_while_a_failed_bot_closes_its_tasks() -> None:
    """Before Python 3.13 a task group that is cancelled while it ends by an error raises only the error."""
    closing = asyncio.Event()

    async def takes_its_time() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closing.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def script(_: ScriptedBot) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(takes_its_time())
            await asyncio.sleep(0)
            raise REFUSED

    bench = Bench(script)
    task = asyncio.create_task(bench.runner.run(bench.bot))
    await closing.wait()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)
    assert done
    assert task.cancelled()
    assert bench.bot.runs == 1
    assert not any(isinstance(fact, ev.ConnectionFailed) for fact in bench.facts)


async def test_a_proof_that_was_withdrawn_does_not_expire_as_well() -> None:
    async def loses_its_service(bot: ScriptedBot) -> NoReturn:
        bot.prove(valid_s=90)
        bot.report(ev.ServiceLost("alpha", bot.clock.now(), FailureReason.GC_DOWN, "the coordinator is away"))
        await bot.clock.sleep(300)
        bot.prove(valid_s=90)
        await asyncio.Event().wait()
        raise AssertionError

    async with Bench(loses_its_service).running() as bench:
        assert bench.record.status_reason == "gc_down"
        await bench.clock.advance(200)
        assert not any(isinstance(each, ev.ProofExpired) for each in bench.facts)
        assert bench.record.status_reason == "gc_down"
        await bench.clock.advance(100)
        assert bench.record.healthy
        await bench.clock.advance(91)
        assert bench.record.status_reason == "timeout"
