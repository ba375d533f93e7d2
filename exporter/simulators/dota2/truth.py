"""What is so at the coordinator right now, whatever a bot believes: tests compare /status and /metrics with it."""

from dataclasses import dataclass

from exporter.platforms.dota2.wire import Phase, Team
from exporter.simulators.dota2.coordinator import Coordinator
from exporter.simulators.dota2.records import Lobby

_TEAMS = {Team.RADIANT: "radiant", Team.DIRE: "dire", Team.SPECTATOR: "spectator", Team.BROADCASTER: "spectator"}


@dataclass(frozen=True, slots=True)
class Seat:
    """One live member of a lobby."""

    steamid: int
    name: str
    team: str
    """radiant, dire, spectator, or unassigned."""
    slot: int | None


@dataclass(frozen=True, slots=True)
class Truth:
    """How the coordinator stands to one bot."""

    plays: bool
    """Steam told the coordinator that the account plays."""
    has_session: bool
    lobby: Lobby | None
    hosts: bool
    """Whether the lobby is its own."""
    seats: tuple[Seat, ...] = ()
    """The live members except the bot itself."""

    @property
    def in_game(self) -> bool:
        """Whether the lobby's game runs."""
        return self.lobby is not None and self.lobby.phase == Phase.RUN

    def count(self, team: str) -> int:
        """Return how many sit in a team."""
        return sum(each.team == team for each in self.seats)


def truth_of(coordinator: Coordinator, steamid: int) -> Truth:
    """Return the truth about the bot with that Steam id."""
    sessions, lobby = coordinator.sessions, coordinator.world.lobby_of(steamid)
    return Truth(
        plays=steamid in sessions.players,
        has_session=sessions.has(steamid),
        lobby=lobby,
        hosts=lobby is not None and lobby.leader_id == steamid,
        seats=tuple(
            Seat(each.steamid, each.name, _TEAMS.get(Team(each.team), "unassigned"), each.slot)
            for each in (lobby.members if lobby is not None else ())
            if each.steamid != steamid
        ),
    )
