"""The live feed: events a second to many subscribers, beside aiohttp with one send_str for each event and subscriber.

    rate      facts through the store to all subscribers, until each has the last one
    stalled   the same while some of the subscribers do not read, and what waits for them in the server
    loop lag  a 1 ms ticker at 1,000 facts a second, with all subscribers, and with none

The subscribers are raw sockets in a process of their own, which does not count. Rounds are interleaved. Run it with
`python -m benchmarks.feed`; --help shows the options.
"""

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from benchmarks.feed_readers import LAST
from benchmarks.lines import Helper
from benchmarks.measure import Spread, interleaved, load_average, machine, percentile, ratios, say, versions
from exporter.model import events as ev
from exporter.platforms import PLATFORMS
from exporter.process import ProcessState
from exporter.process import run as run_on_loop
from exporter.stats import StreamStats
from exporter.store import StatusStore
from exporter.timing import SystemClock
from exporter.web import encode
from exporter.web.clients import Clients
from exporter.web.failures import Failures
from exporter.web.keys import AccessRules, Gate
from exporter.web.stream.feed import StreamFeed
from exporter.web.stream.subscriber import MOST_WAITING
from exporter.web.tickets import Tickets

OURS, STALLED, PEER = "bot-exporter", "bot-exporter, some stalled", "aiohttp send_str"
NOBODY = "no subscribers"
PATH: Final = "/status/stream?kind=bot"
TICK_S: Final = 0.001
A_SECOND: Final = 1000
BURST: Final = 1000
_NOW: Final = 1.8e9


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long."""

    rounds: int
    bots: int
    subscribers: int
    stalled: int
    ours: int
    peers: int
    lag_s: float


@dataclass
class Report:
    """The figures by subject, and what was not measured."""

    options: Options
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, list[float]] = field(default_factory=dict)
    frame_bytes: float = 0.0
    waiting: list[int] = field(default_factory=list)
    lags: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    before: float = field(default_factory=load_average)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"machine": machine(), "ratios": ratios(self.rates[OURS], self.rates[PEER])}


@dataclass(frozen=True, slots=True)
class Site:
    """A server that is being measured. `written` returns once what was applied has been handed to the sockets."""

    store: StatusStore
    port: int
    snapshot: bool
    written: Callable[[], Awaitable[None]]
    waiting: Callable[[], int] = lambda: 0


def run(options: Options) -> Report:
    """Measure everything."""
    report = Report(options)
    for number, subject in interleaved(options.rounds, (OURS, STALLED, PEER)):
        say(f"round {number} of {options.rounds}: {subject}")
        run_on_loop(_rate(report, subject))
    for number, subject in interleaved(options.rounds, (OURS, NOBODY)):
        say(f"round {number} of {options.rounds}: loop lag, {subject}")
        late = run_on_loop(_lag(options, options.subscribers if subject == OURS else 0))
        shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        report.lags.setdefault(subject, []).append(
            {name: percentile(late, each) * 1000 for name, each in shares.items()}
        )
    return report


# --- the servers ---


def _fleet(bots: int) -> StatusStore:
    store = StatusStore()
    traits = PLATFORMS["racetime"].traits
    for number in range(bots):
        store.apply(ev.BotAdded(f"bot{number}", _NOW, traits, f"category{number}", active=True))
    return store


@asynccontextmanager
async def _ours(bots: int) -> AsyncIterator[Site]:
    """The feed with its real handlers; who may come in is no part of this."""
    store, clock = _fleet(bots), SystemClock()
    process = ProcessState("bench", clock.now(), ready=True)
    feed = StreamFeed(
        store,
        process,
        [each.traits for each in PLATFORMS.values()],
        clock,
        figures=dict,
        stats=StreamStats(),
        gate=Gate(AccessRules(open_reads=True), Failures(clock)),
        clients=Clients(lambda _: True),
        tickets=Tickets(clock),
        most=10_000,
        boot="bench",
    )
    feed.hub.start()

    async def written() -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if feed.hub.is_idle:
                return

    async with _listening(feed.stream) as port:
        yield Site(store, port, True, written, lambda: max(feed.hub.waiting, default=0))
        await feed.hub.stop()


@asynccontextmanager
async def _peer(bots: int) -> AsyncIterator[Site]:
    """What one writes with aiohttp: each event is encoded once, and sent to each subscriber by a send_str."""
    store = _fleet(bots)
    clients: list[web.WebSocketResponse] = []
    events: asyncio.Queue[ev.Change] = asyncio.Queue()
    store.subscribe(events.put_nowait)

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        clients.append(socket)
        async for _ in socket:
            pass
        return socket

    async def send() -> None:
        number = 0
        while True:
            change = await events.get()
            assert isinstance(change, ev.BotChange)  # noqa: S101  (no other facts are applied here)
            number += 1
            frame = {"type": "change", "cursor": f"bench-{number}", "kind": change.kind, "id": change.name}
            data = encode.bot(change.after, draining=False) if change.after is not None else None
            text = orjson.dumps(frame | {"data": data}).decode()
            for client in clients:
                await client.send_str(text)
            events.task_done()

    sending = asyncio.create_task(send())
    async with _listening(stream) as port:
        yield Site(store, port, False, events.join)
        for client in clients:
            await client.close(drain=False)
    sending.cancel()
    await asyncio.wait({sending})


@asynccontextmanager
async def _listening(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/status/stream", handler)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


# --- the measurements ---


@asynccontextmanager
async def _read(site: Site, subscribers: int) -> AsyncIterator[Helper]:
    """Give the server its subscribers."""
    with tempfile.TemporaryFile() as log:
        readers = Helper("benchmarks.feed_readers", str(site.port), PATH, str(subscribers), log=log)
        try:
            await asyncio.to_thread(readers.ask, "open", snapshot=site.snapshot)
            yield readers
        finally:
            await asyncio.to_thread(readers.close)


async def _rate(report: Report, subject: str) -> None:
    options = report.options
    stalled = options.stalled if subject == STALLED else 0
    count = options.peers if subject == PEER else options.ours
    serving = _peer if subject == PEER else _ours
    async with (
        serving(options.bots) as site,
        _stalled(site, stalled),
        _read(site, options.subscribers - stalled) as readers,
    ):
        readers.send("read")
        reading = asyncio.create_task(asyncio.to_thread(readers.receive, 600.0))
        await site.written()
        began, cpu = time.perf_counter(), time.process_time()
        waiting = 0
        for number in range(count):
            site.store.apply(ev.HealthProved(f"bot{number % options.bots}", _NOW + number / 1000, 90.0))
            if number % BURST == BURST - 1:
                await site.written()
                waiting = max(waiting, site.waiting())
        site.store.apply(ev.BotAdded(LAST, _NOW, PLATFORMS["racetime"].traits, LAST, active=True))
        await site.written()
        got = await reading
        took, worked = time.perf_counter() - began, time.process_time() - cpu
    if got["frames"] != count + 1:
        raise RuntimeError(f"{subject}: {got['frames']} frames came of {count + 1}")
    report.rates.setdefault(subject, []).append(count / took)
    report.cpu_us.setdefault(subject, []).append(worked / count * 1e6)
    report.frame_bytes = got["bytes"] / got["frames"]
    if stalled:
        report.waiting.append(waiting)


@asynccontextmanager
async def _stalled(site: Site, count: int) -> AsyncIterator[None]:
    """Connect subscribers that never read."""
    clients = []
    for _ in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", site.port))
        request = (
            f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await asyncio.get_running_loop().sock_sendall(client, request.encode())
        clients.append(client)
    try:
        yield
    finally:
        for client in clients:
            client.close()


async def _lag(options: Options, subscribers: int) -> list[float]:
    """Return by how much each tick came late."""
    async with _ours(options.bots) as site, _read(site, subscribers) as readers:
        readers.send("read")
        reading = asyncio.create_task(asyncio.to_thread(readers.receive, 600.0))
        late: list[float] = []
        end, number = time.perf_counter() + options.lag_s, 0
        began = time.perf_counter()
        while (now := time.perf_counter()) < end:
            due = now + TICK_S
            await asyncio.sleep(TICK_S)
            late.append(max(0.0, time.perf_counter() - due))
            while number < (time.perf_counter() - began) * A_SECOND:
                site.store.apply(ev.HealthProved(f"bot{number % options.bots}", _NOW + number / 1000, 90.0))
                number += 1
        site.store.apply(ev.BotAdded(LAST, _NOW, PLATFORMS["racetime"].traits, LAST, active=True))
        await reading
    return late


# --- the table ---


def table(report: Report) -> str:
    """Return the figures as text."""
    options, about = report.options, machine()
    lines = [
        f"the live feed, {options.subscribers} subscribers, {options.bots} bots, {options.rounds} rounds",
        "min / median / max",
        ", ".join(f"{name} {value}" for name, value in (about | versions("aiohttp", "orjson", "uvloop")).items()),
        f"load of the machine in the minute before: {report.before:.2f}; after: {load_average():.2f}",
        f"a frame has {report.frame_bytes:.0f} bytes",
        "",
        "events a second to all subscribers",
    ]
    lines += [f"  {subject}  {Spread.of(rates).text(0)}" for subject, rates in report.rates.items()]
    lines.append(f"  ratio  {Spread.of(ratios(report.rates[OURS], report.rates[PEER])).text(1)}  (target: >= 20)")
    lines.append("microseconds of processor time an event")
    lines += [f"  {subject}  {Spread.of(times).text(1)}" for subject, times in report.cpu_us.items()]
    lines.append(f"bytes that wait at most for one of {options.stalled} subscribers that do not read")
    lines.append(f"  {STALLED}  {Spread.of(report.waiting).text(0)}  (it gets no more above {MOST_WAITING})")
    lines.append(f"loop lag ms at {A_SECOND} events a second")
    for subject, rounds in report.lags.items():
        lines += [f"  {subject}, {name}  {Spread.of([each[name] for each in rounds]).text()}" for name in rounds[0]]
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="feed", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--bots", type=int, default=2000, help="bots of the fleet (default: %(default)s)")
    parser.add_argument("--subscribers", type=int, default=100, help="subscribers (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="one short round: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    given = parse(arguments)
    if given.smoke:
        options = Options(1, bots=BURST, subscribers=5, stalled=1, ours=2000, peers=200, lag_s=0.3)
    else:
        options = Options(given.rounds, given.bots, given.subscribers, 5, ours=50_000, peers=2000, lag_s=5.0)
    report = run(options)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
