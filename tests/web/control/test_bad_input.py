"""Every kind of wrong request: one problem that names the place and the remedy, and nothing is done."""

from pathlib import Path
from typing import Any, NamedTuple

from tests.eventually import eventually
from tests.web.control.rig import ANN, BEN, LOBBY, RACE, Json, Rig, control_rig

LOBBIES, RACES, BOT = "/api/v1/lobbies", "/api/v1/races", "/api/v1/bots/lobby-1"
ROOM = f"{RACES}/alttpr/nothing-here"
OURS = f"{LOBBIES}/{{lobby}}"


class Wrong(NamedTuple):
    """A request, the status that it must get, and the words for the place and the remedy."""

    method: str
    path: str
    body: Any
    status: int
    place: str
    remedy: str


NEW = dict(LOBBY)
WRONG = {
    "a type": Wrong("POST", LOBBIES, NEW | {"name": 7}, 422, "name", "must be a string"),
    "a flag": Wrong("POST", LOBBIES, NEW | {"allow_cheats": "yes"}, 422, "allow_cheats", "must be true or false"),
    "a number": Wrong("POST", LOBBIES, NEW | {"league_id": 1.5}, 422, "league_id", "must be a whole number"),
    "a list": Wrong("POST", LOBBIES, NEW | {"invite": {"a": 1}}, 422, "invite", "must be a list"),
    "a null": Wrong("POST", LOBBIES, NEW | {"game_mode": None}, 422, "game_mode", "must be a whole number or a string"),
    "a long name": Wrong("POST", LOBBIES, NEW | {"name": "x" * 101}, 422, "name", "at most 100 characters, not 101"),
    "no name": Wrong("POST", LOBBIES, NEW | {"name": "  "}, 422, "name", "must not be empty"),
    "a long password": Wrong("POST", LOBBIES, NEW | {"password": "x" * 51}, 422, "password", "at most 50 characters"),
    "a region": Wrong("POST", LOBBIES, NEW | {"server_region": "XX"}, 422, "server_region", "give a number or one of"),
    "a mode": Wrong("POST", LOBBIES, NEW | {"game_mode": "chess"}, 422, "game_mode", "give a number or one of AP (1)"),
    "a large number": Wrong("POST", LOBBIES, NEW | {"series_type": 2**40}, 422, "series_type", "a number from 0 to"),
    "an unknown field": Wrong("POST", LOBBIES, NEW | {"colour": 1}, 422, "colour", "unknown field, use one of name,"),
    "a missing field": Wrong("POST", LOBBIES, {"name": "x", "game_mode": 1}, 422, "server_region", "is missing"),
    "a bot that is none": Wrong("POST", LOBBIES, NEW | {"bot": "x"}, 422, "bot", "use one of lobby-1; or leave it out"),
    "a Steam": Wrong("POST", f"{OURS}/kick", {"steam_id": "7"}, 422, "steam_id", "give 64-bit"),
    "nothing to change": Wrong("PATCH", OURS, {}, 422, "body", "give at least one of name, password"),
    "a lobby": Wrong("POST", f"{LOBBIES}/7/launch", None, 404, "the id '7'", "/status/lobbies lists them"),
    "a bot": Wrong("POST", "/api/v1/bots/nobody/stop", None, 404, "'nobody'", "/status/bots lists them"),
    "an order": Wrong("GET", "/api/v1/orders/7", None, 404, "'7'", "the answer to an order names its id"),
    "a code": Wrong("POST", f"{BOT}/guard-code", {"code": 12345}, 422, "code", "must be a string"),
    "a long code": Wrong("POST", f"{BOT}/guard-code", {"code": "x" * 21}, 422, "code", "at most 20 characters"),
    "a time": Wrong(
        "POST", f"{BOT}/maintenance", {"reason": "x", "until": "soon"}, 422, "until", "such as 2026-01-02T03:04:05Z"
    ),
    "no reason": Wrong("POST", f"{BOT}/maintenance", {"reason": ""}, 422, "reason", "at least 1 character"),
    "a category": Wrong("POST", RACES, RACE | {"category": "x"}, 422, "category", "use one of alttpr"),
    "two goals": Wrong("POST", RACES, RACE | {"custom_goal": "x"}, 422, "goal", "give exactly one"),
    "a race's number": Wrong("POST", RACES, RACE | {"start_delay": "15"}, 422, "start_delay", "must be a whole number"),
    "no change": Wrong("PATCH", ROOM, {}, 422, "body", "give at least one of goal"),
    "an action": Wrong("POST", f"{ROOM}/actions", {"action": "dance"}, 422, "action", "use one of message,"),
    "a room": Wrong("POST", f"{ROOM}/actions", {"action": "begin"}, 404, "nothing-here", "/status/races lists them"),
    "a race's category": Wrong("PATCH", f"{RACES}/x/y", {"goal": "x"}, 404, "category 'x'", "/status/bots lists them"),
    "some data": Wrong("POST", f"{ROOM}/actions", {"action": "begin", "data": 1}, 422, "data", "must be an object"),
    "an older name": Wrong("POST", "/lobby/create", {"lobby_name": ""}, 422, "lobby_name", "at least 1 character"),
    "an older region": Wrong(
        "POST",
        "/lobby/create",
        {"lobby_name": "x", "server_region": "XX"},
        422,
        "server_region",
        "give a number or one of",
    ),
    "no id": Wrong("GET", "/lobby/info", None, 422, "lobby_id", "is missing"),
    "a parameter": Wrong("POST", f"{BOT}/stop?wiat=3", None, 400, "'wiat'", "use wait"),
    "a wait": Wrong("POST", f"{BOT}/stop?wait=1h", None, 400, "wait", "give 0 to 60 seconds, such as 20 or 20s"),
    "a word for a flag": Wrong("DELETE", f"{OURS}?abandon=1", None, 400, "abandon", "use true or false"),
    "a filter": Wrong("GET", "/status/bots?colour=red", None, 400, "'colour'", "use status, platform, healthy"),
    "a filter's value": Wrong("GET", "/status/bots?status=ill", None, 400, "status", "use one of unknown, connected"),
    "a cursor": Wrong("GET", "/status/history?before=x", None, 400, "before", "the `next` of the page before"),
    "a method": Wrong("PUT", LOBBIES, None, 405, "PUT", "use POST"),
    "a method for an order": Wrong("GET", f"{BOT}/stop", None, 405, "GET", "use POST"),
    "a path": Wrong("POST", "/api/v1/bot/lobby-1/stop", None, 404, "nothing at this path", "begin at /status"),
    "a state of a bot": Wrong(
        "POST", f"{BOT}/guard-code", {"code": "ABC12"}, 409, "bot lobby-1", "does not wait for a Steam Guard code"
    ),
    "a busy bot": Wrong("POST", LOBBIES, NEW | {"bot": "lobby-1"}, 409, "bot: lobby-1", "leave `bot` out"),
    "somebody who is not there": Wrong(
        "POST", f"{OURS}/kick", {"steam_id": str(ANN + 5)}, 409, "account id", "nobody in the lobby"
    ),
}

