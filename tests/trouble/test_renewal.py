"""A refresh token is renewed at Steam, and the answer never arrives, or too late: the old token is dead by then."""

from pathlib import Path

import orjson
import pytest

from exporter.model import events as ev
from exporter.platforms.steam.tokens import LIFE_S
from exporter.simulators.faults import Fault
from exporter.simulators.steam import LogonKind, Policy
from exporter.simulators.steam.records import TokenState
from tests.protocol.fleet_rig import CATEGORIES
from tests.trouble.deeds import Stage
from tests.trouble.mixed import HOSTS, MixedFleet, mixed_fleet
from tests.trouble.test_each_fault import strike
from tests.trouble.test_machine import until

TIME_TO_RENEW = Fault("clock_jump", detail=f"ahead {LIFE_S * 0.7:.0f}")
A_DAY = Fault("clock_jump", detail="ahead 86400")


def refusals(fleet: MixedFleet) -> list[ev.TokenRefused]:
    return [each.event for each in fleet.changes if isinstance(each.event, ev.TokenRefused)]


def states(fleet: MixedFleet, name: str) -> list[TokenState]:
    """What became of the tokens of a bot, oldest first."""
    account = fleet.account(name)
    return [each.state for each in fleet.steam.world.tokens.values() if each.account is account]


def kept(fleet: MixedFleet, name: str) -> bool:
    """Whether the token on the disk is the one that is good."""
    (good,) = fleet.steam.world.valid_tokens(fleet.account(name), fleet.clock.now())
    stored = orjson.loads((fleet.data / "tokens" / f"{name}.json").read_bytes())
    return bool(stored["refresh_token"] == good.value)


async def renewed(fleet: MixedFleet) -> None:
    """Wait until Steam has renewed every bot's token, whatever its bot knows of it."""
    await until(fleet, lambda: all(states(fleet, name) == [TokenState.REPLACED, TokenState.VALID] for name in HOSTS))


async def come_back(fleet: MixedFleet, stage: Stage, passwords: int) -> None:
    """End all sessions: each bot must be back, after so many logons by password in all."""
    await strike(fleet, stage, hold_s=1.0)
    assert sum(fleet.steam.world.logons(LogonKind.PASSWORD).values()) == passwords
    assert all(fleet.app.store.bots[name].healthy for name in HOSTS)
    assert all(fleet.steam.world.valid_tokens(fleet.account(name), fleet.clock.now()) for name in HOSTS)


async def test_an_answer_that_is_lost_costs_one_logon_by_password_and_never_the_account(tmp_path: Path) -> None:
    """The operator is told while the session lasts, and the account comes back by itself when it ends."""
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        find = await stage.begin(Fault("steam_lose", "renew"))
        await stage.begin(TIME_TO_RENEW)
        await renewed(fleet)
        await find()
        assert refusals(fleet) == []
        await stage.begin(A_DAY)  # asked again, Steam says what became of the old token
        await until(fleet, lambda: len(refusals(fleet)) == len(HOSTS))
        for refused in refusals(fleet):
            bot = fleet.app.store.bots[refused.bot]
            assert refused.reason == "token_revoked"
            assert "the next logon needs the password" in (bot.last_error or "")
            assert (bot.healthy, bot.reconnects) == (True, 0)
        await come_back(fleet, stage, passwords=2 * len(HOSTS))
        await come_back(fleet, stage, passwords=2 * len(HOSTS))  # and what was kept then is good
        await fleet.untouched(*CATEGORIES)


async def test_a_connection_that_is_lost_with_the_answer(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        find = await stage.begin(Fault("steam_lose", "renew"))
        await stage.begin(TIME_TO_RENEW)
        await renewed(fleet)
        await fleet.steam.crash()
        await find()
        await fleet.steam.start()
        await fleet.recover()
        assert sorted(each.bot for each in refusals(fleet)) == sorted(HOSTS)
        await come_back(fleet, stage, passwords=2 * len(HOSTS))


@pytest.mark.parametrize("late_s", ["9", "40"])
async def test_an_answer_that_comes_late_is_kept_all_the_same(late_s: str, tmp_path: Path) -> None:
    policy = Policy(poll_interval_s=1.0, heartbeat_s=60)  # nothing else is heard meanwhile, heartbeats neither
    async with mixed_fleet(tmp_path, policy=policy) as fleet:
        stage = Stage(fleet)
        end = await stage.begin(Fault("steam_delay", "renew", detail=late_s))
        await stage.begin(TIME_TO_RENEW)
        await renewed(fleet)
        await end()
        await until(fleet, lambda: all(kept(fleet, name) for name in HOSTS))
        await come_back(fleet, stage, passwords=len(HOSTS))
        assert refusals(fleet) == []
