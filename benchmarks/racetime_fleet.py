"""Many racetime.gg category bots, each with a live room: one bot-exporter against racetime-bot, one process a bot.

    connect all -> steady traffic in every room -> kill the site for a while -> all back, nothing lost

The site is the simulator in a process of its own, whose processor time does not count. Each round runs every subject
anew, one after the other. Run it with `python -m benchmarks.racetime_fleet`; --help shows the options.
"""

import argparse
import compileall
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol, TypeVar

from benchmarks.lines import ROOT, Helper, HelperEnded, Json, ask_all
from benchmarks.measure import Memory, Spread, interleaved, load_average, machine, ratios, say, total_memory
from benchmarks.peers import NoPeer, peer_python

OURS, PEER = "bot-exporter", "racetime-bot"
WATCHED = "bot-exporter, watched"  # a run of its own: the ticker that finds stalls would add to the processor time
PEER_REQUIREMENT = "racetime-bot==2.3.0"
_T = TypeVar("_T")
ENTRANTS = 6
POLL_S = 30.0  # of both, as they come
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long."""

    bots: int
    rounds: int
    steady_s: float
    stall_s: float
    away_s: float
    every_s: float
    limit_s: float
    wait_s: float = 0.0
    """Between the steady state and the killing of the site."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the table: `most_ratio` and `most` are the targets, where there are any."""

    key: str
    title: str
    digits: int = 2
    compared: bool = False
    most_ratio: float | None = None
    most: float | None = None


ROWS = (
    Row("start_cpu_s", "CPU s: start and imports", compared=True),
    Row("connect_cpu_s", "CPU s: connecting all (token, polls, room)", compared=True, most_ratio=0.5),
    Row("connect_s", "s from start until all rooms are open"),
    Row("steady_cpu_s", "CPU s a minute, steady", compared=True, most_ratio=0.5),
    Row("pss_mb", "memory MB, largest PSS seen", 1, compared=True),
    Row("rss_mb", "memory MB, peak RSS (shared pages again for each process)", 1, compared=True),
    Row("back_half_s", "s from the site's return until half of the rooms are back"),
    Row("back_s", "s from the site's return until all rooms are back", compared=True, most=20.0),
    Row("status_back_s", "s the same, as GET /status tells it", most=20.0),
    Row("state_right", "rooms whose race is then as the site has it", 0),
    Row("chat_right", "rooms whose last line was then read", 0),
    Row("ended", "processes that ended by themselves", 0),
    Row("stall_connect_p50", "loop stall ms, connecting: p50"),
    Row("stall_connect_p99", "  p99"),
    Row("stall_connect_max", "  max"),
    Row("stall_steady_p50", "loop stall ms, steady: p50"),
    Row("stall_steady_p99", "  p99"),
    Row("stall_steady_max", "  max"),
    Row("stall_restart_p50", "loop stall ms, through the restart: p50"),
    Row("stall_restart_p99", "  p99"),
    Row("stall_restart_max", "  max"),
)

Figures = dict[str, float]


class Fleet(Protocol):
    """All bots of one subject, running."""

    helpers: list[Helper]
    hello: Json

    def connecting(self, limit_s: float) -> Figures:
        """Return what it cost until every bot knew its room."""

    def stalls(self, phase: str) -> Figures:
        """Return the stalls of the loop since this was last asked; nothing for a fleet without a ticker."""

    def told_back(self, began: float, limit_s: float) -> Figures:
        """Return what the subject itself says of when its rooms are back; `began` is monotonic."""


