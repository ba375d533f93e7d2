"""What is played on the simulated coordinator by itself, by the name of the Steam scenario that it belongs to."""

import random
from collections.abc import Callable, Mapping
from typing import Final

from structlog.typing import FilteringBoundLogger

from exporter.platforms.dota2.wire import GcMsg, JoinResult
from exporter.simulators.dota2.coordinator import Coordinator
from exporter.simulators.dota2.crowd import Crowd
from exporter.simulators.dota2.fixtures import Fixtures
from exporter.simulators.dota2.league import League, LeagueOrders
from exporter.simulators.dota2.policy import Policy
from exporter.simulators.steam.records import Account
from exporter.timing import Clock

_LOAD_LIMIT_S: Final = 8.0
_CREATION_S: Final = 2.5
_REFUSALS: Final = 2
UNLUCKY: Final = "demo-bot-7"


class Scenario:
    """A coordinator that knows the accounts by name, and on which nothing happens by itself."""

    def __init__(self, accounts: Mapping[str, Account], *, policy: Policy | None = None, seed: int = 1) -> None:
        self.coordinator = Coordinator(policy=policy, seed=seed)
        self.coordinator.world.names.update({account.steamid: account.username for account in accounts.values()})

    def league(
        self,
        bots: Mapping[str, int],  # noqa: ARG002  (a scenario in which nobody orders lobbies has no use for any of this)
        orders: LeagueOrders,  # noqa: ARG002
        clock: Clock,  # noqa: ARG002
        log: FilteringBoundLogger,  # noqa: ARG002
    ) -> League | None:
        """Return the league that orders lobbies from these bots, or None if there is none."""
        return None


class Demo(Scenario):
    """Lobbies for ever, on the bots that the league finds: about a minute from the order to the end of the game.

    Times are shorter than real ones. Creations take a moment, so that one can see them; the account `UNLUCKY` is told
    twice to come back later before it gets its first lobby.
    """

    def __init__(self, accounts: Mapping[str, Account], seed: int = 1) -> None:
        super().__init__(accounts, policy=Policy(load_limit_s=_LOAD_LIMIT_S), seed=seed)
        self._random = random.Random(seed)  # noqa: S311  (a play, not a secret)
        self._fixtures = Fixtures(self._random)
        world, faults = self.coordinator.world, self.coordinator.faults
        self.crowd = Crowd(world, self._fixtures, self._random)
        if UNLUCKY in accounts:
            faults.refuse(GcMsg.LOBBY_CREATE, JoinResult.BUSY, times=_REFUSALS, steamid=accounts[UNLUCKY].steamid)
        faults.delay(GcMsg.LOBBY_CREATE, _CREATION_S)

    def league(self, bots: Mapping[str, int], orders: LeagueOrders, clock: Clock, log: FilteringBoundLogger) -> League:
        return League(
            self.coordinator.world,
            self.coordinator.sessions,
            self._fixtures,
            bots=bots,
            orders=orders,
            clock=clock,
            rng=self._random,
            log=log,
        )


SCENARIOS: Final[dict[str, Callable[[Mapping[str, Account]], Scenario]]] = {
    "demo": Demo,
    "quiet": Scenario,
    "trouble": Scenario,
}
"""What is played at the coordinator in each scenario of the simulated Steam."""
