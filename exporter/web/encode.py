"""What readers see of a record: pure functions from records to JSON-ready dicts.

Every key is always there, null where nothing is known. 64-bit ids are strings, as JavaScript cannot hold them; times
are RFC 3339 in UTC with milliseconds and `Z`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol

from exporter.model.cluster import Instance, Origin
from exporter.model.history import HistoryItem, HistoryPage
from exporter.model.states import BotStatus, PlatformTraits
from exporter.model.status import BotRecord, Entrant, LobbyPlayer, LobbyRecord, Maintenance, RaceRecord
from exporter.process import ProcessState
from exporter.stats import LogonStats
from exporter.store import Records
from exporter.web.counts import FleetCounts

Json = dict[str, Any]


class Cluster(Protocol):
    """What is shown of a cluster: see `exporter.cluster.fleet.WholeFleet`."""

    @property
    def me(self) -> str: ...
    @property
    def bots_of(self) -> Counter[str | None]: ...
    def instances(self) -> Sequence[Instance]: ...


_MILLISECONDS: Final = tuple(f".{number:03d}Z" for number in range(1000))  # formatting costs more than all the rest
_COORDINATOR_STATES: Final = frozenset({"gc_connected", "in_lobby", "in_game"})
_STEAM_STATES: Final = _COORDINATOR_STATES | {"steam_online"}


def timestamp(at: float | None) -> str | None:
    """Return Unix seconds as `2026-01-02T03:04:05.678Z`; None for a time that no calendar has."""
    if at is None:
        return None
    try:
        second, millisecond = divmod(round(at * 1e6) // 1000, 1000)
        return _second(second) + _MILLISECONDS[millisecond]
    except (OverflowError, ValueError, OSError):
        return None


@lru_cache(maxsize=4096)
def _second(at: int) -> str:
    """Return the text of a second: most times that are shown were shown before, or are of the same second."""
    return datetime.fromtimestamp(at, UTC).isoformat()[:19]


def _identifier(number: int | None) -> str | None:
    return None if number is None else str(number)


# What PlatformTraits.facts may name: the keys that only some platforms' bots have.
FACTS: Final[Mapping[str, Callable[[BotRecord], Any]]] = {
    "steam_connected": lambda bot: bot.state in _STEAM_STATES,
    "gc_connected": lambda bot: bot.state in _COORDINATOR_STATES,
    "current_lobby_id": lambda bot: _identifier(bot.current_lobby_id),
    "races": lambda bot: list(bot.races),
    "last_poll_at": lambda bot: timestamp(bot.last_checked_at),
    "token_expires_at": lambda bot: timestamp(bot.token_expires_at),
}


_VERDICTS: Final = {status: (int(status), status.word, status.display, status.icon) for status in BotStatus}


def check_traits(traits: Collection[PlatformTraits]) -> None:
    """Raise ValueError for a platform whose facts cannot be shown."""
    for each in traits:
        unknown = [fact for fact in each.facts if fact not in FACTS]
        if unknown:
            msg = f"platform {each.name}: /status does not know the facts {unknown}, only {sorted(FACTS)}"
            raise ValueError(msg)


def _from(origin: Origin) -> Json:
    """Return which instance of a cluster an object is from."""
    return {"instance": origin.instance, "as_of": timestamp(origin.as_of)}


def bot(record: BotRecord, *, draining: bool, origin: Origin | None = None) -> Json:
    """Return a bot; while the process that runs it is draining no bot is available. `draining` is said of this one.

    Every fact about a bot comes by here, so it is one dict of its final size, and asks as few functions as it can.
    """
    traits = record.traits
    number, word, display, icon = _VERDICTS[record.status]
    if origin is not None and not origin.own:
        draining = origin.draining
    shown = {
        "name": record.name,
        "platform": traits.name,
        traits.subject: record.subject,
        "state": record.state,
        "status": number,
        "status_name": word,
        "status_display": display,
        "status_icon": icon,
        "status_message": record.status_message,
        "status_reason": record.status_reason,
        "healthy": record.healthy,
        "available": not draining and record.ready,
        "is_active": record.is_active,
        "maintenance": None if record.maintenance is None else _maintenance(record.maintenance),
        "last_error": record.last_error,
        "last_error_time": timestamp(record.last_error_time),
        "connected_since": timestamp(record.connected_since),
        "last_activity": timestamp(record.last_activity),
        "last_connected_at": timestamp(record.last_connected_at),
        "last_status_check_at": timestamp(record.last_status_check_at),
        "next_retry_at": timestamp(record.next_retry_at),
        "reconnects": record.reconnects,
    }
    for fact in traits.facts:
        shown[fact] = FACTS[fact](record)
    return shown if origin is None else shown | _from(origin)


def _maintenance(note: Maintenance) -> Json:
    return {"until": timestamp(note.until), "reason": note.reason, "by": note.by}


def lobby(record: LobbyRecord, *, bot_username: str | None, origin: Origin | None = None) -> Json:
    """Return a lobby; `bot_username` is that of its bot, None if the bot has left the fleet."""
    teams = Counter(player.team for player in record.players)
    shown = {
        "lobby_id": _identifier(record.lobby_id),
        "name": record.name,
        "state": str(record.state),
        "bot": record.bot,
        "bot_username": bot_username,
        "server_region": record.server_region,
        "server_region_name": record.server_region_name,
        "game_mode": record.game_mode,
        "game_mode_name": record.game_mode_name,
        "has_password": record.has_password,
        "players": [_player(each) for each in record.players],
        "radiant_count": teams["radiant"],
        "dire_count": teams["dire"],
        "spectator_count": teams["spectator"],
        "created_at": timestamp(record.created_at),
        "match_id": _identifier(record.match_id),
        "match_outcome": record.match_outcome,
        "bot_team": record.bot_team,
        "watched": record.watched,
    }
    return shown if origin is None else shown | _from(origin)


def _player(player: LobbyPlayer) -> Json:
    return {"steam_id": str(player.steam_id), "name": player.name, "team": player.team, "slot": player.slot}


def race(record: RaceRecord, *, origin: Origin | None = None) -> Json:
    """Return a race; its bot is the first that follows the room."""
    view = record.view
    shown = {
        "name": view.name,
        "category": view.category,
        "slug": view.slug,
        "bot": record.bots[0] if record.bots else None,
        "state": str(view.state),
        "goal": {"name": view.goal_name, "custom": view.goal_custom},
        "info": view.info,
        "url": view.url,
        "unlisted": view.unlisted,
        "recorded": view.recorded,
        "opened_by_bot": view.opened_by_bot,
        "opened_at": timestamp(view.opened_at),
        "started_at": timestamp(view.started_at),
        "ended_at": timestamp(view.ended_at),
        "entrants_count": view.entrants_count,
        "entrants_count_finished": view.entrants_count_finished,
        "entrants_count_inactive": view.entrants_count_inactive,
        "entrants": [_entrant(each) for each in view.entrants],
        "room_connected": bool(record.connected),
    }
    return shown if origin is None else shown | _from(origin)


def _entrant(entrant: Entrant) -> Json:
    return {
        "user_id": entrant.user_id,
        "name": entrant.name,
        "team": entrant.team,
        "status": str(entrant.status),
        "place": entrant.place,
        "finish_time_seconds": entrant.finish_time_s,
    }


def history(page: HistoryPage) -> Json:
    """Return a page of history; `next` is the cursor of the page after."""
    return {"items": [_happened(item) for item in page.items], "next": _identifier(page.next)}


def _happened(item: HistoryItem) -> Json:
    return {
        "id": str(item.id),
        "time": timestamp(item.at),
        "kind": str(item.kind),
        "bot": item.bot,
        "platform": item.platform,
        "before": item.before,
        "after": item.after,
        "reason": item.reason,
        "message": item.message,
        "actor": item.actor,
    }


def system(
    store: Records,
    process: ProcessState,
    traits: Collection[PlatformTraits],
    *,
    now: float,
    lobbies_created: int,
    logons: LogonStats | None,
    counts: FleetCounts | None = None,
    waits_for: Sequence[str] = (),
    cluster: Cluster | None = None,
) -> Json:
    """Return the figures of the whole process; the summaries name every state and status, also those at 0.

    `counts` are those of the store, if they are at hand. In a `cluster` bots, lobbies and races are the whole fleet's.
    """
    counts = counts or FleetCounts.of(store)
    states = {state: 0 for each in traits for state in each.states}
    states |= {state: count for state, count in counts.states.items() if count}
    available = _available(store, process, counts, cluster)
    return {
        "uptime_seconds": max(0, int(now - process.started_at)),
        "started_at": timestamp(process.started_at),
        "total_bots": counts.bots,
        "available_bots": available,
        "busy_bots": counts.busy,
        "disconnected_bots": counts.bots - available - counts.busy,
        "active_lobbies": counts.lobbies,
        "total_lobbies_created": lobbies_created,
        "active_races": counts.races,
        "bot_state_summary": states,
        "bot_status_summary": {status.word: counts.statuses[status.word] for status in BotStatus},
        "version": process.version,
        "draining": process.draining,
        "draining_waits_for": list(waits_for),
        "steam": None if logons is None else _logons(logons),
        **({} if cluster is None else _cluster(cluster)),
    }


def _available(store: Records, process: ProcessState, counts: FleetCounts, cluster: Cluster | None) -> int:
    """Return how many bots could take new work: none of a process that drains."""
    if cluster is None:
        return 0 if process.draining else counts.free
    draining = {each.name for each in cluster.instances() if each.draining and each.name != cluster.me}
    draining |= {cluster.me} if process.draining else set()
    if not draining:
        return counts.free
    free = (name for name, each in store.bots.items() if each.ready and not each.busy)
    return sum((origin := store.origin("bot", name)) is None or origin.instance not in draining for name in free)


def _cluster(cluster: Cluster) -> Json:
    """Return who takes part: this instance, all that are alive, and how many bots nobody runs."""
    instances = [
        {
            "name": each.name,
            "url": each.advertise_url,
            "version": each.version,
            "draining": each.draining,
            "started_at": timestamp(each.started_at),
            "bots": cluster.bots_of[each.name],
        }
        for each in cluster.instances()
    ]
    return {"instance": cluster.me, "instances": instances, "unowned_bots": cluster.bots_of[None]}


def _logons(figures: LogonStats) -> Json:
    return {
        "logon_queue_length": figures.queue_length,
        "logon_cooldown_until": timestamp(figures.cooldown_until),
    }
