"""One subject of benchmarks/exposition.py in a process of its own: bot-exporter, or a form of prometheus_client.

    ours        the store, its subscribers and the web server, as the program wires them
    collector   prometheus_client with a custom collector that makes families of the store's records
    live        prometheus_client with an object for each series, which is changed in place

All hold the same Dota 2 bots, half of them with a lobby, and the same changes happen to them.
"""

import argparse
import asyncio
import gc
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import start_http_server

from benchmarks.lines import Json, answer_questions
from benchmarks.measure import percentile
from benchmarks.parts import open_storage, until
from exporter.maintenance import MaintenanceEnds
from exporter.metrics.counters import Counters
from exporter.metrics.exposition import Exposition, MetricsPage
from exporter.model import events as ev
from exporter.model.states import LobbyState
from exporter.outage import OutageWatch
from exporter.platforms import PLATFORMS
from exporter.process import ProcessState
from exporter.process import run as run_on_loop
from exporter.stats import BotStats, HttpStats, LoopStats, OrderStats, StorageStats, StreamStats
from exporter.store import StatusStore
from exporter.timing import SystemClock
from tests.unit.metrics import oracle
from tests.unit.metrics.rig import lobby
from tests.web.fleet import Fleet

AT = 1.8e9
TICK_S = 0.001
CHECKED, RECEIVED, SENT = (
    "bot_last_status_check_timestamp_seconds",
    "bot_messages_received_total",
    "bot_messages_sent_total",
)
DOTA2 = PLATFORMS["dota2"].traits
TRAITS = [platform.traits for platform in PLATFORMS.values()]


def name(number: int) -> str:
    return f"bot-{number:05d}"


def took(began: float, worked: float) -> Json:
    """Return how many milliseconds it took since these, by the clock and of processor time."""
    return {"ms": (time.perf_counter() - began) * 1000, "cpu_ms": (time.process_time() - worked) * 1000}


def fill(store: StatusStore, stats: dict[str, BotStats], bots: int) -> None:
    """Bring that many bots online, every other with a lobby."""
    for number in range(bots):
        bot, at = name(number), AT + number / 8
        store.apply(ev.BotAdded(bot, at, DOTA2, f"user{number}", active=True))
        store.apply(ev.ConnectStarted(bot, at))
        store.apply(ev.StateEntered(bot, at, "steam_online"))
        store.apply(ev.StateEntered(bot, at, "gc_connected"))
        store.apply(ev.HealthProved(bot, at, 90.0))
        store.apply(ev.ActivitySeen(bot, at))
        stats[bot] = BotStats()
        stats[bot].messages_received, stats[bot].messages_sent = 1000 + number, 500 + number
        if number % 2:
            people = ("radiant", "dire", "radiant", "unassigned")
            store.apply(ev.LobbyUpdated(bot, at, lobby(bot, 10**16 + number, LobbyState.WAITING, *people)))


def prove(store: StatusStore, stats: dict[str, BotStats], bots: Sequence[int], number: float) -> None:
    """Let these bots have answered heartbeats."""
    for each in bots:
        bot = name(each)
        store.apply(ev.HealthProved(bot, AT + number, 90.0))
        stats[bot].messages_received += 3
        stats[bot].messages_sent += 1


class Ours:
    """bot-exporter on its own event loop, in a thread beside the questions."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._late: list[float] = []
        self._work: list[float] = []
        self._ticker: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self.names: list[str] = []

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        with tempfile.TemporaryDirectory(prefix="bot-exporter-exposition-") as folder:
            async with open_storage(Path(folder)) as kept, Fleet() as self.fleet:
                self.stats: dict[str, BotStats] = {}
                store, counters = self.fleet.store, Counters()
                for subscriber in (
                    counters.on_change,
                    OutageWatch().on_change,
                    MaintenanceEnds(store, SystemClock()).on_change,
                    kept.on_change,
                ):
                    store.subscribe(subscriber)
                self.kept = kept
                self.exposition = Exposition(
                    store=store,
                    counters=counters,
                    bot_stats=self.stats,
                    http=self.fleet.stats,
                    loop=LoopStats(),
                    process=self.fleet.process,
                    traits=TRAITS,
                )
                self.fleet.metrics.source = self.exposition
                self._ready.set()
                await self._end.wait()

    def on_loop(self, work: Coroutine[Any, Any, Json]) -> Json:
        self._ready.wait()
        assert self._loop is not None  # noqa: S101  (set before it is ready)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def ended(self) -> None:
        self._ready.wait()
        assert self._loop is not None  # noqa: S101
        self._loop.call_soon_threadsafe(self._end.set)

    async def hold(self, asked: Json) -> Json:
        fill(self.fleet.store, self.stats, asked["bots"])
        await until(lambda: self.kept.idle)
        gc.collect()
        gc.freeze()
        return {}

    async def load(self, asked: Json) -> Json:
        self.names = asked["names"]
        return {}

    async def dump(self, asked: Json) -> Json:
        page = await self._page(gzip=False)
        text = b"".join(page.parts)
        await asyncio.to_thread(Path(asked["page"]).write_bytes, text)
        return {"samples": text.count(b"\n") - text.count(b"# ")}

    async def change(self, asked: Json) -> Json:
        prove(self.fleet.store, self.stats, asked["bots"], asked["number"])
        await until(lambda: self.kept.idle)  # the database is not what is measured
        return {}

    async def render(self, asked: Json) -> Json:
        began, worked = time.perf_counter(), time.process_time()
        text = b"".join((await self._page(gzip=asked["gzip"])).parts)
        return took(began, worked) | {"bytes": len(text)}

    async def serve(self, _: Json) -> Json:
        return {"port": self.fleet.server.addresses[0][1]}

    async def watch(self, _: Json) -> Json:
        self._late, self._work = [], []
        self._ticker = asyncio.create_task(self._tick())
        return {}

    async def watched(self, _: Json) -> Json:
        assert self._ticker is not None  # noqa: S101  (asked for before)
        self._ticker.cancel()
        late = [each * 1000 for each in self._late]
        work = max(self._work, default=0.0) * 1000
        return {"max": max(late, default=0.0), "p99": percentile(late, 0.99), "work": work}

    async def events(self, asked: Json) -> Json:
        """Return how many microseconds of the loop's thread one event takes, for several batches."""
        each_us, number = [], 1e6
        for _ in range(asked["batches"]):
            batch = [ev.HealthProved(name(each), AT + number + each, 90.0) for each in asked["bots"]]
            began = time.thread_time()
            for event in batch:
                self.fleet.store.apply(event)
            each_us.append((time.thread_time() - began) / len(batch) * 1e6)
            number += 1e5
            await until(lambda: self.kept.idle)
        return {"us": sorted(each_us)}

    async def _page(self, *, gzip: bool) -> MetricsPage:
        encoding = "gzip" if gzip else None
        return await self.exposition.page(accept=None, accept_encoding=encoding, names=self.names)

    async def _tick(self) -> None:
        clock = time.perf_counter  # uvloop's own counts whole milliseconds
        while True:
            due, worked = clock() + TICK_S, time.thread_time()
            await asyncio.sleep(TICK_S)
            self._late.append(max(0.0, clock() - due))
            self._work.append(time.thread_time() - worked)


