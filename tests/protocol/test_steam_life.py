"""A Steam account's life after, and instead of, a logon: results, kicks, losses, limits; each as readers see it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
import structlog

from exporter.errors import TransientError
from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.platforms.base import BotContext
from exporter.platforms.steam import account, connection
from exporter.platforms.steam.account import AccountSecrets, SteamAccount
from exporter.platforms.steam.messages import QUERY_TIME, Result, ServerTime, TimeRequest
from exporter.platforms.steam.session import CallAnswered
from exporter.secrets import Secret, SecretSource
from exporter.simulators.steam import Phase, Policy, RateLimit, hostile
from exporter.stats import BotStats
from exporter.timing import SystemClock
from tests.eventually import eventually
from tests.protocol.steam_rig import PASSWORD, SECRET, Rig

ERROR, AUTH = BotStatus.CONNECTION_ERROR, BotStatus.AUTH_FAILED
SOON, SLOW, PAUSE, ELSEWHERE, NEVER = (0, 300), (540, 660), (1500, 1650), (270, 330), None
LOGON = [
    (2, ERROR, "other", SOON),
    (3, ERROR, "service_unavailable", SOON),
    (6, ERROR, "service_unavailable", ELSEWHERE),
    (10, ERROR, "service_unavailable", SOON),
    (16, ERROR, "timeout", SOON),
    (17, AUTH, "account_disabled", NEVER),
    (18, AUTH, "invalid_credentials", NEVER),
    (20, ERROR, "service_unavailable", SOON),
    (34, ERROR, "other", SOON),
    (43, AUTH, "account_disabled", NEVER),
    (48, ERROR, "service_unavailable", SOON),
    (50, ERROR, "service_unavailable", SOON),
    (63, AUTH, "guard_code_required", NEVER),
    (65, AUTH, "guard_code_mismatch", NEVER),
    (71, AUTH, "guard_code_mismatch", NEVER),
    (73, AUTH, "account_disabled", NEVER),
    (84, AUTH, "rate_limited", PAUSE),
    (85, AUTH, "guard_code_required", NEVER),
    (87, AUTH, "rate_limited", PAUSE),
    (88, AUTH, "guard_code_mismatch", NEVER),
    (105, AUTH, "other", NEVER),
    (4711, ERROR, "other", SOON),
]
BEGIN = [*LOGON, (5, AUTH, "invalid_credentials", SLOW), (8, ERROR, "other", SOON), (15, ERROR, "other", SOON)]
# What the other steps of a logon by password add, and one row of each class at each of them.
KEY = [row for row in LOGON if row[0] in {2, 20, 18, 84}]
CODE = [(27, AUTH, "guard_code_required", SLOW), *(row for row in LOGON if row[0] in {16, 43, 48, 87})]
POLL = [
    (9, AUTH, "other", NEVER),
    (27, AUTH, "guard_code_required", SLOW),
    *(row for row in LOGON if row[0] in {10, 17, 20, 84}),
]


@pytest.fixture
async def steam(tmp_path: Path) -> AsyncIterator[Rig]:
    """A simulated Steam, running; afterwards nothing may be open and nothing unexpected may have happened."""
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open()
        yield rig
        await rig.supervisor.shutdown()
        await eventually(lambda: not rig.simulator.links)
    assert rig.unexpected == []


@pytest.mark.parametrize(
    ("phase", "result", "status", "reason", "retry"),
    [
        (phase, *row)
        for phase, rows in (
            (Phase.LOGON, LOGON),
            (Phase.BEGIN, BEGIN),
            (Phase.KEY, KEY),
            (Phase.CODE, CODE),
            (Phase.POLL, POLL),
        )
        for row in rows
    ],
)
async def test_every_result_at_a_logon(
    steam: Rig, *, phase: Phase, result: int, status: BotStatus, reason: str, retry: tuple[int, int] | None
) -> None:
    """A CM may close right after its answer: the reason is known all the same."""
    steam.account(shared_secret=SECRET)
    steam.simulator.faults.refuse(phase, result)
    await steam.add(secret=SECRET)
    record = await steam.failed()
    assert (record.status, record.status_reason) == (status, reason)
    if retry is None:
        assert record.next_retry_at is None
    else:
        assert record.next_retry_at is not None
        assert retry[0] <= record.next_retry_at - steam.clock.now() <= retry[1]
    assert record.last_error is not None
    assert f"({result})" in record.last_error


async def test_steam_is_believed_the_third_time_that_a_password_is_wrong(steam: Rig) -> None:
    steam.account()
    await steam.add(password="wrong")
    await steam.retry()
    await steam.retry()
    await eventually(lambda: len(steam.seen(ev.CredentialsRefused)) == 3)
    assert (steam.record().status_reason, steam.record().next_retry_at) == ("invalid_credentials", None)
    assert len(steam.world.begins) == 3


async def test_used_elsewhere(steam: Rig) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    steam.simulator.kick_all(Result.LOGGED_IN_ELSEWHERE)
    record = await steam.failed()
    assert (record.status, record.status_reason) == (ERROR, "service_unavailable")
    assert record.next_retry_at is not None
    assert 270 <= record.next_retry_at - steam.clock.now() <= 330
    assert steam.count("bot_disconnects_total", "kicked") == 1
    await steam.retry()
    await steam.online()


async def test_a_session_that_is_replaced_comes_back_once(steam: Rig) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    steam.simulator.kick_all(Result.LOGON_SESSION_REPLACED)
    await steam.failed()
    assert (steam.record().status, steam.record().status_reason) == (ERROR, "other")
    await steam.retry()
    await steam.online()
    steam.simulator.kick_all(Result.LOGON_SESSION_REPLACED)
    await eventually(lambda: steam.record().status is AUTH)
    record = steam.record()
    assert (record.status_reason, record.next_retry_at) == ("other", None)
    assert record.last_error is not None
    assert "another process" in record.last_error
    assert steam.count("bot_disconnects_total", "session_replaced") == 2


@pytest.mark.parametrize(("result", "lost"), [(20, "kicked"), (48, "kicked"), (26, "token"), (9999, "kicked")])
async def test_other_ends_of_a_session(steam: Rig, result: int, lost: str) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    steam.simulator.kick_all(result)
    record = await steam.failed()
    assert record.status is ERROR
    assert record.last_error is not None
    assert f"({result})" in record.last_error
    assert steam.count("bot_disconnects_total", lost) == 1


async def test_servers_that_restart(steam: Rig) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    await steam.simulator.restart_cms()
    await steam.failed()
    assert steam.count("bot_disconnects_total", "peer_closed") == 1
    await steam.retry()
    await steam.online()
    assert len(steam.world.begins) == 1


async def test_a_bad_server_is_not_tried_again_at_once(steam: Rig) -> None:
    steam.account()
    await steam.simulator.cms[0].stop()
    steam.simulator.faults.refuse(Phase.LOGON, Result.TRY_ANOTHER_CM, cm=1)
    await steam.add()
    while not await steam.settled():
        await steam.retry()
    assert steam.count("bot_connection_attempts_total") <= 3
    assert {link.session.account.username for link in steam.simulator.cms[2].links if link.session} == {"alice"}


async def test_a_silent_server_is_noticed(tmp_path: Path) -> None:
    """On the machine's own clock: two heartbeats of a second."""
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path, Policy(poll_interval_s=0.05, heartbeat_s=1))
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open(clock=SystemClock(), cm_list=rig.simulator.cm_urls)
        rig.account()
        await rig.add()
        first = (await rig.online()).last_status_check_at
        assert first is not None
        await eventually(lambda: (rig.record().last_status_check_at or 0.0) > first)
        rig.simulator.faults.half_open = True
        await eventually(lambda: rig.count("bot_disconnects_total", "keepalive"))
        record = rig.record()
        assert record.last_error is not None
        assert "silent" in record.last_error
        assert rig.seen(ev.ConnectionFailed)[0].reason == "timeout"


