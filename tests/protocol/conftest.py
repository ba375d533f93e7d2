"""Fixtures of the tests that speak a service's own protocol over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

import pytest

from tests.eventually import eventually
from tests.protocol.racetime_rig import Rig
from tests.steady import SteadyLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both sides of a racetime.gg share one event loop: let only its own progress count, not the machine's speed."""
    steady = item.path.name.startswith("test_racetime_")
    return {"steady": SteadyLoop} if steady else {"common": asyncio.new_event_loop}


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A simulated racetime.gg, running; afterwards nothing may be open and nothing unexpected may have happened."""
    async with AsyncExitStack() as stack:
        rig = Rig(stack)
        await rig.open()
        yield rig
        await eventually(lambda: not rig.simulator.open_sockets())
        await rig.simulator.stop()
    assert rig.unexpected == []
