"""The event loop of the tests that run a whole fleet and its site in their own process."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.steady import SteadyLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let only the fleet's own progress count, not the machine's speed."""
    steady = item.path.name == "test_many_bots.py"
    return {"steady": SteadyLoop} if steady else {"common": asyncio.new_event_loop}
