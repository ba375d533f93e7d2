"""The only place where a record changes: pure functions from a record and a fact to the next record.

The status is derived here and nowhere else. What each fact does to it:

    HealthProved                          connected
    ProofExpired, CheckFailed after that  connection_error, with the reason of the last failed check
    ServiceLost                           connection_error
    ConnectionFailed, BotCrashed          connection_error
    CredentialsRefused                    auth_failed
    GuardCodeRequested                    auth_failed, while it waits for the operator
    LogonQueued, GuardCodeSettled         unknown: its turn, or the answer, is still to come
    BotStopped                            disconnected
    BotStarted, Disconnected              unknown: nothing is proved any more
    everything else                       unchanged
"""

from typing import assert_never

from exporter.errors import FailureReason
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import CONNECTING, DISCONNECTED, BotStatus
from exporter.model.status import BotMemory, BotRecord, LobbyRecord, RaceRecord, RaceView

STOPPED_MESSAGE = "Bot stopped manually"


def reduce_bot(record: BotRecord | None, event: ev.Event) -> BotRecord | None:  # noqa: PLR0912  (one case a fact)
    """Return the bot's record after the event; None when there is no such bot (any more).

    A fact about a bot that is not in the fleet changes nothing: it is a late report of one that was removed.
    """
    if isinstance(event, ev.BotAdded):
        return _added(event)
    if record is None or isinstance(event, ev.BotRemoved):
        return None
    match event:
        case ev.HealthProved():  # by far the most frequent fact
            return _proved(record, event.at)
        case ev.BotRecalled(memory=memory):
            return _remembering(record, memory, event.at)
        case ev.BotStarted():
            # What it was while switched off is nobody's trouble: it begins anew, with a time of grace.
            begun = replace(_offline(record, event.at), is_active=True, unhealthy_since=event.at)
            return _verdict(begun, event.at, BotStatus.UNKNOWN)
        case ev.BotStopped():
            return _verdict(
                replace(_offline(record, event.at), is_active=False),
                event.at,
                BotStatus.DISCONNECTED,
                message=STOPPED_MESSAGE,
            )
        case ev.MaintenanceBegan(maintenance=maintenance):
            return replace(record, maintenance=maintenance)
        case ev.MaintenanceEnded():
            return replace(record, maintenance=None)
        case ev.ConnectStarted():
            return replace(_in_state(record, CONNECTING, event.at), connect_started_at=event.at)
        case ev.StateEntered(state=state):
            return _in_state(record, state, event.at)
        case ev.CheckFailed(reason=reason, message=message):
            noted = replace(_error(record, event.at, reason, message), last_checked_at=event.at)
            if record.status in (BotStatus.CONNECTED, BotStatus.UNKNOWN):
                return noted
            return _verdict(noted, event.at, BotStatus.CONNECTION_ERROR, reason, message)
        case ev.ProofExpired(age_s=age_s):
            return _expired(record, event.at, age_s)
        case ev.ServiceLost(reason=reason, message=message):
            lost = replace(_error(record, event.at, reason, message), connected_since=None)
            return _verdict(lost, event.at, BotStatus.CONNECTION_ERROR, reason, message)
        case ev.ConnectionFailed(reason=reason, message=message, retry_at=retry_at):
            return _failed(
                record, event.at, BotStatus.CONNECTION_ERROR, reason=reason, message=message, retry_at=retry_at
            )
        case ev.CredentialsRefused(reason=refusal, message=message, retry_at=later):
            return _failed(record, event.at, BotStatus.AUTH_FAILED, reason=refusal, message=message, retry_at=later)
        case ev.BotCrashed(message=message, retry_at=retry_at):
            return _failed(
                record,
                event.at,
                BotStatus.CONNECTION_ERROR,
                reason=FailureReason.OTHER,
                message=message,
                retry_at=retry_at,
            )
        case ev.TokenRefused(reason=dead, message=message):
            return _error(record, event.at, dead, message)
        case ev.LogonQueued(message=message):
            return _verdict(record, event.at, BotStatus.UNKNOWN, message=message)
        case ev.LogonStarted():
            # The time in the queue is no time of connecting.
            return replace(record, connect_started_at=event.at, status_message=None) if _queued(record) else record
        case ev.GuardCodeRequested(reason=wanted, message=message):
            noted = replace(_error(record, event.at, wanted, message), guard_code_waiting=True)
            return _verdict(noted, event.at, BotStatus.AUTH_FAILED, wanted, message)
        case ev.GuardCodeSettled():
            return _verdict(replace(record, guard_code_waiting=False), event.at, BotStatus.UNKNOWN)
        case ev.Disconnected():
            return _verdict(_offline(record, event.at), event.at, BotStatus.UNKNOWN)
        case ev.TokenIssued(expires_at=expires_at):
            return replace(record, token_expires_at=expires_at)
        case ev.ActivitySeen() | ev.RaceCreated() | ev.LobbyCreated() | ev.LobbyCreateFailed():
            return replace(record, last_activity=event.at)
        case ev.RaceUpdated(race=race):
            races = record.races if race in record.races else (*record.races, race)
            return replace(record, races=races, last_activity=event.at)
        case ev.RaceForgotten(race=race):
            return replace(record, races=tuple(each for each in record.races if each != race))
        case ev.LobbyUpdated(lobby=lobby):
            return _hosting(record, lobby, event.at)
        case ev.LobbyForgotten(key=key):
            return _hosting_no_more(record, key)
        case ev.RoomConnected() | ev.RoomDisconnected():
            return record
        case _:
            assert_never(event)


