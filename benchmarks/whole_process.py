"""The whole program under its whole load: bots, storage, scrapes every second, subscribers of the feed.

    2,000 bots     over real sockets, with a simulated Steam that asks for a heartbeat a second: each bot sends one
                   message a second and gets one, which proves that it works, and is a change for every reader
    10,000 bots    over real sockets, with heartbeats as far apart as Steam has them (9 s): at one a second the
                   simulated Steam alone would need more than one of two processors
    10,000 facts   a second: as many bots without a socket, each of which says once a second what those above say

The program runs as `make run` starts it, in a process of its own; the simulated Steam, the subscribers and the client
that scrapes with gzip are others. First the processor time is measured, then the event loop with a ticker of a
millisecond. Run it with `python -m benchmarks.whole_process`; --help shows the options.
"""

import argparse
import base64
import contextlib
import http.client
import json
import re
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from benchmarks.lines import Helper, HelperEnded, Json
from benchmarks.measure import Memory, Spread, interleaved, load_average, machine, memory, percentile, processor_s, say
from benchmarks.racetime_fleet import Figures, until, warm_up
from benchmarks.steam_fleet import TOKEN, site_process, written
from benchmarks.steam_fleet import Options as SteamOptions
from benchmarks.steam_site import PASSWORD, SECRET

SCRAPE_S: Final = 1.0
_GZIP: Final = 31


