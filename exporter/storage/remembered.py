"""What is kept of a bot: the row made from its record, and what a later run reads out of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from exporter.model.states import BotStatus
from exporter.model.status import BotMemory, BotRecord, Expectation, Maintenance
from exporter.storage.texts import clean

Row = dict[str, Any]

# What a row is made of, without the times that move while nothing happens.
_news = attrgetter(
    "subject",
    "is_active",
    "state",
    "status",
    "status_message",
    "status_reason",
    "last_connected_at",
    "last_error_time",
    "last_error",
    "last_error_reason",
    "maintenance",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a bot is to run: what the configuration says, and what an operator has said since, if anything.

    The operator's word holds until the opposite order, or until the configuration says something else than it did.
    """

    configured: bool
    ordered: bool | None = None

    @property
    def active(self) -> bool:
        return self.configured if self.ordered is None else self.ordered

    def under(self, configured: bool) -> "Standing":
        """Return the standing under the configuration as it is now."""
        return self if configured == self.configured else Standing(configured)

    def order(self, active: bool) -> "Standing":
        """Return the standing after an order."""
        return replace(self, ordered=active)


@dataclass(frozen=True, slots=True)
class StoredBot:
    """A bot as the database has it."""

    name: str
    platform: str
    subject: str
    is_active: bool
    standing: Standing
    state: str
    status: BotStatus
    status_message: str | None
    status_reason: str | None
    memory: BotMemory
    lobbies_created: int
    removed_at: float | None
    expected: Expectation | None = None

    @property
    def healthy(self) -> bool:
        return self.status is BotStatus.CONNECTED

    @property
    def last_connected_at(self) -> float | None:
        return self.memory.last_connected_at

    @property
    def last_status_check_at(self) -> float | None:
        return self.memory.last_status_check_at


def bot_row(  # noqa: PLR0917  (the columns)
    record: BotRecord,
    standing: Standing,
    lobbies_created: int,
    removed_at: float | None,
    generation: int = 0,
    expected: Expectation | None = None,
) -> Row:
    """Return the row of a bot; `generation` is that of the lease under which it runs, where there are leases."""
    note = record.maintenance
    return {
        "name": record.name,
        "platform": record.platform,
        "subject": record.subject,
        "is_active": record.is_active,
        "configured_active": standing.configured,
        "ordered_active": standing.ordered,
        "state": record.state,
        "status": int(record.status),
        "status_message": clean(record.status_message),
        "status_reason": None if record.status_reason is None else str(record.status_reason),
        "last_connected_at": record.last_connected_at,
        "last_status_check_at": record.last_status_check_at,
        "last_activity": record.last_activity,
        "last_error": clean(record.last_error),
        "last_error_reason": None if record.last_error_reason is None else str(record.last_error_reason),
        "last_error_time": record.last_error_time,
        "in_maintenance": note is not None,
        "maintenance_until": note.until if note is not None else None,
        "maintenance_reason": clean(note.reason) if note is not None else None,
        "maintenance_by": clean(note.by) if note is not None else None,
        "lobbies_created": lobbies_created,
        "expected": _written(expected) if expected is not None else None,
        "removed_at": removed_at,
        "generation": generation,
    }


def same_but_times(before: BotRecord | None, after: BotRecord | None) -> bool:
    """Return whether the rows of two records tell the same but for the last check and the last activity."""
    return before is not None and after is not None and _news(before) == _news(after)


def stored_bot(row: Mapping[str, Any]) -> StoredBot:
    """Return what a row of the table of bots says."""
    status = _status(row["status"])
    note = None
    if row["in_maintenance"]:
        note = Maintenance(row["maintenance_until"], row["maintenance_reason"] or "", row["maintenance_by"])
    memory = BotMemory(
        status=status,
        maintenance=note,
        last_connected_at=row["last_connected_at"],
        last_status_check_at=row["last_status_check_at"],
        last_activity=row["last_activity"],
        last_error=row["last_error"],
        last_error_reason=row["last_error_reason"],
        last_error_time=row["last_error_time"],
    )
    return StoredBot(
        name=row["name"],
        platform=row["platform"],
        subject=row["subject"],
        is_active=row["is_active"],
        standing=Standing(row["configured_active"], row["ordered_active"]),
        state=row["state"],
        status=status,
        status_message=row["status_message"],
        status_reason=row["status_reason"],
        memory=memory,
        lobbies_created=row["lobbies_created"],
        removed_at=row["removed_at"],
        expected=_expectation(row["expected"]),
    )


def _written(expected: Expectation) -> str:
    return json.dumps({"lobby_id": expected.lobby_id, "players": expected.players})


def _expectation(text: str | None) -> Expectation | None:
    """What cannot be understood (somebody wrote it by hand) says nothing, as with a status."""
    try:
        said = json.loads(text) if text is not None else None
    except ValueError:
        return None
    match said:
        case {"lobby_id": int(lobby_id), "players": int(players)}:
            return Expectation(lobby_id, players)
        case {"lobby_id": int(lobby_id), "players": [*ids]} if all(isinstance(each, int) for each in ids):
            return Expectation(lobby_id, tuple(ids))
    return None


def _status(number: int) -> BotStatus:
    """A number that no status has (somebody wrote it by hand) says nothing."""
    return BotStatus(number) if number in BotStatus._value2member_map_ else BotStatus.UNKNOWN