class Collected:
    """prometheus_client with a custom collector."""

    def __init__(self) -> None:
        self.store = StatusStore()
        self.counters = Counters()
        self.store.subscribe(self.counters.on_change)
        self.stats: dict[str, BotStats] = {}
        self.names: frozenset[str] = frozenset()

    def hold(self, asked: Json) -> Json:
        fill(self.store, self.stats, asked["bots"])
        gc.collect()
        gc.freeze()
        return {}

    def load(self, asked: Json) -> Json:
        self.names = frozenset(asked["names"])
        sources = oracle.Sources(
            self.store,
            self.counters,
            self.stats,
            HttpStats(),
            LoopStats(),
            ProcessState("1", AT),
            TRAITS,
            lambda _: False,
            lambda: None,
            StorageStats(),
            OrderStats(),
            StreamStats(),
        )
        names, process = self.names, oracle.process_registry()

        class EachTime(oracle.FleetCollector):
            def __init__(self) -> None:
                super().__init__(sources.snapshot(), process, names)

        def registry() -> CollectorRegistry:
            made = CollectorRegistry()
            made.register(EachTime())
            return made

        self.registry: Callable[[], CollectorRegistry] = registry
        return {}

    def change(self, asked: Json) -> Json:
        prove(self.store, self.stats, asked["bots"], asked["number"])
        return {}


class Live:
    """prometheus_client with an object for each series."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._bots: dict[str, dict[str, Any]] = {}

    def hold(self, _: Json) -> Json:
        return {}

    def load(self, asked: Json) -> Json:
        helps: dict[str, str] = {}
        kinds: dict[str, str] = {}
        families: dict[str, Any] = {}
        with Path(asked["page"]).open(encoding="utf-8") as page:
            for line in page:
                if line.startswith("# "):
                    _, what, family, text = line.rstrip("\n").split(" ", 3)
                    (helps if what == "HELP" else kinds)[family] = text
                    continue
                family, _, rest = line.partition("{")
                text, _, value = rest.rpartition("} ")
                labels = dict(re.findall(r'(\w+)="([^"]*)"', text))
                if family not in families:
                    make = Counter if kinds[family] == "counter" else Gauge
                    families[family] = make(family, helps[family], list(labels), registry=self._registry)
                series = families[family].labels(**labels)
                (series.inc if kinds[family] == "counter" else series.set)(float(value))
                if family in (CHECKED, RECEIVED, SENT):
                    self._bots.setdefault(labels["bot"], {})[family] = series
        gc.collect()
        gc.freeze()
        return {}

    def registry(self) -> CollectorRegistry:
        return self._registry

    def change(self, asked: Json) -> Json:
        for each in asked["bots"]:
            bot = self._bots[name(each)]
            bot[CHECKED].set(AT + asked["number"])
            bot[RECEIVED].inc(3)
            bot[SENT].inc(1)
        return {}


def of_prometheus_client(subject: Collected | Live) -> None:
    """Answer the questions."""

    def render(_: Json) -> Json:
        began, worked = time.perf_counter(), time.process_time()
        text = generate_latest(subject.registry())
        return took(began, worked) | {"bytes": len(text)}

    def serve(_: Json) -> Json:
        server, _thread = start_http_server(0, "127.0.0.1", registry=subject.registry())
        return {"port": server.server_port}

    ended = threading.Event()
    answer_questions(
        {"hold": subject.hold, "load": subject.load, "change": subject.change, "render": render, "serve": serve},
        ended.set,
    )
    ended.wait()


def of_ours() -> None:
    """Answer the questions."""
    ours = Ours()
    questions = ("hold", "load", "dump", "change", "render", "serve", "watch", "watched", "events")

    def answered(question: str) -> Callable[[Json], Json]:
        return lambda asked: ours.on_loop(getattr(ours, question)(asked))

    answer_questions({question: answered(question) for question in questions}, ours.ended)
    run_on_loop(ours.run())


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("subject", choices=["ours", "collector", "live"])
    subject = parser.parse_args().subject
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # answers go to stdout
    if subject == "ours":
        of_ours()
    else:
        of_prometheus_client(Collected() if subject == "collector" else Live())
    return 0


if __name__ == "__main__":
    sys.exit(main())
