"""The scenarios that a configuration may name."""

from typing import Protocol

from exporter.simulators.steam.script import Scenario, demo
from exporter.simulators.steam.trouble import trouble


class MakeScenario(Protocol):
    """How a scenario is made: at a time, from a seed."""

    def __call__(self, now: float, seed: int = 1) -> Scenario: ...


SCENARIOS: dict[str, MakeScenario] = {"demo": demo, "quiet": demo, "trouble": trouble}
"""The first two are one Steam: they differ in what goes on at the coordinators of games."""
