"""Every fault of the simulated site, seen from its clients, and that it is gone when it is switched off."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from exporter.simulators.faults import Fault, FaultSchedule
from exporter.simulators.racetime import KINDS, CacheTimes, Race, RacetimeSimulator, trouble
from tests.clock import ManualClock
from tests.eventually import eventually
from tests.unit.simulators.racetime_scene import NOW, Scene

LIMIT_S = 60.0
FORM = {"client_id": "bot-1", "client_secret": "secret-1", "grant_type": "client_credentials"}
POLL = "/o/testcat/data"


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def kind(self) -> str:
        return str(self.headers.get("Content-Type", "")).partition(";")[0]

    def json(self) -> Any:
        return json.loads(self.body)


class Visitor:
    """A client with the token of bot-1."""

    def __init__(
        self, scene: Scene, clock: ManualClock, simulator: RacetimeSimulator, http: aiohttp.ClientSession
    ) -> None:
        self.scene = scene
        self.clock = clock
        self.simulator = simulator
        self.faults = simulator.faults
        self._http = http
        self.headers = {"Authorization": f"Bearer {scene.world.token_of(scene.bot, NOW)}"}

    # The client sends a GET whose connection drops once more, a POST never.
    async def ask(self, path: str = POLL, form: dict[str, str] | None = None) -> Answer:
        method = "GET" if form is None else "POST"
        async with (
            asyncio.timeout(LIMIT_S),
            self._http.request(method, path, headers=self.headers, data=form, allow_redirects=False) as answer,
        ):
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def token(self, **fields: str) -> Answer:
        return await self.ask("/o/token", {**FORM, **fields})

    async def well(self) -> bool:
        """Say whether polls and token requests are answered as they should be."""
        poll, token = await self.ask(), await self.token()
        return (poll.status, token.status) == (200, 200) and "goals" in poll.json() and "access_token" in token.json()

    async def enter(self, race: Race) -> ClientConnection:
        url = f"{self.simulator.url.replace('http', 'ws')}/ws/o/bot/{race.slug}"
        return await connect(
            url,
            additional_headers=self.headers,
            ping_interval=None,
            open_timeout=LIMIT_S,
            close_timeout=0.5,
            max_size=None,
        )

    async def entered(self, race: Race) -> ClientConnection:
        """Enter and take the two greeting frames."""
        ws = await self.enter(race)
        assert [json.loads(await ws.recv())["type"] for _ in range(2)] == ["race.data", "race.renders"]
        return ws


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """A visitor of a site whose clock stands still; afterwards nothing may be left."""
    scene, clock = Scene(), ManualClock(NOW)
    simulator = RacetimeSimulator(scene.world, clock=clock, category_cache_s=0.0, race_cache_s=0.0, unknown_race_s=0.1)
    await simulator.start()
    async with aiohttp.ClientSession(simulator.url) as http:
        yield Visitor(scene, clock, simulator, http)
    await simulator.stop()
    left = [task for task in asyncio.all_tasks() if "simulator" in task.get_name() or "Holds" in repr(task)]
    assert left == []


async def closing(ws: ClientConnection) -> tuple[int, str]:
    """Return the code and reason with which the server ends a socket; 1006 for a TCP drop."""
    async with asyncio.timeout(LIMIT_S):
        await ws.wait_closed()
    return ws.close_code or 0, ws.close_reason or ""


async def still_waiting(task: "asyncio.Task[Any]", visitor: Visitor) -> bool:
    """Let everybody do what they can, and say whether the task still waits."""
    await visitor.clock.settle()
    await asyncio.wait({task}, timeout=0.05)
    return not task.done()


# credentials


async def test_refused_credentials_are_answered_as_the_site_answers_wrong_ones(visitor: Visitor) -> None:
    wrong = await visitor.token(client_secret="wrong")
    with visitor.faults.during("refuse_credentials", "token@bot-1"):
        refused = await visitor.token()
        assert (refused.status, refused.body, refused.kind) == (401, wrong.body, wrong.kind)
        assert refused.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"]
        assert (await visitor.token(client_id="bot-2", client_secret="secret-2")).status == 200
        assert (await visitor.ask()).status == 200
    assert await visitor.well()


async def test_a_deactivated_bot_is_refused_everywhere_until_it_is_reactivated(visitor: Visitor) -> None:
    with visitor.faults.during("deactivate_bot", "*@bot-1"):
        assert ((await visitor.ask()).status, (await visitor.token()).status) == (403, 401)
    assert ((await visitor.ask()).status, (await visitor.token()).status) == (403, 200)


async def test_revoked_tokens_are_dead_and_new_ones_are_given(visitor: Visitor) -> None:
    visitor.faults.on("revoke_tokens")
    assert ((await visitor.ask()).status, (await visitor.token()).status) == (403, 200)


async def test_refused_tokens_get_403_and_denied_actions(visitor: Visitor) -> None:
    race = visitor.scene.room()
    ws = await visitor.entered(race)
    send = json.dumps({"action": "message", "data": {"message": "hello", "guid": "g-1"}})
    with visitor.faults.during("refuse_tokens", "*@bot-1"):
        for path, form in (
            (POLL, None),
            ("/o/testcat/startrace", {"goal": "Any%"}),
            (f"/o/{race}/edit", {"goal": "Any%"}),
        ):
            assert (await visitor.ask(path, form)).status == 403
        assert (await visitor.token()).status == 200
        await ws.send(send)
        assert json.loads(await ws.recv())["errors"] == ["Permission denied. Check your authorization token."]
    await ws.send(send)
    assert json.loads(await ws.recv())["type"] == "chat.message"
    await ws.close()


# answers of the front


@pytest.mark.parametrize(
    ("kind", "detail", "status", "header"),
    [
        ("http_status", "500", 500, ""),
        ("http_status", "502", 502, ""),
        ("http_status", "", 503, ""),
        ("too_many", "7", 429, "Retry-After"),
        ("challenge", "", 403, "cf-mitigated"),
        ("redirect", "/away", 301, "Location"),
    ],
)
async def test_the_front_proxy_answers_itself(
    visitor: Visitor, kind: str, detail: str, status: int, header: str
) -> None:
    race = visitor.scene.room()
    paths = (POLL, "/testcat/data", "/races/data", f"/{race}/data")
    with visitor.faults.during(kind, detail=detail):
        answers = [await visitor.ask(path) for path in paths]
        answers += [await visitor.token(), await visitor.ask("/o/testcat/startrace", {"goal": "Any%"})]
        assert {(each.status, each.kind) for each in answers} == {(status, "text/html")}
        expected = {"": None, "Retry-After": "7", "cf-mitigated": "challenge", "Location": "/away"}[header]
        assert all(each.headers.get(header) == expected for each in answers)
        if status != 301:
            with pytest.raises(websockets.InvalidStatus, match=str(status)):
                await visitor.enter(race)
    assert list(visitor.scene.world.current) == [str(race)]
    assert await visitor.well()


async def test_a_redirected_upgrade(visitor: Visitor) -> None:
    race = visitor.scene.room()
    async with aiohttp.ClientSession(visitor.simulator.url) as http:
        with visitor.faults.during("redirect", "socket"):
            headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
            async with http.get(f"/ws/o/bot/{race.slug}", headers=headers, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (301, "/elsewhere")


async def test_a_fault_strikes_at_its_route_and_category_only(visitor: Visitor) -> None:
    with visitor.faults.during("http_status", "category@testcat2"):
        assert await visitor.well()
    with visitor.faults.during("http_status", "*@testcat"):
        assert ((await visitor.ask()).status, (await visitor.token()).status) == (503, 503)
        assert (await visitor.ask("/testcat2/data")).status == 200
        assert (await visitor.ask("/races/data")).status == 200
    race = visitor.scene.room()
    with visitor.faults.during("http_status", f"race@{race}"):
        assert (await visitor.ask(f"/{race}.json")).status == 503
        assert (await visitor.ask(f"/{visitor.scene.room()}.json")).status == 200


# waiting


async def test_a_hung_request_is_dropped_when_the_fault_ends(visitor: Visitor) -> None:
    fault = visitor.faults.on("hang", "token")
    asking = asyncio.create_task(visitor.token())
    assert await still_waiting(asking, visitor)
    assert (await visitor.ask()).status == 200
    visitor.faults.off(fault)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await asking
    assert await visitor.well()


async def test_a_hung_handshake_is_dropped_when_the_fault_ends(visitor: Visitor) -> None:
    race = visitor.scene.room()
    fault = visitor.faults.on("hang", f"socket@{race.slug}")
    knocking = asyncio.create_task(visitor.enter(race))
    assert await still_waiting(knocking, visitor)
    visitor.faults.off(fault)
    with pytest.raises(websockets.InvalidMessage):
        await knocking
    await (await visitor.entered(race)).close()


@pytest.mark.parametrize("graceful", [True, False])
async def test_a_stop_ends_requests_that_hang(visitor: Visitor, graceful: bool) -> None:
    visitor.faults.on("hang")
    asking = asyncio.create_task(visitor.token())
    assert await still_waiting(asking, visitor)
    await (visitor.simulator.stop() if graceful else visitor.simulator.crash())
    with pytest.raises((aiohttp.ServerDisconnectedError, ConnectionResetError)):
        await asking


async def test_a_client_that_leaves_a_hung_request_leaves_nothing_behind(visitor: Visitor) -> None:
    visitor.faults.on("hang", "category")
    asking = asyncio.create_task(visitor.ask())
    assert await still_waiting(asking, visitor)
    asking.cancel()
    await asyncio.wait({asking})

    def handlers() -> list[str]:
        return [text for task in asyncio.all_tasks() if "RequestHandler.start" in (text := repr(task))]

    await visitor.clock.advance(0.1)
    await eventually(lambda: not handlers())


async def test_a_slow_answer_comes_after_its_time_or_when_the_fault_ends(visitor: Visitor) -> None:
    fault = visitor.faults.on("slow", "category", 3)
    asking = asyncio.create_task(visitor.ask())
    assert await still_waiting(asking, visitor)
    await visitor.clock.advance(2.9)
    assert await still_waiting(asking, visitor)
    await visitor.clock.advance(0.2)
    assert (await asking).status == 200
    asking = asyncio.create_task(visitor.ask())
    assert await still_waiting(asking, visitor)
    visitor.faults.off(fault)
    assert (await asking).status == 200


async def test_a_slow_server_opens_the_room_although_the_client_has_left(visitor: Visitor) -> None:
    visitor.faults.on("slow", "startrace", 15)
    asking = asyncio.create_task(visitor.ask("/o/testcat/startrace", {"goal": "Any%"}))
    assert await still_waiting(asking, visitor)
    asking.cancel()
    await asyncio.wait({asking})
    await visitor.clock.advance(14.0)
    assert not visitor.scene.world.current
    await visitor.clock.advance(1.1)
    assert len(visitor.scene.world.current) == 1


async def test_clients_that_leave_cause_no_errors(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    race = visitor.scene.room()
    visitor.faults.on("slow", detail=1)
    visitor.faults.on("drop_middle", "category")
    visitor.faults.on("trickle", "public")
    leaving = [visitor.ask(), visitor.ask("/testcat/data"), visitor.token(), visitor.enter(race)]
    tasks = [asyncio.create_task(each) for each in leaving]
    assert await still_waiting(tasks[0], visitor)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await visitor.clock.advance(1.1)
    visitor.faults.clear()
    assert await visitor.well()
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


async def test_a_body_trickles_until_the_fault_ends(visitor: Visitor) -> None:
    whole = await visitor.ask()
    fault = visitor.faults.on("trickle", "category", 1)
    asking = asyncio.create_task(visitor.ask())
    assert await still_waiting(asking, visitor)
    await visitor.clock.advance(5.0)
    assert await still_waiting(asking, visitor)
    visitor.faults.off(fault)
    assert len((await asking).body) == len(whole.body)


# lost connections


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("drop_before", aiohttp.ServerDisconnectedError),
        ("drop_middle", aiohttp.ClientPayloadError),
        ("lose_answer", aiohttp.ServerDisconnectedError),
    ],
)
async def test_connections_drop(visitor: Visitor, kind: str, error: type[Exception]) -> None:
    with visitor.faults.during(kind, "category"), pytest.raises(error):
        await visitor.ask()
    assert await visitor.well()


@pytest.mark.parametrize(("kind", "done"), [("drop_before", 0), ("drop_middle", 1), ("lose_answer", 1)])
async def test_a_room_may_open_although_the_answer_is_lost(visitor: Visitor, kind: str, done: int) -> None:
    with visitor.faults.during(kind, "startrace@bot-1"), pytest.raises(aiohttp.ClientError):
        await visitor.ask("/o/testcat/startrace", {"goal": "Any%"})
    assert len(visitor.scene.world.current) == done
    assert (await visitor.ask("/o/testcat/startrace", {"goal": "Any%"})).status == 201


# spoilt bodies


async def test_garbage_bodies(visitor: Visitor) -> None:
    whole = (await visitor.ask()).body
    with visitor.faults.during("not_json", "category"):
        answer = await visitor.ask()
        assert (answer.status, answer.kind) == (200, "application/json")
        with pytest.raises(json.JSONDecodeError):
            answer.json()
    with visitor.faults.during("html_page", "category"):
        answer = await visitor.ask()
        assert (answer.status, answer.kind) == (200, "text/html")
    with visitor.faults.during("truncated", "category"):
        assert (await visitor.ask()).body == whole[: len(whole) // 2]
    with visitor.faults.during("wrong_types", "category"):
        assert (await visitor.ask()).json()["name"] == 7
    with visitor.faults.during("wrong_types", "category", "list"):
        assert isinstance((await visitor.ask()).json(), list)
    with visitor.faults.during("huge_body", "category", 9):
        assert len((await visitor.ask()).body) > 9_000_000
    assert (await visitor.ask()).body == whole


async def test_unknown_missing_and_empty_fields(visitor: Visitor) -> None:
    race = visitor.scene.room()
    path = f"/{race}/data"
    with visitor.faults.during("unknown_words", "race"):
        assert (await visitor.ask(path)).json()["status"]["value"] == "hibernating"
        assert (await visitor.ask()).json()["current_races"][0]["status"]["value"] == "open"
    with visitor.faults.during("extra_fields"):
        assert (await visitor.ask(path)).json()["category"]["new_in_2031"]
    with visitor.faults.during("missing_fields", "*", "goal"):
        assert "goal" not in (await visitor.ask()).json()["current_races"][0]
    with visitor.faults.during("nulls", "token", "access_token"):
        assert (await visitor.token()).json()["access_token"] is None
        assert (await visitor.token(client_secret="wrong")).status == 401
    assert await visitor.well()


async def test_several_faults_each_do_their_part(visitor: Visitor) -> None:
    visitor.faults.on("slow", "category", 1)
    visitor.faults.on("unknown_words", "category")
    visitor.faults.on("extra_fields", "category")
    visitor.scene.room()
    asking = asyncio.create_task(visitor.ask())
    assert await still_waiting(asking, visitor)
    await visitor.clock.advance(1.0)
    body = (await asking).json()
    assert body["new_in_2031"]
    assert body["current_races"][0]["status"]["value"] == "hibernating"


async def test_kinds_that_need_json_come_before_those_that_end_it(visitor: Visitor) -> None:
    for kind in ("not_json", "truncated", "html_page", "wrong_types", "nulls", "unknown_words"):
        visitor.faults.on(kind, "category")
    answer = await visitor.ask()
    assert (answer.status, answer.kind) == (200, "application/json")
    assert answer.body.startswith(b"}{")


# sockets


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 4000])
async def test_sockets_are_closed_with_any_code(visitor: Visitor, code: int) -> None:
    ws = await visitor.entered(visitor.scene.room())
    visitor.faults.on("close_sockets", detail=f"{code} as you wish")
    assert await closing(ws) == (code, "as you wish")
    await eventually(lambda: not visitor.simulator.open_sockets())


async def test_one_room_is_struck_and_the_other_is_not(visitor: Visitor) -> None:
    struck, spared = visitor.scene.room(), visitor.scene.room()
    first, second = await visitor.entered(struck), await visitor.entered(spared)
    visitor.faults.on("close_sockets", f"socket@{struck}", "1012")
    assert await closing(first) == (1012, "")
    await eventually(lambda: visitor.simulator.sockets_by_room() == {str(spared): 1})
    visitor.faults.on("drop_sockets", "socket@bot-1")
    assert await closing(second) == (1006, "")


async def test_a_silent_server_keeps_the_connection_and_goes_on_when_the_fault_ends(visitor: Visitor) -> None:
    race = visitor.scene.room()
    ws = await visitor.entered(race)
    fault = visitor.faults.on("silence")
    pong = await ws.ping()
    await ws.send('{"action": "ping"}')
    visitor.scene.world.say(race, "unheard", NOW)
    hearing = asyncio.create_task(ws.recv())
    assert await still_waiting(hearing, visitor)
    assert await still_waiting(asyncio.ensure_future(pong), visitor)
    assert visitor.simulator.stats.actions["ping"] == 0
    assert visitor.simulator.sockets_by_room() == {str(race): 1}
    late = await visitor.enter(race)
    waiting = asyncio.create_task(late.recv())
    assert await still_waiting(waiting, visitor)
    visitor.faults.off(fault)
    async with asyncio.timeout(LIMIT_S):
        assert json.loads(await hearing)["type"] == "chat.message"
        assert json.loads(await waiting)["type"] == "race.data"
        await pong
        assert json.loads(await ws.recv())["type"] == "pong"
    await ws.close()
    await late.close()


async def test_a_silent_server_does_not_ping_and_does_not_answer_a_close() -> None:
    scene, clock = Scene(), ManualClock(NOW)
    simulator = RacetimeSimulator(scene.world, clock=clock, ping_interval_s=0.02)
    await simulator.start()
    race = scene.room()
    patience = aiohttp.ClientWSTimeout(ws_close=0.1)
    async with (
        aiohttp.ClientSession(simulator.url) as http,
        http.ws_connect(f"/ws/o/bot/{race.slug}", autoping=False, timeout=patience) as ws,
    ):
        for kind in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING):
            assert (await ws.receive(LIMIT_S)).type is kind
        simulator.faults.on("silence")
        await ws.pong()
        with pytest.raises(asyncio.TimeoutError):
            await ws.receive(0.2)
        await ws.close()
        assert ws.close_code == 1006
        await clock.advance(0.1)
        await eventually(lambda: not simulator.open_sockets())
    await simulator.stop()


@pytest.mark.parametrize("graceful", [True, False])
async def test_a_silent_server_ends_without_a_close_frame(visitor: Visitor, graceful: bool) -> None:
    ws = await visitor.entered(visitor.scene.room())
    visitor.faults.on("silence")
    await (visitor.simulator.stop() if graceful else visitor.simulator.crash())
    assert await closing(ws) == (1006, "")
    assert visitor.simulator.open_sockets() == []


async def test_sockets_are_closed_right_after_they_are_accepted(visitor: Visitor) -> None:
    race = visitor.scene.room()
    with visitor.faults.during("close_on_accept", "*", "1013 try again later"):
        assert await closing(await visitor.enter(race)) == (1013, "try again later")
    ws = await visitor.entered(race)
    await ws.close()


async def test_a_broken_message_bus_closes_idle_sockets(visitor: Visitor) -> None:
    race, busy = visitor.scene.room(), visitor.scene.room()
    ws, other = await visitor.entered(race), await visitor.entered(busy)
    with visitor.faults.during("close_when_idle", detail=5):
        await visitor.clock.advance(4.0)
        await other.send('{"action": "ping"}')
        assert json.loads(await other.recv())["type"] == "pong"
        await visitor.clock.advance(1.5)
        assert await closing(ws) == (1011, "")
        await eventually(lambda: visitor.simulator.sockets_by_room() == {str(busy): 1})
    await visitor.clock.advance(60.0)
    assert visitor.simulator.sockets_by_room() == {str(busy): 1}
    await other.close()


async def test_garbage_frames_reach_the_open_sockets_once(visitor: Visitor) -> None:
    race = visitor.scene.room()
    ws = await visitor.entered(race)
    for kind in sorted(each for each in KINDS if each.startswith("frame_")):
        visitor.faults.on(kind)
    await ws.send('{"action": "ping"}')
    frames: list[str | bytes] = []
    async with asyncio.timeout(LIMIT_S):
        while not str(frame := await ws.recv()).startswith('{"type":"pong","date":"'):
            frames.append(frame)
    assert sum(isinstance(each, bytes) for each in frames) == 1
    assert max(len(each) for each in frames) > 20_000_000
    assert len(frames) > 1000
    assert visitor.faults.active == ()
    await ws.close()


# the whole server


async def test_refused_connections_come_back_on_the_same_port(visitor: Visitor) -> None:
    ws = await visitor.entered(visitor.scene.room())
    fault = visitor.faults.on("refuse_connections")
    await visitor.clock.advance(0.1)
    assert await closing(ws) == (1006, "")
    await eventually(lambda: not visitor.simulator.open_sockets())
    with pytest.raises(aiohttp.ClientConnectorError):
        await visitor.ask()
    assert visitor.simulator.running
    assert not visitor.simulator.listening
    visitor.faults.off(fault)
    await visitor.clock.advance(0.1)
    assert await visitor.well()


@pytest.mark.parametrize(("crash", "code"), [(False, 1012), (True, 1006)])
async def test_restarts_come_in_waves(visitor: Visitor, crash: bool, code: int) -> None:
    race = visitor.scene.room()
    waves = asyncio.create_task(visitor.simulator.restart(3, down_s=2.0, up_s=5.0, crash=crash))
    for _ in range(3):
        await eventually(lambda: not visitor.simulator.running)
        await visitor.clock.advance(2.0)
        await eventually(lambda: visitor.simulator.running)
        ws = await visitor.entered(race)
        await visitor.clock.advance(5.0)
        if not waves.done():
            assert await closing(ws) == (code, "")
    await waves
    assert await visitor.well()
    await ws.close()


async def test_how_long_copies_live_can_be_changed_at_any_time(visitor: Visitor) -> None:
    async def rooms() -> int:
        return len((await visitor.ask()).json()["current_races"])

    assert await rooms() == 0
    visitor.simulator.caches = CacheTimes(category_s=60.0)
    visitor.scene.room()
    assert await rooms() == 0
    foreign = Visitor(visitor.scene, visitor.clock, visitor.simulator, visitor._http)
    foreign.headers = {"Authorization": f"Bearer {visitor.scene.world.token_of(visitor.scene.other_bot, NOW)}"}
    assert (await foreign.ask()).status == 200
    await visitor.clock.advance(60.1)
    assert (await foreign.ask()).status == 403
    assert await rooms() == 1
    visitor.simulator.caches = CacheTimes(category_s=0.0)
    visitor.scene.room()
    assert await rooms() == 2


# the truth


async def test_the_truth_follows_credentials_and_tokens(visitor: Visitor) -> None:
    simulator, faults = visitor.simulator, visitor.faults

    def can() -> tuple[bool, bool]:
        truth = simulator.truth("bot-1")
        return truth.can_poll, truth.can_start

    assert can() == (True, True)
    assert not simulator.truth("bot-1", "wrong").credentials_ok
    assert not simulator.truth("nobody").can_poll
    with faults.during("refuse_credentials", "token@testcat"):
        assert can() == (True, False)
        faults.on("revoke_tokens", "bot@bot-1")
        assert can() == (False, False)
        assert simulator.truth("bot-2").can_start
    with faults.during("http_status", "token"):
        assert can() == (False, False)
        assert simulator.truth("bot-1").reachable
    with faults.during("refuse_tokens"):
        assert simulator.truth("bot-1").tokens_refused
        assert can() == (False, False)
    with faults.during("deactivate_bot", "*@bot-1", "same"):
        truth = simulator.truth("bot-1")
        assert (truth.credentials_ok, truth.live_tokens, truth.reachable) == (False, 0, True)
    assert can() == (True, True)
    visitor.scene.category.active = False
    assert can() == (False, False)


async def test_the_truth_follows_the_network(visitor: Visitor) -> None:
    simulator, faults = visitor.simulator, visitor.faults
    for kind in ("hang", "http_status", "drop_before", "lose_answer", "truncated", "challenge"):
        with faults.during(kind, "category@testcat"):
            assert not simulator.truth("bot-1").can_poll
            assert simulator.truth("bot-2").can_poll
    with faults.during("slow", "category"), faults.during("extra_fields"), faults.during("close_when_idle"):
        truth = simulator.truth("bot-1")
        assert (truth.can_poll, truth.doubtful) == (True, ("slow",))
    with faults.during("refuse_connections"):
        assert not simulator.truth("bot-1").reachable
    await simulator.stop()
    assert not simulator.truth("bot-1").reachable
    await simulator.start()
    assert simulator.truth("bot-1").can_start


async def test_the_truth_counts_rooms_and_sockets(visitor: Visitor) -> None:
    first, hidden = visitor.scene.room(), visitor.scene.room(unlisted=True)
    ws = await visitor.entered(first)
    assert visitor.simulator.open_rooms("testcat") == [str(first), str(hidden)]
    assert visitor.simulator.truth("bot-1").rooms == {str(first): 1, str(hidden): 0}
    assert visitor.simulator.truth("bot-2").rooms == {}
    visitor.faults.on("revoke_tokens")
    assert visitor.simulator.truth("bot-1").rooms == {str(first): 0, str(hidden): 0}
    assert visitor.simulator.sockets_by_room() == {str(first): 1}
    await ws.close()


# schedules


async def test_a_schedule_plays_with_the_ticks_of_the_server(visitor: Visitor) -> None:
    ws = await visitor.entered(visitor.scene.room())
    visitor.faults.play(FaultSchedule((Fault("http_status", "*", 5.0, 10.0), Fault("drop_sockets", start_s=20.0))))
    assert await visitor.well()
    await visitor.clock.advance(5.2)
    assert (await visitor.ask()).status == 503
    await visitor.clock.advance(10.0)
    assert await visitor.well()
    await visitor.clock.advance(5.0)
    assert await closing(ws) == (1006, "")


async def test_after_any_random_schedule_the_site_is_well(visitor: Visitor) -> None:
    race = visitor.scene.room()
    small = {name: kind for name, kind in KINDS.items() if name not in {"frame_huge", "huge_body", "deactivate_bot"}}
    schedule = FaultSchedule.random(11, small, length_s=60.0, count=40, who=("bot-1", "testcat"))
    visitor.faults.play(schedule)
    for _ in range(12):
        tasks = [asyncio.create_task(each) for each in (visitor.ask(), visitor.token(), visitor.enter(race))]
        await visitor.clock.settle()
        await visitor.clock.advance(5.1)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, ClientConnection):
                await outcome.close()
    assert visitor.faults.active == (), schedule.dumps()
    visitor.headers = {"Authorization": f"Bearer {visitor.scene.world.token_of(visitor.scene.bot, NOW)}"}
    assert await visitor.well(), schedule.dumps()
    await (await visitor.entered(race)).close()


async def test_trouble_is_played_from_the_first_start_and_survives_restarts() -> None:
    clock = ManualClock(NOW)
    scenario = trouble(NOW)
    simulator = RacetimeSimulator(scenario.world, clock=clock, scenario=scenario, tick_s=1.0)
    await simulator.start()
    assert simulator.truth("demo-ootr").can_start
    await clock.advance(61.0)
    assert not simulator.truth("demo-ootr").reachable
    await clock.advance(10.0)
    await simulator.crash()
    await simulator.start()
    await clock.advance(150.0)
    assert {name: simulator.truth(f"demo-{name}").can_start for name in scenario.world.categories} == {
        "alttpr": True,
        "ootr": False,
        "smz3": True,
        "sm": True,
    }
    await clock.advance(240.0)
    assert not simulator.listening
    await clock.advance(120.0)
    assert simulator.truth("demo-ootr").can_start
    await simulator.stop()
