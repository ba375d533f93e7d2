"""Runs inside Alembic: migrates on the connection that `exporter/storage/migrate.py` hands over, in its transaction."""

from alembic import context

from exporter.storage.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,  # SQLite can: the driver no longer begins and ends transactions by itself
)
context.run_migrations()
