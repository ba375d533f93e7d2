"""Logging on to Steam: by password with every kind of guard, by the token of an earlier start, by neither."""

import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.errors import OrderRefused
from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.platforms.steam.messages import Result
from exporter.simulators.steam import LogonKind, Phase, Policy
from tests.eventually import eventually
from tests.protocol.steam_raw_client import client_tls, server_tls
from tests.protocol.steam_rig import PASSWORD, SCAN_FOR, SECRET, Rig


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


async def test_by_password(steam: Rig) -> None:
    account = steam.account()
    await steam.add()
    record = await steam.online()
    assert (record.state, record.status, record.status_reason) == ("gc_connected", BotStatus.CONNECTED, None)
    assert steam.world.logons(LogonKind.PASSWORD) == {"alice": 1}
    (token,) = steam.world.valid_tokens(account, steam.steam_clock.now())
    assert record.token_expires_at == int(token.expires_at)
    kept = steam.data_dir / "tokens" / "alice.json"
    assert steam.stored().refresh_token == token.value
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert {PASSWORD, token.value} <= steam.hidden


async def test_by_the_token_of_the_last_start(steam: Rig) -> None:
    """No password, no code: not even when the password has become wrong."""
    steam.account(shared_secret=SECRET)
    await steam.add(secret=SECRET)
    await steam.online()
    await steam.supervisor.remove("alice")
    await eventually(lambda: not steam.world.logged_on())
    await steam.add(password="forgotten")
    await steam.online()
    assert steam.world.logons() == {"alice": 2}
    assert steam.world.logons(LogonKind.TOKEN) == {"alice": 1}


