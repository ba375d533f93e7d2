"""Opens connections: to the SQLite file in the data directory, or to whatever database a URL names.

The URL may hold a password. It is given to the driver and to nobody else: `Target.shown` is what people read.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from exporter.errors import StartError, TroubleKind
from exporter.storage.trouble import StorageTrouble, explained, trouble

if TYPE_CHECKING:
    from psycopg import Notify

DEFAULT_FILE: Final = "history.sqlite3"
_LOCK_WAIT_S: Final = 2.0
_CONNECT_S: Final = 3
_STATEMENT_MS: Final = 5000
_LEASE_MS: Final = 3000
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


def writer_engine(where: Target, *, shared: bool = False) -> Engine:
    """Return the engine of the one writer; its transactions hold SQLite's write lock from their beginning.

    A database that is `shared` has other processes' writers, too.
    """
    if where.path is not None:
        return _sqlite(where.path, "BEGIN IMMEDIATE")
    assert where.url is not None  # noqa: S101  (a target is one of the two)
    return _postgresql(where.url, shared=shared, poolclass=NullPool)


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


def lease_engine(where: Target) -> Engine:
    """Return the engine of the leases: one connection that is never kept waiting for long."""
    assert where.url is not None  # noqa: S101  (leases are PostgreSQL's)
    return _postgresql(where.url, _LEASE_MS, shared=True, poolclass=QueuePool, pool_size=1, max_overflow=0)


@asynccontextmanager
async def listening(where: Target, channels: Sequence[str]) -> AsyncIterator[AsyncIterator["Notify"]]:
    """Listen to channels on a connection of its own; yields the messages. Raises StorageTrouble, also later on."""
    from psycopg import AsyncConnection, sql  # noqa: PLC0415  (it takes long to import: a cluster alone needs it)

    assert where.url is not None  # noqa: S101
    with explained(where.shown):
        engine = _postgresql(where.url, _STATEMENT_MS, poolclass=NullPool)
        words, options = engine.dialect.create_connect_args(where.url)
        limits = {name: value for name, value in _limits(_STATEMENT_MS).items() if name not in where.url.query}
        connection = await AsyncConnection.connect(*words, **{**limits, **options}, autocommit=True)
        try:
            for channel in channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield connection.notifies()
        finally:
            await connection.close()


def _postgresql(url: URL, statement_ms: int = _STATEMENT_MS, *, shared: bool = False, **pool: Any) -> Engine:
    given = {name: value for name, value in _limits(statement_ms, shared=shared).items() if name not in url.query}
    return create_engine(url, connect_args=given, paramstyle="format", **pool)  # positional, as Bulk needs them


def _limits(statement_ms: int, *, shared: bool = False) -> dict[str, Any]:
    # A server that vanished without a word must not hold the thread for the kernel's quarter of an hour. And a process
    # that is paused in the middle of a transaction must not hold up those that take its bots over.
    unfinished = f" -c idle_in_transaction_session_timeout={_LEASE_MS}" if shared else ""
    return {
        "connect_timeout": _CONNECT_S,
        "options": f"-c statement_timeout={statement_ms} -c lock_timeout={statement_ms}{unfinished}",
        "tcp_user_timeout": statement_ms,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "application_name": "bot-exporter",
    }
