"""What bot-exporter wants to reach: the rows of the table in docs/benchmarks.md, and where each finds its figures.

Each benchmark writes its figures as JSON; `found` reads all of them. Why a target is missed stands in reasons.toml.
"""

from dataclasses import dataclass
from typing import Final

from benchmarks import exposition, finding, history, racetime_fleet, status, steam_fleet
from benchmarks.cluster import TAKEN_S
from benchmarks.finding import HTTP_1, LARGE, PROCESS_1, PROCESS_ALL, REAL, SMALL, SMALL_LARGE, TEN, Find, Reports
from benchmarks.measure import Spread


@dataclass(frozen=True, slots=True)
class Part:
    """One figure of a row: what it is compared with, and `limit`, which is the most it may be, or else the least."""

    what: str
    limit: float
    find: Find
    unit: str = ""
    at_most: bool = False
    digits: int = 2
    why: str = ""
    """Shown when the middle of the figures misses the target."""

    @property
    def target(self) -> str:
        """Return the target in words."""
        return f"{'<=' if self.at_most else '>='} {self.limit:g}{self.unit}"

    def met(self, spread: Spread) -> bool:
        """Tell whether the middle of the rounds reaches the target."""
        return spread.middle <= self.limit if self.at_most else spread.middle >= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    title: str
    parts: tuple[Part, ...]
    page: str
    """Where more about it stands."""


def _least(what: str, limit: float, find: Find, why: str = "", digits: int = 2) -> Part:
    return Part(what, limit, find, why=why, digits=digits)


def _most(what: str, limit: float, find: Find, why: str = "", unit: str = "") -> Part:
    return Part(what, limit, find, unit, at_most=True, why=why)


def _scrapes(title: str, what: str, limit: float) -> Row:
    """A row about prometheus_client's generate_latest, for both catalogues."""
    parts = [
        _least(f"{words} catalogue, {peer}", limit, finding.times(fleet, what, peer), why, digits=0)
        for words, fleet, why in (
            ("real", REAL, "caches"),
            ("small", SMALL, "small" if what == PROCESS_ALL else "caches"),
        )
        for peer in exposition.SLOW
    ]
    return Row(title, tuple(parts), _SCRAPES)


def _logons(what: str, limit: float, *path: str, why: str = "", unit: str = "") -> tuple[Part, ...]:
    """The parts of a row about Steam, for both kinds of logon."""
    return tuple(
        _most(f"{what}, {words.split(',')[0]}", limit, finding.fleet("steam_fleet", kind, *path), why, unit)
        for kind, words in steam_fleet.KINDS.items()
    )


_SCRAPES: Final = "benchmarks_exposition.md"
_UNCHANGED: Final = "GET /status, nothing changed"

