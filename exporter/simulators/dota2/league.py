"""The demo's league: it orders lobbies from bots, has them launched, and starts over when a game has ended.

It gives its orders by functions that it is handed; what it sees, it sees at the simulated coordinator. A bot that
refuses is asked again later: a league lives with refusals. Any other error is a mistake and ends the league loudly.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from structlog.typing import FilteringBoundLogger

from exporter.errors import OrderError
from exporter.platforms.dota2.wire import Phase, Team
from exporter.simulators.dota2.fixtures import Fixture, Fixtures
from exporter.simulators.dota2.records import Lobby
from exporter.simulators.dota2.sessions import Sessions
from exporter.simulators.dota2.world import World
from exporter.timing import Clock

_LOOK_S: Final = 0.5
_STAGGER_S: Final = 2.5
_BRIEFING_S: Final = (4.0, 9.0)
_BREAK_S: Final = (6.0, 14.0)
_REGROUP_S: Final = 5.0
_REFUSED_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class LeagueOrders:
    """How the league gives orders to a bot, by its name. Both raise OrderError when they are not carried out."""

    create: Callable[[str, Mapping[str, object], int], Awaitable[object]]
    """Create a lobby with these settings, for so many players."""
    launch: Callable[[str], Awaitable[object]]


class League:
    """One season for each bot, side by side. `bots` are Steam ids by the names of bots."""

    def __init__(
        self,
        world: World,
        sessions: Sessions,
        fixtures: Fixtures,
        *,
        bots: Mapping[str, int],
        orders: LeagueOrders,
        clock: Clock,
        rng: random.Random,
        log: FilteringBoundLogger,
    ) -> None:
        self._world = world
        self._sessions = sessions
        self._fixtures = fixtures
        self._bots = bots
        self._orders = orders
        self._clock = clock
        self._random = rng
        self._log = log
        self._told: dict[str, str] = {}
        """The last refusal of each bot: one that repeats is not told again."""

    async def run(self) -> None:
        """Play until cancelled. An error that is no refusal ends all seasons and is raised."""
        async with asyncio.TaskGroup() as seasons:
            for number, (bot, steamid) in enumerate(self._bots.items()):
                seasons.create_task(self._season(number, bot, steamid), name=f"league: {bot}")

    async def _season(self, number: int, bot: str, steamid: int) -> None:
        await self._clock.sleep(number * _STAGGER_S)
        while True:
            await self._until(lambda: self._sessions.has(steamid))
            lobby = self._world.lobby_of(steamid)
            fixture = self._fixtures.by_name(lobby.settings.game_name) if lobby is not None else None
            if lobby is None:
                fixture = self._fixtures.draw(number)
                await self._create(bot, fixture)
                lobby = self._world.lobby_of(steamid)
            if lobby is None or fixture is None or lobby.leader_id != steamid:
                # Refused, or somebody else has ordered this lobby: nothing to do with the league.
                await self._clock.sleep(_REFUSED_S)
                continue
            await self._play(bot, lobby, fixture)
            self._fixtures.played(fixture)
            await self._clock.sleep(self._random.uniform(*_BREAK_S))

    async def _create(self, bot: str, fixture: Fixture) -> None:
        try:
            await self._orders.create(bot, fixture.settings, fixture.players)
        except OrderError as error:
            self._fixtures.played(fixture)
            self._refused(bot, "create", error)

    async def _play(self, bot: str, lobby: Lobby, fixture: Fixture) -> None:
        """Launch as soon as all are there, and again when the game did not come about, until the lobby is over."""
        while not lobby.over:
            await self._until(lambda: lobby.over or _complete(lobby, fixture))
            await self._clock.sleep(self._random.uniform(*_BRIEFING_S))
            if not _complete(lobby, fixture):
                continue
            try:
                await self._orders.launch(bot)
            except OrderError as error:
                self._refused(bot, "launch", error)
                await self._clock.sleep(_REFUSED_S)
            await self._until(lambda: lobby.over or lobby.phase == Phase.UI)
            await self._clock.sleep(_REGROUP_S)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._clock.sleep(_LOOK_S)

    def _refused(self, bot: str, order: str, error: OrderError) -> None:
        text = f"{order}: {error}"
        if self._told.get(bot) != text:
            self._told[bot] = text
            self._log.info("an order of the demo league was refused", bot=bot, order=order, reason=str(error))


def _complete(lobby: Lobby, fixture: Fixture) -> bool:
    """Say whether all players have a place and nobody but the host is in the pool."""
    others = [each for each in lobby.members if each.steamid != lobby.leader_id]
    waiting = any(each.team == Team.POOL for each in others)
    return lobby.phase == Phase.UI and not waiting and sum(each.seated for each in others) >= fixture.players
