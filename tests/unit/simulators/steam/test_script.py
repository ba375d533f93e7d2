"""The Steam of the shipped configuration, and the one in trouble."""

import pytest

from exporter.platforms.steam.messages import Result
from exporter.simulators.steam import (
    SCENARIOS,
    TROUBLE_CODE,
    TROUBLE_PASSWORD,
    Guard,
    Kicked,
    Notice,
    Scenario,
    Session,
    demo_password,
    demo_secret,
)
from exporter.simulators.steam.trouble import FATES, LIMITED_FOR_S
from tests.unit.simulators.steam.scene import NOW, refused


def test_the_demo_has_accounts_with_and_without_guard() -> None:
    world = SCENARIOS["demo"](NOW).world
    first, second = world.accounts["demo-bot-1"], world.accounts["demo-bot-2"]
    assert (first.guard, first.shared_secret, first.password) == (Guard.TOTP, demo_secret(1), demo_password(1))
    assert (second.guard, second.password) == (Guard.NONE, demo_password(2))
    assert len(demo_secret(1)) == 20
    assert len({account.steamid for account in world.accounts.values()}) == len(world.accounts) == 20


class Play:
    """The scenario with trouble, and who was thrown out with what."""

    def __init__(self) -> None:
        self.now = NOW
        self.scenario: Scenario = SCENARIOS["trouble"](NOW)
        self.world = self.scenario.world
        self.kicks: list[tuple[str, int]] = []
        self.world.subscribe(self._hear)

    def _hear(self, notice: Notice) -> None:
        assert isinstance(notice, Kicked)
        self.kicks.append((notice.session.account.username, notice.result))

    def log_on(self, username: str) -> Session:
        account = self.world.accounts[username]
        token = self.world.issue_token(account, self.now)
        return self.world.log_on(account.steamid, token.value, 7, self.now)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1.0
            self.scenario.advance(self.now)


def test_in_trouble_the_demo_is_there_and_two_accounts_get_nowhere() -> None:
    world = Play().world
    assert set(SCENARIOS["demo"](NOW).world.accounts) < set(world.accounts)
    assert (world.accounts["demo-mailed"].email_code, world.accounts["demo-mailed"].guard) == (
        TROUBLE_CODE,
        Guard.EMAIL,
    )
    assert world.accounts["demo-banned"].standing is Result.BANNED
    assert {world.accounts[name].password for name in (*FATES, "demo-mailed", "demo-banned")} == {TROUBLE_PASSWORD}


@pytest.mark.parametrize("username", ["demo-kicked", "demo-replaced", "demo-revoked"])
def test_each_has_its_fate_in_its_own_time(username: str) -> None:
    play, fate = Play(), FATES[username]
    for time in range(fate.times + 1):
        play.log_on(username)
        play.pass_time(19)
        assert len(play.kicks) == time
        play.pass_time(100)
    assert play.kicks == [(username, fate.result)] * fate.times
    assert play.world.logged_on() == [username]


def test_the_revoked_ones_token_is_dead() -> None:
    play = Play()
    play.log_on("demo-revoked")
    account = play.world.accounts["demo-revoked"]
    assert play.world.valid_tokens(account, play.now)
    play.pass_time(21)
    assert not play.world.valid_tokens(account, play.now)


def test_too_many_logons_are_forgotten_after_a_while() -> None:
    play = Play()
    play.log_on("demo-limited")
    play.pass_time(59)
    assert play.kicks == []
    play.pass_time(1)
    assert play.kicks == [("demo-limited", Result.NO_CONNECTION)]
    with refused(Result.RATE_LIMIT_EXCEEDED):
        play.log_on("demo-limited")
    play.log_on("demo-kicked")  # the others are not refused
    play.pass_time(LIMITED_FOR_S)
    play.log_on("demo-limited")
