"""The history: how fast it is written beside aiosqlite with a commit each, what it costs the loop, how fast it is read.

    write     facts through the store into the database, until everything is written; aiosqlite: a commit for each row
    loop lag  a 1 ms ticker while 1,000 facts a second come in, with the storage and without
    pages     of 50 items out of a million rows, on SQLite and PostgreSQL

Rounds are interleaved. Run it with `python -m benchmarks.history`; --help shows the options.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import aiosqlite
from sqlalchemy import text

from benchmarks.measure import Spread, interleaved, load_average, machine, percentile, ratios, say, versions
from benchmarks.parts import open_storage, until
from exporter.errors import FailureReason
from exporter.model import events as ev
from exporter.model.history import HistoryKind, HistoryQuery
from exporter.platforms import PLATFORMS
from exporter.process import run as run_on_loop
from exporter.storage.database import Database
from exporter.storage.engine import Target, target, writer_engine
from exporter.storage.pages import HistoryPages
from exporter.storage.recent import Recent
from exporter.storage.service import Storage
from exporter.store import StatusStore

OURS, PEER, BARE = "bot-exporter", "aiosqlite", "no storage"
TUNED = "aiosqlite, WAL"  # with the pragmas that bot-exporter sets, which few programs do
BOTS: Final = 100
TICK_S: Final = 0.001
A_SECOND: Final = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long."""

    rounds: int
    ours: int
    peers: int
    lag_s: float
    rows: int
    pages: int


@dataclass
class Report:
    """The figures by part, and what was not measured."""

    options: Options
    notes: list[str] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)
    lags: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    pages: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    before: float = field(default_factory=load_average)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"machine": machine(), "ratios": ratios(self.rates[OURS], self.rates[PEER])}


def run(options: Options) -> Report:
    """Measure everything."""
    report = Report(options)
    for number, subject in interleaved(options.rounds, (OURS, PEER, TUNED)):
        say(f"round {number} of {options.rounds}: writing, {subject}")
        with _folder() as folder:
            work = (
                _write_ours(folder, options.ours)
                if subject == OURS
                else _write_peer(folder, options.peers, tuned=subject == TUNED)
            )
            report.rates.setdefault(subject, []).append(run_on_loop(work))
    for number, subject in interleaved(options.rounds, (OURS, BARE)):
        say(f"round {number} of {options.rounds}: loop lag, {subject}")
        with _folder() as folder:
            late = run_on_loop(_lag(folder if subject == OURS else None, options.lag_s))
        shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        figures = {name: percentile(late, share) * 1000 for name, share in shares.items()}
        report.lags.setdefault(subject, []).append(figures)
    for name, where in _databases(report.notes):
        with where as found:
            say(f"{options.rows} rows on {name}")
            report.pages[name] = run_on_loop(_pages(found, options))
    return report


# --- writing ---


def _fact(number: int) -> ev.Event:
    return ev.CheckFailed(f"bot{number % BOTS}", 1.8e9 + number / 1000, FailureReason.TIMEOUT, f"no answer {number}")


def _fleet(kept: Storage | None) -> StatusStore:
    store = StatusStore()
    if kept is not None:
        store.subscribe(kept.on_change)
    traits = PLATFORMS["racetime"].traits
    for number in range(BOTS):
        store.apply(ev.BotAdded(f"bot{number}", 1.8e9, traits, f"cat{number}", active=True))
    return store


async def _write_ours(folder: Path, count: int) -> float:
    """Return facts a second, from the first one until all are in the database."""
    async with open_storage(folder) as kept:
        store = _fleet(kept)
        await until(lambda: kept.idle)
        began = time.perf_counter()
        for number in range(count):
            store.apply(_fact(number))
            if number % 200 == 199:
                await asyncio.sleep(0)
                await until(lambda: kept.stats.queue_length < 15_000)  # what is dropped is not written
        await until(lambda: kept.idle)
        took = time.perf_counter() - began
        if kept.stats.dropped:
            raise RuntimeError(f"{kept.stats.dropped} were dropped")
    return count / took


async def _write_peer(folder: Path, count: int, *, tuned: bool) -> float:
    """Write the same rows into the same table, a commit each; untuned as the library comes."""
    where = target(None, folder)
    database = Database(where)
    database.open()
    database.close()
    insert = "INSERT INTO bot_events (id, at, kind, bot, platform, reason, message) VALUES (?, ?, ?, ?, ?, ?, ?)"
    async with aiosqlite.connect(str(where.path)) as connection:
        if tuned:
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = NORMAL")
        else:
            await connection.execute("PRAGMA journal_mode = DELETE")
        began = time.perf_counter()
        for number in range(count):
            row = (
                number,
                1.8e9 + number / 1000,
                "error",
                f"bot{number % BOTS}",
                "racetime",
                "timeout",
                f"no answer {number}",
            )
            await connection.execute(insert, row)
            await connection.commit()
        return count / (time.perf_counter() - began)


# --- the loop ---


async def _lag(folder: Path | None, seconds: float) -> list[float]:
    """Return by how much each tick of a millisecond came late."""
    if folder is None:
        return await _ticks(_fleet(None), seconds)
    async with open_storage(folder) as kept:
        return await _ticks(_fleet(kept), seconds)


