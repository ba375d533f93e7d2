"""What the simulated coordinator knows: people, lobbies with their members, and the notices about changes."""

from dataclasses import dataclass, field
from typing import Final

from exporter.platforms.dota2.wire import JoinResult, Outcome, Phase, Team

STEAMID_BASE: Final = 76561197960265728

# leaver_status as recorded: 1 for everybody until something is known of the game.
NOT_IN_GAME: Final = 1
PLAYED: Final = 0
LEFT_GAME: Final = 3


class Refused(Exception):
    """The coordinator says no."""

    def __init__(self, result: JoinResult, why: str) -> None:
        self.result = result
        super().__init__(f"{result.name.lower()} ({result}): {why}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the host may choose; the fields are named as in CMsgPracticeLobbySetDetails."""

    game_name: str = ""
    server_region: int = 0
    game_mode: int = 1
    allow_cheats: bool = False
    fill_with_bots: bool = False
    allow_spectating: bool = True
    pass_key: str = ""
    leagueid: int = 0
    series_type: int = 0
    allchat: bool = False
    dota_tv_delay: int = 1
    lan: bool = False
    visibility: int = 0
    pause_setting: int = 0
    selection_priority_rules: int = 0


@dataclass(slots=True, eq=False)
class Member:
    """Somebody in a lobby. Who is in the player pool has no slot, except the host, whose slot is 0 there."""

    steamid: int
    name: str
    team: int = Team.POOL
    slot: int | None = None
    leaver_status: int = NOT_IN_GAME
    hero_id: int = 0
    abandoned: bool = False

    @property
    def seated(self) -> bool:
        """Whether it has a place in a team that plays."""
        return self.team in {Team.RADIANT, Team.DIRE}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a launched game will go by itself. Without a duration it goes on until somebody ends it."""

    loads: bool = True
    duration_s: float | None = None
    outcome: int = Outcome.RADIANT
    leaver: int | None = None
    """Who leaves the running game, by Steam id: 1.3 s before its end, as recorded."""


@dataclass(slots=True, eq=False)
class Lobby:
    """A lobby. `places` never shrinks: a place that somebody gave up stays empty, and nobody enters it again."""

    lobby_id: int
    settings: Settings
    leader_id: int
    created_at: float
    phase: int = Phase.UI
    game_state: int = 0
    places: list[Member | None] = field(default_factory=list)
    left: set[int] = field(default_factory=set)
    """Places of those who left a running game."""
    match_id: int = 0
    server_id: int = 0
    connect: str = ""
    outcome: int = Outcome.UNKNOWN
    started_at: float | None = None
    duration_s: float = 0.0
    launch_number: int = 0
    """Which launch of the coordinator its game came of; 0 without a game."""
    times_launched: int = 0
    plan: Plan = Plan()
    over: bool = False
    """Set once everybody has been dismissed."""

    @property
    def members(self) -> list[Member]:
        """Return the live members, by place."""
        return [each for place, each in enumerate(self.places) if each is not None and place not in self.left]

    @property
    def players(self) -> list[Member]:
        """Return the live members with a place in a team that plays."""
        return [each for each in self.members if each.seated]

    @property
    def free(self) -> list[int]:
        """Return the places that were given up."""
        return [place for place, each in enumerate(self.places) if each is None]

    def member(self, steamid: int) -> Member | None:
        """Return a live member by its Steam id."""
        return next((each for each in self.members if each.steamid == steamid), None)


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody is in a lobby now: the host by creating it, others by joining."""

    lobby: Lobby
    steamid: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A lobby is not as it was. `people` says whether somebody came or went."""

    lobby: Lobby
    people: bool = False


@dataclass(frozen=True, slots=True)
class Dismissed:
    """Somebody is no more in a lobby, or the lobby is no more."""

    lobby: Lobby
    steamid: int


@dataclass(frozen=True, slots=True)
class Invited:
    """A member asked somebody to join."""

    lobby: Lobby
    sender: int
    steamid: int


@dataclass(frozen=True, slots=True)
class InviteAnswered:
    """Somebody said yes or no to an invitation."""

    lobby: Lobby
    sender: int
    steamid: int


Notice = Admitted | Changed | Dismissed | Invited | InviteAnswered
