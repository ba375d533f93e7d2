"""One fleet in several processes over a real PostgreSQL: what sharing it costs, and how long a takeover takes.

    start all -> every bot owned and online -> idle -> GET /status of the whole fleet -> kill -9 of one -> all back

The simulated Steam is a process of its own; the bots log on by stored tokens in a folder that all processes share, and
logons are not spaced out. Run it with `python -m benchmarks.cluster`; --help shows the options.
"""

import argparse
import http.client
import json
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.lines import Helper, Json
from benchmarks.measure import Spread, load_average, machine, memory, percentile, versions
from benchmarks.racetime_fleet import until
from benchmarks.steam_fleet import TOKEN, site_process
from benchmarks.steam_fleet import Options as SteamOptions

LOST: Final = "bot_exporter_cluster_leases_lost_total"
KEY: Final = "the-key-of-the-benchmark-0123456789"
PRELOAD: Final = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'"
SHOWN_STATEMENTS: Final = 6
_PORTS: Final = range(20000, 30000)


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long; `life_s` is that of the leases."""

    bots: int
    processes: int
    rounds: int
    idle_s: float
    requests: int
    life_s: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the table."""

    key: str
    title: str
    digits: int = 1
    most: float | None = None
    """The target."""


TAKEN_S: Final = 30.0
ROWS: Final = (
    Row("listening_s", "s until all processes listen, imports and the reading of the configuration included"),
    Row("owned_s", "s from then until every bot has an owner, and shares are even"),
    Row("online_s", "s from then until every bot is ready for lobbies"),
    Row("lost", "leases lost until then", 0, most=0.0),
    Row("start_cpu_s", "CPU s of all processes until then"),
    Row("pss_mb", "memory MB of all processes, PSS", 0),
    Row("idle_cpu_s", "CPU s a minute of all processes, idle", 2),
    Row("statements", "statements a second in the database, idle"),
    Row("database_ms", "ms a second that the database works on them", 2),
    Row("status_kb", "KB of GET /status of the whole fleet", 0),
    Row("status_p50_ms", "ms for GET /status of the whole fleet: p50"),
    Row("status_p99_ms", "  p99"),
    Row("taken_s", "s from kill -9 of one process until its bots have owners", most=TAKEN_S),
    Row("back_s", "s from kill -9 until all of them are ready again"),
)


@dataclass
class Report:
    """The figures of each round, and the statements that the database ran most when idle."""

    options: Options
    rounds: list[dict[str, float]] = field(default_factory=list)
    statements: list[tuple[str, float]] = field(default_factory=list)
    before: float = field(default_factory=load_average)

    def as_json(self) -> Json:
        return asdict(self) | {"machine": machine()}


@dataclass
class Member:
    """One process of the cluster, as this program knows it."""

    name: str
    port: int
    helper: Helper

    def system(self) -> Json:
        """Return /status/system, as this process answers it for the whole fleet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/status/system", headers={"X-API-Key": KEY})
            found: Json = json.load(connection.getresponse())
        finally:
            connection.close()
        return found

    def listening(self) -> bool:
        try:
            self.system()
        except OSError:
            return False
        return True

    def cpu_s(self) -> float:
        return float(self.helper.ask("cpu")["cpu_s"])

    def lost(self) -> float:
        """Return how many leases this process has lost."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"/metrics?name[]={LOST}")
            page = connection.getresponse().read().decode()
        finally:
            connection.close()
        return sum(float(line.split()[1]) for line in page.splitlines() if line.startswith(LOST))


def run(options: Options) -> Report:
    """Measure everything."""
    report = Report(options)
    for number in range(1, options.rounds + 1):
        print(f"round {number} of {options.rounds}", file=sys.stderr, flush=True)
        with _database() as database, _fleet(options, database) as members:
            figures, report.statements = _life(options, database, members)
        report.rounds.append(figures)
    return report


def _life(options: Options, database: str, members: list[Member]) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """Take one cluster through its life."""
    began = time.monotonic()
    figures: dict[str, float] = {}

    def reached(key: str, look: Callable[[], bool]) -> None:
        until(look, bool, options.limit_s)
        figures[key] = time.monotonic() - began

    reached("listening_s", lambda: all(each.listening() for each in members))
    began = time.monotonic()
    reached("owned_s", lambda: all(_even(each.system(), options, len(members)) for each in members))
    reached("online_s", lambda: all(_ready(each.system()) == options.bots for each in members))
    figures["lost"] = sum(each.lost() for each in members)
    figures["start_cpu_s"] = sum(each.cpu_s() for each in members)
    figures["pss_mb"] = sum(memory(each.helper.pid).pss_mb or 0.0 for each in members)
    time.sleep(min(10.0, options.idle_s))  # what the start has left to write
    idle, statements = _idle(options, database, members)
    figures |= idle | _status(options, members[0])
    victim, others = members[-1], members[:-1]
    began = time.monotonic()
    victim.helper.kill()
    reached("taken_s", lambda: all(_even(each.system(), options, len(others)) for each in others))
    reached("back_s", lambda: all(_ready(each.system()) == options.bots for each in others))
    return figures, statements


def _even(told: Json, options: Options, processes: int) -> bool:
    shares = [each["bots"] for each in told["instances"]]
    return len(shares) == processes and sum(shares) == options.bots and max(shares) - min(shares) <= 1


def _ready(told: Json) -> int:
    return int(told["available_bots"])


