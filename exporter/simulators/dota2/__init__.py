"""A Dota 2 game coordinator on top of the simulated Steam: the demo, the tests and the benchmarks play with it."""

from exporter.simulators.dota2 import hostile
from exporter.simulators.dota2.coordinator import Coordinator
from exporter.simulators.dota2.faults import Deed, Fault, Faults
from exporter.simulators.dota2.league import League, LeagueOrders
from exporter.simulators.dota2.policy import Policy, Style
from exporter.simulators.dota2.records import Lobby, Member, Plan, Refused, Settings
from exporter.simulators.dota2.scenarios import SCENARIOS, Scenario
from exporter.simulators.dota2.truth import Seat, Truth, truth_of
from exporter.simulators.dota2.wire import Message
from exporter.simulators.dota2.world import World

__all__ = [
    "SCENARIOS",
    "Coordinator",
    "Deed",
    "Fault",
    "Faults",
    "League",
    "LeagueOrders",
    "Lobby",
    "Member",
    "Message",
    "Plan",
    "Policy",
    "Refused",
    "Scenario",
    "Seat",
    "Settings",
    "Style",
    "Truth",
    "World",
    "hostile",
    "truth_of",
]
