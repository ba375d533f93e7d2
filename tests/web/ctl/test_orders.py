"""Orders on lobbies and races from the command line, carried out: what the services confirmed is what is printed."""

import re
from pathlib import Path

from exporter.simulators.racetime import Race, World
from exporter.timing import SystemClock
from tests.eventually import eventually
from tests.web.control.rig import ANN, BEN, Rig, control_rig
from tests.web.ctl.rig import Ended, botctl


async def done(folder: Path, line: str, *more: str) -> Ended:
    """Run a command that must succeed without a complaint."""
    ended = await botctl(*line.split(), *more, data_dir=folder / "data")
    assert (ended.code, ended.err) == (0, ""), ended
    return ended


async def test_a_lobby_loses_its_players_and_ends(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        lobby_id = (await done(tmp_path, "lobby create inhouse --region USE --mode CM --players 2 -q")).out.strip()
        rig.seat(lobby_id, ANN, BEN)
        await eventually(lambda: rig.program.store.lobbies[lobby_id].state == "ready")

        off = await done(tmp_path, f"lobby kick {lobby_id} {BEN} --from-team -o json")
        assert {each["team"] for each in off.data["players"] if each["steam_id"] == str(BEN)} == {"unassigned"}
        gone = await done(tmp_path, f"lobby kick {lobby_id} {BEN}")
        assert str(ANN) in gone.out
        assert str(BEN) not in gone.out
        assert re.search(r"^state +waiting", gone.out, re.MULTILINE), gone.out

        over = await done(tmp_path, f"lobby close {lobby_id}")
        assert re.search(r"^state +finished", over.out, re.MULTILINE), over.out
        assert rig.program.dota2 is not None
        assert not rig.program.dota2.coordinator.world.lobbies


async def test_a_game_that_runs_is_closed_only_when_told_so(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        lobby_id = await rig.lobby()
        rig.seat(lobby_id, ANN, BEN)
        await eventually(lambda: rig.program.store.lobbies[lobby_id].state == "ready")
        await done(tmp_path, f"lobby launch {lobby_id}")
        await eventually(lambda: rig.program.store.lobbies[lobby_id].state == "in_game")
        refused = await botctl("lobby", "close", lobby_id, data_dir=tmp_path / "data")
        assert (refused.code, refused.out) == (1, "")
        over = await done(tmp_path, f"lobby close {lobby_id} --abandon -o json")
        assert over.data["state"] == "finished"


async def opened(rig: Rig, folder: Path) -> tuple[World, Race]:
    """Open a room from the command line; return the site's world, and its side of the race."""
    made = await done(folder, "race create alttpr --quiet", "Beat the game")
    name = made.out.strip()
    await eventually(lambda: rig.program.store.races[name].connected)
    assert rig.program.racetime is not None
    world = rig.program.racetime.world
    return world, next(race for race in world.races.values() if str(race) == name)


async def test_a_room_is_spoken_to_and_its_race_begun(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=0, races=["alttpr"]) as rig:
        world, race = await opened(rig, tmp_path)
        said = await done(tmp_path, f"race message {race}", "the", "seed", "is ready")
        assert said.out == f"done: message in {race}\n"
        await done(tmp_path, f"race message {race} --pinned", "good luck")
        assert [line.text for line in race.messages if line.bot][-2:] == ["the seed is ready", "good luck"]
        assert [line.text for line in race.messages if line.pinned] == ["good luck"]

        at = SystemClock().now()
        first, second, late = [user for user in world.users.values() if world.may_join(race, user)][:3]
        for user in (first, second, late):
            world.join(race, user, at)
        for user in (first, second):
            world.go_live(user, at)
            world.ready(race, user, at)
        begun = await done(tmp_path, f"race begin {race} -o json")
        assert begun.data == {"race": str(race), "action": "begin", "answer": {}}
        await eventually(lambda: rig.program.store.races[str(race)].view.state in {"pending", "in_progress"})
        assert [entrant.user for entrant in race.entrants] == [first, second]


async def test_a_race_is_cancelled(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=0, races=["alttpr"]) as rig:
        _, race = await opened(rig, tmp_path)
        assert (await done(tmp_path, f"race cancel {race}")).out == f"done: cancel in {race}\n"
        await eventually(lambda: rig.program.store.races[str(race)].view.state == "cancelled")