ROWS: Final = (
    _scrapes("/metrics in process, 1,000 bots, 1% changed, times generate_latest", PROCESS_1, 150),
    _scrapes("/metrics in process, 1,000 bots, 100% changed, times generate_latest", PROCESS_ALL, 40),
    Row(
        "/metrics over HTTP, 10,000 bots, gzip, 1% changed, times Go's promhttp",
        (
            _least("real catalogue", 20, finding.times(LARGE, HTTP_1, exposition.GO), digits=0),
            _least("small catalogue", 20, finding.times(SMALL_LARGE, HTTP_1, exposition.GO), digits=0),
        ),
        _SCRAPES,
    ),
    Row(
        "Event loop stall of one scrape at 10,000 bots, gzip",
        (_most("most work between two turns of the loop", 5, finding.work(LARGE), unit=" ms"),),
        _SCRAPES,
    ),
    Row(
        "Peak memory of the fleet's exposition",
        (
            _most("10,000 bots, real catalogue, of Go's", 0.15, finding.memory(LARGE, exposition.GO), "memory"),
            _most("small catalogue, of Go's", 0.15, finding.memory(SMALL_LARGE, exposition.GO), "memory"),
            _most(f"of {exposition.LIVE}", 0.3, finding.memory(SMALL_LARGE, exposition.LIVE), "memory"),
            _most(f"of {exposition.COLLECTOR}", 0.3, finding.memory(SMALL_LARGE, exposition.COLLECTOR), "memory"),
            _most(f"1,000 bots, real catalogue, of {exposition.LIVE}", 0.3, finding.memory(REAL, exposition.LIVE)),
            _most(f"of {exposition.COLLECTOR}, real", 0.3, finding.memory(REAL, exposition.COLLECTOR), "memory"),
        ),
        _SCRAPES,
    ),
    Row(
        "One event through reduce, store and all subscribers, 10,000 bots",
        (_most("processor time", 15, finding.list_of("exposition", "event_us", LARGE), "event", unit=" us"),),
        _SCRAPES,
    ),
    Row(
        "GET /status/system; GET /status at 3,500 bots",
        (
            _least("system, of ready bytes' speed", 0.8, finding.speed("GET /status/system", status.BARE), "system"),
            _least("all, of ready bytes' speed", 0.8, finding.speed(_UNCHANGED, status.BARE), "status"),
            _least("all, times json.dumps' speed", 40, finding.speed(_UNCHANGED, status.DUMPS), "status", digits=1),
        ),
        _SCRAPES,
    ),
    Row(
        "Feed to 100 subscribers",
        (
            _least("times aiohttp's send_str for each", 20, finding.list_of("feed", "ratios"), "feed", digits=1),
            _most("waiting for a slow reader", 256, finding.kilobytes("feed", "waiting"), unit=" KB"),
        ),
        "benchmarks_feed.md",
    ),
    Row(
        "History written",
        (
            _least("times aiosqlite with a commit each", 25, finding.list_of("history", "ratios"), digits=1),
            _most("loop lag p99, 1,000 events a second", 1, finding.lag("history", history.OURS), "busy", unit=" ms"),
        ),
        "benchmarks_history.md",
    ),
    Row(
        "1,000 Steam bots, limiter off, all at gc_connected",
        (
            *_logons("CPU of steam-next's client", 0.5, "welcome_cpu_s", "ratio", why="steam"),
            *_logons("longest stall", 150, "stall_logon_max", steam_fleet.OURS, unit=" ms"),
            *_logons("memory a bot", 120, "bot_kb", steam_fleet.OURS, unit=" KB"),
        ),
        "benchmarks_steam.md",
    ),
    Row(
        "racetime bots, a category with a room each",
        (
            _most("connecting, CPU of racetime-bot", 0.5, finding.fleet("racetime_fleet", "connect_cpu_s", "ratio")),
            _most(
                "then, CPU of racetime-bot", 0.5, finding.fleet("racetime_fleet", "steady_cpu_s", "ratio"), "racetime"
            ),
            _most("all back", 20, finding.fleet("racetime_fleet", "back_s", racetime_fleet.OURS), unit=" s"),
        ),
        "benchmarks_racetime.md",
    ),
    Row(
        "3,000 bots in three processes that start at once; then one is killed",
        (
            _most("leases lost while all start", 0, finding.each_round("cluster", "lost")),
            _most("all of its bots have owners", TAKEN_S, finding.each_round("cluster", "taken_s"), unit=" s"),
        ),
        "benchmarks_cluster.md",
    ),
    Row(
        "Scrape time against fleet size",
        (_most("growth from 1,000 to 10,000 bots, of what is more to write and copy", 1, finding.growth),),
        _SCRAPES,
    ),
    Row(
        "Ten bots: a scrape costs no more than a tenth of prometheus_client's",
        tuple(
            _least(f"{words}{peer}", 10, finding.times(TEN, what, peer), reason, digits=0)
            for what, words, reason in ((PROCESS_1, "", ""), (HTTP_1, "over HTTP with gzip, ", "tiny"))
            for peer in exposition.SLOW
        ),
        _SCRAPES,
    ),
)


def found(reports: Reports) -> dict[str, Spread]:
    """Return the figures that are there, by row and part."""
    figures: dict[str, Spread] = {}
    for row in ROWS:
        for part in row.parts:
            try:
                figures[f"{row.title}: {part.what}"] = part.find(reports)
            except finding.NotMeasured:
                continue
    return figures