@pytest.mark.parametrize("result", [20, 48])
async def test_a_server_that_sends_its_sessions_away_is_not_asked_again_at_once(steam: Rig, result: int) -> None:
    """It said so itself before it closed the connection; two of three are left after the first time."""
    steam.account()
    await steam.add()
    left = set()
    for _ in range(2):
        await steam.online()
        (link,) = steam.simulator.links
        assert link.cm not in left
        left.add(link.cm)
        steam.simulator.kick_all(result)
        await steam.retry()
    await steam.online()
    assert steam.simulator.links[0].cm not in left


async def test_a_long_frame_is_taken_and_one_without_end_is_not(steam: Rig) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    unknown = steam.supervisor.stats["alice"].unknown_messages
    steam.simulator.broadcast(hostile.oversized(1_000_000))
    await eventually(lambda: steam.supervisor.stats["alice"].unknown_messages > unknown)
    assert steam.record().healthy
    steam.simulator.broadcast(hostile.oversized())
    record = await steam.failed()
    assert (record.status, record.status_reason) == (ERROR, "protocol")
    assert "1009" in (record.last_error or "")
    await steam.retry()
    await steam.online()


@pytest.mark.parametrize("phase", [Phase.HELLO, Phase.KEY, Phase.BEGIN, Phase.POLL, Phase.LOGON])
async def test_a_server_that_hangs_up(steam: Rig, phase: Phase) -> None:
    steam.account()
    steam.simulator.faults.drop_before(phase)
    await steam.add()
    record = await steam.failed()
    assert (record.status, record.status_reason) == (ERROR, "other")


