"""A database that an older version wrote is this version's after the start, with everything that is in it.

For each schema that was ever released there is the dump of such a database in tests/data/storage. A new migration adds
the dump of the schema before it, made by the version before it; dumps are never changed.
"""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from exporter.model.history import HistoryKind
from exporter.storage.database import Database
from exporter.storage.engine import Target, writer_engine
from exporter.storage.migrate import _config, newest_revision
from exporter.storage.schema import METADATA
from tests.storage.rig import AT, running

_FOLDER = Path(__file__).resolve().parents[1] / "data" / "storage"
DUMPS = {path.stem.removeprefix("schema_"): path for path in _FOLDER.glob("schema_*.sql")}

EXPECTED = {"0003": (76561197960287930, 76561197960287931)}
"""Who was expected in lobby 7, where the schema had a place for that."""


def restore(where: Target, revision: str) -> None:
    """Put the database of an older version in place."""
    assert where.path is not None
    with sqlite3.connect(where.path) as database:
        database.executescript(DUMPS[revision].read_text())
    database.close()


def test_there_is_a_dump_of_every_schema() -> None:
    known = {each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()}
    assert set(DUMPS) == known


@pytest.mark.parametrize("revision", sorted(DUMPS))
def test_it_is_migrated_to_the_tables_of_now(revision: str, sqlite: Target) -> None:
    restore(sqlite, revision)
    database = Database(sqlite)
    opened = database.open()
    database.close()
    assert (opened.migrated_from, opened.revision) == (revision, newest_revision())
    engine = writer_engine(sqlite)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


@pytest.mark.parametrize("revision", sorted(DUMPS))
async def test_nothing_that_is_in_it_is_lost(revision: str, sqlite: Target) -> None:
    restore(sqlite, revision)
    async with running(sqlite) as rig:
        rig.add("alpha", "beta")
        alpha, beta = rig.store.bots["alpha"], rig.store.bots["beta"]
        assert alpha.last_connected_at == AT + 1
        assert beta.last_error == "connection refused"
        assert beta.maintenance is not None
        assert (beta.maintenance.reason, beta.maintenance.by) == ("new cables", "ann")
        assert rig.storage.lobbies_created == 1
        done = await rig.storage.orders.recall("key-1", "d" * 64)
        assert done is not None
        assert (done.order.state, done.order.code, done.order.result) == ("done", 201, '{"a": 1}')
        told = {item.after for item in await rig.history(kinds=frozenset({HistoryKind.ORDER}))}
        assert told == {"created", "in_doubt"}
        lobbies = [item.after for item in await rig.history(kinds=frozenset({HistoryKind.LOBBY}))]
        assert lobbies[0] == "finished"
        assert rig.storage.expected("alpha", 7) == EXPECTED.get(revision)
        rig.touch("alpha", 1)  # and it can be written to
        await rig.written()
