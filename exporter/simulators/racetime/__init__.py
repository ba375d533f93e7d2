"""A racetime.gg on loopback: the demo, the tests and the benchmarks talk to it instead of the real site."""

from exporter.simulators.racetime.bot_actions import BOT_ACTIONS, ServerCrash
from exporter.simulators.racetime.faults import Faults
from exporter.simulators.racetime.forms import FormInvalid
from exporter.simulators.racetime.kinds import KINDS
from exporter.simulators.racetime.people import USER_DEEDS
from exporter.simulators.racetime.records import (
    Bot,
    Category,
    Entrant,
    EntryState,
    Message,
    Race,
    RaceSettings,
    RaceState,
    Team,
    Token,
    User,
)
from exporter.simulators.racetime.registry import Broadcast, Refused
from exporter.simulators.racetime.rooms import RoomSocket
from exporter.simulators.racetime.scenarios import SCENARIOS
from exporter.simulators.racetime.script import Scenario, demo, quiet
from exporter.simulators.racetime.server import RacetimeSimulator
from exporter.simulators.racetime.site import CacheTimes, Stats
from exporter.simulators.racetime.trouble import trouble
from exporter.simulators.racetime.truth import Truth
from exporter.simulators.racetime.world import World

__all__ = [
    "BOT_ACTIONS",
    "KINDS",
    "SCENARIOS",
    "USER_DEEDS",
    "Bot",
    "Broadcast",
    "CacheTimes",
    "Category",
    "Entrant",
    "EntryState",
    "Faults",
    "FormInvalid",
    "Message",
    "Race",
    "RaceSettings",
    "RaceState",
    "RacetimeSimulator",
    "Refused",
    "RoomSocket",
    "Scenario",
    "ServerCrash",
    "Stats",
    "Team",
    "Token",
    "Truth",
    "User",
    "World",
    "demo",
    "quiet",
    "trouble",
]
