"""The databases that the suite runs over: a SQLite file and a real PostgreSQL, fresh for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.storage.engine import Target, target
from tests.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One running server for the whole session; a test that stops it starts it again."""
    server = PostgreSQL()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return target(None, tmp_path)
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return target(server.new_database(), tmp_path)


@pytest.fixture
def sqlite(tmp_path: Path) -> Target:
    """An empty SQLite database."""
    return target(None, tmp_path)