@pytest.mark.parametrize(("phase", "limit"), [(Phase.UPGRADE, connection), (Phase.LOGON, account)])
async def test_a_server_that_says_nothing_before_the_account_is_online(
    steam: Rig, monkeypatch: pytest.MonkeyPatch, phase: Phase, limit: ModuleType
) -> None:
    monkeypatch.setattr(limit, "CONNECT_LIMIT_S" if limit is connection else "LOGON_LIMIT_S", 0.2)
    steam.account()
    steam.simulator.faults.hang(phase)
    await steam.add()
    record = await steam.failed()
    assert (record.status, record.status_reason) == (ERROR, "timeout")


@pytest.mark.parametrize("phase", [Phase.KEY, Phase.BEGIN, Phase.POLL, Phase.LOGON])
async def test_garbage_instead_of_an_answer(steam: Rig, phase: Phase) -> None:
    steam.account()
    steam.simulator.faults.instead(phase, hostile.gzip_bomb(), times=1)
    steam.simulator.faults.drop_before(phase)
    await steam.add()
    await eventually(lambda: steam.supervisor.stats["alice"].protocol_errors)
    assert "oversized" in steam.supervisor.stats["alice"].protocol_errors


async def test_a_rate_limit_pauses_everybody(steam: Rig) -> None:
    for name in ("alice", "bob"):
        steam.account(name)
    steam.world.logon_limit = RateLimit(0, 60.0)
    await steam.add("alice")
    record = await steam.failed("alice")
    assert (record.status, record.status_reason) == (AUTH, "rate_limited")
    figures = steam.service.logons
    assert figures.cooldown_until is not None
    assert 1500 <= figures.cooldown_until - steam.clock.now() <= 1650
    assert record.next_retry_at == pytest.approx(figures.cooldown_until)
    steam.world.logon_limit = None
    await steam.add("bob")
    await eventually(lambda: steam.record("bob").status_message)
    waiting = steam.record("bob")
    assert waiting.status is BotStatus.UNKNOWN
    assert "pause until" in (waiting.status_message or "")
    assert figures.queue_length == 1
    await steam.clock.advance(1700)
    await asyncio.gather(steam.online("alice"), steam.online("bob"))
    assert steam.service.logons.cooldown_until is None
    assert figures.queue_length == 0


