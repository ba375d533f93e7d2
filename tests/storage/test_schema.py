"""Migrations and schema agree, and a database of another version is treated with care."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from exporter.errors import StartError
from exporter.storage.database import Database
from exporter.storage.engine import Target, target, writer_engine
from exporter.storage.migrate import NewerSchema, revisions, upgrade
from exporter.storage.schema import METADATA
from tests.storage.rig import running


def test_migrations_make_exactly_the_schema(where: Target) -> None:
    database = Database(where)
    left = database.open()
    database.close()
    assert (left.migrated_from, left.bots, left.last_id) == (None, {}, 0)
    engine = writer_engine(where)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_a_migrated_database_is_left_alone(where: Target) -> None:
    first, second = Database(where), Database(where)
    revision = first.open().revision
    first.close()
    again = second.open()
    second.close()
    assert (again.migrated_from, again.revision) == (revision, revision)


async def test_a_newer_schema_is_refused(where: Target) -> None:
    database = Database(where)
    database.open()
    with database._transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerSchema, match=r"written by a newer version.*9999.*--storage\.url"):
        database.open()
    database.close()
    with pytest.raises(StartError, match="newer version"):
        async with running(where):
            pass


def test_a_migration_that_fails_leaves_nothing_behind(where: Target) -> None:
    Database(where).close()
    if where.path is not None:
        where.path.touch()
    engine = writer_engine(where)
    with engine.connect() as connection:
        transaction = connection.begin()
        upgrade(connection, where.shown)
        assert revisions(connection, where.shown)[0] is not None
        transaction.rollback()  # as the end of the process in the middle would
        with connection.begin():
            assert revisions(connection, where.shown)[0] is None
            assert not engine.dialect.has_table(connection, "bots")
    engine.dispose()


def test_a_url_shows_no_password(tmp_path: Path) -> None:
    for url in (
        "postgresql://me:very-hidden@db.example.org:5433/bots",
        "postgres://db.example.org/x?password=very-hidden",
    ):
        where = target(url, tmp_path)
        assert where.password == "very-hidden"
        assert "very-hidden" not in f"{where!r} {where} {where.shown}"
    assert where.shown == "the PostgreSQL database x on db.example.org"


@pytest.mark.parametrize(
    "url", ["mysql://h/db", "sqlite://", "sqlite:///:memory:", "nonsense", "postgresql://h:port/x"]
)
def test_other_urls_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^storage\.url"):
        target(url, tmp_path)