def _idle(
    options: Options, database: str, members: Sequence[Member]
) -> tuple[dict[str, float], list[tuple[str, float]]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        cpu_s, began = sum(each.cpu_s() for each in members), time.monotonic()
        time.sleep(options.idle_s)
        took_s = time.monotonic() - began
        spent_s = sum(each.cpu_s() for each in members) - cpu_s
        rows = connection.execute(
            "SELECT calls, total_exec_time, query FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database "
            "WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_%' ORDER BY calls DESC"
        ).fetchall()
    figures = {
        "idle_cpu_s": spent_s * 60 / took_s,
        "statements": sum(calls for calls, _, _ in rows) / took_s,
        "database_ms": sum(busy_ms for _, busy_ms, _ in rows) / took_s,
    }
    return figures, [(" ".join(query.split())[:70], calls / took_s) for calls, _, query in rows[:SHOWN_STATEMENTS]]


def _status(options: Options, member: Member) -> dict[str, float]:
    """Ask one process for the whole fleet, one request after the other over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", member.port, timeout=30)
    times, size = list[float](), 0
    for _ in range(options.requests):
        began = time.perf_counter()
        connection.request("GET", "/status", headers={"X-API-Key": KEY})
        answer = connection.getresponse()
        size = len(answer.read())
        times.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"GET /status: {answer.status}")
    connection.close()
    return {
        "status_kb": size / 1024,
        "status_p50_ms": percentile(times, 0.5),
        "status_p99_ms": percentile(times, 0.99),
    }


# --- what runs ---


@contextmanager
def _database() -> Iterator[str]:
    """Run a PostgreSQL that counts its statements, with an empty database."""
    from tests.postgresql import PostgreSQL  # noqa: PLC0415  (it needs the tests' libraries)

    server = PostgreSQL()
    try:
        server.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(PRELOAD)
        server.stop()
        server.start()
        database = server.new_database()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        yield database
    finally:
        server.remove()


@contextmanager
def _fleet(options: Options, database: str) -> Iterator[list[Member]]:
    steam = SteamOptions(options.bots, 1, options.idle_s, options.limit_s, (TOKEN,), tls=False)
    with tempfile.TemporaryDirectory(prefix="bot-exporter-cluster-") as place:
        folder = Path(place)
        with (folder / "log").open("wb") as log, site_process(TOKEN, steam, folder, log) as (_, told):
            members = list[Member]()
            try:
                _put_tokens(folder, told["accounts"])
                for number, port in enumerate(_free_ports(options.processes), 1):
                    name = f"exporter-{number}"
                    config = _configure(folder, told, database, name, port)
                    words = (str(config), str(folder / name), str(port), str(options.life_s))
                    members.append(Member(name, port, Helper("benchmarks.cluster_member", *words, log=log)))
                yield members
            finally:
                for each in members:
                    each.helper.close()


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody has, and that the kernel gives to nobody who wants any: each is taken later."""
    free = list[int]()
    for port in random.sample(_PORTS, len(_PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free.append(port)
        if len(free) == count:
            break
    return free


def _put_tokens(folder: Path, accounts: Sequence[Mapping[str, str]]) -> None:
    tokens = folder / "tokens"
    tokens.mkdir()
    for number, each in enumerate(accounts):
        stored = {key: each[key] for key in ("account", "steamid")} | {"refresh_token": each["token"], "guard_data": ""}
        (tokens / f"bot{number}.json").write_text(json.dumps(stored), encoding="utf-8")


def _configure(folder: Path, told: Json, database: str, name: str, port: int) -> Path:
    """Write the configuration of one process; only the section `cluster` is its own."""
    (folder / "admin.key").write_text(KEY, encoding="utf-8")
    config = {
        "web": {"keys": [{"name": "admin", "role": "admin", "key_file": "admin.key"}]},
        "storage": {"url": database},
        "cluster": {"enabled": True, "instance": name, "advertise_url": f"http://127.0.0.1:{port}"},
        "steam": {"logon_interval": "0s", "cm_list": told["urls"], "token_dir": "tokens"},
        "bots": [
            {
                "name": f"bot{number}",
                "platform": "dota2",
                "username": each["account"],
                "password": each["password"],
                "shared_secret": each["secret"],
            }
            for number, each in enumerate(told["accounts"])
        ],
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return path


# --- the table ---


def table(report: Report) -> str:
    """Return the figures as text."""
    options = report.options
    about = machine() | versions("psycopg", "sqlalchemy", "uvloop", "websockets")
    lines = [
        f"{options.bots} Dota 2 bots in {options.processes} processes, leases of {options.life_s:g} s, logons not "
        f"spaced out, {options.idle_s:g} s idle, {options.rounds} rounds; min / median / max",
        ", ".join(f"{name} {value}" for name, value in about.items()),
        f"load of the machine in the minute before: {report.before:.2f}; after: {load_average():.2f}",
        "",
    ]
    width = max(len(row.title) for row in ROWS)
    for row in ROWS:
        values = [figures[row.key] for figures in report.rounds]
        lines.append(f"{row.title.ljust(width)}  {_against(row, Spread.of(values))}")
    lines += ["", "the statements that come most often when idle, a second"]
    lines += [f"  {count:6.2f}  {query}" for query, count in report.statements]
    return "\n".join(lines)


def _against(row: Row, spread: Spread) -> str:
    """Return the figures, and whether the middle of them reaches the target."""
    text = spread.text(row.digits)
    if row.most is None:
        return text
    return f"{text}  (target: <= {row.most:g}, {'met' if spread.middle <= row.most else 'missed'})"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="cluster", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bots", type=int, default=3000, help="bots of the fleet (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=3, help="processes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds of idling (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=200, help="requests for /status (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="9 bots, short leases, one round: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    given = parse(arguments)
    if given.smoke:
        options = Options(9, 3, rounds=1, idle_s=4.0, requests=5, life_s=4.0, limit_s=120.0)
    else:
        options = Options(
            given.bots, given.processes, given.rounds, given.idle, given.requests, life_s=20.0, limit_s=600.0
        )
    report = run(options)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
