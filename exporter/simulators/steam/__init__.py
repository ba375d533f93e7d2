"""Steam on loopback: the demo, the tests and the benchmarks talk to it instead of the real network."""

from exporter.simulators.steam import hostile
from exporter.simulators.steam.books import Refused
from exporter.simulators.steam.faults import Deed, Fault, Faults, Phase
from exporter.simulators.steam.games import Game, SendToPlayer
from exporter.simulators.steam.limits import RateLimit
from exporter.simulators.steam.policy import Policy
from exporter.simulators.steam.records import (
    Account,
    AuthSession,
    BeginAttempt,
    GamesChanged,
    Guard,
    Kicked,
    LogonAttempt,
    LogonKind,
    Notice,
    PlayingChanged,
    RefreshToken,
    Session,
    TokenState,
)
from exporter.simulators.steam.scenarios import SCENARIOS
from exporter.simulators.steam.script import Scenario, demo, demo_password, demo_secret
from exporter.simulators.steam.server import SteamSimulator
from exporter.simulators.steam.stats import Stats
from exporter.simulators.steam.trouble import TROUBLE_CODE, TROUBLE_PASSWORD, trouble
from exporter.simulators.steam.world import World

__all__ = [
    "SCENARIOS",
    "TROUBLE_CODE",
    "TROUBLE_PASSWORD",
    "Account",
    "AuthSession",
    "BeginAttempt",
    "Deed",
    "Fault",
    "Faults",
    "Game",
    "GamesChanged",
    "Guard",
    "Kicked",
    "LogonAttempt",
    "LogonKind",
    "Notice",
    "Phase",
    "PlayingChanged",
    "Policy",
    "RateLimit",
    "RefreshToken",
    "Refused",
    "Scenario",
    "SendToPlayer",
    "Session",
    "Stats",
    "SteamSimulator",
    "TokenState",
    "World",
    "demo",
    "demo_password",
    "demo_secret",
    "hostile",
    "trouble",
]
