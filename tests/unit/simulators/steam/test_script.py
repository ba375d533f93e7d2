"""The Steam of the shipped configuration."""

from exporter.simulators.steam import SCENARIOS, Guard, demo_password, demo_secret
from tests.unit.simulators.steam.scene import NOW


def test_the_demo_has_accounts_with_and_without_guard() -> None:
    world = SCENARIOS["demo"](NOW).world
    first, second = world.accounts["demo-bot-1"], world.accounts["demo-bot-2"]
    assert (first.guard, first.shared_secret, first.password) == (Guard.TOTP, demo_secret(1), demo_password(1))
    assert (second.guard, second.password) == (Guard.NONE, demo_password(2))
    assert len(demo_secret(1)) == 20
    assert len({account.steamid for account in world.accounts.values()}) == len(world.accounts) == 20
