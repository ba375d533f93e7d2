"""Services that run inside the process: the simulators that a configuration asks for, and the league of the demo."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import structlog

from exporter.config import Config
from exporter.platforms.dota2.bot import Dota2Bot
from exporter.platforms.dota2.options import DOTA2
from exporter.platforms.dota2.settings import lobby_settings
from exporter.simulators import dota2, racetime, steam
from exporter.simulators.dota2 import League, LeagueOrders
from exporter.simulators.dota2 import Scenario as Dota2Scenario
from exporter.simulators.racetime import RacetimeSimulator
from exporter.simulators.steam import SteamSimulator
from exporter.supervisor import BotSpec, Supervisor
from exporter.timing import Clock

__all__ = ["SCENARIOS", "Dota2Scenario", "demo_league", "racetime_simulator", "steam_simulator", "with_simulators"]

SCENARIOS: Final[Mapping[str, Collection[str]]] = MappingProxyType(
    {"racetime": racetime.SCENARIOS, "steam": steam.SCENARIOS}
)
"""The scenarios that a configuration may name, by simulator."""

_STEAM_TICK_S: Final = 0.1  # the simulated coordinator's shortest steps take half a second

_log = structlog.get_logger(component="app")


@asynccontextmanager
async def racetime_simulator(config: Config, clock: Clock) -> AsyncIterator[RacetimeSimulator | None]:
    """Run a racetime.gg while the block lasts, if the configuration wants one."""
    wanted = config.simulators.racetime
    if not wanted.enabled:
        yield None
        return
    scenario = racetime.SCENARIOS[wanted.scenario](clock.now())
    simulator = RacetimeSimulator(scenario.world, clock=clock, scenario=scenario)
    await simulator.start()
    _log.info("the racetime simulator runs", address=simulator.url, scenario=wanted.scenario)
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def steam_simulator(
    config: Config, clock: Clock
) -> AsyncIterator[tuple[SteamSimulator, Dota2Scenario] | tuple[None, None]]:
    """Run a Steam with its coordinator of Dota 2 while the block lasts, if the configuration wants one."""
    wanted = config.simulators.steam
    if not wanted.enabled:
        yield None, None
        return
    scenario = steam.SCENARIOS[wanted.scenario](clock.now())
    played = dota2.SCENARIOS[wanted.scenario](scenario.world.accounts)
    simulator = SteamSimulator(
        scenario.world, clock=clock, scenario=scenario, games=[played.coordinator], tick_s=_STEAM_TICK_S
    )
    await simulator.start()
    _log.info("the Steam simulator runs", address=simulator.directory_url, scenario=wanted.scenario)
    try:
        yield simulator, played
    finally:
        await simulator.stop()


def demo_league(
    simulator: SteamSimulator,
    played: Dota2Scenario,
    specs: Iterable[BotSpec],
    supervisor: Supervisor,
    clock: Clock,
) -> League | None:
    """Return who orders lobbies in the scenario, if anybody does: by the supervisor, as every order comes."""

    async def create(name: str, settings: Mapping[str, object], players: int) -> None:
        await _lobby_bot(supervisor, name).create_lobby(lobby_settings(settings), expected_players=players)

    async def launch(name: str) -> None:
        await _lobby_bot(supervisor, name).launch()

    accounts = simulator.world.accounts
    bots = {
        spec.name: accounts[spec.options.subject.lower()].steamid
        for spec in specs
        if spec.active and spec.traits is DOTA2 and spec.options.subject.lower() in accounts
    }
    return played.league(bots, LeagueOrders(create, launch), clock, structlog.get_logger(component="league"))


def _lobby_bot(supervisor: Supervisor, name: str) -> Dota2Bot:
    bot = supervisor.bot(name)
    if not isinstance(bot, Dota2Bot):
        raise TypeError(f"{name} is no Dota 2 bot")
    return bot


def with_simulators(config: Config, site: RacetimeSimulator | None, network: SteamSimulator | None) -> Config:
    """Return the configuration with the addresses of the services that are stood in for."""
    if site is not None:
        config = replace(config, racetime=config.racetime.model_copy(update={"url": site.url}))
    if network is not None:
        config = replace(config, steam=config.steam.model_copy(update={"cm_list": tuple(network.cm_urls)}))
    return config