async def _ticks(store: StatusStore, seconds: float) -> list[float]:
    clock = time.perf_counter  # uvloop's own counts whole milliseconds
    late: list[float] = []
    number, began = 0, clock()
    while (now := clock()) < began + seconds:
        while number < (now - began) * A_SECOND:
            store.apply(_fact(number))
            number += 1
        due = clock() + TICK_S
        await asyncio.sleep(TICK_S)
        late.append(max(0.0, clock() - due))
    return late


# --- pages ---

_FILL = (
    "INSERT INTO bot_events (id, at, kind, bot, platform, before, after, message) "
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
    "SELECT 1700000000000000 + CAST(i AS BIGINT) * 1000000, 1700000000 + i, "
    "CASE WHEN i % 1000 = 0 THEN 'lobby' WHEN i % 7 = 0 THEN 'error' ELSE 'state' END, "
    "'bot' || (i % 100), 'racetime', 'online', 'in_race', 'a message of some length ' || i FROM n"
)


async def _pages(where: Target, options: Options) -> dict[str, list[float]]:
    database = Database(where)
    database.open()
    database.close()
    engine = writer_engine(where)
    with engine.begin() as connection:
        if where.path is None:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(_FILL.format(rows=options.rows)))
    if where.path is None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))  # as the server does by itself after a while
    engine.dispose()
    pages = HistoryPages(where, Recent())
    found: dict[str, list[float]] = {}
    chance = random.Random(3)  # noqa: S311
    for title, query in _queries(options.rows).items():
        for _ in range(options.pages):
            asked = query(chance.randrange(options.rows // 4, options.rows))
            began = time.perf_counter()
            page = await pages.page(asked)
            found.setdefault(title, []).append((time.perf_counter() - began) * 1000)
            if not page.items:
                raise RuntimeError(f"{title}: an empty page")
    pages.close()
    return found


def _queries(rows: int) -> dict[str, Callable[[int], HistoryQuery]]:
    def cursor(row: int) -> int:
        return 1_700_000_000_000_000 + row * 1_000_000

    return {
        "the newest": lambda _: HistoryQuery(),
        "from a cursor anywhere": lambda row: HistoryQuery(before=cursor(row)),
        "of one bot, from a cursor": lambda row: HistoryQuery(bots=frozenset({f"bot{row % 100}"}), before=cursor(row)),
        "lobbies only, from a cursor": lambda row: HistoryQuery(
            kinds=frozenset({HistoryKind.LOBBY}), before=cursor(row)
        ),
        "errors of one bot": lambda row: HistoryQuery(
            bots=frozenset({f"bot{row % 100}"}), kinds=frozenset({HistoryKind.ERROR})
        ),
        "since the last hour": lambda _: HistoryQuery(since=1_700_000_000.0 + rows - 3600),
        "until a time anywhere": lambda row: HistoryQuery(until=1_700_000_000.0 + row),
        "500 items": lambda _: HistoryQuery(limit=500),
    }


def _databases(notes: list[str]) -> "Iterator[tuple[str, Any]]":
    yield "SQLite", _sqlite()
    if not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        notes.append("PostgreSQL is not installed: its pages are not measured")
        return
    yield "PostgreSQL", _postgresql()


@contextmanager
def _sqlite() -> Iterator[Target]:
    with _folder() as folder:
        yield target(None, folder)


@contextmanager
def _postgresql() -> Iterator[Target]:
    from tests.postgresql import PostgreSQL  # noqa: PLC0415  (it needs the tests' libraries)

    server = PostgreSQL()
    try:
        server.start()
        yield target(server.new_database(), Path())
    finally:
        server.remove()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bot-exporter-history-") as name:
        yield Path(name)


# --- the table ---


def table(report: Report) -> str:
    """Return the figures as text."""
    options, about = report.options, machine()
    names = ("aiosqlite", "sqlalchemy", "psycopg", "uvloop")
    compared, tuned = (ratios(report.rates[OURS], report.rates[peer]) for peer in (PEER, TUNED))
    lines = [
        f"the history, {options.rounds} rounds; min / median / max",
        ", ".join(f"{name} {value}" for name, value in (about | versions(*names)).items()),
        f"load of the machine in the minute before: {report.before:.2f}; after: {load_average():.2f}",
        *(f"note: {note}" for note in report.notes),
        "",
        f"changes written a second: {OURS}  {Spread.of(report.rates[OURS]).text(0)}",
        f"  {PEER}, a commit each  {Spread.of(report.rates[PEER]).text(0)}",
        f"  ratio  {Spread.of(compared).text(1)}  (target: >= 25)",
        f"  {TUNED} and synchronous NORMAL, a commit each  {Spread.of(report.rates[TUNED]).text(0)}",
        f"  ratio  {Spread.of(tuned).text(1)}",
        f"loop lag ms at {A_SECOND} changes a second",
    ]
    for subject, rounds in report.lags.items():
        for name in rounds[0]:
            goal = "  (target: < 1)" if (subject, name) == (OURS, "p99") else ""
            lines.append(f"  {subject}, {name}  {Spread.of([figures[name] for figures in rounds]).text()}{goal}")
    for name, pages in report.pages.items():
        lines.append(f"ms for a page out of {options.rows} rows, {name}")
        lines += [f"  {title}  {Spread.of(times).text()}" for title, times in pages.items()]
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="history", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to page in (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="one short round: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    given = parse(arguments)
    if given.smoke:
        options = Options(rounds=1, ours=2000, peers=200, lag_s=0.5, rows=20_000, pages=3)
    else:
        options = Options(given.rounds, ours=50_000, peers=3000, lag_s=5.0, rows=given.rows, pages=20)
    report = run(options)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
