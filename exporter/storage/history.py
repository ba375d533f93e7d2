"""What a change means for the history: pure functions from changes to items.

A change becomes no item, or several: a lost connection is a state, a status and an error. Items are made without
ids; whoever keeps them numbers them.
"""

from collections.abc import Iterator
from typing import Final

from exporter.model import events as ev
from exporter.model.history import HistoryItem, HistoryKind
from exporter.model.record import Record
from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.storage.ended import goes_on, lobby_duration_s, playing, race_duration_s
from exporter.storage.texts import clean
from exporter.timing import format_duration

_UNNUMBERED: Final = 0


class _About(Record, frozen=True):
    """Whom the items of one change are about, and when it was."""

    at: float
    bot: str
    platform: str | None

    def item(
        self,
        kind: HistoryKind,
        before: str | None,
        after: str | None,
        *,
        reason: str | None = None,
        message: str | None = None,
    ) -> HistoryItem:
        return HistoryItem(
            _UNNUMBERED, self.at, kind, self.bot, self.platform, before, after, clean(reason), clean(message)
        )


def items(change: ev.Change, platform: str | None = None) -> Iterator[HistoryItem]:
    """Return what is worth keeping of a change; `platform` is that of the bot of a lobby or race.

    What another process goes on with has not ended here.
    """
    match change:
        case ev.BotChange():
            return _bot(change)
        case ev.RaceChange():
            return _race(change, platform)
        case ev.LobbyChange():
            return _lobby(change, platform)


def _bot(change: ev.BotChange) -> Iterator[HistoryItem]:
    before, after, event = change.before, change.after, change.event
    record = after or before
    assert record is not None  # noqa: S101  (a change has at least one side)
    about = _About(event.at, change.name, record.platform)
    if isinstance(event, ev.BotAdded) and after is not None:
        was = event.memory.status.word if event.memory is not None else None
        message = "added to the fleet" if was is None else "bot-exporter was started: nothing is proved yet"
        message = after.status_message or (message if event.arrival is None else event.arrival)
        yield about.item(HistoryKind.STATUS, was, after.status.word, message=message)
    elif isinstance(event, ev.BotRemoved) and before is not None and not event.elsewhere:
        yield about.item(HistoryKind.STATUS, before.status.word, None, message="removed from the fleet")
    elif before is not None and after is not None:
        yield from _moved(about, before, after, event)


def _moved(about: _About, before: BotRecord, after: BotRecord, event: ev.Event) -> Iterator[HistoryItem]:
    if after.last_error_time != before.last_error_time and not isinstance(event, ev.BotRecalled):
        yield about.item(HistoryKind.ERROR, None, None, reason=after.last_error_reason, message=after.last_error)
    if after.state != before.state:
        lost = getattr(event, "lost", None) if after.state == "disconnected" else None
        yield about.item(HistoryKind.STATE, before.state, after.state, reason=lost)
    if (after.status, after.status_reason) != (before.status, before.status_reason):
        yield about.item(
            HistoryKind.STATUS,
            before.status.word,
            after.status.word,
            reason=after.status_reason,
            message=after.status_message,
        )


def _race(change: ev.RaceChange, platform: str | None) -> Iterator[HistoryItem]:
    before, after = change.before, change.after
    if after is None or (before is not None and before.view.state is after.view.state):
        return
    about = _About(change.event.at, after.bots[0] if after.bots else change.event.bot, platform)
    yield about.item(
        HistoryKind.RACE,
        str(before.view.state) if before is not None else None,
        str(after.view.state),
        reason=str(after.view.state) if after.view.state.ended else None,
        message=_race_words(after),
    )


def _race_words(race: RaceRecord) -> str:
    view = race.view
    words = [f"{view.name}: {view.goal_name}"]
    if view.state.ended:
        words.append(f"{view.entrants_count} entrants, {view.entrants_count_finished} finished")
        if (seconds := race_duration_s(race)) is not None:
            words.append(format_duration(seconds))
    return ", ".join(words)


def _lobby(change: ev.LobbyChange, platform: str | None) -> Iterator[HistoryItem]:
    before, after = change.before, change.after
    if after is None:
        if before is not None and before.active and not goes_on(change.event):
            about = _About(change.event.at, before.bot, platform)
            yield about.item(
                HistoryKind.LOBBY, str(before.state), None, message=f"{_lobby_name(before)}: lost sight of"
            )
        return
    if before is not None and before.state is after.state:
        return
    about = _About(change.event.at, after.bot, platform)
    yield about.item(
        HistoryKind.LOBBY,
        str(before.state) if before is not None else None,
        str(after.state),
        reason=None if after.active else after.match_outcome,
        message=_lobby_words(before, after),
    )


def _lobby_words(before: LobbyRecord | None, after: LobbyRecord) -> str:
    if after.active:
        return _lobby_name(after)
    players = max(playing(after), playing(before) if before is not None else 0)
    return f"{_lobby_name(after)}: {players} players, {format_duration(lobby_duration_s(after))}"


def _lobby_name(lobby: LobbyRecord) -> str:
    return lobby.name if lobby.lobby_id is None else f"{lobby.name} ({lobby.lobby_id})"
