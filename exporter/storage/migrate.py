"""Brings a database to the tables that this version knows, under a lock, all or nothing.

A database that a newer version has written is refused: what is in it is not known here, and going on would damage it.
"""

import threading
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from exporter.errors import StartError

_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x626F745F6D696772  # any number that only we use
# Alembic keeps the migration that runs in globals: two at a time would work on each other's connection, and crash.
_ALEMBIC: Final = threading.Lock()


class NewerSchema(StartError):
    """The database was written by a newer version."""


def upgrade(connection: Connection, shown: str) -> tuple[str | None, str]:
    """Migrate in the connection's running transaction; returns the revisions before and after.

    On SQLite the transaction must hold the write lock. Raises NewerSchema.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    before, newest = revisions(connection, shown)
    if before != newest:
        config = _config()
        config.attributes["connection"] = connection
        with _ALEMBIC:
            command.upgrade(config, "head")
    return before, newest


def revisions(connection: Connection, shown: str) -> tuple[str | None, str]:
    """Return the revision that the database has (None: empty) and the one it should have. Raises NewerSchema."""
    scripts, newest = ScriptDirectory.from_config(_config()), newest_revision()
    found = MigrationContext.configure(connection).get_current_heads()
    known = {each.revision for each in scripts.walk_revisions()}
    unknown = [each for each in found if each not in known]
    if unknown or len(found) > 1:
        message = (
            f"{shown} was written by a newer version of bot-exporter (schema {', '.join(sorted(found))}, this version "
            f"knows up to {newest}): run that version, or give another database with --storage.url"
        )
        raise NewerSchema(message)
    return (found[0] if found else None), newest


def newest_revision() -> str:
    """Return the revision that this version works with."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None  # noqa: S101  (there is a first migration)
    return newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