async def test_logons_are_spaced_in_order(tmp_path: Path) -> None:
    names = [f"bot-{number}" for number in range(4)]
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        rig.use_simulator(clock=rig.clock)
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open(cm_list=rig.simulator.cm_urls, logon_interval="10s")
        for before, name in enumerate(names, start=-1):
            rig.account(name)
            await rig.add(name)
            if before < 0:
                await rig.online(name)
                continue
            await eventually(lambda: rig.service.logons.queue_length == before + 1)  # noqa: B023  (awaited at once)
            waiting = "waits for its turn to log on"
            assert rig.record(name).status_message == waiting
        for name in names[1:]:
            await rig.clock.advance(10)
            await rig.online(name)
        begun = [each.at for each in rig.world.begins]
        assert [round(b - a) for a, b in pairwise(begun)] == [10, 10, 10]
        assert [each.username for each in rig.world.begins] == names
        assert rig.record(names[3]).connect_started_at == begun[3]  # waiting in the queue is no connecting


async def test_a_hundred_bots_at_once(steam: Rig) -> None:
    names = [f"bot-{number}" for number in range(100)]
    for name in names:
        steam.account(name)
        await steam.add(name)
    for name in names:
        await steam.online(name)
    assert steam.world.logged_on() == sorted(names)
    assert all(len(tally) for tally in steam.counters.tallies.values())


async def test_calls_and_events_side_by_side(steam: Rig) -> None:
    """Whoever waits reads for everybody, and a deadline holds while another reads."""
    steam.account()
    context = BotContext(
        name="alice",
        report=lambda _: None,
        stats=BotStats(),
        clock=SystemClock(),
        rng=random.Random(1),
        log=structlog.get_logger(),
        hide=lambda secret, _=0.0: steam.hidden.add(secret),
        draining=lambda: False,
    )
    secrets = AccountSecrets("alice", SecretSource(None, Secret(PASSWORD)))
    async with SteamAccount(secrets, context, steam.network).online() as online:
        events = asyncio.create_task(online.next_event(context.clock.monotonic() + 60))
        asked = [asyncio.create_task(online.call(QUERY_TIME, TimeRequest(n))) for n in range(20)]
        answers = await asyncio.gather(*asked)
        assert {answer.message for answer in answers} == {ServerTime(int(steam.steam_clock.now()))}
        steam.simulator.faults.hang(Phase.TIME)
        hanging = asyncio.create_task(online.call(QUERY_TIME, TimeRequest(0)))
        events.cancel()
        await asyncio.gather(events, return_exceptions=True)
        while (event := await online.next_event(context.clock.monotonic() + 0.05)) is not None:
            assert not isinstance(event, CallAnswered)
        steam.simulator.kick_all(Result.LOGON_SESSION_REPLACED)
        with pytest.raises(TransientError, match="LogonSessionReplaced"):
            await online.next_event()
        with pytest.raises(TransientError, match="closed the connection"):
            await hanging


async def test_a_bot_that_is_stopped_says_goodbye(steam: Rig) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    await steam.supervisor.stop("alice")
    await eventually(lambda: not steam.world.logged_on())
    assert steam.record().status is BotStatus.DISCONNECTED


async def test_a_bot_that_waits_in_the_queue_can_be_stopped(steam: Rig) -> None:
    steam.account("alice")
    steam.account("bob")
    steam.network.limiter.pause()
    await steam.add("alice")
    await steam.add("bob")
    await eventually(lambda: steam.service.logons.queue_length == 2)
    await steam.supervisor.stop("alice")
    assert steam.service.logons.queue_length == 1
    await steam.clock.advance(1700)
    await steam.online("bob")
    assert steam.world.logged_on() == ["bob"]
