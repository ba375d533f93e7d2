"""The words for orders: what can be ordered from outside, and what can come of it."""

from enum import StrEnum


class OrderAction(StrEnum):
    """What somebody ordered. A closed list: it labels a metric and stands in the history."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    GUARD_CODE = "guard_code"
    BEGIN_MAINTENANCE = "begin_maintenance"
    END_MAINTENANCE = "end_maintenance"
    BEGIN_DRAIN = "begin_drain"
    END_DRAIN = "end_drain"
    CREATE_LOBBY = "create_lobby"
    CHANGE_LOBBY = "change_lobby"
    CLOSE_LOBBY = "close_lobby"
    LAUNCH = "launch"
    INVITE = "invite"
    KICK = "kick"
    SHUFFLE = "shuffle"
    FLIP = "flip"
    OPEN_RACE = "open_race"
    EDIT_RACE = "edit_race"
    RACE_ACTION = "race_action"

    @property
    def creates(self) -> bool:
        """Whether something new comes of it, so that doing it twice would be worse than not doing it."""
        return self in _CREATES


_CREATES = frozenset({OrderAction.CREATE_LOBBY, OrderAction.OPEN_RACE})


class OrderOutcome(StrEnum):
    """What came of an order. `in_doubt`: it may or may not have happened; `failed`: a mistake of ours."""

    DONE = "done"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
