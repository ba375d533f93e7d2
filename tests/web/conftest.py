"""The server that most tests talk to: on loopback, with a small fleet."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.fleet import Fleet


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with Fleet(folder=tmp_path) as running:
        running.populate()
        yield running
