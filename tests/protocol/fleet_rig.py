"""A whole exporter over a simulated racetime.gg, in this process: real sockets on both sides, judged from outside.

`Fleet.agree` is the invariant of all fault tests: /status, /metrics and the site's own truth say the same.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from exporter.app import Application, application, load_fleet
from exporter.model import events as ev
from exporter.platforms import PLATFORMS
from exporter.platforms.base import Platform
from exporter.platforms.racetime.bot import RacetimeBot
from exporter.platforms.racetime.client import Patience, RoomSocket
from exporter.platforms.racetime.rooms import Room, RoomTiming
from exporter.platforms.racetime.service import open_service
from exporter.runner import RetryPolicy
from exporter.simulators.racetime import Race, RacetimeSimulator, quiet
from exporter.timing import Clock
from exporter.web.settings import WebSettings
from tests.eventually import LIMIT_S
from tests.steady import LoopClock

CATEGORIES = ("alttpr", "ootr", "smz3")
POLL_S = 0.1
QUICK_RETRY = RetryPolicy(first_s=0.05, most_s=0.3, stable_s=60.0, auth_s=0.4, credentials_check_s=0.05)
QUICK_ROOMS = RoomTiming(first_retry_s=0.02, most_retry_s=0.2, stagger_s=0.0, linger_s=600.0, order_s=2.0)
QUICK_PATIENCE = Patience(request_s=0.6, ping_s=0.2, close_s=0.1)

Json = dict[str, Any]
Sample = tuple[str, frozenset[tuple[str, str]]]


def quick_platforms(patience: Patience, rooms: RoomTiming) -> Mapping[str, Platform]:
    """Return the platforms with a racetime that does not wait as long as for a site far away."""

    quick = partial(open_service, patience=patience, timing=rooms)
    return {**PLATFORMS, "racetime": replace(PLATFORMS["racetime"], open_service=quick)}


@dataclass
class Fleet:
    """The exporter with one bot a category, the site, and a client that reads the exporter."""

    app: Application
    site: RacetimeSimulator
    session: aiohttp.ClientSession
    secrets: Path
    clock: Clock
    changes: list[ev.Change] = field(default_factory=list)
    crashed: Counter[str] = field(default_factory=Counter)
    """How often each bot met a mistake of its own; a test that makes none has none."""

    async def status(self) -> Json:
        async with self.session.get("/status") as response:
            answer: Json = await response.json()
            return answer

    async def bot(self, name: str) -> Json:
        async with self.session.get(f"/status/bots/{name}") as response:
            answer: Json = await response.json()
            return answer

    async def metrics(self) -> dict[Sample, float]:
        async with self.session.get("/metrics") as response:
            text = await response.text()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def until(self, name: str, good: Callable[[Json], bool], limit_s: float = LIMIT_S) -> Json:
        """Ask for a bot until the answer is as it should be."""
        end = self.clock.monotonic() + limit_s
        while not good(answer := await self.bot(name)):
            assert self.clock.monotonic() < end, answer
            await asyncio.sleep(0.02)
        return answer

    async def healthy(self, *names: str, limit_s: float = LIMIT_S) -> None:
        """Wait until these bots (all of them by default) work and have a socket in each of their rooms."""
        end = self.clock.monotonic() + limit_s
        for name in names or CATEGORIES:
            await self.until(name, lambda bot: bool(bot["healthy"]), limit_s)
        while lost := self.lost_rooms(names or CATEGORIES):
            assert self.clock.monotonic() < end, f"not back: {lost}, faults {self.site.faults.active}"
            await asyncio.sleep(0.02)

    def lost_rooms(self, names: Sequence[str] = CATEGORIES) -> list[str]:
        """Return the current rooms in which the site does not have exactly one of our sockets, or the store none."""
        rooms = {room: count for name in names for room, count in self.site.truth(f"demo-{name}").rooms.items()}
        known = self.app.store.races
        return [room for room, count in rooms.items() if count != 1 or room not in known or not known[room].connected]

    def open_race(self, category: str) -> Race:
        users = list(self.site.world.users.values())
        taken = {entrant.user for race in self.site.world.races.values() for entrant in race.entrants}
        by = next(user for user in users if user not in taken)
        return self.site.world.open_race(self.site.world.categories[category], now=self.clock.now(), by=by)

    async def agree(self) -> None:
        """/status, /metrics and, for those that are not about to change, the site's truth say the same."""
        for _ in range(50):
            before = await self.status()
            metrics = await self.metrics()
            after = await self.status()
            if _without_times(before) == _without_times(after):
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError("the fleet does not settle")
        for bot in after["bots"]:
            own = {("bot", bot["name"]), ("platform", bot["platform"])}

            def value(name: str, own: set[tuple[str, str]] = own, **labels: str) -> float | None:
                return metrics.get((name, frozenset(own | set(labels.items()))))

            assert value("bot_up") == bot["healthy"]
            assert value("bot_available") == bot["available"]
            assert value("bot_state", state=bot["state"]) == 1
            assert value("bot_status", status=bot["status_name"]) == 1
            reason = bot["status_reason"]
            assert value("bot_status_reason", reason=reason or "dns") == (1 if reason else 0)
            assert (value("bot_next_retry_timestamp_seconds") is None) == (bot["next_retry_at"] is None)
            assert value("bot_reconnects_total") == bot["reconnects"]
            assert value("bot_crashes_total") == self.crashed[bot["name"]]
        system = after["system"]
        assert system["available_bots"] + system["busy_bots"] + system["disconnected_bots"] == system["total_bots"]
        for category in CATEGORIES:
            shown = [race for race in after["races"] if race["category"] == category]
            for state in {race["state"] for race in shown}:
                key = ("bot_races", frozenset({("category", category), ("status", state)}))
                assert metrics[key] == sum(race["state"] == state for race in shown)

    async def untouched(self, *names: str) -> None:
        """These bots never failed, and were never disconnected."""
        for name in names:
            bot = await self.bot(name)
            assert (bot["healthy"], bot["last_error"], bot["reconnects"]) == (True, None, 0), bot
        troubled = {
            change.name
            for change in self.changes
            if isinstance(change.event, ev.ConnectionFailed | ev.CredentialsRefused | ev.BotCrashed | ev.CheckFailed)
        }
        assert not troubled & set(names)


