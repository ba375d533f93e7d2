"""Lobbies and races as they are kept: the one place that knows what a row of them holds, and when they are over."""

from typing import Any

from exporter.model import events as ev
from exporter.model.status import LobbyRecord, RaceRecord
from exporter.storage.texts import clean

Row = dict[str, Any]


def goes_on(event: ev.Event) -> bool:
    """Return whether a lobby that is not shown any more is watched by another process."""
    return isinstance(event, ev.LobbyForgotten) and event.elsewhere


def playing(lobby: LobbyRecord) -> int:
    """Return how many of a lobby's people play."""
    return sum(player.team in ("radiant", "dire") for player in lobby.players)


def lobby_duration_s(lobby: LobbyRecord) -> float:
    """Return how long a finished lobby lived."""
    return max(0.0, lobby.state_since - lobby.created_at)


def race_duration_s(race: RaceRecord) -> float | None:
    """Return how long a race ran; None for one that never started or goes on."""
    started, ended = race.view.started_at, race.view.ended_at
    return None if started is None or ended is None else max(0.0, ended - started)


def lobby_row(before: LobbyRecord | None, after: LobbyRecord | None, at: float) -> Row | None:
    """Return what to keep of a lobby after a change; None if that is nothing new.

    A lobby has a row from its id on. People leave before a lobby is finished, so that the players are those of the
    record before too. A lobby that is lost sight of while it is open has ended then, as far as anybody knows.
    """
    lost = after is None and before is not None and before.active
    lobby = before if lost else after
    if lobby is None or lobby.lobby_id is None:
        return None
    if before is not None and after is not None and _kept(before) == _kept(after):
        return None
    ended_at = at if lost else None if lobby.active else lobby.state_since
    players = max(playing(each) for each in (before, after) if each is not None)
    return {
        "lobby_id": str(lobby.lobby_id),
        "bot": lobby.bot,
        "name": clean(lobby.name),
        "state": str(lobby.state),
        "server_region": lobby.server_region,
        "game_mode": lobby.game_mode,
        "created_at": lobby.created_at,
        "ended_at": ended_at,
        "duration_s": None if ended_at is None else max(0.0, ended_at - lobby.created_at),
        "match_id": None if lobby.match_id is None else str(lobby.match_id),
        "outcome": "unknown" if ended_at is not None and lobby.match_outcome is None else clean(lobby.match_outcome),
        "player_count": players,
        "updated_at": at,
    }


def _kept(lobby: LobbyRecord) -> tuple[object, ...]:
    return lobby.lobby_id, lobby.state, lobby.match_id, lobby.match_outcome, playing(lobby)


def race_row(before: RaceRecord | None, after: RaceRecord | None, at: float) -> Row | None:
    """Return what to keep of a race after a change; None if that is nothing new."""
    if after is None:
        return None
    view = after.view
    if before is not None and (before.view.state, _counts(before)) == (view.state, _counts(after)):
        return None
    return {
        "name": clean(view.name),
        "category": clean(view.category),
        "slug": clean(view.slug),
        "bot": after.bots[0] if after.bots else None,
        "goal": clean(view.goal_name),
        "state": str(view.state),
        "opened_by_bot": clean(view.opened_by_bot),
        "opened_at": view.opened_at,
        "started_at": view.started_at,
        "ended_at": view.ended_at,
        "duration_s": race_duration_s(after),
        "outcome": str(view.state) if view.state.ended else None,
        "player_count": view.entrants_count,
        "finished_count": view.entrants_count_finished,
        "updated_at": at,
    }


def _counts(race: RaceRecord) -> tuple[object, ...]:
    view = race.view
    return view.entrants_count, view.entrants_count_finished, view.started_at, view.ended_at
