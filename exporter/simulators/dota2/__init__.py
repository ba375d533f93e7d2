"""A Dota 2 game coordinator on top of the simulated Steam: the demo, the tests and the benchmarks play with it."""

from exporter.simulators.dota2 import hostile
from exporter.simulators.dota2.coordinator import Coordinator
from exporter.simulators.dota2.faults import Deed, Fault, Faults
from exporter.simulators.dota2.policy import Policy, Style
from exporter.simulators.dota2.records import Lobby, Member, Plan, Refused, Settings
from exporter.simulators.dota2.truth import Seat, Truth, truth_of
from exporter.simulators.dota2.wire import Message
from exporter.simulators.dota2.world import World

__all__ = [
    "Coordinator",
    "Deed",
    "Fault",
    "Faults",
    "Lobby",
    "Member",
    "Message",
    "Plan",
    "Policy",
    "Refused",
    "Seat",
    "Settings",
    "Style",
    "Truth",
    "World",
    "hostile",
    "truth_of",
]
