"""Everything here runs on a loop whose time passes faster while it waits: production's own patience, in seconds."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from tests.steady import SteadyLoop

PACE = 100.0


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Services, exporter and test share one event loop: only its own progress counts, a hundred times faster."""
    return {"fast": partial(SteadyLoop, PACE)}
