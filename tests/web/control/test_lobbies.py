"""Orders on lobbies, over HTTP: what the coordinator confirmed is what is answered."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from exporter.model import events as ev
from exporter.platforms.dota2.playing import Dota2Timing
from exporter.platforms.dota2.settings import LobbySettings
from exporter.platforms.dota2.wire import GcMsg, JoinResult
from exporter.timing import SystemClock
from exporter.web.control.lobbies import LobbyHost
from exporter.web.keys import AccessRules
from exporter.web.settings import WebSettings
from tests.eventually import eventually, until
from tests.web.control.rig import ANN, BEN, LOBBY, Json, Rig, control_rig
from tests.web.fleet import ADMIN_KEY, KEYS, Fleet

LOBBIES = "/api/v1/lobbies"


async def test_a_lobby_from_its_order_to_its_end(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        lobby = await rig.ok(LOBBIES, LOBBY | {"password": "open sesame", "invite": [str(ANN)]})
        lobby_id, path = lobby["lobby_id"], f"{LOBBIES}/{lobby['lobby_id']}"
        assert (rig.status, rig.headers["Location"]) == (201, f"/status/lobbies/{lobby_id}")
        assert (lobby["state"], lobby["bot"], lobby["server_region_name"], lobby["game_mode_name"]) == (
            "waiting",
            "lobby-1",
            "USE",
            "CM",
        )
        assert lobby["has_password"]
        changed = await rig.call("PATCH", path, {"password": "", "game_mode": 23})
        assert (rig.status, changed["has_password"], changed["game_mode_name"]) == (200, False, "TURBO")
        await rig.ok(f"{path}/invite", {"steam_id": BEN})
        coordinator = rig.program.dota2.coordinator if rig.program.dota2 else None
        assert coordinator is not None
        assert {who for _, who in coordinator.world.invites} >= {BEN}
        rig.seat(lobby_id, ANN, BEN)
        await eventually(lambda: len(rig.program.store.lobbies[lobby_id].players) == 2)
        assert (await rig.ok(f"{path}/flip"))["radiant_count"] == 1
        assert (await rig.ok(f"{path}/shuffle"))["dire_count"] == 1
        off = await rig.ok(f"{path}/kick", {"steam_id": str(BEN), "from_team": True})
        assert {each["team"] for each in off["players"] if each["steam_id"] == str(BEN)} == {"unassigned"}
        gone = await rig.ok(f"{path}/kick", {"steam_id": str(BEN)})
        assert [each["steam_id"] for each in gone["players"]] == [str(ANN)]
        assert "nobody in the lobby" in await rig.refused(409, f"{path}/kick", {"steam_id": str(BEN)})
        launched = await rig.ok(f"{path}/launch")
        assert launched["state"] in {"ready", "in_game"}
        await eventually(lambda: rig.program.store.lobbies[lobby_id].state == "in_game")
        assert "has begun already" in await rig.refused(409, f"{path}/launch")
        assert "abandon=true" in await rig.refused(409, path, method="DELETE")
        closed = await rig.call("DELETE", f"{path}?abandon=true")
        assert (rig.status, closed["state"]) == (200, "finished")
        assert "is finished" in await rig.refused(409, f"{path}/launch")
        assert "no lobby with the id '7'" in await rig.refused(404, f"{LOBBIES}/7/launch")


async def test_closing_a_lobby_frees_its_bot(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        lobby_id = await rig.lobby()
        detail = await rig.refused(503, LOBBIES, LOBBY)
        assert "1 of 1 are busy" in detail
        assert "lobby-1 has a lobby already" in await rig.refused(409, LOBBIES, LOBBY | {"bot": "lobby-1"})
        closed = await rig.call("DELETE", f"{LOBBIES}/{lobby_id}")
        assert (rig.status, closed["state"], closed["match_outcome"]) == (200, "finished", "no_match")
        await eventually(lambda: rig.program.store.bots["lobby-1"].ready)
        assert await rig.lobby(bot="demo-bot-2") != lobby_id


WRONG: list[tuple[Json, str]] = [
    ({"name": None}, "name: must be a string"),
    ({"name": "x" * 101}, "name: at most 100 characters"),
    ({"name": ""}, "name: must not be empty"),
    ({"password": "x" * 51}, "password: at most 50 characters"),
    ({"server_region": "atlantis"}, "server_region 'atlantis' is not known"),
    ({"server_region": True}, "server_region: must be a whole number or a string"),
    ({"game_mode": 2**40}, "game_mode"),
    ({"expected_players": 11}, "expected_players: must be 1 to 10"),
    ({"expected_players": ["7"]}, "expected_players"),
    ({"expected_players": True}, "expected_players"),
    ({"invite": "Ann"}, "invite: must be a list"),
    ({"invite": [ANN] * 51}, "invite: list should have at most 50 items"),
    ({"invite": ["76561197960265728"]}, "invite: give 64-bit Steam ids"),
    ({"bot": "nobody"}, "bot: 'nobody' is no Dota 2 bot, use one of lobby-1"),
    ({"bot": "alttpr"}, "bot: 'alttpr' is no Dota 2 bot"),
    ({"allow_cheats": 1}, "allow_cheats: must be true or false"),
    ({"colour": "red"}, "colour: unknown field"),
]


async def test_wrong_fields_are_named_and_nothing_is_done(tmp_path: Path) -> None:
    async with control_rig(tmp_path, races=["alttpr"]) as rig:
        for wrong, words in WRONG:
            answer = await rig.post(LOBBIES, LOBBY | wrong)
            assert (rig.status, words in answer["detail"]) == (422, True), answer
            assert any(words in each for each in answer["errors"])
        every = await rig.post(LOBBIES, {"password": 7, "bot": 7})
        assert [each.partition(":")[0] for each in every["errors"]] == [
            "password",
            "bot",
            "name",
            "server_region",
            "game_mode",
        ]
        assert not rig.program.store.lobbies
        lobby_id = await rig.lobby()
        path = f"{LOBBIES}/{lobby_id}"
        assert "give at least one of name, password" in await rig.refused(422, path, {}, "PATCH")
        assert "use one of" in await rig.refused(422, path, {"league": 1}, "PATCH")
        assert "give 64-bit Steam ids" in await rig.refused(422, f"{path}/invite", {"steam_id": 7})
        assert "abandon cannot be 'yes'" in await rig.refused(400, f"{path}?abandon=yes", method="DELETE")


async def test_hundreds_of_requests_over_few_bots(tmp_path: Path) -> None:
    """No bot hosts two, every bot hosts one, and everybody else is told to come again."""
    async with control_rig(tmp_path, bots=3) as rig:

        async def ask(number: int) -> tuple[int, str | None]:
            body = LOBBY | {"name": f"inhouse {number}"}
            async with rig.session.post(LOBBIES, json=body) as answer:
                found = await answer.json(content_type=None)
                assert answer.status == 201 or int(answer.headers["Retry-After"]) > 0
                return answer.status, found.get("bot")

        answers = await asyncio.gather(*(ask(number) for number in range(120)))
        assert Counter(status for status, _ in answers) == {201: 3, 503: 117}
        assert sorted(bot for _, bot in answers if bot) == ["lobby-1", "lobby-2", "lobby-3"]
        assert rig.program.dota2 is not None
        assert len(rig.program.dota2.coordinator.world.lobbies) == 3
        assert len({each.name for each in rig.program.store.lobbies.values()}) == 3


async def test_a_bot_that_is_busy_after_all_is_passed_over(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=2) as rig:
        store, host = rig.program.store, rig.program.supervisor.bot("lobby-1")
        assert rig.program.dota2 is not None
        assert isinstance(host, LobbyHost)
        rig.program.dota2.coordinator.faults.delay(GcMsg.LOBBY_CREATE, 0.5)
        other = asyncio.create_task(host.create_lobby(LobbySettings("somebody else's")))
        await eventually(lambda: store.bots["lobby-1"].creating_lobby)
        store.apply(ev.LobbyForgotten("lobby-1", SystemClock().now(), "lobby-1"))
        assert store.bots["lobby-1"].ready
        assert (await rig.ok(LOBBIES, LOBBY))["bot"] == "lobby-2"
        assert (await other).bot == "lobby-1"


async def test_a_key_creates_one_lobby(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=2) as rig:
        first = await rig.ok(LOBBIES, LOBBY, Idempotency_Key="night-1")
        assert await rig.ok(LOBBIES, LOBBY, Idempotency_Key="night-1") == first
        await rig.post(LOBBIES, LOBBY | {"name": "other"}, Idempotency_Key="night-1")
        assert rig.status == 422
        await rig.ok(LOBBIES, LOBBY)
        await rig.post(LOBBIES, LOBBY, Idempotency_Key="night-2")
        assert rig.status == 503
        await rig.call("DELETE", f"{LOBBIES}/{first['lobby_id']}")
        await eventually(lambda: any(each.ready for each in rig.program.store.bots.values()))
        await rig.ok(LOBBIES, LOBBY, Idempotency_Key="night-2")  # nothing was done with it before


async def test_a_key_is_answered_though_what_it_was_about_is_gone(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=1) as rig:
        lobby_id = await rig.lobby()
        path = f"{LOBBIES}/{lobby_id}"
        closed = await rig.call("DELETE", path, Idempotency_Key="close-1")
        order_id = rig.headers["Order-Id"]
        rig.program.store.apply(ev.LobbyForgotten("lobby-1", SystemClock().now(), lobby_id))
        await rig.call("DELETE", path)
        assert rig.status == 404
        assert await rig.call("DELETE", path, Idempotency_Key="close-1") == closed
        assert (rig.status, rig.headers["Order-Id"]) == (200, order_id)
        await rig.call("DELETE", f"{path}?abandon=true", Idempotency_Key="close-1")
        assert rig.status == 422
        stop, spec = "/api/v1/bots/lobby-1/stop", rig.program.supervisor.specs["lobby-1"]
        stopped = await rig.ok(stop, Idempotency_Key="stop-1")
        await rig.program.supervisor.remove("lobby-1")
        assert "no bot" in await rig.refused(404, stop)
        assert await rig.ok(stop, Idempotency_Key="stop-1") == stopped
        await rig.program.supervisor.add(spec)


async def test_nobody_reads_a_404_as_not_done_while_keys_cannot_be_looked_up() -> None:
    async with Fleet(WebSettings(listen=(("127.0.0.1", 0),), access=AccessRules(KEYS))) as fleet:  # without a database
        headers = {"X-API-Key": ADMIN_KEY}
        plain = await fleet.call(f"{LOBBIES}/7/launch", "POST", headers=headers)
        keyed = await fleet.call(f"{LOBBIES}/7/launch", "POST", headers=headers | {"Idempotency-Key": "launch-1"})
        assert (plain.status, keyed.status) == (404, 503)
        assert keyed.headers["Retry-After"] == "5"


async def test_a_lobby_that_comes_too_late_is_destroyed(tmp_path: Path) -> None:
    async with control_rig(tmp_path, timing=Dota2Timing(create_s=0.2)) as rig:
        assert rig.program.dota2 is not None
        coordinator, store = rig.program.dota2.coordinator, rig.program.store
        coordinator.faults.delay(GcMsg.LOBBY_CREATE, 0.6, times=1)
        problem = await rig.post(LOBBIES, LOBBY, Idempotency_Key="late-1")
        order_id = rig.headers["Order-Id"]
        assert (rig.status, problem["order_id"]) == (504, order_id)
        assert f"The order is {order_id}" in problem["detail"]
        assert "a lobby that appears later is destroyed" in problem["detail"]
        assert await rig.post(LOBBIES, LOBBY, Idempotency_Key="late-1") == problem
        await eventually(lambda: coordinator.stats.received[GcMsg.LOBBY_DESTROY] == 1)
        await eventually(lambda: not coordinator.world.lobbies and store.bots["lobby-1"].ready)
        assert coordinator.stats.received[GcMsg.LOBBY_CREATE] == 1
        assert [str(each.state) for each in store.lobbies.values() if each.active] == []
        order = await rig.call("GET", f"/api/v1/orders/{order_id}")
        assert (order["state"], order["code"], order["bot"], order["target"]) == ("done", 504, "lobby-1", "inhouse")
        history = await rig.call("GET", "/status/history?kind=order")
        assert [(item["after"], item["bot"]) for item in history["items"]] == [("in_doubt", "lobby-1")]
        await rig.lobby()


async def test_orders_on_one_lobby_take_turns(tmp_path: Path) -> None:
    """One that waits behind a launch or an end is judged by what the lobby is then, and not sent."""
    async with control_rig(tmp_path) as rig:
        assert rig.program.dota2 is not None
        coordinator = rig.program.dota2.coordinator
        received = coordinator.stats.received

        async def give(method: str, path: str) -> tuple[int, str]:
            async with rig.session.request(method, path) as answer:
                return answer.status, (await answer.json(content_type=None)).get("detail", "")

        async def behind(number: GcMsg, first: tuple[str, str], *others: tuple[str, str]) -> list[tuple[int, str]]:
            coordinator.faults.delay(number, 0.3, times=1)
            one = asyncio.create_task(give(*first))
            await eventually(lambda: received[number] == 1)
            found = await asyncio.gather(*(give(*each) for each in others))
            assert await one == (200, "")
            return found

        path = f"{LOBBIES}/{await rig.lobby()}"
        late = await behind(GcMsg.LOBBY_DESTROY, ("DELETE", path), ("POST", f"{path}/flip"), ("DELETE", path))
        assert [(status, "in no lobby" in detail) for status, detail in late] == [(409, True)] * 2
        lobby_id = await rig.lobby()
        path = f"{LOBBIES}/{lobby_id}"
        rig.seat(lobby_id, ANN, BEN)
        await eventually(lambda: len(rig.program.store.lobbies[lobby_id].players) == 2)
        again, closed = await behind(
            GcMsg.LOBBY_LAUNCH, ("POST", f"{path}/launch"), ("POST", f"{path}/launch"), ("DELETE", path)
        )
        assert (again[0], "begun already" in again[1]) == (409, True)
        assert (closed[0], "abandon=true" in closed[1]) == (409, True)
        assert (received[GcMsg.LOBBY_LAUNCH], received[GcMsg.LOBBY_DESTROY], received[GcMsg.LOBBY_FLIP]) == (1, 1, 0)


async def refusing(rig: Rig, result: int) -> str:
    assert rig.program.dota2 is not None
    rig.program.dota2.coordinator.faults.refuse(GcMsg.LOBBY_CREATE, result, times=1)
    return await rig.refused(502, LOBBIES, LOBBY)


@pytest.mark.parametrize("result", [JoinResult.BUSY, JoinResult.ACCESS_DENIED])
async def test_what_the_coordinator_refuses(tmp_path: Path, result: JoinResult) -> None:
    async with control_rig(tmp_path) as rig:
        assert "the coordinator refused it" in await refusing(rig, result)
        await rig.lobby()


async def test_an_order_that_outlives_its_request(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        assert rig.program.dota2 is not None
        rig.program.dota2.coordinator.faults.delay(GcMsg.LOBBY_CREATE, 0.5)
        waiting = await rig.post(f"{LOBBIES}?wait=0", LOBBY)
        assert (rig.status, waiting["state"]) == (202, "begun")
        path = rig.headers["Location"]
        assert path == f"/api/v1/orders/{waiting['order_id']}"

        def ended(each: Any) -> bool:
            begun = each["state"] == "begun"
            assert not begun or (each["code"], each["result"], each["action"]) == (None, None, "create_lobby")
            return not begun

        order = await until(lambda: rig.call("GET", path), ended)
        assert (order["code"], order["result"]["name"], order["bot"]) == (201, "inhouse", "lobby-1")
        assert order["location"] == f"/status/lobbies/{order['result']['lobby_id']}"


async def test_a_bot_that_is_stopped_meanwhile_leaves_a_clear_answer(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        assert rig.program.dota2 is not None
        rig.program.dota2.coordinator.faults.delay(GcMsg.LOBBY_CREATE, 30)
        creating = asyncio.create_task(rig.session.post(LOBBIES, json=LOBBY))
        await eventually(lambda: rig.program.store.bots["lobby-1"].creating_lobby)
        async with rig.session.post("/api/v1/bots/lobby-1/stop") as stopped:
            assert stopped.status == 200
        answer = await creating
        problem = await answer.json(content_type=None)
        assert answer.status == 504
        assert problem["order_id"] in problem["detail"]


async def test_the_older_routes(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=2, races=["alttpr"]) as rig:
        assert await rig.call("GET", "/bots") == {"bots": {"demo-bot-2": True, "demo-bot-4": True}}
        made = await rig.ok("/lobby/create", {"lobby_name": "inhouse", "password": "secret"})
        assert (rig.status, made["status"], made["lobby_name"], made["bot_used"]) == (
            201,
            "success",
            "inhouse",
            "demo-bot-2",
        )
        assert (made["lobby"]["server_region_name"], made["lobby"]["game_mode_name"]) == ("USE", "AP")
        lobby_id = made["lobby_id"]
        for told in (
            await rig.call("GET", f"/lobby/info?lobby_id={lobby_id}"),
            await rig.ok("/lobby/info", {"lobby_id": lobby_id}),
            await rig.ok("/lobby/info", {"lobby_id": int(lobby_id)}),
        ):
            assert (told["status"], told["lobby_id"], told["lobby"]["name"]) == ("waiting", lobby_id, "inhouse")
            assert "inhouse" in told["message"]
        assert "lobby_id: is missing" in await rig.refused(422, "/lobby/info")
        assert "no lobby" in await rig.refused(404, "/lobby/info?lobby_id=7", method="GET")
        assert "lobby_name: is missing" in await rig.refused(422, "/lobby/create", {"server_region": "USE"})
        assert "lobby_name" in await rig.refused(422, "/lobby/create", {"lobby_name": "x" * 101})
        assert "password" in await rig.refused(422, "/lobby/create", {"lobby_name": "x", "password": "x" * 51})
