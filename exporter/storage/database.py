"""What the writer's thread does: it owns the one connection that writes. Everything here blocks.

Every method raises StorageTrouble when the database does not do it; the connection is then given up, and the next
call makes a new one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, select, text

from exporter.errors import TroubleKind
from exporter.storage.backlog import Batch
from exporter.storage.bulk import insert_once, of_records, of_rows, upsert, upsert_newer
from exporter.storage.engine import Target, create_file, file_identity, writer_engine
from exporter.storage.migrate import newest_revision, revisions, upgrade
from exporter.storage.order_rows import (
    OrderRow,
    doubt_unfinished,
    free_key,
    insert_order,
    lock_key,
    order_by_id,
    order_by_key,
    purge_orders,
    save_order,
)
from exporter.storage.remembered import StoredBot, bot_row
from exporter.storage.repository import BotRepository
from exporter.storage.schema import BOT_EVENTS, LOBBIES, RACES
from exporter.storage.trouble import StorageTrouble, explained

# Any number that only we use: held by the one process that writes to a PostgreSQL database.
_OWNER_LOCK: Final = 0x626F745F6F776E72
_PRUNE_AT_ONCE: Final = 2_000
_ITEMS: Final = of_records(insert_once, BOT_EVENTS)
_LOBBIES: Final = of_rows(upsert, LOBBIES)
_RACES: Final = of_rows(upsert, RACES)
_NEWER_LOBBIES: Final = of_rows(upsert_newer("updated_at"), LOBBIES)
_NEWER_RACES: Final = of_rows(upsert_newer("updated_at"), RACES)


class DatabaseInUse(StorageTrouble):
    """Another process writes to the same database."""

    def __init__(self, shown: str) -> None:
        message = (
            f"{shown} is in use by another bot-exporter: stop it, or give another one with --storage.url (processes "
            "that share a fleet have cluster.enabled, each of them)"
        )
        super().__init__(TroubleKind.LOCKED, message)


@dataclass(frozen=True, slots=True)
class Opened:
    """What earlier runs left: the bots, the last id, and orders whose end nobody knows."""

    bots: dict[str, StoredBot]
    last_id: int
    doubted: tuple[OrderRow, ...]
    migrated_from: str | None
    revision: str


class Database:
    """The writer's side of the database. `boot` is this run of the process, where several write to the same one."""

    def __init__(self, where: Target, boot: str | None = None) -> None:
        self._where = where
        self._boot = boot
        self._engine: Engine = writer_engine(where, shared=boot is not None)
        self._connection: Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._events: int | None = None

    @property
    def shown(self) -> str:
        """The database's name for people."""
        return self._where.shown

    @property
    def shared(self) -> bool:
        """Whether other processes write to it, too."""
        return self._boot is not None

    def open(self) -> Opened:
        """Migrate the database and read what earlier runs left. Raises NewerSchema besides."""
        if self._where.path is not None:
            create_file(self._where.path)
        with self._transaction(durable=True) as connection:
            before, revision = upgrade(connection, self.shown)
            bots = BotRepository(connection).get_known_bots()
            last_id = connection.execute(select(func.max(BOT_EVENTS.c.id))).scalar() or 0
            return Opened(
                bots={bot.name: bot for bot in bots},
                last_id=last_id,
                doubted=() if self.shared else tuple(doubt_unfinished(connection)),
                migrated_from=before,
                revision=revision,
            )

    def look(self) -> tuple[str | None, str]:
        """Return the revision of the schema that the database has (None: it is empty) and the one it should have.

        Changes nothing. Raises NewerSchema besides.
        """
        if self._where.path is not None and not self._where.path.exists():
            return None, newest_revision()
        with explained(self.shown), self._engine.connect() as connection:
            return revisions(connection, self.shown)

    def write(self, batch: Batch) -> None:
        """Write a batch in one transaction; one that was written before changes nothing."""
        items = batch.items + [item for _, item in batch.orders.values() if item is not None]
        with self._transaction(durable=bool(batch.orders)) as connection:
            for order, _ in batch.orders.values():
                self._lock_key(connection, order.idempotency_key)
                save_order(connection, replace(order, boot=self._boot))
            _ITEMS.write(connection, items)
            bots = BotRepository(connection)
            rows = [
                bot_row(b.record, b.standing, b.lobbies_created, b.removed_at, b.generation, b.expected)
                for b in batch.bots.values()
            ]
            bots.save_bots(rows, shared=self.shared)
            if batch.present is not None:
                bots.mark_removed(batch.present, batch.at, shared=self.shared)
            lobbies, races = (_NEWER_LOBBIES, _NEWER_RACES) if self.shared else (_LOBBIES, _RACES)
            lobbies.write(connection, list(batch.lobbies.values()))
            races.write(connection, list(batch.races.values()))
        if self._events is not None:
            self._events += len(items)

    def prune(self, *, older_than: float, rows: int, orders_older_than: float) -> int:
        """Delete some of what is too old or too much; returns how many, 0 once there is nothing left to delete."""
        with self._transaction() as connection:
            if self._events is None:
                self._events = connection.execute(select(func.count()).select_from(BOT_EVENTS)).scalar_one()
            oldest = connection.execute(
                select(BOT_EVENTS.c.id, BOT_EVENTS.c.at).order_by(BOT_EVENTS.c.id).limit(_PRUNE_AT_ONCE)
            ).all()
            surplus = max(0, self._events - rows)
            expired = sum(1 for _ in _leading(at < older_than for _, at in oldest))
            last = oldest[: max(expired, min(surplus, len(oldest)))]
            deleted = 0
            if last:
                deleted = connection.execute(delete(BOT_EVENTS).where(BOT_EVENTS.c.id <= last[-1].id)).rowcount
            counted = deleted
            for table in (LOBBIES, RACES):
                deleted += connection.execute(delete(table).where(table.c.updated_at < older_than)).rowcount
                kept = select(table.c.updated_at).order_by(table.c.updated_at.desc()).offset(rows).limit(1)
                deleted += connection.execute(
                    delete(table).where(table.c.updated_at <= kept.scalar_subquery())
                ).rowcount
            deleted += purge_orders(connection, orders_older_than)
        # Others write, too: what there is must be counted anew, once this round is over.
        self._events = None if self.shared and not deleted else self._events - counted
        return deleted

    def doubt(self) -> tuple[OrderRow, ...]:
        """Mark the orders of processes that are gone as in doubt, in a shared database, and return them."""
        with self._transaction(durable=True) as connection:
            return tuple(doubt_unfinished(connection, shared=True))

    def begin_order(self, order: OrderRow, key_life_s: float) -> OrderRow | None:
        """Keep an intent, on the disk once this returns; returns the order that used its key before, if one did."""
        with self._transaction(durable=True) as connection:
            key = order.idempotency_key
            self._lock_key(connection, key)
            known = order_by_key(connection, key) if key is not None else None
            if known is not None:
                if order.created_at - known.created_at < key_life_s:
                    return known
                free_key(connection, known.id)
            insert_order(connection, replace(order, boot=self._boot))
        return None

    def _lock_key(self, connection: Connection, key: str | None) -> None:
        if self.shared and key is not None:
            lock_key(connection, key)

    def find_order_by_key(self, key: str, at: float, key_life_s: float) -> OrderRow | None:
        """Return the order that used a key, if it lives still."""
        with self._transaction() as connection:
            known = order_by_key(connection, key)
        return known if known is not None and at - known.created_at < key_life_s else None

    def find_order(self, order_id: str) -> OrderRow | None:
        """Return an order by its id."""
        with self._transaction() as connection:
            return order_by_id(connection, order_id)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with explained(self.shown):
                connection.close()
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[Connection]:
        with explained(self.shown):
            connection = self._connected()
            try:
                if self._where.path is not None:
                    # A commit outlives the death of the process either way; this one outlives that of the machine.
                    mode = "FULL" if durable else "NORMAL"
                    driver = connection.connection.driver_connection
                    assert driver is not None  # noqa: S101  (it is connected)
                    driver.execute(f"PRAGMA synchronous = {mode}")
                with connection.begin():
                    yield connection
            except BaseException:
                self._give_up()
                raise

    def _connected(self) -> Connection:
        identity = self._look_at_file()
        if self._connection is None:
            connection = self._engine.connect()
            try:
                self._claim(connection)
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            self._connection, self._identity = connection, identity
        return self._connection

    def _look_at_file(self) -> tuple[int, int] | None:
        """Make sure that the file is the one that was there at first, before SQLite touches it or what is beside it."""
        if self._where.path is None:
            return None
        try:
            identity = file_identity(self._where.path)
            if self._identity not in (None, identity):
                raise _replaced(self.shown)
        except StorageTrouble:
            self._give_up()
            raise
        return identity

    def _claim(self, connection: Connection) -> None:
        """Make sure that nobody else writes here. A file is claimed by the lock of its data directory.

        The processes of a cluster claim a database together, so that none outside of it can.
        """
        if self._where.path is None:
            claim = "pg_try_advisory_lock_shared" if self.shared else "pg_try_advisory_lock"
            held = connection.execute(text(f"SELECT {claim}(:key)"), {"key": _OWNER_LOCK}).scalar()
            connection.commit()
            if not held:
                raise DatabaseInUse(self.shown)

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _replaced(shown: str) -> StorageTrouble:
    """The write-ahead log beside the file belongs to the old one: SQLite would mix the two."""
    message = (
        f"{shown} was replaced by another file while bot-exporter ran: stop it, delete the files beside it that end in "
        "-wal and -shm, and start again; or put the old file back"
    )
    return StorageTrouble(TroubleKind.AWAY, message)


def _leading(facts: Iterator[bool]) -> Iterator[bool]:
    """Yield the true facts up to the first false one."""
    for fact in facts:
        if not fact:
            return
        yield fact
