"""The command `bot-exporter migrate`: bring the database up to date without starting the fleet, or look whether it is.

The server does the same at its start. Exit codes: 0 up to date, 1 not up to date (with --check), 2 it cannot be done.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from exporter.config import load
from exporter.datadir import data_directory
from exporter.errors import ConfigError, Problem, StartError
from exporter.sections import open_storage_url
from exporter.storage.database import Database
from exporter.storage.engine import target
from exporter.storage.trouble import StorageTrouble


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code. Raises ConfigError and StartError."""
    given = parse_flags(arguments)
    database = Database(target(_url(given.storage_url, given.config_file), given.data_dir))
    try:
        return _check(database) if given.check else _migrate(database, given.data_dir)
    except StorageTrouble as trouble:
        raise StartError(str(trouble)) from trouble
    finally:
        database.close()


def parse_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the flags; raises SystemExit for a wrong one, and for --help."""
    parser = argparse.ArgumentParser(
        prog="bot-exporter migrate", description="Brings the database up to date; the server does so at its start too."
    )
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if it is not up to date")
    parser.add_argument("--config.file", dest="config_file", type=Path, default=Path("config.yaml"), metavar="FILE")
    parser.add_argument("--data.dir", dest="data_dir", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--storage.url", dest="storage_url", metavar="URL")
    return parser.parse_args(arguments)


def _url(flag: str | None, config_file: Path) -> str | None:
    if flag is None:
        configured = load(config_file).storage.url
        return configured.reveal() if configured is not None else None
    try:
        return open_storage_url(flag)
    except ValueError as error:
        raise ConfigError([Problem("command line", 0, "--storage.url", str(error))]) from None


def _check(database: Database) -> int:
    found, newest = database.look()
    if found == newest:
        print(f"{database.shown} is up to date (schema {newest})")  # noqa: T201
        return 0
    print(f"{database.shown} has schema {found or 'none'}, this version needs {newest}: run bot-exporter migrate")  # noqa: T201
    return 1


def _migrate(database: Database, data_dir: Path) -> int:
    with data_directory(data_dir):
        left = database.open()
    what = "was up to date" if left.migrated_from == left.revision else "is now up to date"
    print(f"{database.shown} {what} (schema {left.revision})")  # noqa: T201
    return 0
