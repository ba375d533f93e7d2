"""Pages of history: what is written, from the database, and what is not written yet, from memory."""

import asyncio
from typing import Any, Final

from sqlalchemy import Engine, Select, select

from exporter.errors import StorageAway
from exporter.model.history import HistoryItem, HistoryKind, HistoryPage, HistoryQuery
from exporter.storage.engine import Target, reader_engine
from exporter.storage.recent import Recent
from exporter.storage.schema import BOT_EVENTS
from exporter.storage.trouble import StorageTrouble, explained

_AT_ONCE: Final = 2
_SET_BACK_S: Final = 86400.0
_FIELDS: Final = HistoryItem.__struct_fields__
_EVENTS: Final = BOT_EVENTS.c


class HistoryPages:
    """Answers what is asked about the past, in threads of its own connections."""

    def __init__(self, where: Target, recent: Recent) -> None:
        self._where = where
        self._engine: Engine = reader_engine(where)
        self._recent = recent
        self._turn = asyncio.Semaphore(_AT_ONCE)  # many readers must not take all threads

    async def page(self, query: HistoryQuery) -> HistoryPage:
        """Return a page, newest first.

        While the database is away the newest items come from memory; raises StorageAway for older ones.
        """
        remembered = self._recent.find(query)
        try:
            async with self._turn:
                written = await asyncio.to_thread(self._read, query)
        except StorageTrouble as trouble:
            if not remembered:
                raise StorageAway(f"the history cannot be read now: {trouble.kind}; try again later") from trouble
            # There may be more: whoever follows this cursor gets it once the database is back.
            return HistoryPage(tuple(remembered), remembered[-1].id)
        found = {item.id: item for item in (*written, *remembered)}
        newest = sorted(found.values(), key=lambda item: -item.id)
        shown = newest[: query.limit]
        return HistoryPage(tuple(shown), shown[-1].id if len(newest) > query.limit else None)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _read(self, query: HistoryQuery) -> list[HistoryItem]:
        """Return one item more than a page has, which tells whether there is a next one."""
        with explained(self._where.shown), self._engine.connect() as connection:
            return [_item(row) for row in connection.execute(statement(query)).mappings()]


def statement(query: HistoryQuery) -> Select[Any]:
    """Return the query in SQL."""
    asked = select(BOT_EVENTS).order_by(_EVENTS.id.desc()).limit(query.limit + 1)
    if query.before is not None:
        asked = asked.where(_EVENTS.id < query.before)
    for column, values in ((_EVENTS.bot, query.bots), (_EVENTS.platform, query.platforms), (_EVENTS.kind, query.kinds)):
        if len(values) == 1:
            asked = asked.where(column == str(next(iter(values))))
        elif values:
            asked = asked.where(column.in_(sorted(map(str, values))))
    if query.since is not None:
        # An id is never smaller than its time in microseconds, so this bounds the search by the key.
        asked = asked.where(_EVENTS.at >= query.since, _EVENTS.id >= int(query.since * 1e6))
    if query.until is not None:
        # It is larger only where the clock was set back: by up to a day, such items are found too.
        asked = asked.where(_EVENTS.at <= query.until, _EVENTS.id <= int((query.until + _SET_BACK_S) * 1e6))
    return asked


def _item(row: Any) -> HistoryItem:
    return HistoryItem(**{name: row[name] for name in _FIELDS} | {"kind": HistoryKind(row["kind"])})
