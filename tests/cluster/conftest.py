"""A real PostgreSQL for the processes of a cluster."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.postgresql import PostgreSQL
from tests.storage.conftest import postgresql
from tests.web.fleet import Fleet

__all__ = ["postgresql"]


@pytest.fixture
def database(postgresql: PostgreSQL) -> str:
    """The address of an empty database."""
    return postgresql.new_database()


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """A process that runs its fleet alone."""
    async with Fleet(folder=tmp_path) as running:
        yield running
