"""The table of orders: intents and results. Each function runs in the transaction that it is given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, text, update

from exporter.storage.bulk import upsert
from exporter.storage.schema import CLUSTER_INSTANCES, DATABASE_NOW, ORDERS


class OrderState(StrEnum):
    """How far an order is: its intent is kept; its result is kept; nobody knows, because the process ended between."""

    BEGUN = "begun"
    DONE = "done"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as it is kept. `code` and `result` are the answer that it got: an HTTP status and a body.

    `boot` is the run of the process that carries it out, where several share the database.
    """

    id: str
    idempotency_key: str | None
    digest: str
    actor: str | None
    action: str
    target: str | None
    bot: str | None
    platform: str | None
    created_at: float
    state: OrderState = OrderState.BEGUN
    code: int | None = None
    result: str | None = None
    finished_at: float | None = None
    boot: str | None = None


def insert_order(connection: Connection, order: OrderRow) -> None:
    """Keep an intent."""
    connection.execute(insert(ORDERS).values(**_values(order)))


def save_order(connection: Connection, order: OrderRow) -> None:
    """Keep an order whether or not its intent is there.

    One that was given while the database was away may have a key that an older one there has: that one keeps it.
    """
    key = order.idempotency_key
    holder = order_by_key(connection, key) if key is not None else None
    if holder is not None and holder.id != order.id:
        order = replace(order, idempotency_key=None)
    connection.execute(upsert(connection.dialect.name, ORDERS), [_values(order)])


def lock_key(connection: Connection, key: str) -> None:
    """Have other processes wait that use the same idempotency key, until the end of the transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def order_by_key(connection: Connection, key: str) -> OrderRow | None:
    """Return the order that used an idempotency key."""
    return _one(connection, ORDERS.c.idempotency_key == key)


def order_by_id(connection: Connection, order_id: str) -> OrderRow | None:
    """Return an order."""
    return _one(connection, ORDERS.c.id == order_id)


def free_key(connection: Connection, order_id: str) -> None:
    """Let the key of an order be used again."""
    connection.execute(update(ORDERS).where(ORDERS.c.id == order_id).values(idempotency_key=None))


def doubt_unfinished(connection: Connection, *, shared: bool = False) -> Iterator[OrderRow]:
    """Mark the orders that an earlier run left without a result, and return them.

    Where the database is `shared`, those of a process that is alive are going on.
    """
    begun = ORDERS.c.state == str(OrderState.BEGUN)
    if shared:
        alive = select(CLUSTER_INSTANCES.c.boot).where(CLUSTER_INSTANCES.c.until > DATABASE_NOW)
        begun &= or_(ORDERS.c.boot.is_(None), ORDERS.c.boot.not_in(alive))
    left = [_order(row._asdict()) for row in connection.execute(select(ORDERS).where(begun))]
    if left:
        connection.execute(update(ORDERS).where(begun).values(state=str(OrderState.IN_DOUBT)))
    return iter(left)


def purge_orders(connection: Connection, older_than: float) -> int:
    """Delete what is older; returns how many."""
    return connection.execute(delete(ORDERS).where(ORDERS.c.created_at < older_than)).rowcount


def _one(connection: Connection, condition: Any) -> OrderRow | None:
    row = connection.execute(select(ORDERS).where(condition)).first()
    return None if row is None else _order(row._asdict())


def _order(row: Mapping[str, Any]) -> OrderRow:
    return OrderRow(**{**row, "state": OrderState(row["state"])})


def _values(order: OrderRow) -> dict[str, Any]:
    return {name: getattr(order, name) for name in OrderRow.__slots__} | {"state": str(order.state)}
