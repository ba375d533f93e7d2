"""The demo as the program plays it: the league's orders go through the supervisor to bots, and what comes is shown."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.app import Application, _background, application, load_fleet
from exporter.model.states import LobbyState
from exporter.simulators.dota2 import truth_of
from exporter.web.settings import WebSettings
from tests.eventually import eventually

HERE = WebSettings(listen=(("127.0.0.1", 0),))
CONFIG = """
steam: {logon_interval: 0s}
simulators: {steam: {enabled: true, scenario: SCENARIO}}
bots:
  - {name: first, platform: dota2, username: demo-bot-2, password: demo-password-2}
  - {name: second, platform: dota2, username: Demo-Bot-4, password: demo-password-4}
  - {name: idle, platform: dota2, username: demo-bot-6, password: demo-password-6, active: false}
"""


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Application]:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.replace("SCENARIO", "demo"))
    async with application(load_fleet(file), HERE, tmp_path / "data", stagger_s=0.0) as program:
        assert program.dota2 is not None
        program.dota2.coordinator.faults.clear()  # creations take no time
        yield program


def league_tasks() -> list[str]:
    return [each.get_name() for each in asyncio.all_tasks() if "league" in each.get_name()]


async def test_the_league_has_lobbies_created_and_players_come(demo: Application) -> None:
    assert demo.steam is not None
    assert demo.dota2 is not None
    coordinator, accounts = demo.dota2.coordinator, demo.steam.world.accounts
    steamids = {"first": accounts["demo-bot-2"].steamid, "second": accounts["demo-bot-4"].steamid}
    assert sorted(league_tasks()) == ["demo league", "league: first", "league: second"]

    def seen(bot: str) -> bool:
        """Whether what is shown of a bot's lobby is what there is: names, teams and places."""
        truth = truth_of(coordinator, steamids[bot])
        shown = next((each for each in demo.store.lobbies.values() if each.bot == bot and each.lobby_id), None)
        if truth.lobby is None or shown is None or len(truth.seats) < 2:
            return False
        seats = {(each.steamid, each.name, each.team) for each in truth.seats}
        return shown.lobby_id == truth.lobby.lobby_id and seats == {
            (each.steam_id, each.name, each.team) for each in shown.players
        }

    await eventually(lambda: all(map(seen, steamids)))
    assert demo.store.bots["first"].state == "in_lobby"
    assert {each.state for each in demo.store.lobbies.values()} <= {LobbyState.WAITING, LobbyState.READY}
    assert demo.process.unexpected_transitions == 0
    assert coordinator.stats.violations == demo.steam.stats.violations == []


async def test_the_league_ends_with_the_program(tmp_path: Path) -> None:
    for scenario, tasks in (("demo", 3), ("quiet", 0)):
        file = tmp_path / f"{scenario}.yaml"
        file.write_text(CONFIG.replace("SCENARIO", scenario))
        with capture_logs() as logged:
            async with application(load_fleet(file), HERE, tmp_path / "data", stagger_s=0.0):
                await asyncio.sleep(0)
                assert len(league_tasks()) == tasks
        assert league_tasks() == []
        assert [each for each in logged if each["log_level"] not in {"debug", "info"}] == []


async def test_work_in_the_background_that_fails_is_told_at_once() -> None:
    failed = asyncio.Event()

    async def mistaken() -> None:
        try:
            raise ZeroDivisionError("a mistake")
        finally:
            failed.set()

    with capture_logs() as logged:
        async with _background(mistaken(), "demo league"):
            await failed.wait()
            await asyncio.sleep(0)
            told = [(each["log_level"], each["event"], each["task"]) for each in logged]
            assert told == [("critical", "a part of the program has ended: this is a bug", "demo league")]