class Ours:
    """One bot-exporter with all bots; `watched` by a ticker or not."""

    def __init__(self, url: str, options: Options, folder: Path, log: IO[bytes], *, watched: bool) -> None:
        config = folder / "config.yaml"
        bots = (
            f"  - {{name: bot{n}, platform: racetime, category: cat{n}, client_id: id{n}, client_secret: secret-{n}}}"
            for n in range(options.bots)
        )
        config.write_text("\n".join((f"racetime: {{url: '{url}'}}", "bots:", *bots)), encoding="utf-8")
        self._bots, self._watched = options.bots, watched
        words = ["watched"] if watched else []
        self._helper = Helper("benchmarks.racetime_ours", str(config), str(folder / "data"), *words, log=log)
        self.helpers = [self._helper]
        self.hello: Json = {}

    def connecting(self, limit_s: float) -> Figures:
        self.hello = self._helper.ask("hello", limit_s=limit_s)
        costs = until(lambda: self._helper.ask("room_cpu"), lambda answer: answer["rooms"] >= self._bots, limit_s)
        start_s: float = self.hello["cpu_s"]
        return {"start_cpu_s": start_s, "connect_cpu_s": costs["cpu_s"] - start_s}

    def stalls(self, phase: str) -> Figures:
        found = self._helper.ask("stalls") if self._watched else {}
        return {f"stall_{phase}_{name}": value for name, value in found.items()}

    def told_back(self, began: float, limit_s: float) -> Figures:
        try:
            until(self._open_rooms, lambda rooms: rooms == self._bots, limit_s)
        except HelperEnded:
            return {}
        return {"status_back_s": time.monotonic() - began}

    def _open_rooms(self) -> int:
        with urllib.request.urlopen(f"{self.hello['url']}/status", timeout=10) as answer:  # noqa: S310  (http, loopback)
            status = json.load(answer)
        healthy = {bot["name"] for bot in status["bots"] if bot["healthy"]}
        return sum(race["room_connected"] and race["bot"] in healthy for race in status["races"])


class Peers:
    """One process of the library for each bot."""

    def __init__(self, url: str, options: Options, python: Path, log: IO[bytes]) -> None:
        host = url.removeprefix("http://")
        self.helpers = [
            Helper("benchmarks.racetime_peer", host, f"cat{n}", f"id{n}", f"secret-{n}", log=log, python=str(python))
            for n in range(options.bots)
        ]
        self.hello: Json = {}

    def connecting(self, limit_s: float) -> Figures:
        hellos = [answer for answer in ask_all(self.helpers, "hello", limit_s=limit_s) if answer]
        self.hello = hellos[0]
        start_s = sum(answer["cpu_s"] for answer in hellos)
        costs = until(self._costs, lambda found: len(found) == len(self.helpers), limit_s)
        return {"start_cpu_s": start_s, "connect_cpu_s": sum(costs) - start_s}

    def stalls(self, phase: str) -> Figures:  # noqa: ARG002  (its loops are not watched)
        return {}

    def told_back(self, began: float, limit_s: float) -> Figures:  # noqa: ARG002  (it has nothing to tell)
        return {}

    def _costs(self) -> list[float]:
        answers = ask_all(self.helpers, "room_cpu")
        return [answer["cpu_s"] for answer in answers if answer and answer["cpu_s"] is not None]


def until(look: Callable[[], _T], good: Callable[[_T], bool], limit_s: float) -> _T:
    """Look again and again until it is good; raises HelperEnded when it never is."""
    end = time.monotonic() + limit_s
    while not good(found := look()):
        if time.monotonic() > end:
            raise HelperEnded(f"still {found} after {limit_s:g} s")
        time.sleep(0.1)
    return found


def cpu_s(fleet: Fleet) -> float:
    """Return the processor time of all processes of a fleet that still run."""
    return sum(float(answer["cpu_s"]) for answer in ask_all(fleet.helpers, "cpu") if answer)


def running_memory(fleet: Fleet) -> Memory:
    """Return the memory of all processes of a fleet that still run."""
    return total_memory(helper.pid for helper in fleet.helpers if helper.running)


def steady(fleet: Fleet, site: Helper, options: Options) -> Figures:
    """Let something happen in every room."""
    site.ask("traffic", every_s=options.every_s)
    time.sleep(options.every_s)
    before_s, at = cpu_s(fleet), time.monotonic()
    time.sleep(options.steady_s)
    figures = {"steady_cpu_s": (cpu_s(fleet) - before_s) * 60.0 / (time.monotonic() - at)}
    figures |= fleet.stalls("steady")
    site.ask("quiet")
    return figures


def restart(fleet: Fleet, site: Helper, options: Options) -> Figures:
    """Kill the site and bring it back, at another moment between two polls in each round."""
    time.sleep(options.wait_s)
    site.ask("crash")
    time.sleep(options.away_s)
    site.ask("come_back")
    figures = fleet.told_back(time.monotonic(), options.limit_s)
    back = site.ask("rooms", limit_s=options.limit_s * 2, for_s=options.limit_s)
    figures |= {key: back[name] for key, name in (("back_half_s", "half_s"), ("back_s", "all_s")) if back[name]}
    figures |= fleet.stalls("restart")
    return figures | compare(fleet, site)


