"""What can be wrong with a database, in an operator's words: which kind of trouble, and what to do about it."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from exporter.errors import ExporterError, TroubleKind


class StorageTrouble(ExporterError):
    """The database did not do what it was asked; it may later. The message names it and the remedy, no secret."""

    def __init__(self, kind: TroubleKind, message: str) -> None:
        self.kind = kind
        super().__init__(message)


_REMEDY: Final = {
    TroubleKind.AWAY: "it is tried again until it is back",
    TroubleKind.FULL: "make room on its disk; it goes on by itself then",
    TroubleKind.LOCKED: "another program holds a lock on it: end that program's transaction",
    TroubleKind.DAMAGED: "stop bot-exporter, put a backup in its place or move it away to begin a new one, start again",
    TroubleKind.REFUSED: "let bot-exporter's user read and write it",
    TroubleKind.OTHER: "it is tried again",
}

# The lower byte of SQLite's result codes (sqlite.org/rescode.html).
_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: TroubleKind.LOCKED,
    sqlite3.SQLITE_LOCKED: TroubleKind.LOCKED,
    sqlite3.SQLITE_FULL: TroubleKind.FULL,
    sqlite3.SQLITE_CORRUPT: TroubleKind.DAMAGED,
    sqlite3.SQLITE_NOTADB: TroubleKind.DAMAGED,
    sqlite3.SQLITE_READONLY: TroubleKind.REFUSED,
    sqlite3.SQLITE_PERM: TroubleKind.REFUSED,
    sqlite3.SQLITE_AUTH: TroubleKind.REFUSED,
    sqlite3.SQLITE_CANTOPEN: TroubleKind.AWAY,
    sqlite3.SQLITE_IOERR: TroubleKind.AWAY,
}

# PostgreSQL's error codes, the longest prefix first (its manual, appendix A).
_POSTGRESQL: Final = (
    ("53100", TroubleKind.FULL),
    ("55P03", TroubleKind.LOCKED),
    ("57014", TroubleKind.LOCKED),  # a statement took longer than it may
    ("40", TroubleKind.LOCKED),
    ("XX001", TroubleKind.DAMAGED),
    ("XX002", TroubleKind.DAMAGED),
    ("28", TroubleKind.REFUSED),
    ("42501", TroubleKind.REFUSED),
    ("25006", TroubleKind.REFUSED),
    ("3D000", TroubleKind.AWAY),
    ("08", TroubleKind.AWAY),
    ("53", TroubleKind.AWAY),
    ("57P", TroubleKind.AWAY),
)


@contextmanager
def explained(database: str) -> Iterator[None]:
    """Turn the drivers' errors into StorageTrouble; `database` is how the database is called.

    A row that the database does not accept is our mistake and passes as it is.
    """
    try:
        yield
    except DBAPIError as error:
        kind = _kind(error.orig, lost=error.connection_invalidated)
        if kind is None:
            raise
        raise trouble(database, kind, error.orig) from error
    except sqlite3.Error as error:  # of what is said to the driver itself, past SQLAlchemy
        raise trouble(database, _kind(error, lost=False) or TroubleKind.OTHER, error) from error
    except _psycopg_errors() as error:  # likewise
        raise trouble(database, _kind(error, lost=False) or TroubleKind.OTHER, error) from error
    except PoolTimeout as error:
        raise trouble(database, TroubleKind.AWAY, "all connections are busy") from error


def _psycopg_errors() -> tuple[type[Exception], ...]:
    psycopg = sys.modules.get("psycopg")
    return (psycopg.Error,) if psycopg is not None else ()


def trouble(database: str, kind: TroubleKind, cause: object) -> StorageTrouble:
    """Return the trouble with a sentence for operators."""
    words = " ".join(str(cause).split())
    return StorageTrouble(kind, f"{database}: {words}; {_REMEDY[kind]}")


def _kind(error: object, *, lost: bool) -> TroubleKind | None:
    """Return the kind of trouble, None for a mistake of ours."""
    if lost:
        return TroubleKind.AWAY
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        known = _SQLITE.get(code & 0xFF) if isinstance(code, int) else None
        return known or (TroubleKind.OTHER if isinstance(error, sqlite3.OperationalError) else None)
    psycopg = sys.modules.get("psycopg")  # it takes long to import, and is there if PostgreSQL is used
    if psycopg is not None and isinstance(error, psycopg.Error):
        if error.sqlstate is not None:
            for prefix, kind in _POSTGRESQL:
                if error.sqlstate.startswith(prefix):
                    return kind
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return TroubleKind.OTHER if error.sqlstate else TroubleKind.AWAY
    return None
