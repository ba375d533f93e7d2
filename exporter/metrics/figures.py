"""The numbers behind the families of bots and categories: pure functions to rows of label values and a number.

The rows of a bot lack its own labels `bot` and `platform`, those of a category the label `category`. No row means that
the figure is not known. Each family of bots says what it is made of, so that a change is looked for where it can be.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from exporter.metrics.catalogue import LOBBY_TEAMS
from exporter.metrics.counters import Tally
from exporter.metrics.lines import Row
from exporter.model.states import (
    LOBBY_OUTCOMES,
    BotStatus,
    CreateFailure,
    EntrantStatus,
    PlatformTraits,
    RaceState,
)
from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.stats import BotStats

Rows = Iterable[Row]

# What one bot's sockets counted: messages received, sent, unknown, and errors by kind.
Messages = tuple[int, int, int, tuple[tuple[str, int], ...]]
NO_MESSAGES: Final[Messages] = (0, 0, 0, ())


def messages(stats: BotStats) -> Messages:
    """Return the figures of this moment."""
    errors = tuple(stats.protocol_errors.items()) if stats.protocol_errors else ()
    return stats.messages_received, stats.messages_sent, stats.unknown_messages, errors


@dataclass(slots=True)
class BotFigures:
    """All that the rows of one bot are made of; `rooms` are those that it is in or should be in."""

    record: BotRecord
    tally: Tally
    messages: Messages
    rooms: int
    rooms_connected: int
    draining: bool
    lobby: LobbyRecord | None


@dataclass(frozen=True, slots=True)
class BotValues:
    """The rows of one family, and what they depend on besides the bot's name and traits.

    `reads` are fields of the record, or of `BotFigures`. A family that has one row without labels, or none while the
    figure is not known, also has the `number` itself, for those in a hurry. The rows are `shared` where many bots have
    the same ones for long: words of closed lists, flags, what is rarely counted.
    """

    rows: Callable[[BotFigures], Rows]
    reads: tuple[str, ...]
    number: Callable[[BotFigures], float | None] | None = None
    shared: bool = False


def _number(value: Callable[[BotFigures], float | None], *reads: str, shared: bool = False) -> BotValues:
    def rows(bot: BotFigures) -> Rows:
        figure = value(bot)
        return () if figure is None else (((), figure),)

    return BotValues(rows, reads, value, shared)


def _field(name: str, *, shared: bool = False) -> BotValues:
    return _number(attrgetter(f"record.{name}"), name, shared=shared)


def _one_of(
    words: Callable[[PlatformTraits], Iterable[str]], present: Callable[[BotRecord], str | None], *reads: str
) -> BotValues:
    """A row for each word, 1 for the present one, which has a row even if the platform did not declare it."""

    def rows(bot: BotFigures) -> Rows:
        now = present(bot.record)
        declared = dict.fromkeys(map(str, words(bot.record.traits)), 0)
        if now is not None:
            declared[now] = 1
        return [((word,), value) for word, value in declared.items()]

    return BotValues(rows, reads, shared=True)


def _count(family: str, *, shared: bool = True) -> BotValues:
    return _number(lambda bot: bot.tally[family][""] if family in bot.tally else 0, "tally", shared=shared)


def _counts(family: str, words: Callable[[PlatformTraits], Iterable[str]]) -> BotValues:
    """A row for each word from the start, and for every other that was counted."""

    def rows(bot: BotFigures) -> Rows:
        counted = dict.fromkeys(map(str, words(bot.record.traits)), 0)
        counted.update(bot.tally.get(family, {}))
        return [((word,), count) for word, count in counted.items()]

    return BotValues(rows, ("tally",), shared=True)


def _category(record: BotRecord) -> str:
    return record.subject if record.traits.subject == "category" else ""


def _reason(record: BotRecord) -> str | None:
    return None if record.status_reason is None else str(record.status_reason)


def _errors(bot: BotFigures) -> Rows:
    counted = dict.fromkeys(bot.record.traits.protocol_errors, 0)
    counted.update(bot.messages[3])
    return [((kind,), count) for kind, count in counted.items()]


def _lobby_info(bot: BotFigures) -> Rows:
    lobby = bot.lobby
    if lobby is None or lobby.lobby_id is None:
        return ()
    return (((str(lobby.lobby_id), lobby.server_region_name, lobby.game_mode_name), 1),)


def _lobby_players(bot: BotFigures) -> Rows:
    teams = Counter(player.team for player in bot.lobby.players) if bot.lobby is not None else Counter[str]()
    return [((team,), teams[team]) for team in LOBBY_TEAMS]


BOT_VALUES: Mapping[str, BotValues] = {
    "bot_info": BotValues(lambda bot: (((_category(bot.record),), 1),), ("subject",)),
    "bot_state": _one_of(lambda traits: traits.states, lambda record: record.state, "state"),
    "bot_status": _one_of(lambda _: (each.word for each in BotStatus), lambda record: record.status.word, "status"),
    "bot_status_reason": _one_of(lambda traits: traits.status_reasons, _reason, "status_reason"),
    "bot_up": _number(lambda bot: bot.record.healthy, "status", shared=True),
    "bot_active": _field("is_active", shared=True),
    "bot_available": _number(
        lambda bot: bot.record.ready and not bot.draining,
        *("state", "status", "is_active", "maintenance", "creating_lobby", "draining"),
        shared=True,
    ),
    "bot_maintenance": _number(lambda bot: bot.record.maintenance is not None, "maintenance", shared=True),
    "bot_guard_code_waiting": _field("guard_code_waiting", shared=True),
    "bot_connected_since_timestamp_seconds": _field("connected_since"),
    "bot_last_connected_timestamp_seconds": _field("last_connected_at"),
    "bot_last_status_check_timestamp_seconds": _field("last_status_check_at"),
    "bot_last_activity_timestamp_seconds": _field("last_activity"),
    "bot_last_error_timestamp_seconds": _field("last_error_time"),
    "bot_next_retry_timestamp_seconds": _field("next_retry_at"),
    "bot_token_expiry_timestamp_seconds": _field("token_expires_at"),
    "bot_connection_attempts_total": _count("bot_connection_attempts_total"),
    "bot_reconnects_total": _number(lambda bot: bot.record.reconnects, "connections", shared=True),
    "bot_connection_failures_total": _counts("bot_connection_failures_total", lambda traits: traits.failure_reasons),
    "bot_auth_failures_total": _counts("bot_auth_failures_total", lambda traits: traits.auth_reasons),
    "bot_disconnects_total": _counts("bot_disconnects_total", lambda traits: traits.disconnect_reasons),
    "bot_crashes_total": _count("bot_crashes_total"),
    "bot_state_transitions_total": _counts("bot_state_transitions_total", lambda traits: traits.states),
    "bot_messages_received_total": _number(lambda bot: bot.messages[0], "messages"),
    "bot_messages_sent_total": _number(lambda bot: bot.messages[1], "messages"),
    "bot_unknown_messages_total": _number(lambda bot: bot.messages[2], "messages", shared=True),
    "bot_protocol_errors_total": BotValues(_errors, ("messages",), shared=True),
    "bot_race_rooms": BotValues(
        lambda bot: ((("true",), bot.rooms_connected), (("false",), bot.rooms - bot.rooms_connected)),
        ("rooms", "rooms_connected"),
        shared=True,
    ),
    "bot_races_created_total": _count("bot_races_created_total"),
    "bot_races_finished_total": _counts(
        "bot_races_finished_total", lambda _: (state for state in RaceState if state.ended)
    ),
    "bot_lobby_info": BotValues(_lobby_info, ("lobby",)),
    "bot_lobby_players": BotValues(_lobby_players, ("lobby",), shared=True),
    "bot_lobby_state_since_timestamp_seconds": BotValues(
        lambda bot: () if bot.lobby is None else (((str(bot.lobby.state),), bot.lobby.state_since),), ("lobby",)
    ),
    "bot_lobbies_created_total": _count("bot_lobbies_created_total"),
    "bot_lobbies_finished_total": _counts("bot_lobbies_finished_total", lambda _: LOBBY_OUTCOMES),
    "bot_lobby_create_failures_total": _counts("bot_lobby_create_failures_total", lambda _: CreateFailure),
    "bot_racetime_polls_total": _count("bot_racetime_polls_total", shared=False),
    "bot_racetime_poll_failures_total": _counts(
        "bot_racetime_poll_failures_total", lambda traits: traits.failure_reasons
    ),
}

# The families that are made of `Messages`, in its order.
MESSAGE_FAMILIES: Final = (
    "bot_messages_received_total",
    "bot_messages_sent_total",
    "bot_unknown_messages_total",
    "bot_protocol_errors_total",
)


def _races(races: Iterable[RaceRecord]) -> Rows:
    counts = Counter(race.view.state for race in races)
    return [((str(status),), counts[status]) for status in RaceState]


def _entrants(races: Iterable[RaceRecord]) -> Rows:
    counts = Counter(entrant.status for race in races for entrant in race.view.entrants)
    return [((str(status),), counts[status]) for status in EntrantStatus]


def _oldest(races: Iterable[RaceRecord]) -> Rows:
    current: defaultdict[RaceState, list[float]] = defaultdict(list)
    for race in races:
        if race.active:
            current[race.view.state].append(race.state_since)
    return [((str(status),), min(current[status])) for status in RaceState if status in current]


CATEGORY_VALUES: Mapping[str, Callable[[Iterable[RaceRecord]], Rows]] = {
    "bot_races": _races,
    "bot_race_entrants": _entrants,
    "bot_race_oldest_state_since_timestamp_seconds": _oldest,
}