def reduce_race(record: RaceRecord | None, event: ev.RaceEvent) -> RaceRecord | None:
    """Return the race's record after the event; None when none of our bots follows it (any more)."""
    if isinstance(event, ev.RaceUpdated):
        return _race_updated(record, event)
    if record is None:
        return None
    match event:
        case ev.RoomConnected():
            return replace(record, connected=record.connected | {event.bot})
        case ev.RoomDisconnected():
            return replace(record, connected=record.connected - {event.bot})
        case ev.RaceForgotten():
            bots = tuple(bot for bot in record.bots if bot != event.bot)
            return replace(record, bots=bots, connected=record.connected - {event.bot}) if bots else None
        case _:
            assert_never(event)


def reduce_lobby(record: LobbyRecord | None, event: ev.LobbyEvent) -> LobbyRecord | None:
    """Return the lobby's record after the event: an update replaces all but when it was made, and since when it is so.

    None when it is shown no more.
    """
    match event:
        case ev.LobbyUpdated(lobby=lobby):
            if record is None:
                return lobby
            since = record.state_since if record.state is lobby.state else lobby.state_since
            return replace(lobby, created_at=record.created_at, state_since=since)
        case ev.LobbyForgotten():
            return None
        case _:
            assert_never(event)


def _added(event: ev.BotAdded) -> BotRecord:
    fresh = BotRecord(
        name=event.bot,
        traits=event.traits,
        subject=event.subject,
        is_active=event.active,
        state_since=event.at,
        status_since=event.at,
        unhealthy_since=event.at,
    )
    if not event.active:
        fresh = replace(fresh, status=BotStatus.DISCONNECTED, status_message=STOPPED_MESSAGE)
    return fresh if event.memory is None else _remembering(fresh, event.memory, event.at)


def _remembering(record: BotRecord, memory: BotMemory, at: float) -> BotRecord:
    """Add what an earlier run knew; what this run has learned stays. The verdict is never taken over."""
    told = memory.maintenance
    over = told is not None and told.until is not None and told.until <= at
    kept = replace(
        record,
        maintenance=record.maintenance or (None if over else told),
        last_connected_at=_first(record.last_connected_at, memory.last_connected_at),
        last_status_check_at=_first(record.last_status_check_at, memory.last_status_check_at),
        last_activity=_first(record.last_activity, memory.last_activity),
    )
    if record.last_error_time is not None or memory.last_error_time is None:
        return kept
    return replace(
        kept,
        last_error=memory.last_error,
        last_error_reason=memory.last_error_reason,
        last_error_time=memory.last_error_time,
    )


def _first(known: float | None, remembered: float | None) -> float | None:
    return remembered if known is None else known


