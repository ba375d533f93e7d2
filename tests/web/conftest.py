"""The server that most tests talk to: on loopback, with a small fleet."""

from collections.abc import AsyncIterator

import pytest

from tests.web.fleet import Fleet


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with Fleet() as running:
        running.populate()
        yield running
