"""The captured messages of the real server, replayed against the simulator over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from exporter.simulators.racetime import Race, RaceSettings, RacetimeSimulator
from tests.clock import ManualClock
from tests.unit.simulators.racetime_scene import NOW, Scene, captured, shape


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def scene() -> Scene:
    return Scene()


@pytest.fixture
async def simulator(scene: Scene, clock: ManualClock) -> AsyncIterator[RacetimeSimulator]:
    server = RacetimeSimulator(scene.world, clock=clock)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http(simulator: RacetimeSimulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(simulator.url) as session:
        yield session


class Replay:
    """Sends what was sent to the real server, in the same order, and looks at the answers."""

    def __init__(self, scene: Scene, clock: ManualClock, simulator: RacetimeSimulator) -> None:
        self.scene, self.clock, self.simulator = scene, clock, simulator
        self.room = scene.room(slug="foolish-wolf-8674")
        for user in scene.racers[:2]:
            scene.world.join(self.room, user, scene.now)
        self.token = scene.world.token_of(scene.bot, scene.now)
        self.ws: ClientConnection | None = None
        # The captured ids in what was sent, and whom they meant.
        owners = ("xr85vpEMBoX32zJ4", "4GRrp1EXNj0B5DbX", "K517W0dv3EL82Jm6", "XNprgAEB0j2yRPOw", "gy6vDpdlMEzVxGYr")
        self.ids = {old: user.id for old, user in zip(owners, scene.racers, strict=False)}

    async def open(self, path: str = "", headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
        """Connect and return the two frames that come by themselves."""
        await self.close()
        url = self.simulator.url.replace("http", "ws") + (path or f"/ws/o/bot/{self.room.slug}")
        own = {"Authorization": f"Bearer {self.token}"}
        self.ws = await connect(url, additional_headers=own if headers is None else headers, compression=None)
        return [json.loads(await self.ws.recv()) for _ in range(2)]

    async def close(self) -> None:
        if self.ws is not None:
            await self.ws.close()
            self.ws = None

    async def barrier(self) -> list[dict[str, Any]]:
        """Return every frame up to the answer of a ping of our own."""
        assert self.ws is not None
        frames: list[dict[str, Any]] = []
        await self.ws.send('{"action": "ping"}')
        while True:
            frame = json.loads(await self.ws.recv())
            if frame["type"] == "pong":
                return frames
            frames.append(frame)

    async def play(self, sent: Any) -> list[dict[str, Any]]:
        """Send one captured input; return what came within the 0.6 s that the recording listened."""
        assert self.ws is not None
        if isinstance(sent, str):
            await self.ws.send(sent.removeprefix("b'").removesuffix("'").encode() if sent.startswith("b'") else sent)
        else:
            text = json.dumps(sent)
            for old, new in self.ids.items():
                text = text.replace(old, new)
            await self.ws.send(text)
        if isinstance(sent, dict) and sent.get("action") == "ping":
            return [json.loads(await self.ws.recv())]
        try:
            frames = await self.barrier()
            await self.clock.advance(0.6)
            return frames + await self.barrier()
        except websockets.ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            await self.open()
            return [{"CLOSED": [code, reason]}]

    async def prepare(self, case: str) -> None:
        """Do what people did on the real server before this case."""
        world, now = self.scene.world, self.clock.now()
        racer1, racer2, racer3 = self.scene.racers[:3]
        match case:
            case "ping" | "connect with expired token":
                await self.open()
            case "accept_request":
                world.request_invite(self.room, racer3, now)
            case "force_unready":
                world.ready(self.room, racer2, now)
            case "begin with unready entrant":
                world.ready(self.room, racer1, now)
                world.ready(self.room, racer2, now)
            case "make_open in progress":
                await self.clock.advance(11)
            case "expired: message":
                world.expire_tokens(self.scene.bot, now)
            case "un-expired: message":
                world.tokens[self.token].expires_at = now + 3600
            case "inactive bot: message":
                self.scene.bot.active = False
            case "finished: message":
                self.scene.bot.active = True
                world.done(self.room, racer1, now + 5)
                world.forfeit(self.room, racer2, now + 5)
                world.tick(now + 5)
            case "recorded: message":
                world.record(self.room, self.scene.mod, now)
        if self.ws is not None:
            await self.barrier()


async def test_the_captured_session_comes_out_the_same(
    scene: Scene, clock: ManualClock, simulator: RacetimeSimulator
) -> None:
    replay = Replay(scene, clock, simulator)
    other = scene.world.token_of(scene.other_bot, scene.now)
    connections = {
        "valid": ("", None),
        "no auth": ("", {}),
        "bogus token": ("", {"Authorization": "Bearer nonsense"}),
        "token in query": (f"/ws/o/bot/{replay.room.slug}?token={replay.token}", {}),
        "lowercase bearer": ("", {"Authorization": f"bearer {replay.token}"}),
        "other category bot": ("", {"Authorization": f"Bearer {other}"}),
        "connect with expired token": ("", None),
        "connect to finished+recorded race": ("", None),
    }
    played = 0
    for case in captured("ws/all_cases.json"):
        name = case["case"]
        if name.startswith(("public ws", "oauth ws", "no such")):
            continue
        if "received_types" in case:
            frames = await replay.open(*connections[name])
            assert [each["type"] for each in frames] == case["received_types"], name
        else:
            await replay.prepare(name)
            frames = await replay.play(case["sent"])
            assert shape(frames) == shape(case["received"]), name
            if name == "message":
                replay.ids["xW5myerqEVrGKojE"] = frames[0]["message"]["id"]
        played += 1
    await replay.close()
    assert played == 93


async def test_an_unknown_race_and_an_unknown_path_fail_as_captured(
    clock: ManualClock, simulator: RacetimeSimulator
) -> None:
    base = simulator.url.replace("http", "ws")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(f"{base}/ws/o/nonsense/x", open_timeout=60)
    assert refused.value.response.status_code == 500

    async def give_up() -> None:
        with pytest.raises(websockets.InvalidMessage):
            await connect(f"{base}/ws/o/bot/no-such-race-0000", open_timeout=60)

    waiting = asyncio.create_task(give_up())
    while simulator.stats.requests["GET /ws/o/bot/{slug}"] == 0:
        await clock.settle()
    await clock.advance(3.9)
    assert not waiting.done()
    await clock.advance(0.2)
    await waiting


async def test_the_captured_race_from_open_to_finished_sends_the_same_frames(
    scene: Scene, clock: ManualClock, simulator: RacetimeSimulator
) -> None:
    stream = captured("e2e_ws_stream.json")
    scene.racers[0].discriminator, scene.racers[1].discriminator = "1586", "3622"
    replay = Replay(scene, clock, simulator)
    world, room, (racer1, racer2) = scene.world, replay.room, scene.racers[:2]
    frames = await replay.open()
    guids = iter(("a-1", "a-2"))

    async def send(action: str, **data: Any) -> None:
        assert replay.ws is not None
        await replay.ws.send(json.dumps({"action": action, "data": data}))
        frames.extend(await replay.barrier())

    await send("message", message="Hello from the e2e bot", guid=next(guids))
    await send("setinfo", info_bot=stream[4]["race"]["info_bot"])
    frames.append({"type": "pong", "date": "2026-11-21T22:22:40.894719+00:00"})
    await send("gethistory")
    await send("getrace")
    world.chat(room, racer2, "!echo hi there", clock.now())
    await send("message", message="echo hi there", guid=next(guids))
    world.chat(room, racer2, "plain talk", clock.now())
    await send("setmeta", **stream[14]["race"]["bot_meta"])
    world.ready(room, racer1, clock.now())
    world.ready(room, racer2, clock.now())
    await clock.advance(16.3)
    world.done(room, racer1, clock.now())
    await clock.advance(1.0)
    world.forfeit(room, racer2, clock.now())
    await clock.advance(0.4)
    frames.extend(await replay.barrier())
    await replay.close()

    assert shape(frames[: len(stream)]) == shape(stream)


async def _race_object(http: aiohttp.ClientSession, clock: ManualClock, race: Race) -> Any:
    await clock.advance(5.1)  # past the copy that the site keeps
    async with http.get(f"/{race}/data") as answer:
        assert answer.status == 200
        return await answer.json()


async def test_race_objects_of_every_state_look_as_captured(
    scene: Scene, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    world = scene.world
    r1, r2, r3, r4, r5, r6 = scene.racers

    async def check(name: str, race: Race) -> None:
        real, ours = captured(f"http/{name}.json"), await _race_object(http, clock, race)
        # How often something changed before is not part of the state, nor are scores.
        real.pop("version"), ours.pop("version")
        assert shape(ours) == shape(real), name

    race = scene.room(invitational=True)
    scene.enter(race, r1)
    world.request_invite(race, r2, clock.now())
    world.invite(race, r3, r1, clock.now())
    await check("race_invitational", race)
    world.cancel(race, r1, clock.now())
    await check("race_cancelled", race)

    race = world.open_race("testcat", now=clock.now(), by=r1, settings=_settings())
    for user in (r1, r2, r3, r4):
        world.join(race, user, clock.now())
    await check("race_open", race)
    for user in (r1, r2, r3, r4):
        world.ready(race, user, clock.now())
    await clock.advance(1)
    await check("race_pending", race)
    await clock.advance(10)
    await check("race_in_progress", race)
    world.done(race, r1, clock.now() + 0.123)
    world.forfeit(race, r2, clock.now())
    entrant = race.entrant_of(r3)
    assert entrant is not None
    world.disqualify(race, entrant, scene.mod, clock.now())
    await check("race_in_progress_mixed", race)
    world.add_comment(race, r1, "gg", clock.now())
    world.done(race, r4, clock.now() + 0.123)
    await check("race_finished", race)
    world.record(race, scene.mod, clock.now())
    await check("race_recorded", race)
    async with http.get("/testcat/races/data?per_page=1&show_entrants=true") as answer:
        real = captured("http/category_races_data.json")
        assert shape((await answer.json())["races"]) == shape(real["races"])

    race = world.open_race("testcat", now=clock.now(), by=r5, settings=_settings())
    for user in (r5, r6):
        world.join(race, user, clock.now())
        world.ready(race, user, clock.now())
    await clock.advance(16)
    world.forfeit(race, r5, clock.now())
    world.forfeit(race, r6, clock.now())
    await check("race_cancelled_all_forfeit", race)


def _settings(**facts: Any) -> RaceSettings:
    return RaceSettings(**{"goal": "Any%", "start_delay_s": 10, "streaming_required": False, **facts})


async def test_team_hidden_and_partitioned_rooms_look_as_captured(
    scene: Scene, clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    world = scene.world
    r1, r2 = scene.racers[:2]

    async def check(name: str, race: Race) -> None:
        real, ours = captured(f"http/{name}.json"), await _race_object(http, clock, race)
        for race_object in (real, ours):
            race_object.pop("version")
            for entrant in race_object["entrants"]:
                if entrant["team"]:
                    entrant["team"] = {key: type(each) for key, each in entrant["team"].items()}
                if not entrant["user"]["id"]:
                    entrant["user"]["name"] = entrant["user"]["full_name"] = "somebody"
        assert shape(ours) == shape(real), name

    race = scene.room(team_race=True)
    world.join(race, r1, clock.now())
    world.join(race, r2, clock.now())
    world.set_team(race, r1, clock.now())
    await check("race_team", race)
    world.cancel(race, r1, clock.now())

    hidden: dict[str, Any] = {f"allow_{kind}_chat": False for kind in ("prerace", "midrace", "non_entrant")}
    race = scene.room(hide_entrants=True, **hidden)
    world.join(race, r1, clock.now())
    world.join(race, r2, clock.now())
    await check("race_anonymised", race)
    world.cancel(race, r1, clock.now())

    race = scene.room(partitionable=True)
    world.join(race, r1, clock.now())
    world.join(race, r2, clock.now())
    world.act(race, scene.bot, "begin", {}, clock.now())
    await check("race_partitioned", race)
    (child,) = world.current.values()
    await check("race_partition_child", child)
