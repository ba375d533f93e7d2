"""The demo: its players, its league, and what the two make of eight bots within the first minute or so."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture
from structlog.typing import FilteringBoundLogger

from exporter.errors import OrderRefused
from exporter.platforms.dota2.choices import MODES, REGIONS
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import CLIENT_SESSION_NEED, Phase, Team
from exporter.simulators import steam
from exporter.simulators.dota2 import SCENARIOS, League, LeagueOrders, Lobby, Refused, Settings
from exporter.simulators.dota2.records import Changed, Notice
from tests.clock import ManualClock

BOTS = 8
STEP_S = 0.25


class Stage:
    """The demo's scenario, bots of the simplest kind, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        accounts = steam.SCENARIOS["demo"](self.clock.now()).world.accounts
        self.scenario = SCENARIOS["demo"](accounts)
        self.coordinator = self.scenario.coordinator
        self.world = self.coordinator.world
        self.coordinator.attach(lambda *_: None)
        self.bots = {f"lobby-{n}": accounts[f"demo-bot-{n}"].steamid for n in range(1, BOTS + 1)}
        self.refusals: dict[str, Exception] = {}
        self.created: list[tuple[str, Mapping[str, object], int]] = []
        self.launched: list[str] = []
        self.phases: dict[int, list[int]] = {}
        self.records = LogCapture()
        log: FilteringBoundLogger = structlog.wrap_logger(None, processors=[self.records])
        league = self.scenario.league(self.bots, LeagueOrders(self.create, self.launch), self.clock, log)
        assert league is not None
        self.league: League = league
        self.world.subscribe(self.note)

    def note(self, notice: Notice) -> None:
        if isinstance(notice, Changed):
            seen = self.phases.setdefault(notice.lobby.lobby_id, [])
            if seen[-1:] != [notice.lobby.phase]:
                seen.append(notice.lobby.phase)

    def online(self, *names: str) -> None:
        for each in names or self.bots:
            self.coordinator.enter(self.bots[each], self.clock.now())
            player = self.coordinator.sessions.players[self.bots[each]]
            hello = pb.CMsgClientHello(client_session_need=CLIENT_SESSION_NEED)
            self.coordinator.sessions.hello(player, hello, self.clock.now())

    async def create(self, name: str, settings: Mapping[str, object], players: int) -> None:
        """Do as a bot does: open the lobby and move to the pool."""
        self.created.append((name, settings, players))
        if name in self.refusals:
            raise self.refusals[name]
        details = Settings(
            game_name=str(settings["name"]),
            pass_key=str(settings["password"]),
            server_region=REGIONS.parse(str(settings["server_region"])),
            game_mode=MODES.parse(str(settings["game_mode"])),
            leagueid=int(str(settings["league_id"])),
        )
        self.world.create(self.bots[name], details, self.clock.now())
        self.world.seat(self.bots[name], Team.POOL, 0, self.clock.now())

    async def launch(self, name: str) -> None:
        self.launched.append(name)
        try:
            self.world.launch(self.bots[name], self.clock.now())
        except Refused as refused:
            raise OrderRefused(str(refused)) from refused

    @asynccontextmanager
    async def playing(self) -> AsyncIterator["asyncio.Task[None]"]:
        season = asyncio.create_task(self.league.run())
        try:
            yield season
        finally:
            season.cancel()
            await asyncio.wait({season})

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP_S)):
            await self.clock.advance(STEP_S)
            self.coordinator.advance(self.clock.now())

    @property
    def lobbies(self) -> list[Lobby]:
        return list(self.world.lobbies.values())


