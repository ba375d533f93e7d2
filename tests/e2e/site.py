"""A racetime.gg on loopback that the test holds, and a configuration whose bots use it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.simulators.racetime import RacetimeSimulator, World, quiet
from exporter.timing import SystemClock

CATEGORIES = ("alttpr", "ootr", "smz3", "sm")


@dataclass
class Site:
    """The simulated site, its world, and the configuration file of four bots on it."""

    simulator: RacetimeSimulator
    config: Path
    secrets: Path

    @property
    def world(self) -> World:
        return self.simulator.world

    def now(self) -> float:
        return SystemClock().now()


@asynccontextmanager
async def site(folder: Path, *, wrong_secrets: Iterable[str] = (), poll: str = "500ms") -> AsyncIterator[Site]:
    """Run the site; bots in `wrong_secrets` are configured with a secret that the site refuses."""
    clock = SystemClock()
    simulator = RacetimeSimulator(quiet(clock.now()).world, clock=clock, category_cache_s=0.0, race_cache_s=0.0)
    await simulator.start()
    secrets = folder / "secrets"
    secrets.mkdir()
    # A proof lasts for three of these: a site that has its turn a second later is no trouble yet.
    lines = [f"racetime: {{url: '{simulator.url}', poll_interval: {poll}}}", "bots:"]
    for category in CATEGORIES:
        secret = "not-the-secret" if category in wrong_secrets else f"demo-{category}-secret"
        (secrets / category).write_text(secret + "\n")
        lines.append(
            f"  - {{name: {category}, platform: racetime, category: {category}, client_id: demo-{category},"
            f" client_secret_file: secrets/{category}}}"
        )
    config = folder / "config.yaml"
    config.write_text("\n".join(lines))
    try:
        yield Site(simulator, config, secrets)
    finally:
        await simulator.stop()