async def test_over_tls_by_the_directory(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        rig.use_simulator(clock=rig.steam_clock, tls=server_tls())
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open(tls=client_tls(), directory_url=rig.simulator.directory_url)
        rig.account()
        await rig.add()
        await rig.online()
        assert (tmp_path / "steam-servers.json").exists()


async def test_a_server_that_nobody_vouches_for_gets_no_password(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        rig.use_simulator(clock=rig.steam_clock, tls=server_tls())
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open(cm_list=rig.simulator.cm_urls)
        rig.account()
        await rig.add()
        record = await rig.failed()
        assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "tls")
        assert rig.world.begins == []


async def test_a_certificate_for_another_name_is_not_enough(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        rig.simulator = type(rig.simulator)(rig.world, clock=rig.steam_clock, tls=server_tls("cm.example.org"))
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open(tls=client_tls(), cm_list=rig.simulator.cm_urls)
        rig.account()
        await rig.add()
        record = await rig.failed()
        assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "tls")
        assert "IP address mismatch" in (record.status_message or "")
        assert rig.world.begins == []


async def test_a_certificate_that_has_expired_is_told_as_that(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        rig.use_simulator(clock=rig.steam_clock, tls=server_tls(expired=True))
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open(tls=client_tls(), cm_list=rig.simulator.cm_urls)
        rig.account()
        await rig.add()
        record = await rig.failed()
        assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "tls")
        assert "certificate has expired" in (record.status_message or "")
        assert record.next_retry_at is not None
        assert rig.world.begins == []


async def test_a_server_whose_name_nobody_knows(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        await rig.open(cm_list=["wss://no-such-cm.invalid:443"])
        rig.account()
        await rig.add()
        record = await rig.failed()
        assert (record.status_reason, record.next_retry_at is not None) == ("dns", True)
        assert "cannot be resolved" in (record.status_message or "")


async def test_with_device_codes(steam: Rig) -> None:
    steam.account(shared_secret=SECRET)
    await steam.add(secret=SECRET)
    record = await steam.online()
    assert not record.guard_code_waiting
    assert steam.seen(ev.GuardCodeRequested) == []


async def test_a_wrong_clock_is_corrected_by_the_time_of_steam(steam: Rig) -> None:
    steam.world.clock_offset_s = 600.0
    steam.account(shared_secret=SECRET)
    await steam.add(secret=SECRET)
    await steam.online()
    assert steam.clock.now() == 1_800_000_000.0  # it did not have to wait


async def test_three_wrong_device_codes_are_enough(steam: Rig) -> None:
    steam.account(shared_secret=SECRET)
    await steam.add(secret=b"another twenty bytes")
    for _ in range(2):
        await eventually(lambda: any(0 < left <= 30 for left in steam.clock.sleeping))
        await steam.clock.advance(30)
    record = await steam.failed()
    assert (record.status, record.status_reason) == (BotStatus.AUTH_FAILED, "guard_code_mismatch")
    assert record.next_retry_at is None


async def test_an_e_mailed_code_is_waited_for(steam: Rig) -> None:
    steam.account(email_code="ABC23")
    await steam.add()
    await eventually(lambda: steam.record().guard_code_waiting)
    record = steam.record()
    assert (record.state, record.status, record.status_reason) == (
        "connecting",
        BotStatus.AUTH_FAILED,
        "guard_code_required",
    )
    assert record.status_message is not None
    assert "e-mail" in record.status_message
    assert "sent a code by e-mail: the logon waits for it" in record.status_message
    steam.bot().submit_guard_code(" wrong ")
    await eventually(lambda: steam.record().status_reason == "guard_code_mismatch")
    steam.bot().submit_guard_code("abc23")
    record = await steam.online()
    assert not record.guard_code_waiting
    assert [each.reason.value for each in steam.seen(ev.GuardCodeRequested)] == [
        "guard_code_required",
        "guard_code_mismatch",
    ]
    assert steam.count("bot_auth_failures_total", "guard_code_mismatch") == 1


async def test_a_machine_token_spares_the_next_code(steam: Rig) -> None:
    account = steam.account(email_code="ABC23")
    await steam.add()
    await eventually(lambda: steam.record().guard_code_waiting)
    steam.bot().submit_guard_code("ABC23")
    await steam.online()
    await steam.supervisor.stop("alice")
    steam.world.revoke_tokens(account)
    await steam.supervisor.start("alice")
    await steam.online()
    assert len(steam.seen(ev.GuardCodeRequested)) == 1
    assert steam.world.logons(LogonKind.PASSWORD) == {"alice": 2}


async def test_a_code_may_come_after_steam_has_lost_patience(steam: Rig) -> None:
    steam.account(email_code="ABC23")
    await steam.add()
    await eventually(lambda: steam.record().guard_code_waiting)
    await steam.steam_clock.advance(301)
    await eventually(lambda: not steam.simulator.links)
    assert steam.record().guard_code_waiting
    assert steam.record().status is BotStatus.AUTH_FAILED
    steam.bot().submit_guard_code("ABC23")
    await steam.online()
    assert len(steam.seen(ev.GuardCodeRequested)) == 1


async def test_a_code_may_come_after_the_connection_was_lost(steam: Rig) -> None:
    steam.account(email_code="ABC23")
    await steam.add()
    await eventually(lambda: steam.record().guard_code_waiting)
    await steam.simulator.crash()
    await steam.simulator.start()
    await eventually(lambda: not steam.simulator.links)
    steam.bot().submit_guard_code("ABC23")
    await steam.online()
    assert not steam.record().guard_code_waiting


async def test_a_confirmation_on_the_phone(steam: Rig) -> None:
    account = steam.account(shared_secret=SECRET)
    await steam.add()  # it does not know the secret
    await eventually(lambda: steam.record().guard_code_waiting)
    steam.world.approve(account)
    await steam.online()


async def test_a_denial_on_the_phone(steam: Rig) -> None:
    account = steam.account(shared_secret=SECRET)
    await steam.add()
    await eventually(lambda: steam.record().guard_code_waiting)
    steam.world.deny(account)
    record = await steam.failed()
    assert (record.status, record.status_reason) == (BotStatus.AUTH_FAILED, "other")
    assert not record.guard_code_waiting
    assert record.next_retry_at is None


async def test_codes_that_nobody_asked_for_are_refused(steam: Rig) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    with pytest.raises(OrderRefused, match="does not wait"):
        steam.bot().submit_guard_code("ABC23")


@pytest.mark.parametrize("result", [5, 15, 26, 27])
async def test_a_dead_token_means_one_logon_by_password(steam: Rig, result: int) -> None:
    steam.account()
    await steam.add()
    await steam.online()
    before = steam.stored().refresh_token
    steam.simulator.faults.refuse(Phase.LOGON, result, times=1)
    await steam.supervisor.restart("alice")
    await steam.online()
    assert len(steam.world.begins) == 2
    assert steam.stored().refresh_token != before
    assert steam.seen(ev.CredentialsRefused) == []
    (refused,) = steam.seen(ev.TokenRefused)
    assert refused.reason == ("token_expired" if result == 27 else "token_revoked")
    assert f"({result})" in (steam.record().last_error or "")


async def test_a_token_that_is_dead_at_birth_does_not_make_a_loop(steam: Rig) -> None:
    steam.account()
    steam.simulator.faults.refuse(Phase.LOGON, Result.ACCESS_DENIED)
    await steam.add()
    record = await steam.failed()
    assert (record.status, record.status_reason) == (BotStatus.AUTH_FAILED, "token_revoked")
    assert record.next_retry_at is not None
    assert len(steam.world.begins) == 1


async def test_a_damaged_token_file_is_put_aside(steam: Rig) -> None:
    steam.account()
    kept = steam.data_dir / "tokens" / "alice.json"
    kept.parent.mkdir()
    kept.write_bytes(b"\0\xff{")
    await steam.add()
    await steam.online()
    assert kept.with_suffix(".damaged").read_bytes() == b"\0\xff{"
    assert steam.stored().refresh_token


async def test_a_token_is_renewed_and_kept_before_it_is_used(steam: Rig) -> None:
    account = steam.account()
    old = steam.world.issue_token(account, steam.steam_clock.now() - 150 * 86400)
    steam.network.tokens.save("alice", replace(steam.stored(), refresh_token=old.value, steamid=account.steamid))
    await steam.add()
    await steam.online()
    await eventually(lambda: steam.stored().refresh_token != old.value)
    (renewed,) = steam.world.valid_tokens(account, steam.steam_clock.now())
    assert steam.stored().refresh_token == renewed.value
    await eventually(lambda: steam.record().token_expires_at == int(renewed.expires_at))
    assert steam.world.begins == []
    await steam.supervisor.restart("alice")
    await steam.online()
    assert steam.world.begins == []


async def test_a_renewal_that_is_refused_breaks_nothing(steam: Rig) -> None:
    account = steam.account()
    old = steam.world.issue_token(account, steam.steam_clock.now() - 150 * 86400)
    steam.network.tokens.save("alice", replace(steam.stored(), refresh_token=old.value, steamid=account.steamid))
    fault = steam.simulator.faults.refuse(Phase.RENEW, Result.BUSY)
    await steam.add()
    await steam.online()
    await eventually(lambda: fault.seen)
    assert steam.stored().refresh_token == old.value
    assert steam.record().healthy


async def test_nothing_secret_is_told(tmp_path: Path) -> None:
    """Neither in facts, nor in errors, nor in what is logged."""
    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            rig = Rig(stack, tmp_path, Policy(poll_interval_s=0.05))
            await rig.simulator.start()
            stack.push_async_callback(rig.simulator.stop)
            await rig.open()
            rig.account(shared_secret=SECRET)
            await rig.add(secret=SECRET)
            await rig.online()
            tokens = list(rig.world.tokens)
            rig.simulator.faults.refuse(Phase.LOGON, Result.REVOKED)
            await rig.supervisor.restart("alice")
            await rig.clock.advance(60)
            await rig.failed()
            told = repr(rig.events) + repr(logs) + repr(rig.store.bots) + repr(rig.bot().credentials())
    for secret in (*SCAN_FOR, *tokens):
        assert secret not in told
