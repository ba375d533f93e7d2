"""The scenario `trouble` of the simulated Steam: each of its accounts shows what it is there for."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.simulators.steam import TROUBLE_CODE, TROUBLE_PASSWORD, LogonKind
from exporter.simulators.steam.trouble import Trouble
from tests.eventually import eventually
from tests.protocol.steam_rig import Rig


@pytest.fixture
async def steam(tmp_path: Path) -> AsyncIterator[Rig]:
    """A Steam in trouble, whose time is `steam_clock`."""
    async with AsyncExitStack() as stack:
        rig = Rig(stack, tmp_path)
        rig.use_simulator(clock=rig.steam_clock, scenario=Trouble(rig.world))
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open()
        yield rig
    assert rig.unexpected == []


async def add(steam: Rig, name: str) -> None:
    """Take a bot of the scenario into the fleet, and wait until it is online."""
    await steam.add(name, password=TROUBLE_PASSWORD)
    await steam.online(name)


async def test_used_elsewhere_once(steam: Rig) -> None:
    await add(steam, "demo-kicked")
    await steam.steam_clock.advance(21)
    record = await steam.failed("demo-kicked")
    assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "service_unavailable")
    assert "used elsewhere" in (record.status_message or "")
    await steam.retry("demo-kicked")
    await steam.online("demo-kicked")
    await steam.steam_clock.advance(21)
    assert steam.world.logged_on() == ["demo-kicked"]


async def test_another_process_with_the_account(steam: Rig) -> None:
    await add(steam, "demo-replaced")
    await steam.steam_clock.advance(21)
    await steam.retry("demo-replaced")
    await steam.online("demo-replaced")
    await steam.steam_clock.advance(21)
    await eventually(lambda: steam.record("demo-replaced").status is BotStatus.AUTH_FAILED)
    assert "another process" in (steam.record("demo-replaced").status_message or "")


async def test_a_token_that_dies(steam: Rig) -> None:
    await add(steam, "demo-revoked")
    await steam.steam_clock.advance(21)
    await steam.retry("demo-revoked")
    await steam.online("demo-revoked")
    assert steam.count("bot_auth_failures_total", "token_revoked", "demo-revoked") == 1
    assert steam.world.logons(LogonKind.PASSWORD)["demo-revoked"] == 2


async def test_a_code_by_e_mail_and_a_ban(steam: Rig) -> None:
    for name in ("demo-mailed", "demo-banned"):
        await steam.add(name, password=TROUBLE_PASSWORD)
    record = await steam.failed("demo-banned")
    assert (record.status_reason, record.next_retry_at) == ("account_disabled", None)
    await eventually(lambda: steam.record("demo-mailed").guard_code_waiting)
    steam.bot("demo-mailed").submit_guard_code(TROUBLE_CODE)
    await steam.online("demo-mailed")


async def test_too_many_logons(steam: Rig) -> None:
    await add(steam, "demo-limited")
    await steam.steam_clock.advance(61)
    await steam.retry("demo-limited")
    await eventually(lambda: steam.seen(ev.CredentialsRefused))
    assert steam.record("demo-limited").status_reason == "rate_limited"
    assert steam.service.logons.cooldown_until == pytest.approx(steam.record("demo-limited").next_retry_at)
    await steam.steam_clock.advance(600)
    await steam.retry("demo-limited")
    await steam.online("demo-limited")