def compare(fleet: Fleet, site: Helper) -> Figures:
    """Count the rooms of which the bots know the truth, which may take a moment to reach them."""
    truth, end = site.ask("truth"), time.monotonic() + _SETTLE_S
    while True:
        seen: Json = {}
        for answer in ask_all(fleet.helpers, "seen"):
            seen |= answer or {}
        known = [(seen.get(name, {}), room) for name, room in truth.items()]
        state = sum(all(mine.get(key) == room[key] for key in ("state", "entrants")) for mine, room in known)
        chat = sum(mine.get("last") == room["last"] for mine, room in known)
        if (state == chat == len(truth)) or time.monotonic() > end:
            return {"state_right": state, "chat_right": chat}
        time.sleep(0.1)


def life(fleet: Fleet, site: Helper, options: Options, began: float) -> Figures:
    """Take one fleet through its whole life; raises HelperEnded when it does not even connect."""
    rooms = site.ask("rooms", limit_s=options.limit_s * 2, for_s=options.limit_s)
    if rooms["all_s"] is None:
        raise HelperEnded(f"only {rooms['open']} of {options.bots} rooms were entered")
    figures: Figures = {"connect_s": time.monotonic() - began, **fleet.connecting(options.limit_s)}
    figures |= fleet.stalls("connect")
    memories = [running_memory(fleet)]
    figures |= steady(fleet, site, options)
    memories.append(running_memory(fleet))
    figures |= restart(fleet, site, options)
    memories.append(running_memory(fleet))
    figures["ended"] = sum(not helper.running for helper in fleet.helpers)
    figures["rss_mb"] = max(each.peak_rss_mb for each in memories)
    shares = [each.pss_mb for each in memories if each.pss_mb is not None]
    return figures | ({"pss_mb": max(shares)} if shares else {})


@contextmanager
def site_process(options: Options, log: IO[bytes]) -> Iterator[tuple[Helper, str]]:
    """Run a fresh site; gives it and its URL."""
    site = Helper("benchmarks.racetime_site", str(options.bots), str(ENTRANTS), log=log)
    try:
        yield site, site.ask("start")["url"]
    finally:
        site.close()