RAW = {
    "no JSON": (b"name=inhouse", "application/json", 422, "the body is no JSON", "send an object"),
    "half of JSON": (b'{"name": ', "application/json", 422, "the body is no JSON", "send an object"),
    "no object": (b"[1, 2]", "application/json", 422, "the body", "JSON object: { ... }"),
    "no text": (b"\xff\xfe", "application/json", 422, "the body is no JSON", "send an object"),
    "a form": (b"name=inhouse", "application/x-www-form-urlencoded", 415, "the body", "Content-Type: application/json"),
    "no type": (b"{}", "", 415, "the body", "Content-Type: application/json"),
    "much": (b'{"name": "' + b"x" * 66_000 + b'"}', "application/json", 413, "the body", "send at most 64 KiB"),
}


async def problem(rig: Rig, status: int, place: str, remedy: str, **request: Any) -> None:
    """Send a request that must be refused in these words."""
    async with rig.session.request(**request) as answer:
        found: Json = await answer.json(content_type=None)
    what = f"{request['method']} {request['url']}: {found}"
    assert answer.status == status, what
    assert answer.content_type == "application/problem+json", what
    assert (found["type"], found["status"], found["title"]) == ("about:blank", status, answer.reason), what
    assert found["instance"] == request["url"].partition("?")[0]
    assert place in found["detail"], what
    assert remedy in found["detail"], what
    if status == 422 and request.get("json") is not None:
        assert any(each.startswith(f"{place}") and remedy in each for each in found["errors"]), what


async def test_what_is_wrong_is_named_with_the_remedy(tmp_path: Path) -> None:
    async with control_rig(tmp_path, races=["alttpr"]) as rig:
        lobby_id = await rig.lobby()
        world = rig.program.dota2.coordinator.world if rig.program.dota2 else None
        assert world is not None
        for wrong in WRONG.values():
            path = wrong.path.replace("{lobby}", lobby_id)
            await problem(rig, wrong.status, wrong.place, wrong.remedy, method=wrong.method, url=path, json=wrong.body)
        for body, kind, status, place, remedy in RAW.values():
            headers = {"Content-Type": kind}
            await problem(rig, status, place, remedy, method="POST", url=LOBBIES, data=body, headers=headers)
        await problem(
            rig,
            400,
            "Idempotency-Key",
            "without spaces",
            method="POST",
            url=LOBBIES,
            headers={"Idempotency-Key": "a b"},
        )
        assert len(world.lobbies) == 1
        assert rig.program.store.bots["lobby-1"].healthy
        assert len([each for each in rig.program.store.races.values() if each.active]) == 0


async def test_an_order_in_the_wrong_state_says_which(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        lobby_id = await rig.lobby()
        path = f"{LOBBIES}/{lobby_id}"
        rig.seat(lobby_id, ANN, BEN)
        await eventually(lambda: len(rig.program.store.lobbies[lobby_id].players) == 2)
        await rig.ok(f"{path}/launch")
        await eventually(lambda: rig.program.store.lobbies[lobby_id].state == "in_game")
        await problem(rig, 409, "lobby", "has begun already", method="POST", url=f"{path}/launch")
        await problem(rig, 409, "a game runs in this lobby", "abandon=true", method="DELETE", url=path)
        await rig.call("DELETE", f"{path}?abandon=true")
        await problem(rig, 409, f"lobby {lobby_id}", "is finished", method="POST", url=f"{path}/flip")
        await rig.ok(f"{BOT}/stop")
        await problem(rig, 503, "no bot is free", "try again later", method="POST", url=LOBBIES, json=LOBBY)
        await problem(rig, 503, "lobby-1", "switched off", method="POST", url=LOBBIES, json=LOBBY | {"bot": "lobby-1"})
