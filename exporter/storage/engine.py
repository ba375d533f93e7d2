"""Opens connections: to the SQLite file in the data directory, or to whatever database a URL names.

The URL may hold a password. It is given to the driver and to nobody else: `Target.shown` is what people read.
"""

import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from exporter.errors import StartError, TroubleKind
from exporter.storage.trouble import StorageTrouble, trouble

DEFAULT_FILE: Final = "history.sqlite3"
_LOCK_WAIT_S: Final = 2.0
_CONNECT_S: Final = 3
_STATEMENT_MS: Final = 5000
_POSTGRESQL: Final = frozenset({"postgresql", "postgres"})


@dataclass(frozen=True, slots=True)
class Target:
    """Where the database is: a file for SQLite, a URL for PostgreSQL."""

    shown: str
    path: Path | None = None
    url: URL | None = field(default=None, repr=False)

    @property
    def password(self) -> str | None:
        """The password in the URL, to be hidden wherever it appears."""
        if self.url is None:
            return None
        given = self.url.password or self.url.query.get("password")
        return given if isinstance(given, str) else None


def target(url: str | None, data_dir: Path) -> Target:
    """Return where a URL points to, the file in the data directory without one. Raises StartError."""
    if url is None:
        return _file(data_dir / DEFAULT_FILE)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StartError("storage.url is no address such as sqlite:///history.sqlite3, postgresql://host/db") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return _file(Path(parsed.database))
    if backend in _POSTGRESQL:
        place = f"{parsed.host or 'its local socket'}{f':{parsed.port}' if parsed.port else ''}"
        shown = f"the PostgreSQL database {parsed.database or ''} on {place}"
        return Target(" ".join(shown.split()), url=parsed.set(drivername="postgresql+psycopg"))
    raise StartError("storage.url must name a file (sqlite:///...) or a PostgreSQL database (postgresql://...)")


def _file(path: Path) -> Target:
    return Target(f"the SQLite database {path}", path=path)


def writer_engine(where: Target) -> Engine:
    """Return the engine of the one writer; its transactions hold SQLite's write lock from their beginning."""
    if where.path is not None:
        return _sqlite(where.path, "BEGIN IMMEDIATE")
    assert where.url is not None  # noqa: S101  (a target is one of the two)
    return _postgresql(where.url, poolclass=NullPool)


def reader_engine(where: Target) -> Engine:
    """Return the engine of the pages, which only read."""
    if where.path is not None:
        engine = _sqlite(where.path, "BEGIN")
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
        return engine
    assert where.url is not None  # noqa: S101
    return _postgresql(
        where.url, poolclass=QueuePool, pool_size=2, max_overflow=0, pool_timeout=_CONNECT_S, pool_pre_ping=True
    )


def create_file(path: Path) -> None:
    """Make an empty database file for this user only, if there is none. Raises StorageTrouble."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return  # opened and closed by ourselves it would lose the locks of SQLite's connections
    except OSError as error:
        kind = TroubleKind.REFUSED if isinstance(error, PermissionError) else TroubleKind.AWAY
        raise trouble(_file(path).shown, kind, error.strerror) from error


def file_identity(path: Path) -> tuple[int, int]:
    """Return what tells this file from another one of its name. Raises StorageTrouble when it is gone."""
    try:
        seen = path.stat()
    except OSError as error:
        message = f"{_file(path).shown} is gone: put it back, or restart bot-exporter to begin a new one"
        raise StorageTrouble(TroubleKind.AWAY, message) from error
    return seen.st_dev, seen.st_ino


def _sqlite(path: Path, begin: str) -> Engine:
    def connect() -> sqlite3.Connection:
        # "rw" opens what is there and makes nothing: a file that was taken away must not come back empty.
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            timeout=_LOCK_WAIT_S,
            isolation_level=None,  # transactions begin and end where we say
            check_same_thread=False,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _postgresql(url: URL, **pool: Any) -> Engine:
    # A server that vanished without a word must not hold the thread for the kernel's quarter of an hour.
    limits = {
        "connect_timeout": _CONNECT_S,
        "options": f"-c statement_timeout={_STATEMENT_MS} -c lock_timeout={_STATEMENT_MS}",
        "tcp_user_timeout": _STATEMENT_MS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "application_name": "bot-exporter",
    }
    given = {name: value for name, value in limits.items() if name not in url.query}
    return create_engine(url, connect_args=given, paramstyle="format", **pool)  # positional, as Bulk needs them
