"""One exporter with bots of both platforms over both simulated services, judged from outside.

It runs with production's own limits and intervals, on the fast loop of conftest.py. What all tests here hold it to:

    `recover`       each bot is healthy again, or says why not, and when it tries again or that an operator must act
    `agree`         /status and /metrics say the same, and the same as the services know
    `levels`        as many sockets, rooms, bots and tasks of ours as before
    `clean_log`     nothing in the log that means a mistake of ours
"""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CoroutineType
from typing import Any

import aiohttp
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection

from exporter.app import application, load_fleet
from exporter.model.states import BotStatus
from exporter.model.status import BotRecord
from exporter.platforms import PLATFORMS
from exporter.platforms.base import Platform
from exporter.platforms.dota2.bot import Dota2Bot
from exporter.platforms.racetime.bot import RacetimeBot
from exporter.platforms.racetime.client import RoomSocket
from exporter.platforms.racetime.rooms import Room
from exporter.platforms.steam.connection import SteamConnection
from exporter.runner import RetryPolicy
from exporter.simulators.dota2 import Coordinator, truth_of
from exporter.simulators.racetime import RacetimeSimulator, quiet
from exporter.simulators.racetime.registry import TOKEN_LIFE_S
from exporter.simulators.steam import Account, Policy, SteamSimulator, World
from exporter.web.settings import WebSettings
from tests.protocol.fleet_rig import CATEGORIES, Fleet, tasks_left
from tests.steady import LoopClock

HOSTS = ("lobby-1", "lobby-2", "lobby-3")
BOTS = (*CATEGORIES, *HOSTS)
PASSWORD = "the password of all"
LOOK_S = 0.5
RETRY = RetryPolicy(first_s=1.0, most_s=20.0, auth_s=60.0)
RECOVERY_S = 400.0
"""Longer than any wait of the failure policy: an account that is used elsewhere is left alone for 330 s."""

# What the machine or an operator does to the program may be an error in its log; a mistake of ours never.
MISTAKES = ("this is a bug", "internal error")
ALLOWED_ERRORS = frozenset(
    {
        "the token cannot be kept: the next start needs the password",
        "the renewed token cannot be kept: the next start needs the password",
        "the database does not work: bots go on",
        # Two seconds of the fast loop are twenty milliseconds for the writer's thread, which is as fast as the machine.
        "not everything could be written",
    }
)

Json = dict[str, Any]
Log = list[Any]


class WallClock(LoopClock):
    """The loop's clock with a wall clock that somebody sets; monotonic time knows nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self._off_s = 0.0

    def now(self) -> float:
        return super().now() + self._off_s

    def jump(self, seconds: float) -> None:
        self._off_s += seconds


@dataclass
class MixedFleet(Fleet):
    """The exporter, both services, and a client with an admin key."""

    steam: SteamSimulator = field(kw_only=True)
    coordinator: Coordinator = field(kw_only=True)
    wall: WallClock = field(kw_only=True)
    folder: Path = field(kw_only=True)
    log: Log = field(kw_only=True)

    def account(self, name: str) -> Account:
        return self.steam.world.accounts[f"user-{name}"]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    async def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> tuple[int, Json]:
        """Give an order; returns the status and the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, json=body, headers=named) as answer:
            found: Json = await answer.json(content_type=None)
            return answer.status, found

    async def recover(self, limit_s: float = RECOVERY_S) -> None:
        """Wait until every bot is healthy; one that only an operator can help must say so, and is helped once."""
        end, helped = self.clock.monotonic() + limit_s, set[str]()
        while not all(record.healthy for record in self.app.store.bots.values()) or self.lost_rooms():
            self.explained()
            for record in tuple(self.app.store.bots.values()):
                if _needs_operator(record) and record.name not in helped:
                    helped.add(record.name)
                    await self.app.supervisor.restart(record.name)
            stuck = {name: bot.status_message for name, bot in self.app.store.bots.items() if not bot.healthy}
            assert self.clock.monotonic() < end, f"stuck: {stuck}, rooms {self.lost_rooms()}, log {self.log[-20:]}"
            await asyncio.sleep(LOOK_S)

    def explained(self) -> None:
        """Hold every active bot that failed to saying why, and when it tries again or that an operator must act."""
        for bot in self.app.store.bots.values():
            if bot.is_active and bot.status in {BotStatus.CONNECTION_ERROR, BotStatus.AUTH_FAILED}:
                assert bot.status_message, bot
                assert bot.status_reason, bot
                tries_again = bot.next_retry_at is not None or bot.state != "disconnected"
                assert tries_again or _needs_operator(bot), bot

    async def agree(self) -> None:
        """Compare /status with /metrics, and both with what the services know."""
        await super().agree()
        status = await self.status()
        for bot in (each for each in status["bots"] if each["platform"] == "dota2"):
            truth = truth_of(self.coordinator, self.account(bot["name"]).steamid)
            assert bot["gc_connected"] == truth.has_session, bot
            assert bot["current_lobby_id"] == (str(truth.lobby.lobby_id) if truth.lobby else None), bot
        connected = sorted(f"user-{bot['name']}" for bot in status["bots"] if bot.get("steam_connected"))
        assert self.steam.world.logged_on() == connected
        assert len(self.steam.world.sessions) == len(connected)
        for lobby in (each for each in status["lobbies"] if each["state"] != "finished"):
            truth = truth_of(self.coordinator, self.account(lobby["bot"]).steamid)
            assert [truth.count(team) for team in ("radiant", "dire", "spectator")] == [
                lobby[f"{team}_count"] for team in ("radiant", "dire", "spectator")
            ]

    def clean_log(self) -> None:
        """Fail if the log has an error that is none of the machine's."""
        for line in self.log:
            wrong = line["log_level"] in {"error", "critical"} and line["event"] not in ALLOWED_ERRORS
            assert not wrong, line
            assert "exc_info" not in line, line
            assert not any(words in str(line) for words in MISTAKES), line

    def levels(self) -> Counter[str]:
        """Count what comes and goes with connections: objects by type, and tasks that run code of ours."""
        gc.collect()
        kinds = {Room, RoomSocket, RacetimeBot, Dota2Bot, SteamConnection, ClientConnection}
        found = Counter(type(each).__name__ for each in gc.get_objects() if type(each) in kinds)
        return found + Counter(
            name for task in asyncio.all_tasks() if not task.done() and (name := _ours(task)) is not None
        )

    async def settled(self, levels: Counter[str]) -> None:
        """Wait until all is at these levels again: what was closed may take a moment to go."""
        end = self.clock.monotonic() + 60.0
        while more := self.levels() - levels:
            assert self.clock.monotonic() < end, more
            await asyncio.sleep(LOOK_S)