def _hosting(record: BotRecord, lobby: LobbyRecord, at: float) -> BotRecord:
    """A bot that sees a lobby which is over is still in it, and one that sees none stays where it was last."""
    noted = replace(record, last_activity=at) if lobby.watched else record
    if lobby.lobby_id is None:
        return replace(noted, creating_lobby=True)
    if lobby.active or lobby.watched:
        return replace(noted, current_lobby_id=lobby.lobby_id)
    return replace(noted, current_lobby_id=None) if record.current_lobby_id == lobby.lobby_id else noted


def _hosting_no_more(record: BotRecord, key: str) -> BotRecord:
    if key == record.name:
        return replace(record, creating_lobby=False)
    return replace(record, current_lobby_id=None) if key == str(record.current_lobby_id) else record


def _queued(record: BotRecord) -> bool:
    return record.status is BotStatus.UNKNOWN and record.status_message is not None


def _in_state(record: BotRecord, state: str, at: float) -> BotRecord:
    return record if record.state == state else replace(record, state=state, state_since=at, next_retry_at=None)


def _offline(record: BotRecord, at: float) -> BotRecord:
    return replace(
        _in_state(record, DISCONNECTED, at),
        connect_started_at=None,
        connected_since=None,
        next_retry_at=None,
        guard_code_waiting=False,
    )


def _verdict(
    record: BotRecord, at: float, status: BotStatus, reason: str | None = None, message: str | None = None
) -> BotRecord:
    healthy = status is BotStatus.CONNECTED
    unhealthy_since = None if healthy else record.unhealthy_since if record.unhealthy_since is not None else at
    return replace(
        record,
        status=status,
        status_since=record.status_since if record.status is status else at,
        status_reason=reason,
        status_message=message,
        unhealthy_since=unhealthy_since,
    )


def _proved(record: BotRecord, at: float) -> BotRecord:
    proved = replace(record, last_status_check_at=at, last_checked_at=at)
    if record.healthy:
        return proved
    return replace(
        _verdict(proved, at, BotStatus.CONNECTED),
        connected_since=at,
        last_connected_at=at,
        connections=record.connections + 1,
        next_retry_at=None,
    )


def _expired(record: BotRecord, at: float, age_s: float) -> BotRecord:
    if not record.healthy:
        return record
    proved_at = record.last_status_check_at
    failed_since = record.last_error_time is not None and proved_at is not None and record.last_error_time >= proved_at
    reason = record.last_error_reason if failed_since else None
    cause = record.last_error if failed_since else None
    message = f"no good answer of the service for {age_s:.0f}s" + (f", last error: {cause}" if cause else "")
    return replace(
        _verdict(record, at, BotStatus.CONNECTION_ERROR, reason or FailureReason.TIMEOUT, message), connected_since=None
    )


def _error(record: BotRecord, at: float, reason: str, message: str) -> BotRecord:
    return replace(record, last_error=message, last_error_reason=reason, last_error_time=at)


def _failed(
    record: BotRecord, at: float, status: BotStatus, *, reason: str, message: str, retry_at: float | None
) -> BotRecord:
    noted = _error(_offline(record, at), at, reason, message)
    return replace(_verdict(noted, at, status, reason, message), next_retry_at=retry_at)


def _race_updated(record: RaceRecord | None, event: ev.RaceUpdated) -> RaceRecord:
    view = event.view
    ended = view.state if view.state.ended else None
    if record is None:
        return RaceRecord(view, (event.bot,), frozenset(), event.at, first_ended=ended)
    state_since = record.state_since if record.view.state is view.state else event.at
    return replace(
        record,
        view=_merged(record.view, view),
        bots=record.bots if event.bot in record.bots else (*record.bots, event.bot),
        state_since=state_since,
        first_ended=record.first_ended or ended,
    )


def _merged(before: RaceView, now: RaceView) -> RaceView:
    """A list entry lacks the entrants and some flags: keep those that are known."""
    if now.detailed or not before.detailed:
        return now
    return replace(now, detailed=True, unlisted=before.unlisted, recorded=before.recorded, entrants=before.entrants)