def _without_times(status: Json) -> Json:
    moving = {"last_poll_at", "last_status_check_at", "last_activity", "uptime_seconds", "last_error_time"}
    return {
        "bots": [{key: each[key] for key in each if key not in moving} for each in status["bots"]],
        "races": status["races"],
    }


@asynccontextmanager
async def racetime_fleet(
    folder: Path,
    *,
    poll_s: float = POLL_S,
    patience: Patience = QUICK_PATIENCE,
    rooms: RoomTiming = QUICK_ROOMS,
    retry: RetryPolicy = QUICK_RETRY,
    rooms_each: int = 1,
    alone: bool = True,
) -> AsyncIterator[Fleet]:
    """Run a fleet, all of it connected; afterwards no socket may be left of it, and no task if it was alone."""
    clock = LoopClock()
    tasks = asyncio.all_tasks()
    site = RacetimeSimulator(
        quiet(clock.now()).world, clock=clock, race_cache_s=0, category_cache_s=0, races_cache_s=0, tick_s=0.01
    )
    await site.start()
    secrets = folder / "secrets"
    secrets.mkdir(parents=True)
    lines = [f"racetime: {{url: '{site.url}', poll_interval: {round(poll_s * 1000)}ms}}", "bots:"]
    for category in CATEGORIES:
        (secrets / category).write_text(f"demo-{category}-secret")
        lines.append(
            f"  - {{name: {category}, platform: racetime, category: {category}, client_id: demo-{category},"
            f" client_secret_file: secrets/{category}}}"
        )
    config = folder / "config.yaml"
    config.write_text("\n".join(lines))
    try:
        async with (
            application(
                load_fleet(config),
                WebSettings(listen=(("127.0.0.1", 0),)),
                folder / "data",
                clock=clock,
                policy=retry,
                stagger_s=0,
                platforms=quick_platforms(patience, rooms),
            ) as app,
            aiohttp.ClientSession(f"http://127.0.0.1:{app.web.addresses[0][1]}") as session,
        ):
            fleet = Fleet(app, site, session, secrets, clock)
            app.store.subscribe(fleet.changes.append)
            for category in CATEGORIES:
                for _ in range(rooms_each):
                    fleet.open_race(category)
            await fleet.healthy()
            yield fleet
            assert app.process.unexpected_transitions == 0
    finally:
        site.faults.clear()
        await site.stop()
    assert site.open_sockets() == []
    if alone:
        assert tasks_left(tasks) == set()


def tasks_left(before: set["asyncio.Task[Any]"]) -> set["asyncio.Task[Any]"]:
    """Return the tasks that run now and did not before."""
    return {task for task in asyncio.all_tasks() - before if not task.done()}


def objects_alive() -> int:
    """Return how many of the objects that come and go with rooms and connections exist now."""
    gc.collect()
    return sum(isinstance(each, Room | RoomSocket | RacetimeBot) for each in gc.get_objects())
