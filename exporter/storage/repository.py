"""Bots in the database, by name: what the writer keeps of them, and what an earlier run left."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select, update

from exporter.model.states import BotStatus
from exporter.storage.bulk import of_rows, upsert, upsert_newer
from exporter.storage.remembered import Row, StoredBot, stored_bot
from exporter.storage.schema import BOTS, CLUSTER_LEASES, DATABASE_NOW
from exporter.storage.texts import clean

_AT_ONCE: Final = 500
_SAVED: Final = of_rows(upsert, BOTS)
_SAVED_BY_OWNER: Final = of_rows(upsert_newer("generation"), BOTS)


class BotRepository:
    """Reads and writes the table of bots on one connection, in whatever transaction that is.

    Every call about one bot returns whether there is such a bot. Times are Unix seconds.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get_all_bots(self) -> list[StoredBot]:
        """Return every bot of the configuration, by name."""
        return self._bots(BOTS.c.removed_at.is_(None))

    def get_unhealthy_bots(self) -> list[StoredBot]:
        """Return the bots of the configuration whose status is anything but connected."""
        return self._bots(BOTS.c.removed_at.is_(None), BOTS.c.status != int(BotStatus.CONNECTED))

    def get_known_bots(self) -> list[StoredBot]:
        """Return every bot there ever was, also those that left the configuration."""
        return self._bots()

    def get_bot(self, name: str) -> StoredBot | None:
        """Return one bot, None if there never was one of that name."""
        return next(iter(self._bots(BOTS.c.name == name)), None)

    def get_bots(self, names: Collection[str]) -> dict[str, StoredBot]:
        """Return those of these bots that are known, by name."""
        found: dict[str, StoredBot] = {}
        wanted = sorted(names)
        for start in range(0, len(wanted), _AT_ONCE):
            some = self._bots(BOTS.c.name.in_(wanted[start : start + _AT_ONCE]))
            found |= {bot.name: bot for bot in some}
        return found

    def update_bot_status(self, name: str, status: BotStatus, status_message: str | None = None) -> bool:
        """Set a bot's status, and the message beside it."""
        return self._update(name, status=int(status), status_message=clean(status_message))

    def record_connection_success(self, name: str, at: float) -> bool:
        """Note that the bot became connected."""
        return self._update(
            name,
            status=int(BotStatus.CONNECTED),
            status_message=None,
            status_reason=None,
            last_connected_at=at,
            last_status_check_at=at,
        )

    def record_connection_failure(
        self, name: str, message: str, status: BotStatus = BotStatus.CONNECTION_ERROR, *, at: float
    ) -> bool:
        """Note that the bot could not connect, or lost its connection, and why."""
        text = clean(message)
        return self._update(name, status=int(status), status_message=text, last_error=text, last_error_time=at)

    def save_bots(self, rows: Sequence[Row], *, shared: bool = False) -> None:
        """Write whole rows, new or not; in a `shared` database none over that of a later lease."""
        (_SAVED_BY_OWNER if shared else _SAVED).write(self._connection, rows)

    def mark_removed(self, present: Collection[str], at: float, *, shared: bool = False) -> None:
        """Note that every other bot has left the configuration, or in a `shared` database those that nobody runs."""
        held = select(CLUSTER_LEASES.c.bot).where(CLUSTER_LEASES.c.until > DATABASE_NOW)
        others = [BOTS.c.name.not_in(held)] if shared else []
        gone = [bot.name for bot in self._bots(BOTS.c.removed_at.is_(None), *others) if bot.name not in present]
        for start in range(0, len(gone), _AT_ONCE):
            some = gone[start : start + _AT_ONCE]
            self._connection.execute(update(BOTS).where(BOTS.c.name.in_(some)).values(removed_at=at))

    def _bots(self, *conditions: Any) -> list[StoredBot]:
        found = self._connection.execute(select(BOTS).where(*conditions).order_by(BOTS.c.name))
        return [stored_bot(row._asdict()) for row in found]

    def _update(self, name: str, **values: object) -> bool:
        return self._connection.execute(update(BOTS).where(BOTS.c.name == name).values(**values)).rowcount == 1
