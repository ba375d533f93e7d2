"""Many rows through one statement that is compiled once, straight to the driver.

SQLAlchemy writes the statement; the rows pass it by. Its way for each row takes longer in Python than the database
needs, and the writer's thread shares the interpreter with the event loop.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

_Builder = Callable[[str, Table], Insert]


def upsert(dialect: str, table: Table) -> Insert:
    """Return the statement that writes a row whether or not there is one with its key."""
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)


def upsert_newer(column: str) -> _Builder:
    """Return what makes the statement that writes a row unless the one with its key has more in `column`.

    Where several processes write, one that was away must not undo what another one has written since.
    """

    def build(dialect: str, table: Table) -> Insert:
        insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
        keys = [each.name for each in table.primary_key]
        changed = {each.name: insert.excluded[each.name] for each in table.columns if each.name not in keys}
        newer = table.c[column] <= insert.excluded[column]
        return insert.on_conflict_do_update(index_elements=keys, set_=changed, where=newer)

    return build


def insert_once(dialect: str, table: Table) -> Insert:
    """Return the statement that writes a row unless there is one with its key.

    A batch whose commit was cut off may be written or not: it is simply written again.
    """
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return insert.on_conflict_do_nothing(index_elements=[column.name for column in table.primary_key])


class Bulk:
    """Writes objects as rows of a table: `key` makes the getter of their values from the names of the columns.

    Values go to the driver as they are; every column must be one whose type needs no conversion.
    """

    def __init__(self, builder: _Builder, table: Table, key: Callable[..., Callable[[Any], tuple[Any, ...]]]) -> None:
        self._builder = builder
        self._table = table
        self._key = key
        self._compiled = lru_cache(maxsize=2)(self._compile)

    def write(self, connection: Connection, rows: Sequence[Any]) -> None:
        """Write the rows."""
        if rows:
            statement, values = self._compiled(connection.dialect)
            connection.exec_driver_sql(statement, list(map(values, rows)))

    def _compile(self, dialect: Dialect) -> tuple[str, Callable[[Any], tuple[Any, ...]]]:
        compiled = self._builder(dialect.name, self._table).compile(dialect=dialect)
        order = getattr(compiled, "positiontup", None)
        assert order, "engines are made with positional parameters"  # noqa: S101
        return str(compiled), self._key(*order)


def of_records(builder: _Builder, table: Table) -> Bulk:
    """Return what writes objects whose attributes are named as the columns."""
    return Bulk(builder, table, attrgetter)


def of_rows(builder: _Builder, table: Table) -> Bulk:
    """Return what writes mappings whose keys are named as the columns."""
    return Bulk(builder, table, itemgetter)
