"""Orders on bots and on the process, over HTTP, with a real coordinator's simulator behind them."""

from pathlib import Path

import pytest

from exporter.timing import SystemClock
from exporter.web.encode import timestamp
from tests.eventually import eventually
from tests.web.control.rig import control_rig

BOT = "/api/v1/bots/lobby-1"
NEW = {"name": "inhouse", "server_region": "USE", "game_mode": "AP"}


async def test_start_stop_and_restart(tmp_path: Path) -> None:
    async with control_rig(tmp_path, races=["alttpr"]) as rig:
        stopped = await rig.ok(f"{BOT}/stop")
        assert (stopped["is_active"], stopped["status_name"], stopped["state"]) == (
            False,
            "disconnected",
            "disconnected",
        )
        assert (await rig.ok("/api/v1/bots/demo-bot-2/stop"))["name"] == "lobby-1"  # by its username, and again
        started = await rig.ok(f"{BOT}/start")
        assert (started["is_active"], started["status_name"]) == (True, "unknown")
        await eventually(lambda: rig.program.store.bots["lobby-1"].ready)
        restarted = await rig.ok(f"{BOT}/restart")
        assert restarted["status_name"] == "unknown"
        await eventually(lambda: rig.program.store.bots["lobby-1"].ready)
        assert "no bot with the name or username 'nobody'" in await rig.refused(404, "/api/v1/bots/nobody/start")
        assert "unknown field" in await rig.refused(422, f"{BOT}/stop", {"now": True})
        assert "use wait" in await rig.refused(400, f"{BOT}/stop?wiat=3")
        assert "0 to 60 seconds" in await rig.refused(400, f"{BOT}/stop?wait=61")
        assert "does not wait for a Steam Guard code" in await rig.refused(409, f"{BOT}/guard-code", {"code": "ABCDE"})
        assert "no guard codes" in await rig.refused(409, "/api/v1/bots/alttpr/guard-code", {"code": "ABCDE"})
        await rig.ok(f"{BOT}/stop")
        history = await rig.call("GET", "/status/bots/lobby-1/history?kind=order")
        told = [(item["reason"], item["after"], item["actor"]) for item in history["items"]]
        assert told[:3] == [("stop", "done", "admin"), ("guard_code", "refused", "admin"), ("restart", "done", "admin")]
    async with control_rig(tmp_path, races=["alttpr"], ready={"alttpr"}) as rig:
        assert (await rig.call("GET", "/status/bots/lobby-1"))["is_active"] is False  # the word outlives the process


async def test_maintenance_persists_and_ends(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        until = timestamp(rig.program.store.bots["lobby-1"].state_since + 3600)
        kept = await rig.ok(f"{BOT}/maintenance", {"reason": "new cables", "until": until})
        assert kept["maintenance"] == {"until": until, "reason": "new cables", "by": "admin"}
        assert (kept["available"], kept["healthy"]) == (False, True)
        assert "no bot is free" in await rig.refused(503, "/api/v1/lobbies", NEW)
        assert rig.headers["Retry-After"] == "10"
        for body, words in (
            ({}, "reason: is missing"),
            ({"reason": "x", "until": "soon"}, "until: give a time with a zone"),
            ({"reason": "x", "until": "2026-01-02T03:04:05"}, "until: give a time with a zone"),
            ({"reason": "x", "until": "2001-01-02T03:04:05Z"}, "until: this time is past"),
            ({"reason": 7}, "reason: must be a string"),
        ):
            assert words in await rig.refused(422, f"{BOT}/maintenance", body)
    async with control_rig(tmp_path, ready=set()) as rig:
        assert (await rig.call("GET", "/status/bots/lobby-1"))["maintenance"]["reason"] == "new cables"
        ended = await rig.call("DELETE", f"{BOT}/maintenance")
        assert (rig.status, ended["maintenance"]) == (200, None)
        await rig.ok(f"{BOT}/maintenance", {"reason": "a blink", "until": timestamp(SystemClock().now() + 1)})
        await eventually(lambda: rig.program.store.bots["lobby-1"].maintenance is None)


async def test_drain(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=2, races=["alttpr"]) as rig:
        lobby_id = await rig.lobby()
        drained = await rig.ok("/api/v1/drain")
        assert drained == {"draining": True, "draining_waits_for": [lobby_id]}
        async with rig.session.get("/-/ready") as answer:
            assert answer.status == 503
        assert "draining" in await rig.refused(503, "/api/v1/lobbies", NEW)
        assert "draining" in await rig.refused(503, "/api/v1/races", {"category": "alttpr", "goal": "Beat the game"})
        assert (await rig.ok(f"/api/v1/lobbies/{lobby_id}/flip"))["lobby_id"] == lobby_id  # what there is goes on
        over = await rig.call("DELETE", "/api/v1/drain")
        assert over == {"draining": False, "draining_waits_for": []}
        await rig.lobby()
        await rig.program.drain(0.0)  # as SIGTERM does it
        assert "cannot be taken back" in await rig.refused(409, "/api/v1/drain", method="DELETE")


async def test_orders_can_be_asked_for(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        await rig.ok(f"{BOT}/stop", Idempotency_Key="k1")
        order_id = rig.headers["Order-Id"]
        order = await rig.call("GET", f"/api/v1/orders/{order_id}")
        assert (order["action"], order["bot"], order["actor"], order["state"], order["code"]) == (
            "stop",
            "lobby-1",
            "admin",
            "done",
            200,
        )
        assert order["result"]["is_active"] is False
        await rig.ok(f"{BOT}/stop?wait=5s", Idempotency_Key="k1")
        assert rig.headers["Order-Id"] == order_id
        answer = await rig.post(f"{BOT}/start", Idempotency_Key="k1")
        assert (rig.status, "Idempotency-Key" in answer["detail"]) == (422, True)
        await rig.post(f"{BOT}/start", Idempotency_Key="two words")
        assert rig.status == 400
        assert "no order 'nothing'" in await rig.refused(404, "/api/v1/orders/nothing", method="GET")
        metrics = await (await rig.session.get("/metrics")).text()
        assert 'bot_exporter_orders_total{action="stop",outcome="done"} 1.0' in metrics
        assert 'bot_exporter_orders_total{action="kick",outcome="in_doubt"} 0.0' in metrics


@pytest.mark.parametrize("body", [b"[1]", b"{", b'"x"', b"\xff", b"[" * 60_000])
async def test_bodies_that_are_no_objects(tmp_path: Path, body: bytes) -> None:
    async with (
        control_rig(tmp_path, bots=0) as rig,
        rig.session.post("/api/v1/lobbies", data=body, headers={"Content-Type": "application/json"}) as answer,
    ):
        assert answer.status == 422
        assert "JSON" in (await answer.json(content_type=None))["detail"]
