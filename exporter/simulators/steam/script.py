"""What happens on the simulated Steam by itself, for the demo."""

import hashlib
from typing import Protocol

from exporter.simulators.steam.policy import Policy
from exporter.simulators.steam.world import World

DEMO_ACCOUNTS = 20
DEMO_POLL_S = 0.5


class Scenario:
    """A world in which nothing happens by itself; subclasses let something happen in `advance`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def advance(self, now: float) -> None:
        """Do what is due; called again and again with the simulator's time."""


def demo_password(number: int) -> str:
    """Return the password of demo-bot-<number>."""
    return f"demo-password-{number}"


def demo_secret(number: int) -> bytes:
    """Return the TOTP secret of demo-bot-<number>: 20 bytes, as Steam's own."""
    # No secret at all: whoever reads the shipped configuration needs the same bytes.
    return hashlib.sha1(f"demo-bot-{number}".encode(), usedforsecurity=False).digest()


def demo(now: float, seed: int = 1) -> Scenario:  # noqa: ARG001  (all scenarios are made alike)
    """Return a Steam with the accounts demo-bot-1 to demo-bot-20: odd numbers have TOTP, even ones no guard."""
    world = World(policy=Policy(poll_interval_s=DEMO_POLL_S), seed=seed)
    for number in range(1, DEMO_ACCOUNTS + 1):
        secret = demo_secret(number) if number % 2 else b""
        world.add_account(f"demo-bot-{number}", demo_password(number), shared_secret=secret)
    return Scenario(world)


class MakeScenario(Protocol):
    """How a scenario is made: at a time, from a seed."""

    def __call__(self, now: float, seed: int = 1) -> Scenario: ...


SCENARIOS: dict[str, MakeScenario] = {"demo": demo, "quiet": demo}
"""Both are one Steam: they differ in what goes on at the coordinators of games."""