async def test_within_a_minute_lobbies_of_every_kind() -> None:
    stage = Stage()
    stage.online()
    seen: set[str] = set()
    async with stage.playing() as season:
        for _ in range(60):
            await stage.pass_time(1.0)
            seen |= {Phase(lobby.phase).name for lobby in stage.lobbies}
        assert {"UI", "RUN"} <= seen
        ended = [phases for phases in stage.phases.values() if phases[-1] == Phase.POST_GAME]
        fell_back = [phases for phases in stage.phases.values() if (Phase.RUN, Phase.UI) in itertools.pairwise(phases)]
        assert len(ended) >= 2
        assert fell_back
        assert {name for name, _, _ in stage.created} == set(stage.bots)
        await stage.pass_time(180.0)
        assert len(stage.created) > 2 * BOTS  # it goes on
        assert not season.done()
    assert stage.records.entries == []
    assert all(len(lobby.places) < 25 for lobby in stage.lobbies)


async def test_a_lobby_fills_with_named_people_before_it_is_launched() -> None:
    stage = Stage()
    stage.online("lobby-1")
    async with stage.playing():
        await stage.pass_time(10.0)
        (lobby,) = stage.lobbies
        assert stage.launched == []
        await stage.pass_time(25.0)
        assert stage.launched == ["lobby-1"]
    ((_, settings, players),) = stage.created
    assert len(lobby.players) == players == 10
    assert lobby.settings.game_name == settings["name"]
    assert {each.team for each in lobby.players} == {Team.RADIANT, Team.DIRE}
    names = [each.name for each in lobby.players]
    assert len(set(names)) == players
    assert not any(name.startswith("Player ") for name in names)


async def test_a_league_lives_with_refusals_and_tells_each_once() -> None:
    stage = Stage()
    stage.online("lobby-1", "lobby-2")
    stage.refusals["lobby-1"] = OrderRefused("create: busy")
    async with stage.playing():
        await stage.pass_time(35.0)
        asked = [name for name, _, _ in stage.created]
        assert asked.count("lobby-1") == 4
        assert asked.count("lobby-2") == 1
        del stage.refusals["lobby-1"]
        await stage.pass_time(15.0)
    assert stage.world.lobby_of(stage.bots["lobby-1"]) is not None
    told: list[Any] = [(each["log_level"], each["bot"], each["reason"]) for each in stage.records.entries]
    assert told == [("info", "lobby-1", "create: busy")]


async def test_any_other_error_ends_the_league_loudly() -> None:
    stage = Stage()
    stage.online()
    stage.refusals["lobby-2"] = ZeroDivisionError("a mistake")
    async with stage.playing() as season:
        await stage.pass_time(10.0)
        assert season.done()
        with pytest.raises(ExceptionGroup) as caught:
            await season
    assert caught.group_contains(ZeroDivisionError)


async def test_bots_without_a_session_or_with_a_lobby_of_others_are_left_alone() -> None:
    stage = Stage()
    stage.online("lobby-1")
    stage.world.create(stage.bots["lobby-1"], Settings(game_name="somebody's"), stage.clock.now())
    async with stage.playing():
        await stage.pass_time(30.0)
        assert stage.created == []
        assert stage.launched == []
        assert len(stage.lobbies[0].players) > 1  # people come to any lobby


async def test_one_account_is_refused_at_first() -> None:
    stage = Stage()
    rules = stage.coordinator.faults.rules
    assert [(each.steamid, each.left) for each in rules if each.result] == [(stage.bots["lobby-7"], 2)]


def test_a_quiet_scenario_has_no_league() -> None:
    clock = ManualClock()
    accounts = steam.SCENARIOS["quiet"](clock.now()).world.accounts
    scenario = SCENARIOS["quiet"](accounts)

    async def never(*_: object) -> None:
        raise AssertionError

    assert scenario.league({}, LeagueOrders(never, never), clock, structlog.get_logger()) is None
    assert set(SCENARIOS) == set(steam.SCENARIOS)
    assert scenario.coordinator.world.name_of(accounts["demo-bot-3"].steamid) == "demo-bot-3"


def test_every_scenario_of_the_simulated_steam_is_one_of_its_coordinator_too() -> None:
    assert set(SCENARIOS) == set(steam.SCENARIOS)
