"""The table in which the processes of a cluster tell each other their records. PostgreSQL only; everything blocks.

Each process writes its own rows, a batch in one transaction, and names itself to those who listen. What is gone stays
as a row with `null` for some minutes, so that whoever reads what is new learns of it. Every method raises
StorageTrouble; the connection is then given up, and the next call makes a new one.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from exporter.storage.engine import Target, writer_engine
from exporter.storage.texts import clean
from exporter.storage.trouble import explained

CHANNEL: Final = "bot_exporter_records"
_GONE_S: Final = 300
_LONG_S: Final = 60.0  # who has not read for so long reads everything
_LEFT_S: Final = 86400

_NOW: Final = "extract(epoch FROM clock_timestamp())"
# The lease is looked at in the same statement: whoever lost it changes nothing, and an older generation never replaces
# a newer one.
_WRITE: Final = text(
    f"""
    INSERT INTO cluster_records AS known (kind, key, instance, generation, data, changed_at, seq)
    SELECT given.kind, given.key, :me, given.generation, given.data, {_NOW}, nextval('cluster_records_seq')
    FROM unnest(CAST(:kinds AS text[]), CAST(:keys AS text[]), CAST(:bots AS text[]), CAST(:generations AS bigint[]),
                CAST(:data AS text[])) AS given (kind, key, bot, generation, data)
    JOIN cluster_leases AS lease
      ON lease.bot = given.bot AND lease.owner = :me AND lease.boot = :boot AND lease.generation = given.generation
    ON CONFLICT (kind, key) DO UPDATE
    SET instance = excluded.instance, generation = excluded.generation, data = excluded.data,
        changed_at = excluded.changed_at, seq = excluded.seq
    WHERE known.generation <= excluded.generation
    """  # noqa: S608  (made of nothing but the lines above)
)
_REMOVE: Final = text(
    f"""
    UPDATE cluster_records SET data = 'null', changed_at = {_NOW}, seq = nextval('cluster_records_seq')
    FROM unnest(CAST(:kinds AS text[]), CAST(:keys AS text[])) AS gone (kind, key)
    WHERE cluster_records.kind = gone.kind AND cluster_records.key = gone.key AND instance = :me AND data <> 'null'
    """  # noqa: S608
)
_CLEAR: Final = text(
    f"""
    UPDATE cluster_records SET data = 'null', changed_at = {_NOW}, seq = nextval('cluster_records_seq')
    WHERE instance = :me AND data <> 'null'
    """  # noqa: S608
)
_PURGE: Final = text(
    f"""
    DELETE FROM cluster_records
    WHERE (instance = :me AND data = 'null' AND changed_at < {_NOW} - {_GONE_S})
       OR (changed_at < {_NOW} - {_LEFT_S}
           AND instance NOT IN (SELECT instance FROM cluster_instances WHERE until > {_NOW} - {_LEFT_S}))
    """  # noqa: S608
)
_COLUMNS: Final = "r.kind, r.key, r.instance, r.generation, r.data, r.changed_at, r.seq"
_ALL: Final = text(f"SELECT {_COLUMNS} FROM cluster_records AS r WHERE r.instance <> :me AND r.data <> 'null'")  # noqa: S608
_NEW: Final = text(
    f"""
    SELECT {_COLUMNS} FROM unnest(CAST(:instances AS text[]), CAST(:seqs AS bigint[])) AS known (instance, seq)
    JOIN cluster_records AS r ON r.instance = known.instance AND r.seq > known.seq ORDER BY r.seq
    """  # noqa: S608
)
_CREATED: Final = text("SELECT coalesce(sum(lobbies_created), 0) FROM bots")


@dataclass(frozen=True, slots=True)
class OwnRow:
    """What this process tells of one of its objects; `bot` is the one under whose lease it stands."""

    kind: str
    key: str
    bot: str
    generation: int
    data: str


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """What another process told; `data` is None for what is gone."""

    kind: str
    key: str
    instance: str
    generation: int
    data: str | None
    changed_at: float


@dataclass(frozen=True, slots=True)
class News:
    """What others wrote: `all_there_is` says that it is everything, not only what is new.

    `lobbies_created` is the lifetime count of the whole fleet, when it was looked at.
    """

    rows: tuple[ForeignRow, ...]
    all_there_is: bool
    lobbies_created: int | None


class ClusterRecords:
    """Writes this instance's rows, and reads those of others."""

    def __init__(self, where: Target, me: str, boot: str) -> None:
        self._where = where
        self._me = me
        self._boot = boot
        self._engine = writer_engine(where)
        self._connection: Connection | None = None
        self._cleared = False
        self._positions: dict[str, int] | None = None
        self._read_at = 0.0

    def exchange(
        self, written: Sequence[OwnRow], removed: Sequence[tuple[str, str]], asked: Collection[str], *, thorough: bool
    ) -> News:
        """Write what is given, and return what is new of the instances that are asked for; `thorough` of all known."""
        with explained(self._where.shown):
            try:
                connection = self._connected()
                with connection.begin():
                    self._write(connection, written, removed)
                    if thorough:
                        connection.execute(_PURGE, {"me": self._me})
                with connection.begin():
                    return self._read(connection, asked, thorough=thorough)
            except BaseException:
                self._give_up()
                raise

    def close(self) -> None:
        """Tell the others that this process has nothing any more, and close the connection."""
        with explained(self._where.shown):
            try:
                if self._connection is not None:
                    with self._connection.begin():
                        self._clear(self._connection)
            finally:
                self._give_up()
                self._engine.dispose()

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._positions = None
            if not self._cleared:
                with self._connection.begin():
                    self._clear(self._connection)  # what an earlier run has left
            self._cleared = True
        return self._connection

    def _write(self, connection: Connection, written: Sequence[OwnRow], removed: Sequence[tuple[str, str]]) -> None:
        if removed:
            self._run(connection, _REMOVE, kinds=[kind for kind, _ in removed], keys=[clean(key) for _, key in removed])
        if written:
            self._run(
                connection,
                _WRITE,
                boot=self._boot,
                kinds=[row.kind for row in written],
                keys=[clean(row.key) for row in written],
                bots=[row.bot for row in written],
                generations=[row.generation for row in written],
                data=[row.data for row in written],
            )
        if written or removed:
            self._notify(connection)

    def _clear(self, connection: Connection) -> None:
        self._run(connection, _CLEAR)
        self._notify(connection)

    def _notify(self, connection: Connection) -> None:
        self._run(connection, text("SELECT pg_notify(:channel, :me)"), channel=CHANNEL)

    def _run(self, connection: Connection, statement: TextClause, **given: object) -> None:
        connection.execute(statement, {"me": self._me, **given})

    def _read(self, connection: Connection, asked: Collection[str], *, thorough: bool) -> News:
        if time.monotonic() - self._read_at > _LONG_S:
            self._positions = None  # it may have slept for longer than what is gone stays
        positions = self._positions
        if positions is None:
            found = connection.execute(_ALL, {"me": self._me}).all()
        else:
            of = sorted({*asked, *(positions if thorough else ())} - {self._me})
            seqs = [positions.get(instance, 0) for instance in of]
            found = connection.execute(_NEW, {"instances": of, "seqs": seqs}).all() if of else []
        created = connection.execute(_CREATED).scalar_one() if thorough else None
        self._read_at = time.monotonic()
        self._positions = newer(positions or {}, found)
        return News(tuple(map(_foreign, found)), positions is None, created)

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.invalidate()
                connection.close()


def newer(positions: Mapping[str, int], rows: Sequence[Any]) -> dict[str, int]:
    """Return how far each instance was read."""
    found = dict(positions)
    for row in rows:
        found[row.instance] = max(found.get(row.instance, 0), row.seq)
    return found


def _foreign(row: Any) -> ForeignRow:
    data = None if row.data == "null" else row.data
    return ForeignRow(row.kind, row.key, row.instance, row.generation, data, row.changed_at)
