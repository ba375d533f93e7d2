"""A client that we did not write, steam-next's own, hosts a lobby on the simulated coordinator, over TLS."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from exporter.platforms.dota2.wire import Outcome, Team
from exporter.simulators.dota2 import Coordinator, Plan, Policy, Style
from exporter.simulators.steam import Policy as SteamPolicy
from exporter.simulators.steam import SteamSimulator, World
from exporter.timing import SystemClock
from tests.eventually import eventually
from tests.protocol.steam_raw_client import AUTHORITY, server_tls

PROGRAM = Path(__file__).with_name("steam_next_lobby.py")
ANN, BEN = 76561197960265728 + 11, 76561197960265728 + 12
UI, SERVER_SETUP, RUN, POST_GAME = 0, 1, 2, 3


@pytest.mark.parametrize("packed", [True, False])
async def test_steam_next_takes_a_lobby_through_its_life(packed: bool, tmp_path: Path) -> None:
    world = World(policy=SteamPolicy(poll_interval_s=0.1))
    account = world.add_account("player", "pass word")
    coordinator = Coordinator(policy=Policy(server_found_s=0.05, server_runs_s=0.05), style=Style(packed=packed))
    people = coordinator.world
    people.names.update({ANN: "Ann", BEN: "Ben"})
    people.plan = lambda _: Plan(duration_s=0.5, outcome=Outcome.DIRE)
    clock = SystemClock()
    simulator = SteamSimulator(world, clock=clock, cms=1, tls=server_tls(), games=[coordinator], tick_s=0.02)
    await simulator.start()
    bundle = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    port = simulator.cms[0].endpoint.rpartition(":")[2]
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        port,
        "player",
        "pass word",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "WEBSOCKET_CLIENT_CA_BUNDLE": str(bundle), "PYTHONWARNINGS": "default"},
    )
    try:
        async with asyncio.timeout(240):
            finished = asyncio.create_task(program.communicate())
            # Two people come as soon as the host has made room for them.
            await eventually(lambda: finished.done() or people.lobby_of(account.steamid))
            lobby = people.lobby_of(account.steamid)
            if lobby is not None:
                await eventually(lambda: finished.done() or not lobby.players)
                for who, team in ((ANN, Team.RADIANT), (BEN, Team.DIRE)):
                    people.join(lobby, who, clock.now(), "pass")
                    people.seat(who, team, 1, clock.now())
            out, err = await finished
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
        await simulator.stop()
    assert program.returncode == 0, err.decode()
    seen = {line.pop("what"): line for line in map(json.loads, out.decode().splitlines())}

    assert seen["welcome"]["heard"][0] == 4004
    created = seen["created"]
    assert (created["name"], created["teams"]) == ("by hand", {"Player 4200001": 0})
    assert created["answers"] == [[7055, 4242, 1]]
    assert created["cache"] == created["lobby_id"] > 2**53
    assert seen["full"] == {
        "teams": {"Player 4200001": 4, "Ann": 0, "Ben": 1},
        "names": ["Player 4200001", "Ann", "Ben"],
        "places": 3,
    }
    assert seen["running"]["match"] > 0
    assert seen["running"]["server"] > 2**32
    assert seen["running"]["connect"]
    over = seen["over"]
    assert over["states"] == [UI, SERVER_SETUP, RUN, POST_GAME]
    assert (over["outcome"], over["game_state"], over["leaver_status"]) == (Outcome.DIRE, 6, [1, 0, 0])
    assert seen["again"]["teams"] == {"Player 4200001": 4}  # with a league the host begins in the pool
    assert seen["destroyed"]["answer"] == [8247, 4243, 0]
    assert people.lobbies == {}
    assert coordinator.stats.violations == simulator.stats.violations == []
    assert "gevent" not in sys.modules
