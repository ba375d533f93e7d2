"""Fixtures of the tests that speak a service's own protocol over real sockets."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.eventually import eventually
from tests.protocol.racetime_rig import Rig


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