@dataclass(frozen=True, slots=True)
class Load:
    """One fleet: `beat_s` seconds between two messages of a bot; `sockets` or facts alone."""

    bots: int
    beat_s: int
    sockets: bool = True

    @property
    def title(self) -> str:
        how = "over sockets" if self.sockets else "without sockets"
        return f"{self.bots} bots {how}, a message each {self.beat_s} s"


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long."""

    loads: tuple[Load, ...]
    rounds: int
    steady_s: float
    watched_s: float
    settle_s: float
    limit_s: float = 240.0
    subscribers: int = 3


FULL: Final = (Load(2000, 1), Load(10_000, 9), Load(10_000, 1, sockets=False))
SMOKE: Final = (Load(20, 1), Load(50, 1, sockets=False))

# What each figure is, and how many digits of it mean something.
TITLES: Final = {
    "start_s": ("s until every bot works", 1),
    "start_cpu_s": ("CPU s until then", 1),
    "rate": ("messages a second that bots got", 0),
    "held": ("heartbeats that were answered, of those due", 3),
    "cpu": ("CPU, share of one processor", 3),
    "site_cpu": ("  of the simulated Steam, for comparison", 3),
    "lag_p50": ("loop lag ms: p50", 2),
    "lag_p99": ("  p99", 2),
    "lag_max": ("  max", 2),
    "scrape_p50": ("scrape ms with gzip: p50", 1),
    "scrape_p99": ("  p99", 1),
    "page_mb": ("page MB, plain", 2),
    "packed_mb": ("  with gzip", 2),
    "frames": ("changes a second and subscriber of the feed", 0),
    "rss_mb": ("memory MB, RSS", 1),
    "peak_mb": ("  peak", 1),
    "bot_kb": ("memory KB a bot, RSS beyond that of no bots", 1),
    "healthy": ("bots that work at the end", 0),
    "dropped": ("dropped: items of the history, subscribers, connections of bots, crashes", 0),
}


@dataclass
class Report:
    """The figures of each round by load, and what was not measured."""

    options: Options
    machine: dict[str, str] = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    runs: dict[str, list[Figures]] = field(default_factory=dict)
    before: float = field(default_factory=load_average)
    after: float = 0.0

    def spread(self, title: str, key: str) -> Spread | None:
        """Return one figure of all rounds."""
        values = [run[key] for run in self.runs[title] if key in run]
        return Spread.of(values) if values else None

    def as_json(self) -> dict[str, Any]:
        figures = {
            title: {key: asdict(spread) for key in TITLES if (spread := self.spread(title, key))} for title in self.runs
        }
        return asdict(self) | {"figures": figures}


class Scraper:
    """A client that scrapes once a second over one connection, as Prometheus does."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30.0)
        self.page = b""

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def scrape(self) -> float:
        """Return how many milliseconds one scrape takes, until its last byte."""
        began = time.perf_counter()
        self._connection.request("GET", "/metrics", headers={"Accept": "text/plain", "Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        self.page = answer.read()
        took_s = time.perf_counter() - began
        if answer.status != 200 or answer.headers["Content-Encoding"] != "gzip":
            raise RuntimeError(f"{answer.status} {answer.headers}")
        return took_s * 1000

    def for_s(self, seconds: float) -> list[float]:
        """Scrape for so long."""
        began = time.monotonic()
        took: list[float] = []
        while (due := began + SCRAPE_S * len(took)) < began + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            took.append(self.scrape())
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        return took

    def text(self) -> str:
        """Return the last page."""
        return zlib.decompress(self.page, _GZIP).decode()


def total(page: str, family: str) -> float:
    """Add up the samples of a family."""
    return sum(map(float, re.findall(rf"^{family}(?:{{.*}})? (\S+)$", page, re.MULTILINE)))


@contextlib.contextmanager
def services(load: Load, folder: Path, log: IO[bytes]) -> Iterator[tuple[Helper | None, Json]]:
    """Run what the bots talk to; gives it, and its addresses and accounts."""
    if load.sockets:
        wanted = SteamOptions(load.bots, rounds=1, idle_s=0.0, limit_s=0.0, beat_s=load.beat_s)
        with site_process(TOKEN, wanted, folder, log) as found:
            yield found
        return
    nobody = {"password": PASSWORD, "secret": base64.b64encode(SECRET).decode(), "token": ""}
    yield None, {"urls": [], "accounts": [{"account": f"account{number}", **nobody} for number in range(load.bots)]}


def started(load: Load, told: Json, accounts: list[Json], folder: Path, log: IO[bytes]) -> Helper:
    """Start a bot-exporter."""
    words = [] if load.sockets else ["generated"]
    return Helper("benchmarks.whole_ours", *written(told, accounts, folder), *words, log=log)


def of_no_bots(load: Load, told: Json, log: IO[bytes], settle_s: float) -> Memory:
    """Return what the program holds without a bot."""
    with tempfile.TemporaryDirectory() as scratch:
        alone = started(load, told, [], Path(scratch), log)
        try:
            with contextlib.closing(Scraper(alone.ask("hello")["url"])) as scraper:
                scraper.for_s(settle_s)
            return memory(alone.pid)
        finally:
            alone.close()


def one_run(load: Load, options: Options) -> tuple[Figures, Json]:
    """Measure one load once; gives also the versions. Raises HelperEnded when not all bots come to work."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = stack.enter_context((folder / "log").open("w+b"))
        stack.enter_context(explained(folder / "log"))
        site, told = stack.enter_context(services(load, folder, log))
        empty = of_no_bots(load, told, log, options.settle_s)
        began = time.monotonic()
        fleet = started(load, told, told["accounts"], folder, log)
        stack.callback(fleet.close)
        hello = fleet.ask("hello", limit_s=options.limit_s)

        def working(answer: Json) -> bool:
            return bool(min(answer["healthy"], answer["state"]) >= load.bots)

        there = until(lambda: fleet.ask("fleet"), working, options.limit_s)
        figures: Figures = {"start_s": time.monotonic() - began, "start_cpu_s": there["cpu_s"]}
        readers = Helper(
            "benchmarks.whole_readers", str(urlsplit(hello["url"]).port), str(options.subscribers), log=log
        )
        stack.callback(readers.close)
        scraper = stack.enter_context(contextlib.closing(Scraper(hello["url"])))
        scraper.for_s(options.settle_s)
        figures |= Steady(load, fleet, readers, site).measured(scraper, options)
        fleet.ask("watch")
        scraper.for_s(options.watched_s)
        figures |= {f"lag_{name}": value for name, value in fleet.ask("stalls").items()}
        scraper.scrape()
        held = memory(fleet.pid)
        figures |= {"rss_mb": held.rss_mb, "peak_mb": held.peak_rss_mb, "healthy": fleet.ask("fleet")["healthy"]}
        figures["bot_kb"] = (held.rss_mb - empty.rss_mb) * 1024 / load.bots
        page = scraper.text()
        figures |= {"page_mb": len(page) / 1e6, "packed_mb": len(scraper.page) / 1e6}
        lost = ("bot_exporter_history_dropped_total", "bot_exporter_stream_clients_dropped_total")
        troubles = ("bot_connection_failures_total", "bot_disconnects_total", "bot_crashes_total")
        figures["dropped"] = sum(total(page, family) for family in (*lost, *troubles)) + readers.ask("seen")["closed"]
        return figures, hello["versions"]


@dataclass(frozen=True, slots=True)
class Steady:
    """Everything runs, and nobody looks at the loop."""

    load: Load
    fleet: Helper
    readers: Helper
    site: Helper | None

    def measured(self, scraper: Scraper, options: Options) -> Figures:
        """Return what it costs."""
        before, began = self._now(), time.monotonic()
        took = scraper.for_s(options.steady_s)
        now, lasted_s = self._now(), time.monotonic() - began
        a_second = {key: (value - before[key]) / lasted_s for key, value in now.items()}
        figures = {
            "rate": a_second["received"],
            "held": a_second["heartbeats"] * self.load.beat_s / self.load.bots,
            "cpu": a_second["cpu_s"],
            "scrape_p50": percentile(took, 0.5),
            "scrape_p99": percentile(took, 0.99),
            "frames": a_second["frames"] / options.subscribers,
        }
        return figures | ({"site_cpu": a_second["site_s"]} if self.site is not None else {})

    def _now(self) -> Figures:
        now: Figures = self.fleet.ask("fleet") | self.readers.ask("seen")
        if self.site is None:
            return now | {"heartbeats": now["received"]}
        return now | {"heartbeats": self.site.ask("truth")["heartbeats"], "site_s": processor_s(self.site.pid)}


@contextlib.contextmanager
def explained(log: Path) -> Iterator[None]:
    """Add the last line of the log to what is said of a process that has ended."""
    try:
        yield
    except HelperEnded as error:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise HelperEnded(f"{error}: {lines[-1] if lines else 'it has said nothing'}") from error


def run(options: Options) -> Report:
    """Run all rounds. A run that fails is told and left out."""
    report = Report(options)
    loads = {load.title: load for load in options.loads}
    report.runs = {title: [] for title in loads}
    warm_up()
    for number, title in interleaved(options.rounds, tuple(loads)):
        say(f"round {number} of {options.rounds}: {title}")
        if loads[title].sockets and (most := open_files(loads[title].bots + 500)) < loads[title].bots + 500:
            report.notes.append(f"{title}: not measured, for a process may open only {most} files: see `ulimit -n`")
            continue
        try:
            figures, report.versions = one_run(loads[title], options)
        except HelperEnded as error:
            report.notes.append(f"round {number}, {title}: {error}")
            continue
        report.runs[title].append(figures)
    report.after = load_average()
    return report


def open_files(wanted: int) -> int:
    """Return how many files a process may open, after asking for as many as are wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def table(report: Report) -> str:
    """Return the figures for people."""
    options = report.options
    lines = [
        f"the whole program, {options.rounds} rounds; min / median / max. A scrape each second with gzip, SQLite, "
        f"{options.subscribers} subscribers of the whole feed",
        ", ".join(f"{name} {value}" for name, value in (report.machine | report.versions).items()),
        f"load of the machine in the minute before: {report.before:.2f}; after: {report.after:.2f}",
        *(f"note: {note}" for note in report.notes),
    ]
    for title in report.runs:
        lines += ["", title]
        for key, (words, digits) in TITLES.items():
            spread = report.spread(title, key)
            if spread is not None:
                lines.append(f"  {words:<74}{spread.text(digits)}")
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="whole_process", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="rounds (default: %(default)s)")
    parser.add_argument("--only", type=int, choices=range(1, len(FULL) + 1), help="only this one of the loads")
    parser.add_argument("--smoke", action="store_true", help="few bots, one short round: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if a load could not be measured."""
    given = parse(arguments)
    if given.smoke:
        options = Options(SMOKE, rounds=1, steady_s=2.0, watched_s=1.0, settle_s=0.5, limit_s=60.0)
    else:
        loads = FULL if given.only is None else (FULL[given.only - 1],)
        options = Options(loads, given.rounds, steady_s=18.0, watched_s=15.0, settle_s=5.0)
    report = run(options)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if all(report.runs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
