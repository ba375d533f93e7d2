"""A whole exporter on quiet simulators, and a client with an admin key: orders go over real sockets on both sides."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from exporter.app import Application, application, load_fleet
from exporter.platforms import PLATFORMS
from exporter.platforms.dota2.playing import Dota2Timing
from exporter.platforms.dota2.service import open_service
from exporter.platforms.dota2.wire import Team
from exporter.timing import SystemClock
from exporter.web.settings import WebSettings
from tests.eventually import eventually

Json = dict[str, Any]

BASE = 0x0110000100000000
ANN, BEN = BASE + 11, BASE + 12
LOBBY = {"name": "inhouse", "server_region": "USE", "game_mode": "CM", "expected_players": 2}
RACE = {"category": "alttpr", "goal": "Beat the game"}
HERE = WebSettings(listen=(("127.0.0.1", 0),))


class Rig:
    """`call` gives an order; what it answers is kept in `status`, `headers` and returned."""

    def __init__(self, program: Application, session: aiohttp.ClientSession) -> None:
        self.program = program
        self.session = session
        self.status = 0
        self.headers: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, json=body, headers=named) as answer:
            self.status, self.headers = answer.status, dict(answer.headers)
            found: Json = await answer.json(content_type=None)
            return found

    async def post(self, path: str, body: Json | None = None, **headers: str) -> Json:
        return await self.call("POST", path, body, **headers)

    async def ok(self, path: str, body: Json | None = None, **headers: str) -> Json:
        """Give an order that must be done."""
        answer = await self.post(path, body, **headers)
        assert self.status in {200, 201}, answer
        return answer

    async def refused(self, status: int, path: str, body: Json | None = None, method: str = "POST") -> str:
        """Give an order that must be refused with this status; returns the problem's detail."""
        answer = await self.call(method, path, body)
        assert self.status == status, answer
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(answer["detail"])

    async def lobby(self, **more: Any) -> str:
        return str((await self.ok("/api/v1/lobbies", LOBBY | more))["lobby_id"])

    def seat(self, lobby_id: str, *people: int) -> None:
        """Have people come into a lobby and sit down."""
        assert self.program.dota2 is not None
        world = self.program.dota2.coordinator.world
        lobby = world.lobbies[int(lobby_id)]
        at = SystemClock().now()
        for number, who in enumerate(people):
            world.join(lobby, who, at, "")
            world.seat(who, Team(number % 2), 0, at)


@asynccontextmanager
async def control_rig(
    folder: Path,
    *,
    bots: int = 1,
    races: Collection[str] = (),
    ready: Collection[str] | None = None,
    timing: Dota2Timing | None = None,
) -> AsyncIterator[Rig]:
    """Run the exporter with so many Dota 2 bots and a bot for each of these categories; `ready` are waited for."""
    dota2 = replace(PLATFORMS["dota2"], open_service=partial(open_service, timing=timing))
    lines = ["steam: {logon_interval: 0s}", "simulators:"]
    lines += ["  steam: {enabled: true, scenario: quiet}", "  racetime: {enabled: true, scenario: quiet}", "bots:"]
    for number in range(1, bots + 1):
        account = f"demo-bot-{2 * number}"
        lines.append(
            f"  - {{name: lobby-{number}, platform: dota2, username: {account},"
            f" password: {account.replace('bot', 'password')}}}"
        )
    for category in races:
        lines.append(
            f"  - {{name: {category}, platform: racetime, category: {category}, client_id: demo-{category},"
            f" client_secret: demo-{category}-secret}}"
        )
    (folder / "config.yaml").write_text("\n".join(lines))
    async with application(
        load_fleet(folder / "config.yaml"),
        HERE,
        folder / "data",
        stagger_s=0.0,
        platforms={**PLATFORMS, "dota2": dota2},
    ) as program:
        assert program.admin_key is not None
        key = {"X-API-Key": program.admin_key.read_text().strip()}
        host, port = program.web.addresses[0]
        async with aiohttp.ClientSession(f"http://{host}:{port}", headers=key) as session:
            await eventually(
                lambda: all(program.store.bots[name].ready for name in (program.store.bots if ready is None else ready))
            )
            yield Rig(program, session)
            assert program.process.unexpected_transitions == 0
