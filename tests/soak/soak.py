"""The soak: a large fleet of both platforms, faults at random, scrapes, feed readers, orders, reloads; then the bill.

    services (a process)  <-  the exporter (the installed command)  <-  this process: everybody who uses it

What it must hold to, whatever happens: nothing in its log that means a mistake of ours; memory that does not grow; each
order answered within its limit; once all is calm, every bot healthy, and /status, /metrics, every reader of the feed
and the services of one opinion.
"""

import asyncio
import os
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.lines import Helper
from benchmarks.measure import percentile
from tests.e2e.command import Running, exporter
from tests.soak.readers import Frames, Reader
from tests.soak.services import PASSWORD

ORDER_LIMIT_S = 15.0  # an order is answered after `wait`, 10 s, with what is known then
CALM_S = 180.0
MOST_ORDERS = 20  # at once: one address may hold a hundred connections
_SCRAPE_S = 1.0
_SERVED = {200, 201, 202, 404, 409, 502, 503, 504}
_MOVING = {"last_poll_at", "last_status_check_at", "last_activity", "token_expires_at"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """How large, and for how long."""

    bots: int = 500
    readers: int = 100
    slow_readers: int = 10
    trouble_s: float = 600.0
    seed: int = 1
    orders_every_s: float = 0.5
    reload_every_s: float = 15.0
    fault_every_s: float = 1.5

    @property
    def racetime(self) -> int:
        return self.bots // 2

    @property
    def dota2(self) -> int:
        return self.bots - self.racetime


@dataclass
class Bill:
    """What it came to."""

    options: Options
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the begin of the trouble, and megabytes."""
    scrapes_s: list[float] = field(default_factory=list)
    orders: list[tuple[str, int, float]] = field(default_factory=list)
    """What was ordered, the status of the answer, and the seconds until it came."""
    lag: list[tuple[float, float]] = field(default_factory=list)
    """Upper bounds of the loop's lag, and the ticks within each."""
    faults: int = 0
    reloads: int = 0
    frames: int = 0
    reconnects: int = 0
    dropped_readers: float = 0.0
    recovered_s: float = 0.0
    ran_s: float = 0.0
    """How long the exporter's event loop had a processor during the trouble, and below, how long it waited for one."""
    starved_s: float = 0.0
    troubled: float = 0.0
    """Connections of bots that failed, as the metrics count them."""
    problems: list[str] = field(default_factory=list)

    @property
    def slope_mb_a_minute(self) -> float:
        """The slope of the line through the second half of the memory's measurements."""
        half = self.memory[len(self.memory) // 2 :]
        if len(half) < 2:
            return 0.0
        mean_x, mean_y = (sum(each[axis] for each in half) / len(half) for axis in (0, 1))
        spread = sum((x - mean_x) ** 2 for x, _ in half)
        return 60.0 * sum((x - mean_x) * (y - mean_y) for x, y in half) / spread

    def lag_ms(self, share: float) -> float:
        """Return the bound that this share of the loop's ticks was not later than."""
        total = sum(count for _, count in self.lag)
        seen = 0.0
        for bound, count in self.lag:
            seen += count
            if seen >= share * total:
                return bound * 1000
        return 0.0

    def as_json(self) -> Json:
        """Return the figures of docs/reliability.md."""
        orders_s, memory = [each[2] for each in self.orders], [each[1] for each in self.memory]
        shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {
            "bots": self.options.bots,
            "trouble_s": self.options.trouble_s,
            "seed": self.options.seed,
            "faults": self.faults,
            "failed_connections": self.troubled,
            "recovered_s": self.recovered_s,
            "memory_mb": {"first": memory[0], "last": memory[-1], "most": max(memory)} if memory else {},
            "memory_slope_mb_a_minute": self.slope_mb_a_minute,
            "ran_s": self.ran_s,
            "starved_s": self.starved_s,
            "lag_ms_at_most": {name: self.lag_ms(share) for name, share in shares.items()},
            "scrapes": len(self.scrapes_s),
            "scrape_s": {name: percentile(self.scrapes_s, share) for name, share in shares.items()},
            "orders": len(self.orders),
            "order_s": {name: percentile(orders_s, share) for name, share in shares.items()},
            "reloads": self.reloads,
            "frames": self.frames,
            "readers": self.options.readers,
            "problems": self.problems,
        }

    def lines(self) -> Iterator[str]:
        """Yield the bill for people."""
        options, orders_s = self.options, [each[2] for each in self.orders]
        yield f"bots              {options.racetime} racetime, {options.dota2} dota2; seed {options.seed}"
        yield f"trouble           {options.trouble_s:.0f} s, {self.faults} faults"
        yield f"connections       {self.troubled:.0f} failed"
        yield f"all healthy       {self.recovered_s:.1f} s after the last fault"
        if self.memory:
            first, last = self.memory[0][1], self.memory[-1][1]
            most = max(each[1] for each in self.memory)
            yield f"memory MB         {first:.1f} at first, {last:.1f} at last, {most:.1f} at most"
            yield f"memory slope      {self.slope_mb_a_minute:+.2f} MB a minute in the second half"
        yield f"processor s       {self.ran_s:.0f} ran, {self.starved_s:.0f} waited for one"
        lags = " / ".join(f"<= {self.lag_ms(share):g}" for share in (0.5, 0.99, 1.0))
        yield f"loop lag ms       {lags} (p50 / p99 / max)"
        scrapes = " / ".join(f"{percentile(self.scrapes_s, share) * 1000:.0f}" for share in (0.5, 0.99, 1.0))
        yield f"scrapes ms        {scrapes} (p50 / p99 / max), {len(self.scrapes_s)} scrapes"
        answers = " / ".join(f"{percentile(orders_s, share):.2f}" for share in (0.5, 0.99, 1.0))
        yield f"orders s          {answers} (p50 / p99 / max), {len(self.orders)} orders, {self.reloads} reloads"
        yield f"answers           {dict(sorted(Counter(each[1] for each in self.orders).items()))}"
        yield f"feed              {self.frames} frames to {options.readers} readers, {self.reconnects} reconnects"
        yield f"slow readers      {options.slow_readers}, dropped {self.dropped_readers:.0f} times"
        yield from (f"PROBLEM           {each}" for each in self.problems)


class Soak:
    """One run."""

    def __init__(self, options: Options, services: Helper, running: Running, folder: Path, places: Json) -> None:
        self.bill = Bill(options)
        self._options = options
        self._services = services
        self._running = running
        self._folder = folder
        self._places = places
        self._key = {"X-API-Key": (folder / "data" / "admin.key").read_text().strip()}
        self._chance = random.Random(options.seed)
        self._began = time.monotonic()
        self._calm = asyncio.Event()
        self._hands = asyncio.Semaphore(MOST_ORDERS)
        self._maintained: set[str] = set()
        self._stopped: set[str] = set()

    async def run(self) -> Bill:
        """Let everything happen at once, then be calm and compare."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(self._client("127.0.0.1"))
            readers = await self._readers(stack)
            await self._healthy(session, CALM_S)
            self._began, had = time.monotonic(), processor_s(self._running.process.pid)
            self._services.ask("trouble")
            reading = [asyncio.create_task(each.run()) for each in readers]
            stack.push_async_callback(_ended, reading)
            async with asyncio.TaskGroup() as group:
                for work in (self._scrape(session), self._order(session), self._reload(session)):
                    group.create_task(work)
                await asyncio.sleep(self._options.trouble_s)
                self._calm.set()
            has = processor_s(self._running.process.pid)
            self.bill.ran_s, self.bill.starved_s = has[0] - had[0], has[1] - had[1]
            told = await asyncio.to_thread(self._services.ask, "calm")
            self.bill.faults = told["faults"]
            self.bill.problems += told["failed"] + told["violations"]
            for each in readers:
                each.slow_s = 0.0  # from now on they may catch up
            await self._set_right(session)
            began = time.monotonic()
            await self._healthy(session, CALM_S)
            self.bill.recovered_s = time.monotonic() - began
            await self._of_one_opinion(session, readers)
            await _ended(reading)
            await self._figures(session)
            self.bill.frames = readers[0].frames.seen
            self.bill.reconnects = sum(each.connections - 1 for each in readers)
        self._read_log()
        return self.bill

    def _client(self, address: str) -> aiohttp.ClientSession:
        """Return a client that comes from this address: one address may hold only so many connections."""
        connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0)
        return aiohttp.ClientSession(self._running.url, headers=self._key, connector=connector)

    async def _readers(self, stack: AsyncExitStack) -> list[Reader]:
        quick, slow = [await stack.enter_async_context(self._client(f"127.0.0.{last}")) for last in (2, 3)]
        frames = Frames()
        few = self._options.slow_readers
        return [
            *(Reader(quick, frames, self._chance, 0.0) for _ in range(self._options.readers - few)),
            *(Reader(slow, frames, self._chance, 0.5) for _ in range(few)),
        ]

    # the time of trouble

    async def _scrape(self, session: aiohttp.ClientSession) -> None:
        while not self._calm.is_set():
            began = time.monotonic()
            values = await self._metrics(session)
            self.bill.scrapes_s.append(time.monotonic() - began)
            self.bill.memory.append((began - self._began, values["process_resident_memory_bytes", ""] / 2**20))
            self._count(await self._get(session, "/status/system"))
            await self._pause(_SCRAPE_S - (time.monotonic() - began))

    def _count(self, system: Json) -> None:
        parts = system["available_bots"] + system["busy_bots"] + system["disconnected_bots"]
        if parts != system["total_bots"]:
            self.bill.problems.append(f"the parts of the fleet are not the whole: {system}")

    async def _order(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as group:
            while not self._calm.is_set():
                await self._hands.acquire()
                group.create_task(self._give(session)).add_done_callback(lambda _: self._hands.release())
                await self._pause(self._options.orders_every_s * self._chance.uniform(0.5, 1.5))

    async def _give(self, session: aiohttp.ClientSession) -> None:
        chance = self._chance
        bot = f"bot{chance.randrange(self._options.bots)}"
        match chance.randrange(8):
            case 0:
                await self._call(session, "restart", "POST", f"/api/v1/bots/{bot}/restart")
            case 1:
                self._stopped.add(bot)
                await self._call(session, "stop", "POST", f"/api/v1/bots/{bot}/stop")
                await self._call(session, "start", "POST", f"/api/v1/bots/{bot}/start")
            case 2:
                self._maintained.add(bot)
                await self._call(session, "maintenance", "POST", f"/api/v1/bots/{bot}/maintenance", {"reason": "soak"})
                await self._call(session, "maintenance ends", "DELETE", f"/api/v1/bots/{bot}/maintenance")
            case 3 | 4:
                lobbies = await self._get(session, "/status/lobbies")
                open_ = [
                    each["lobby_id"] for each in lobbies["lobbies"] if each["lobby_id"] and not each["match_outcome"]
                ]
                if open_:
                    await self._call(session, "close lobby", "DELETE", f"/api/v1/lobbies/{chance.choice(open_)}")
            case _:
                lobby = {"name": "soak", "server_region": "USE", "game_mode": "CM"}
                await self._call(session, "create lobby", "POST", "/api/v1/lobbies", lobby)

    async def _call(
        self, session: aiohttp.ClientSession, what: str, method: str, path: str, body: Json | None = None
    ) -> None:
        began, starved_s = time.monotonic(), self._starved_s()
        try:
            async with session.request(method, path, json=body) as response:
                text = await response.text()
        except aiohttp.ClientError as error:
            self.bill.problems.append(f"{what}: no answer after {time.monotonic() - began:.1f} s: {error!r}")
            return
        took_s = time.monotonic() - began
        self.bill.orders.append((what, response.status, took_s))
        if response.status not in _SERVED:
            self.bill.problems.append(f"{what}: answered {response.status}: {text[:300]}")
        starved_s = self._starved_s() - starved_s
        if took_s - starved_s > ORDER_LIMIT_S:  # a busy machine is no failure
            self.bill.problems.append(f"{what}: answered after {took_s:.1f} s, {starved_s:.1f} s without a processor")

    async def _reload(self, session: aiohttp.ClientSession) -> None:
        """Take bots out of the configuration and put them back."""
        while not self._calm.is_set():
            await self._pause(self._options.reload_every_s)
            without = self._chance.sample(range(self._options.bots), 3) if self.bill.reloads % 2 == 0 else ()
            write_config(self._folder, self._options, self._places, without)
            await self._call(session, "reload", "POST", "/-/reload")
            self.bill.reloads += 1

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._calm.wait()
        except TimeoutError:
            return

    def _starved_s(self) -> float:
        """Return how long exporter, services and this process have waited for a processor since they began."""
        pids = (self._running.process.pid, self._services.pid, os.getpid())
        return sum(processor_s(pid)[1] for pid in pids)

    # afterwards

    async def _set_right(self, session: aiohttp.ClientSession) -> None:
        """Undo what operators did, and restart bots that would wait for minutes, as an operator does."""
        write_config(self._folder, self._options, self._places)
        await self._call(session, "reload", "POST", "/-/reload")
        for name in sorted(self._stopped):
            await self._call(session, "start", "POST", f"/api/v1/bots/{name}/start")
        for name in sorted(self._maintained):
            await self._call(session, "maintenance ends", "DELETE", f"/api/v1/bots/{name}/maintenance")
        for bot in (await self._get(session, "/status/bots"))["bots"]:
            if bot["status_name"] in {"connection_error", "auth_failed"} and bot["state"] == "disconnected":
                explained = bot["status_message"] and (bot["next_retry_at"] or bot["status_name"] == "auth_failed")
                if not explained:
                    self.bill.problems.append(f"{bot['name']} does not say why it failed and when it tries again")
                await self._call(session, "restart", "POST", f"/api/v1/bots/{bot['name']}/restart")

    async def _healthy(self, session: aiohttp.ClientSession, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while True:
            bots = (await self._get(session, "/status/bots"))["bots"]
            ill = [bot for bot in bots if not bot["healthy"]]
            if not ill and len(bots) == self._options.bots:
                return
            if time.monotonic() > end:
                words = [(bot["name"], bot["state"], bot["status_name"], bot["status_message"]) for bot in ill[:5]]
                raise AssertionError(
                    f"{len(ill)} bots are not back after {limit_s:g} s: {words}; {self._running.log[-20:]}"
                )
            await asyncio.sleep(0.2)

    async def _of_one_opinion(self, session: aiohttp.ClientSession, readers: list[Reader]) -> None:
        """Compare /status with the services, the metrics and what each reader of the feed has."""
        end = time.monotonic() + CALM_S
        while differences := await self._differences(session, readers):
            if time.monotonic() > end:
                self.bill.problems += differences[:10]
                return
            await asyncio.sleep(0.5)

    async def _differences(self, session: aiohttp.ClientSession, readers: list[Reader]) -> list[str]:
        truth = await asyncio.to_thread(self._services.ask, "truth")
        status = await self._get(session, "/status")
        await asyncio.sleep(0.2)  # what was said is on its way to the readers
        metrics = await self._metrics(session)
        found = [f"room {room} has {count} sockets" for room, count in truth["rooms"].items() if count != 1]
        shown = {race["name"] for race in status["races"] if race["room_connected"]}
        found += [f"room {room} is not shown" for room in truth["rooms"].keys() - shown]
        if truth["logged_on"] != self._options.dota2:
            found.append(f"{truth['logged_on']} sessions at Steam")
        lobbies = {bot["username"]: bot["current_lobby_id"] for bot in status["bots"] if bot.get("current_lobby_id")}
        if lobbies != truth["lobbies"]:
            found.append(f"lobbies: shown {len(lobbies)}, true {len(truth['lobbies'])}")
        for bot in status["bots"]:
            label = f'bot="{bot["name"]}"'
            if metrics["bot_up", label] != bot["healthy"] or metrics["bot_crashes_total", label] != 0:
                found.append(f"metrics of {bot['name']} say something else, or count a crash")
        want = {("bot", bot["name"]): _still(bot) for bot in status["bots"]}
        want |= {("race", race["name"]): _still(race) for race in status["races"]}
        want |= {("lobby", each["lobby_id"] or each["bot"]): _still(each) for each in status["lobbies"]}
        for number, reader in enumerate(readers):
            has = {key: _still(value) for key, value in reader.objects.items() if key[0] != "system"}
            wrong = [key for key in want.keys() | has.keys() if want.get(key) != has.get(key)]
            found += [f"reader {number}: {len(wrong)} objects differ: {wrong[:3]}"] if wrong else []
        return found

    async def _figures(self, session: aiohttp.ClientSession) -> None:
        metrics, before = await self._metrics(session), 0.0
        bounds = sorted(
            (float(match[1]), value)
            for (name, labels), value in metrics.items()
            if name == "bot_exporter_event_loop_lag_seconds_bucket" and (match := re.search(r'le="([^"]+)"', labels))
        )
        for bound, value in bounds:
            self.bill.lag.append((bound, value - before))
            before = value
        self.bill.dropped_readers = metrics["bot_exporter_stream_clients_dropped_total", 'reason="slow"']
        self.bill.troubled = sum(
            value for (name, _), value in metrics.items() if name == "bot_connection_failures_total"
        )
        for name in ("bot_exporter_unexpected_transitions_total", "bot_exporter_history_dropped_total"):
            if metrics[name, ""]:
                self.bill.problems.append(f"{name} is {metrics[name, '']:.0f}")

    def _read_log(self) -> None:
        """Find whatever means a mistake of ours; the end of a long line says which exception it was."""
        for line in self._running.log:
            if re.search(r"level=(error|critical)|this is a bug|Traceback", line):
                self.bill.problems.append(f"log: {line if len(line) < 1000 else line[:300] + ' ... ' + line[-700:]}")

    async def _get(self, session: aiohttp.ClientSession, path: str) -> Json:
        async with session.get(path) as response:
            answer: Json = await response.json()
            return answer

    async def _metrics(self, session: aiohttp.ClientSession) -> dict[tuple[str, str], float]:
        """Return the values by name and, of labels, the bot alone if there is one."""
        async with session.get("/metrics") as response:
            text = await response.text()
        values: dict[tuple[str, str], float] = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, _, rest = line.partition("{") if "{" in line else (line.split(" ", 1)[0], "", "")
            labels, _, value = rest.rpartition("} ") if rest else ("", "", line.rpartition(" ")[2])
            bot = re.match(r'bot="[^"]*"', labels) if name in {"bot_up", "bot_crashes_total"} else None
            values[name, bot[0] if bot else labels] = float(value)
        return values


def processor_s(pid: int) -> tuple[float, float]:
    """Return how long a process' first thread has run, and has waited to run, as Linux tells it."""
    ran, waited, _ = (Path("/proc") / str(pid) / "schedstat").read_text().split()
    return int(ran) / 1e9, int(waited) / 1e9


async def _ended(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _still(data: Any) -> Any:
    """Return an object without what moves although nothing happens."""
    return {name: value for name, value in data.items() if name not in _MOVING}


def write_config(folder: Path, options: Options, places: Json, without: Any = ()) -> Path:
    """Write the configuration of the fleet, without some of its bots."""
    lines = [
        f"racetime: {{url: '{places['site']}', poll_interval: 10s}}",
        f"steam: {{logon_interval: 20ms, cm_list: {places['cms']}}}",
        "bots:",
    ]
    for number in range(options.bots):
        if number in without:
            continue
        if number < options.racetime:
            rest = f"platform: racetime, category: cat{number}, client_id: id{number}, client_secret: secret-{number}"
        else:
            rest = f"platform: dota2, username: account{number - options.racetime}, password: {PASSWORD}"
        lines.append(f"  - {{name: bot{number}, {rest}}}")
    path = folder / "config.yaml"
    path.write_text("\n".join(lines))
    return path


@contextmanager
def _services(options: Options, log: Path) -> Iterator[Helper]:
    with log.open("wb") as file:
        given = map(str, (options.racetime, options.dota2, options.seed, options.fault_every_s))
        helper = Helper("tests.soak.services", *given, log=file)
        try:
            yield helper
        finally:
            helper.close()
    words = log.read_text()
    assert "Traceback" not in words, words


@asynccontextmanager
async def soaking(options: Options, folder: Path) -> AsyncIterator[Soak]:
    """Start services and exporter."""
    with _services(options, folder / "services.log") as services:
        places = await asyncio.to_thread(services.ask, "start")
        config = write_config(folder, options, places)
        async with exporter(config, folder / "data", start_s=CALM_S, stop_s=CALM_S) as running:
            yield Soak(options, services, running, folder, places)


async def soak(options: Options) -> Bill:
    """Do it all in a temporary folder; returns the bill, in which also stands what ended it early."""
    bill = Bill(options)
    with tempfile.TemporaryDirectory() as name:
        try:
            async with soaking(options, Path(name)) as run:
                bill = run.bill
                await run.run()
        except (AssertionError, TimeoutError, ExceptionGroup) as error:
            bill.problems.append(f"it did not come to a good end: {error!r}")
    return bill
