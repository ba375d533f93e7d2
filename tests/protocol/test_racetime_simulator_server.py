"""How the simulated server lives and dies, seen from its clients."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from exporter.simulators.racetime import Race, RacetimeSimulator
from tests.clock import ManualClock
from tests.unit.simulators.racetime_scene import NOW, Scene


@pytest.fixture
async def scene() -> Scene:
    return Scene()


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def simulator(scene: Scene, clock: ManualClock) -> AsyncIterator[RacetimeSimulator]:
    server = RacetimeSimulator(scene.world, clock=clock, ping_interval_s=0.05, tick_s=10.0)
    await server.start()
    yield server
    await server.stop()


async def enter(simulator: RacetimeSimulator, scene: Scene, race: Race) -> ClientConnection:
    """Connect as the bot and take the two greeting frames."""
    token = scene.world.token_of(scene.bot, scene.now)
    url = f"{simulator.url.replace('http', 'ws')}/ws/o/bot/{race.slug}"
    ws = await connect(url, additional_headers={"Authorization": f"Bearer {token}"})
    for kind in ("race.data", "race.renders"):
        assert json.loads(await ws.recv())["type"] == kind
    return ws


async def ask(ws: ClientConnection, action: str, data: Any = None) -> list[dict[str, Any]]:
    """Send an action and a ping; return what came before the pong."""
    await ws.send(json.dumps({"action": action} if data is None else {"action": action, "data": data}))
    await ws.send('{"action": "ping"}')
    frames = []
    while (frame := json.loads(await ws.recv()))["type"] != "pong":
        frames.append(frame)
    return frames


async def test_stop_closes_sockets_with_1012_and_the_world_survives_a_restart(
    scene: Scene, simulator: RacetimeSimulator
) -> None:
    race = scene.room()
    url = simulator.url
    ws = await enter(simulator, scene, race)
    assert [each.race for each in simulator.open_sockets()] == [race]
    await simulator.stop()
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await ws.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "")
    assert not simulator.running
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await enter(simulator, scene, race)

    scene.world.join(race, scene.racers[0], scene.now)
    await simulator.start()
    assert simulator.url == url
    async with aiohttp.ClientSession(url) as http, http.get(f"/{race}/data") as answer:
        assert (await answer.json())["entrants_count"] == 1
    again = await enter(simulator, scene, race)
    await again.close()


async def test_a_crash_drops_connections_without_a_close_frame(scene: Scene, simulator: RacetimeSimulator) -> None:
    race = scene.room()
    ws = await enter(simulator, scene, race)
    await simulator.crash()
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await ws.recv()
    assert closed.value.rcvd is None
    await simulator.crash()
    await simulator.start()
    ws = await enter(simulator, scene, race)
    assert await ask(ws, "message", {"message": "back", "guid": "b-1"})
    await ws.close()
    assert simulator.stats.sockets_opened[race.slug] == 2


async def test_stop_ends_a_connection_that_waits_for_an_unknown_race(
    simulator: RacetimeSimulator, clock: ManualClock
) -> None:
    async def knock() -> None:
        with pytest.raises(websockets.InvalidMessage):
            await connect(f"{simulator.url.replace('http', 'ws')}/ws/o/bot/none")

    waiting = asyncio.create_task(knock())
    while simulator.stats.requests["GET /ws/o/bot/{slug}"] == 0:
        await clock.settle()
    await simulator.stop()
    await waiting


async def test_the_server_pings_by_protocol(scene: Scene, simulator: RacetimeSimulator) -> None:
    token = scene.world.token_of(scene.bot, scene.now)
    race = scene.room()
    async with aiohttp.ClientSession(simulator.url) as http:
        headers = {"Authorization": f"Bearer {token}"}
        async with http.ws_connect(f"/ws/o/bot/{race.slug}", headers=headers, autoping=False) as ws:
            kinds = [(await ws.receive(timeout=60)).type for _ in range(3)]
            assert kinds == [aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING]


async def test_a_silent_client_is_dropped(scene: Scene, simulator: RacetimeSimulator) -> None:
    race = scene.room()
    async with (
        aiohttp.ClientSession(simulator.url) as http,
        http.ws_connect(f"/ws/o/bot/{race.slug}", autoping=False) as ws,
    ):
        while (message := await ws.receive(timeout=60)).type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING}:
            pass
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}
    assert simulator.open_sockets() == []


async def test_the_state_is_that_of_the_last_broadcast_of_this_socket(
    scene: Scene, simulator: RacetimeSimulator
) -> None:
    race = scene.room()
    ws = await enter(simulator, scene, race)
    assert await ask(ws, "setmeta", {"greeted": True}) == []
    stale, _ = await ask(ws, "getrace")
    assert (stale["race"]["bot_meta"], stale["version"]) == ({}, 1)
    other = await enter(simulator, scene, race)
    fresh, _ = await ask(other, "getrace")
    assert (fresh["race"]["bot_meta"], fresh["version"]) == ({"greeted": True}, 2)
    await ws.close()
    await other.close()


async def test_a_room_keeps_its_sockets_when_the_race_is_over(
    scene: Scene, simulator: RacetimeSimulator, clock: ManualClock
) -> None:
    race = scene.room()
    ws = await enter(simulator, scene, race)
    scene.world.cancel(race, None, clock.now(), reason="test")
    await clock.advance(4000)
    frames = await ask(ws, "message", {"message": "late", "guid": "l-1"})
    assert frames[-1]["errors"] == ["This race chat is now closed. No new messages may be added."]
    await ws.close()


async def test_two_rooms_with_one_slug_are_told_apart_by_age(scene: Scene, simulator: RacetimeSimulator) -> None:
    scene.room(slug="twin-twin-0001")
    newer = scene.world.open_race("testcat2", now=scene.now + 1, slug="twin-twin-0001")
    token = scene.world.token_of(scene.other_bot, scene.now)
    url = f"{simulator.url.replace('http', 'ws')}/ws/o/bot/{newer.slug}"
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as ws:
        assert json.loads(await ws.recv())["race"]["name"] == "testcat2/twin-twin-0001"


async def test_one_broadcast_reaches_only_the_sockets_of_its_room(
    scene: Scene, simulator: RacetimeSimulator, clock: ManualClock
) -> None:
    quiet, busy = scene.room(), scene.room()
    first, second = await enter(simulator, scene, quiet), await enter(simulator, scene, busy)
    scene.world.chat(busy, scene.racers[0], "hello", clock.now())
    heard = await ask(second, "ping")
    assert heard[0]["message"]["message"] == "hello"
    assert simulator.stats.actions["ping"] == 2
    assert await ask(first, "gethistory") == [{"type": "chat.history", "date": heard[0]["date"], "messages": []}]
    await first.close()
    await second.close()


async def test_many_rooms_with_a_bot_each_are_served_at_once(
    scene: Scene, simulator: RacetimeSimulator, clock: ManualClock
) -> None:
    races = [scene.world.open_race(f"testcat{number}", now=scene.now) for number in [2] * 60]
    sockets = await asyncio.gather(*(enter(simulator, scene, race) for race in races))
    assert len(simulator.open_sockets()) == 60
    for race in races:
        scene.world.say(race, "to all", clock.now())
    assert all([json.loads(await ws.recv())["message"]["message"] == "to all" for ws in sockets])
    await asyncio.gather(*(ws.close() for ws in sockets))
