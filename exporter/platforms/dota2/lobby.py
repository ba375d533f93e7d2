"""What the coordinator's lobby means to a reader: a pure mapping from its message to a LobbyRecord.

The states follow the table of the steam-dota2 protocol notes, section 2, and so do the traps: who is in the lobby are
the members at `member_indices` (an emptied place looks like a radiant player), names come from the static lobby at the
same position, nobody in the pool has a slot, and `leaver_status` is not read at all.
"""

from collections.abc import Callable, Iterator
from typing import Final

from exporter.model.record import replace
from exporter.model.states import NO_MATCH, UNKNOWN_OUTCOME, LobbyState
from exporter.model.status import ExpectedPlayers, LobbyPlayer, LobbyRecord
from exporter.platforms.dota2.choices import MODES, REGIONS
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.settings import LobbySettings
from exporter.platforms.dota2.wire import Outcome, Phase, Team

RADIANT: Final = "radiant"
DIRE: Final = "dire"
SPECTATOR: Final = "spectator"
UNASSIGNED: Final = "unassigned"

Note = Callable[[str], None]
"""Told the kind of what the coordinator should not have sent."""

_TEAMS: Final = {
    Team.RADIANT: RADIANT,
    Team.DIRE: DIRE,
    Team.BROADCASTER: SPECTATOR,
    Team.SPECTATOR: SPECTATOR,
    Team.POOL: UNASSIGNED,
    Team.NO_TEAM: UNASSIGNED,
}
_SEATED: Final = frozenset({RADIANT, DIRE})
_FIRST_CUSTOM, _LAST_CUSTOM = 6, 13
_STATES: Final = {
    Phase.SERVER_SETUP: LobbyState.READY,
    Phase.SERVER_ASSIGN: LobbyState.READY,
    Phase.READY_UP: LobbyState.READY,
    Phase.NOT_READY: LobbyState.READY,
    Phase.RUN: LobbyState.IN_GAME,
    Phase.POST_GAME: LobbyState.FINISHED,
}
ACCOUNT_ID_MASK: Final = 0xFFFFFFFF


def lobby_record(
    lobby: pb.CSODOTALobby,
    static: pb.CSODOTAStaticLobby | None,
    *,
    bot: str,
    steamid: int,
    at: float,
    expected: ExpectedPlayers,
    before: LobbyRecord | None,
    note: Note,
) -> LobbyRecord:
    """Return the record of a lobby as the coordinator describes it now.

    `steamid` is the bot's own: it is no player. `before` is the record of the same lobby before, which a value that
    nobody knows leaves as it is.
    """
    everybody = list(_members(lobby, static, note))
    players = tuple(each for each in everybody if each.steam_id != steamid)
    state = _state(lobby, players, expected, before, note)
    return LobbyRecord(
        key=str(lobby.lobby_id),
        bot=bot,
        lobby_id=lobby.lobby_id,
        name=_text(lobby.game_name),
        state=state,
        state_since=at,
        server_region=lobby.server_region,
        server_region_name=REGIONS.shown(lobby.server_region),
        game_mode=lobby.game_mode,
        game_mode_name=MODES.shown(lobby.game_mode),
        has_password=bool(lobby.pass_key),
        created_at=float(lobby.lobby_creation_time) or at,
        players=players,
        match_id=lobby.match_id or None,
        match_outcome=_outcome(lobby.match_outcome, note) if state is LobbyState.FINISHED else None,
        bot_team=next((each.team for each in everybody if each.steam_id == steamid), None),
    )


def creating_record(settings: LobbySettings, *, bot: str, at: float) -> LobbyRecord:
    """Return the record of a lobby that was asked for and is not there yet."""
    return LobbyRecord(
        key=bot,
        bot=bot,
        lobby_id=None,
        name=settings.name,
        state=LobbyState.CREATING,
        state_since=at,
        server_region=settings.server_region,
        server_region_name=REGIONS.shown(settings.server_region),
        game_mode=settings.game_mode,
        game_mode_name=MODES.shown(settings.game_mode),
        has_password=bool(settings.password),
        created_at=at,
    )


def gone_record(before: LobbyRecord) -> LobbyRecord:
    """Return the record of a lobby that is no more: finished, with what is known of how it ended."""
    if before.state is LobbyState.FINISHED:
        return replace(before, watched=False)
    # Whether a match that was begun came to an end, and how, nobody said.
    outcome = UNKNOWN_OUTCOME if before.match_id is not None else NO_MATCH
    return replace(before, state=LobbyState.FINISHED, match_outcome=outcome, watched=False)


def account_id(steam_id: int) -> int:
    """Return the 32-bit account id of a 64-bit Steam id."""
    return steam_id & ACCOUNT_ID_MASK


def seated(player: LobbyPlayer) -> bool:
    """Return whether somebody will play."""
    return player.team in _SEATED


def _state(
    lobby: pb.CSODOTALobby,
    players: tuple[LobbyPlayer, ...],
    expected: ExpectedPlayers,
    before: LobbyRecord | None,
    note: Note,
) -> LobbyState:
    if lobby.state == Phase.UI:
        return LobbyState.READY if _all_seated(players, expected) else LobbyState.WAITING
    try:
        return _STATES[Phase(lobby.state)]
    except ValueError:
        note("lobby_value")
        return before.state if before is not None else LobbyState.WAITING


def _all_seated(players: tuple[LobbyPlayer, ...], expected: ExpectedPlayers) -> bool:
    sitting = {each.steam_id for each in players if seated(each)}
    if expected is None:
        return False
    if isinstance(expected, int):
        return len(sitting) >= expected
    return sitting.issuperset(expected)


def _members(lobby: pb.CSODOTALobby, static: pb.CSODOTAStaticLobby | None, note: Note) -> Iterator[LobbyPlayer]:
    """Yield who is in the lobby, each once."""
    seen: set[int] = set()
    names = static.all_members if static is not None else ()
    for index in lobby.member_indices:
        member = lobby.all_members[index] if index < len(lobby.all_members) else None
        if member is None or not member.id or member.id in seen:
            note("lobby_member")
            continue
        seen.add(member.id)
        team = _team(member.team, note)
        name = _text(names[index].name) if index < len(names) else ""
        slot = member.slot if member.slot and team != UNASSIGNED else None
        yield LobbyPlayer(member.id, name or None, team, slot)


def _team(number: int, note: Note) -> str:
    try:
        return _TEAMS[Team(number)]
    except ValueError:
        note("lobby_value")
        return UNASSIGNED


def _outcome(number: int, note: Note) -> str:
    if _FIRST_CUSTOM <= number <= _LAST_CUSTOM:
        return "custom"
    try:
        return Outcome(number).name.lower()
    except ValueError:
        note("lobby_value")
        return UNKNOWN_OUTCOME


def _text(value: str | bytes) -> str:
    """A string that is no UTF-8 comes out of the library as bytes."""
    return value if isinstance(value, str) else value.decode(errors="replace")