def _needs_operator(bot: BotRecord) -> bool:
    """Return whether a bot has given up: its credentials were refused, and it does not try again by itself."""
    return bot.is_active and bot.status is BotStatus.AUTH_FAILED and bot.next_retry_at is None


def _ours(task: "asyncio.Task[Any]") -> str | None:
    """Return which code of the exporter a task runs, None if none of it."""
    coroutine = task.get_coro()
    if not isinstance(coroutine, CoroutineType):
        return None
    code = coroutine.cr_code
    path = code.co_filename
    if "/exporter/" not in path or "/simulators/" in path or "/web/" in path or path.endswith("/alarm.py"):
        return None  # an alarm is rung or not, by the time that passed; it lives in the task group of its connection
    return f"task {code.co_qualname}"


def config_of(site: RacetimeSimulator, steam: SteamSimulator, *, poll: str = "5s", logon: str = "500ms") -> str:
    """Return the configuration of the fleet."""
    lines = [
        f"racetime: {{url: '{site.url}', poll_interval: {poll}}}",
        f"steam: {{logon_interval: {logon}, cm_list: {steam.cm_urls}}}",
        "bots:",
    ]
    lines += [
        f"  - {{name: {name}, platform: racetime, category: {name}, client_id: demo-{name},"
        f" client_secret: demo-{name}-secret}}"
        for name in CATEGORIES
    ]
    lines += [f"  - {{name: {name}, platform: dota2, username: user-{name}, password: {PASSWORD}}}" for name in HOSTS]
    return "\n".join(lines)


@asynccontextmanager
async def mixed_fleet(
    folder: Path,
    *,
    rooms_each: int = 1,
    policy: Policy | None = None,
    site_token_s: float = TOKEN_LIFE_S,
    retry: RetryPolicy = RETRY,
    platforms: Mapping[str, Platform] = PLATFORMS,
) -> AsyncIterator[MixedFleet]:
    """Run it, all of it connected; afterwards no socket and no task may be left of it, and its log must be clean."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  (before anything runs)
    clock, wall, tasks = LoopClock(), WallClock(), asyncio.all_tasks()
    site = RacetimeSimulator(
        quiet(clock.now()).world, clock=clock, race_cache_s=0, category_cache_s=0, races_cache_s=0, tick_s=0.25
    )
    site.world.token_life_s = site_token_s
    coordinator = Coordinator()
    world = World(policy=policy or Policy(poll_interval_s=1.0))
    for name in HOSTS:
        world.add_account(f"user-{name}", PASSWORD)
    steam = SteamSimulator(world, clock=clock, games=[coordinator], tick_s=0.25)
    config = folder / "config.yaml"
    async with AsyncExitStack() as stack:
        log = stack.enter_context(capture_logs())
        await site.start()
        stack.push_async_callback(site.stop)
        await steam.start()
        stack.push_async_callback(steam.stop)
        config.write_text(config_of(site, steam))
        app = await stack.enter_async_context(
            application(
                load_fleet(config),
                WebSettings(listen=(("127.0.0.1", 0),)),
                folder / "data",
                clock=wall,
                policy=retry,
                stagger_s=0.1,
                platforms=platforms,
            )
        )
        assert app.admin_key is not None
        key = {"X-API-Key": app.admin_key.read_text().strip()}
        session = await stack.enter_async_context(
            aiohttp.ClientSession(f"http://127.0.0.1:{app.web.addresses[0][1]}", headers=key)
        )
        fleet = MixedFleet(
            app, site, session, folder, clock, steam=steam, coordinator=coordinator, wall=wall, folder=folder, log=log
        )
        app.store.subscribe(fleet.changes.append)
        for category in CATEGORIES:
            for _ in range(rooms_each):
                fleet.open_race(category)
        await fleet.recover()
        yield fleet
        assert app.process.unexpected_transitions == 0
        site.faults.clear()
        steam.faults.clear()
        coordinator.faults.clear()
        assert coordinator.stats.violations == []
    assert site.open_sockets() == []
    assert steam.links == []
    fleet.clean_log()
    assert tasks_left(tasks) == set()
