"""Orders on races, over HTTP: what the site confirmed is what is answered."""

from dataclasses import fields
from pathlib import Path

from exporter.platforms.racetime.form import RaceForm
from exporter.web.control.races import NewRace, RaceChanges
from tests.eventually import eventually
from tests.web.control.rig import RACE, Rig, control_rig

RACES = "/api/v1/races"


def test_every_field_of_the_form_can_be_given() -> None:
    known = {each.name for each in fields(RaceForm)}
    assert set(NewRace.model_fields) == known | {"category"}
    assert set(RaceChanges.model_fields) == known - {"invitational", "team_race", "hide_entrants", "partitionable"}


async def entered(rig: Rig, name: str) -> None:
    await eventually(lambda: rig.program.store.races[name].connected)


async def test_a_race_from_its_order_to_its_end(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=0, races=["alttpr"]) as rig:
        race = await rig.ok(RACES, RACE | {"info_bot": "weekly", "unlisted": True, "start_delay": 20})
        name, path = race["name"], f"{RACES}/{race['name']}"
        assert (rig.status, rig.headers["Location"]) == (201, f"/status/races/{name}")
        assert (race["state"], race["goal"]["name"], race["unlisted"], race["bot"]) == (
            "open",
            "Beat the game",
            True,
            "alttpr",
        )
        await entered(rig, name)
        said = await rig.ok(f"{path}/actions", {"action": "message", "data": {"message": "Good luck"}})
        assert said["answer"]["message"]["text"] == "Good luck"
        await rig.ok(f"{path}/actions", {"action": "setinfo", "data": {"info_bot": "seed 7"}})
        await eventually(lambda: "seed 7" in rig.program.store.races[name].view.info)
        await rig.call("PATCH", path, {"info_user": "finals"})
        assert rig.status == 200
        await eventually(lambda: "finals" in rig.program.store.races[name].view.info)
        assert "seed 7" in rig.program.store.races[name].view.info  # an edit leaves the rest as it was
        assert "racetime.gg refused" in await rig.refused(502, f"{path}/actions", {"action": "begin"})
        await rig.ok(f"{path}/actions", {"action": "cancel"})
        await eventually(lambda: rig.program.store.races[name].view.state == "cancelled")
        order = await rig.call("GET", f"/api/v1/orders/{rig.headers['Order-Id']}")
        assert (order["action"], order["target"], order["bot"]) == ("race_action", f"cancel in {name}", "alttpr")


async def test_wrong_orders_are_told_what_to_do(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=0, races=["alttpr"]) as rig:
        for body, words in (
            ({"goal": "x"}, "category: is missing"),
            ({"category": "sm", "goal": "x"}, "category: no bot serves 'sm', use one of alttpr"),
            ({"category": "alttpr"}, "give exactly one of goal and custom_goal"),
            (RACE | {"custom_goal": "y"}, "give exactly one of goal and custom_goal"),
            (RACE | {"start_delay": "15"}, "start_delay: must be a whole number"),
            (RACE | {"colour": 1}, "colour: unknown field"),
            ({"category": "alttpr", "goal": "no such goal"}, "goal"),  # the site's own words
        ):
            assert words in await rig.refused(422, RACES, body)
        assert not rig.program.store.races
        race = await rig.ok(RACES, RACE)
        path = f"{RACES}/{race['name']}"
        await entered(rig, race["name"])
        assert "use one of message, pin_message" in await rig.refused(422, f"{path}/actions", {"action": "explode"})
        assert "message: is missing" in await rig.refused(422, f"{path}/actions", {"action": "message"})
        assert "data: must be an object" in await rig.refused(422, f"{path}/actions", {"action": "begin", "data": 1})
        assert "give at least one of" in await rig.refused(422, path, {}, "PATCH")
        assert "unknown field" in await rig.refused(422, path, {"invitational": True}, "PATCH")
        assert "no bot follows" in await rig.refused(404, f"{RACES}/alttpr/nothing/actions", {"action": "begin"})
        assert "no bot serves" in await rig.refused(404, f"{RACES}/sm/nothing", {"goal": "x"}, "PATCH")
        await rig.ok("/api/v1/bots/alttpr/stop")
        assert "switched off" in await rig.refused(503, RACES, RACE)


async def test_a_room_of_somebody_else_needs_every_field(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=0, races=["alttpr"]) as rig:
        site = rig.program.racetime
        assert site is not None
        user = next(iter(site.world.users.values()))
        at = rig.program.store.bots["alttpr"].state_since
        room = site.world.open_race(site.world.categories["alttpr"], now=at, by=user)
        detail = await rig.refused(422, f"{RACES}/{room}", {"info_user": "finals"}, "PATCH")
        assert "did not open the room" in detail
        assert "start_delay" in detail
