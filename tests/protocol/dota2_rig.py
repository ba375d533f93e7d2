"""Dota 2 bots on a simulated Steam and coordinator, with what a test of lobbies needs."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from exporter.model import events as ev
from exporter.model.status import LobbyRecord
from exporter.platforms.dota2.playing import Dota2Timing
from exporter.platforms.dota2.settings import LobbySettings
from exporter.platforms.dota2.wire import Team
from exporter.simulators.dota2 import Coordinator, Lobby, Policy, Style, truth_of
from exporter.simulators.steam import Policy as SteamPolicy
from tests.eventually import eventually
from tests.protocol.steam_rig import Rig

NAME = "finals"
PASSWORD = "open sesame"
SETTINGS = LobbySettings(NAME, PASSWORD)
BASE = 0x0110000100000000
ANN, BEN, CID = BASE + 11, BASE + 12, BASE + 13
NAMES = {ANN: "Ann", BEN: "Ben", CID: "Cid"}


class LobbyRig(Rig):
    """One bot, alice, and people who may come into her lobby."""

    def __init__(
        self,
        stack: AsyncExitStack,
        data_dir: Path,
        *,
        policy: Policy | None = None,
        style: Style | None = None,
        timing: Dota2Timing | None = None,
        steam: SteamPolicy | None = None,
    ) -> None:
        super().__init__(stack, data_dir, steam, coordinator=Coordinator(policy=policy, style=style), timing=timing)
        self.coordinator.world.names.update(NAMES)

    @property
    def gc(self) -> Coordinator:
        return self.coordinator

    @property
    def now(self) -> float:
        """The coordinator's time."""
        return self.steam_clock.now()

    @property
    def lobbies(self) -> list[LobbyRecord]:
        return list(self.store.lobbies.values())

    @property
    def lobby(self) -> LobbyRecord:
        """The one lobby that is shown and not over."""
        (lobby,) = [each for each in self.lobbies if each.active]
        return lobby

    @property
    def truth(self) -> Lobby:
        """The lobby as the coordinator has it."""
        lobby = truth_of(self.gc, self.steamid).lobby
        assert lobby is not None
        return lobby

    @property
    def steamid(self) -> int:
        return self.world.accounts["alice"].steamid

    async def connected(self) -> None:
        """Bring alice to where she takes orders."""
        self.account()
        await self.add()
        await self.online()

    async def host(self, *people: int, **options: Any) -> LobbyRecord:
        """Have alice host a lobby in which these people sit, radiant and dire in turn."""
        await self.bot().create_lobby(SETTINGS, **options)
        await eventually(lambda: self.lobby.bot_team == "unassigned")
        for number, who in enumerate(people):
            self.join(who)
            self.gc.world.seat(who, Team(number % 2), 0, self.now)
        await eventually(lambda: len([each for each in self.lobby.players if each.slot]) == len(people))
        return self.lobby

    def join(self, who: int) -> None:
        self.gc.world.join(self.truth, who, self.now, PASSWORD)

    async def in_state(self, state: str) -> LobbyRecord:
        """Return the newest lobby once it is in this state."""
        await eventually(lambda: self.lobbies and str(self.lobbies[-1].state) == state)
        return self.lobbies[-1]

    async def pass_time(self, seconds: float) -> None:
        """Let time go on at the coordinator, which looks at its clock twice a second."""
        done = 0.0
        while done < seconds:
            await eventually(lambda: self.steam_clock.sleeping)
            await self.steam_clock.advance(min(0.5, seconds - done))
            done += 0.5

    async def run_game(self) -> LobbyRecord:
        """Launch the lobby and let the game begin."""
        await self.bot().launch()
        await self.pass_time(2)
        return await self.in_state("in_game")

    @property
    def states(self) -> list[str]:
        """Every state that alice entered, in order."""
        return [each.state for each in self.seen(ev.StateEntered)]


@asynccontextmanager
async def lobby_rig(data_dir: Path, **options: Any) -> AsyncIterator[LobbyRig]:
    """Run Steam, its coordinator, and our side; nothing unexpected may have happened at the end."""
    async with AsyncExitStack() as stack:
        rig = LobbyRig(stack, data_dir, **options)
        await rig.simulator.start()
        stack.push_async_callback(rig.simulator.stop)
        await rig.open()
        yield rig
        await rig.supervisor.shutdown()
        await eventually(lambda: not rig.simulator.links)
    assert rig.unexpected == []
    assert rig.gc.stats.violations == []
    assert PASSWORD in rig.hidden or not rig.gc.world.lobbies
    assert PASSWORD not in repr(rig.events) + repr(rig.store.lobbies)
