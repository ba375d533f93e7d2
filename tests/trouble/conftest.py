"""Everything here runs on a loop whose time passes faster while it waits: production's own patience, in seconds."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from tests.steady import SteadyLoop

PACE = 100.0
SCHEDULES = 6


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Services, exporter and test share one event loop: only its own progress counts, a hundred times faster."""
    return {"fast": partial(SteadyLoop, PACE)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="play the random schedule of this seed only")
    parser.addoption("--schedules", type=int, default=SCHEDULES, help="play so many random schedules")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each random schedule."""
    if "trouble_seed" in metafunc.fixturenames:
        seed = metafunc.config.getoption("--seed")
        seeds = range(metafunc.config.getoption("--schedules")) if seed is None else [seed]
        metafunc.parametrize("trouble_seed", seeds)