def one_run(subject: str, options: Options, peer: Path | None) -> tuple[Figures, Json]:
    """Measure one subject once, on a fresh site; gives also what it says of itself."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        Path(scratch, "log").open("wb") as log,
        site_process(options, log) as (site, url),
    ):
        began = time.monotonic()
        fleet: Fleet
        if subject == PEER and peer is not None:
            fleet = Peers(url, options, peer, log)
        else:
            fleet = Ours(url, options, Path(scratch), log, watched=subject == WATCHED)
        try:
            return life(fleet, site, options, began), fleet.hello
        finally:
            for helper in fleet.helpers:
                helper.hang_up()
            for helper in fleet.helpers:
                helper.close()


@dataclass(slots=True)
class Report:
    """Everything that was measured."""

    options: Options
    machine: dict[str, str]
    load_before: float
    load_after: float = 0.0
    notes: list[str] = field(default_factory=list)
    subjects: dict[str, Json] = field(default_factory=dict)
    runs: dict[str, list[Figures]] = field(default_factory=dict)

    def values(self, subject: str, key: str) -> list[float]:
        """Return one figure of all rounds; the stalls of ours come from its watched runs."""
        if key.startswith("stall_"):
            subject = WATCHED if subject == OURS else ""
        return [run[key] for run in self.runs.get(subject, ()) if key in run]

    def ratios(self, key: str) -> list[float]:
        """Return ours/peer of the rounds in which both were measured."""
        pairs = [
            (ours[key], peer[key])
            for ours, peer in zip(self.runs.get(OURS, ()), self.runs.get(PEER, ()), strict=False)
            if key in ours and key in peer
        ]
        return ratios([mine for mine, _ in pairs], [theirs for _, theirs in pairs])

    def as_json(self) -> Json:
        """Return it all, for machines."""
        figures: Json = {}
        for row in ROWS:
            spreads = {name: self.values(name, row.key) for name in (OURS, PEER)}
            spreads["ratio"] = self.ratios(row.key) if row.compared else []
            figures[row.key] = {
                "title": row.title.strip(),
                **{name: asdict(Spread.of(values)) for name, values in spreads.items() if values},
                **{key: most for key, most in (("most_ratio", row.most_ratio), ("most", row.most)) if most},
            }
        return {**asdict(self), "figures": figures}


def warm_up() -> None:
    """Have Python keep our modules compiled, as an installation does (pip did so for the peer)."""
    compileall.compile_dir(ROOT / "exporter", quiet=2)
    compileall.compile_dir(ROOT / "benchmarks", quiet=2)


def run(options: Options, peer: Path | None, notes: list[str]) -> Report:
    """Run all rounds. A run that fails is told and left out."""
    report = Report(options, machine(), load_average(), notes=notes)
    subjects = [OURS, PEER, WATCHED] if peer is not None else [OURS, WATCHED]
    report.runs = {subject: [] for subject in subjects}
    warm_up()
    for number, subject in interleaved(options.rounds, subjects):
        say(f"round {number} of {options.rounds}: {subject}, {options.bots} bots")
        chosen = replace(options, wait_s=POLL_S * (number - 1) / options.rounds)
        if subject == WATCHED:
            chosen = replace(options, steady_s=options.stall_s)
        try:
            figures, report.subjects[subject] = one_run(subject, chosen, peer)
        except HelperEnded as error:
            figures = {}
            report.notes.append(f"round {number}, {subject}: {error}")
        report.runs[subject].append(figures)
    report.load_after = load_average()
    return report


def table(report: Report) -> str:
    """Return the figures for people."""
    options, about = report.options, report.machine
    lines = [
        f"{options.bots} bots with a room each, {ENTRANTS} entrants a room, something in each room every "
        f"{options.every_s:g} s, {options.steady_s:g} s steady, site killed for {options.away_s:g} s, "
        f"{options.rounds} rounds; min / median / max",
        ", ".join(f"{key} {value}" for key, value in about.items()),
        f"load of the machine in the minute before: {report.load_before:.2f}; after: {report.load_after:.2f}",
    ]
    for name, hello in report.subjects.items():
        if name == WATCHED:
            continue
        lines.append(f"{name}: {', '.join(f'{package} {number}' for package, number in hello['versions'].items())}")
    if PEER in report.subjects:
        lines.append(
            f"{PEER} is run with the public settings racetime_host, racetime_secure and get_handler_class "
            "overridden, logging warnings only; bot-exporter as shipped, logging to a file"
        )
    lines += [*(f"note: {note}" for note in report.notes), ""]
    header = ["", OURS, PEER, "ratio", "target"]
    rows = [header, *filter(None, (_cells(report, row) for row in ROWS))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(header))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def _cells(report: Report, row: Row) -> list[str] | None:
    ours, peer = (report.values(name, row.key) for name in (OURS, PEER))
    compared = report.ratios(row.key) if row.compared else []
    if not ours and not peer:
        return None
    targets = [f"ratio <= {row.most_ratio:g}"] if row.most_ratio else [f"<= {row.most:g}"] if row.most else []
    spreads = [Spread.of(values).text(digits) if values else "-" for values, digits in (
        (ours, row.digits), (peer, row.digits), (compared, 3),
    )]  # fmt: skip
    return [row.title, *spreads, *targets, ""][:5]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="racetime_fleet", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bots", type=int, default=50, help="bots of the fleet (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--steady", type=float, default=30.0, help="seconds of steady state (default: %(default)s)")
    parser.add_argument("--no-peer", action="store_true", help="measure bot-exporter alone")
    parser.add_argument("--smoke", action="store_true", help="5 bots and one short round: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if bot-exporter itself could not be measured in every round."""
    given = parse(arguments)
    if given.smoke:
        options = Options(bots=5, rounds=1, steady_s=2.0, stall_s=1.0, away_s=1.0, every_s=0.5, limit_s=60.0)
    else:
        options = Options(given.bots, given.rounds, given.steady, stall_s=10.0, away_s=5.0, every_s=3.0, limit_s=120.0)
    peer, notes = None, []
    if not given.no_peer:
        try:
            peer = peer_python(PEER_REQUIREMENT, "racetime_bot")
        except NoPeer as error:
            notes.append(f"no peer, only {OURS} is measured: {error}")
    report = run(options, peer, notes)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if all("back_s" in figures for figures in report.runs[OURS]) else 1


if __name__ == "__main__":
    sys.exit(main())
