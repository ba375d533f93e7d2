"""Scrapes: what one costs beside prometheus_client in its usual forms and Go's client_golang, for the same samples.

    in process   the page in the text format, made without a socket
    over HTTP    the page with gzip, from the request to its last byte
    stall        how late a 1 ms ticker on bot-exporter's event loop is while it is scraped, and the most processor time
                 that the loop's thread spends between two ticks, which other programs disturb less
    memory       what a process holds at most while it is scraped, beyond what it held with the fleet alone
    events       processor time of one event through the store and all of its subscribers

Each subject is a process of its own; rounds are interleaved. Run it with `python -m benchmarks.exposition`; --help
shows the options.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.lines import ROOT, Helper
from benchmarks.measure import Spread, interleaved, load_average, machine, memory, processor_s, ratios, say, versions
from benchmarks.peers import NoPeer
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.figures import BOT_VALUES

OURS, COLLECTOR, LIVE, GO = (
    "bot-exporter",
    "prometheus_client, collector",
    "prometheus_client, objects",
    "client_golang",
)
SLOW: Final = (COLLECTOR, LIVE)
REAL: Final = tuple(name for name in BOT_VALUES if not FAMILIES[name].platforms or "dota2" in FAMILIES[name].platforms)
SMALL: Final = (
    "bot_info",
    "bot_state",
    "bot_status",
    "bot_up",
    "bot_active",
    "bot_available",
    "bot_maintenance",
    "bot_connected_since_timestamp_seconds",
    "bot_last_connected_timestamp_seconds",
    "bot_last_status_check_timestamp_seconds",
    "bot_connection_attempts_total",
    "bot_reconnects_total",
    "bot_crashes_total",
    "bot_messages_received_total",
    "bot_messages_sent_total",
    "bot_unknown_messages_total",
    "bot_lobby_info",
    "bot_lobby_players",
    "bot_lobby_state_since_timestamp_seconds",
)
MODELS: Final = {"real": REAL, "small": SMALL}
_LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """One fleet to measure: with which subjects, and how often."""

    bots: int
    model: str
    subjects: tuple[str, ...]
    rounds: int
    slow: tuple[str, ...] = SLOW
    """Those who would take most of the time, and have fewer rounds."""
    slow_rounds: int = 2

    @property
    def title(self) -> str:
        return f"{self.bots} bots, {self.model} catalogue"


ALL: Final = (OURS, COLLECTOR, LIVE, GO)
FULL: Final = (
    Fleet(10, "real", ALL, rounds=9, slow_rounds=9),
    Fleet(1000, "small", ALL, rounds=7, slow_rounds=3),
    Fleet(1000, "real", ALL, rounds=5, slow_rounds=2),
    Fleet(10_000, "small", ALL, rounds=4, slow_rounds=1),
    Fleet(10_000, "real", (OURS, GO), rounds=5, slow=(GO,), slow_rounds=1),
)
SMOKE: Final = (Fleet(20, "small", ALL, rounds=1, slow_rounds=1),)


@dataclass
class Report:
    """Milliseconds by fleet, what was done and subject, and what was not measured."""

    notes: list[str] = field(default_factory=list)
    samples: dict[str, int] = field(default_factory=dict)
    took: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    cpu: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    stalls: dict[str, dict[str, list[dict[str, float]]]] = field(default_factory=dict)
    memory_mb: dict[str, dict[str, float]] = field(default_factory=dict)
    event_us: dict[str, list[float]] = field(default_factory=dict)
    before: float = field(default_factory=load_average)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"machine": machine()}


def run(fleets: Sequence[Fleet], *, peers: bool) -> Report:
    """Measure everything."""
    report = Report()
    program: Path | None = None
    if peers:
        try:
            program = go_program()
        except NoPeer as missing:
            report.notes.append(str(missing))
    with tempfile.TemporaryDirectory(prefix="bot-exporter-exposition-") as folder:
        for fleet in fleets:
            wanted = [each for each in fleet.subjects if peers or each == OURS]
            measure(fleet, [each for each in wanted if each != GO or program], report, Path(folder), program)
    return report


def measure(fleet: Fleet, subjects: Sequence[str], report: Report, folder: Path, program: Path | None) -> None:
    """Measure one fleet. HTTP comes first: its pages are the only ones that a scraped process makes."""
    say(f"{fleet.title}: {', '.join(subjects)}")
    page = folder / "page.txt"
    with (folder / "log").open("ab") as log, contextlib.ExitStack() as stack:
        helpers = {each: stack.enter_context(started(each, log, program)) for each in subjects}
        ours = helpers[OURS]
        for helper in (helper for each, helper in helpers.items() if each != GO):
            helper.ask("hold", bots=fleet.bots, limit_s=_LIMIT_S)
        ours.ask("load", names=MODELS[fleet.model])
        held = {each: _begin_peak(helper.pid) for each, helper in helpers.items()}
        # The page that the peers load is made by another process, so that ours has made none yet.
        with started(OURS, log, program) as scribe:
            scribe.ask("hold", bots=fleet.bots, limit_s=_LIMIT_S)
            scribe.ask("load", names=MODELS[fleet.model])
            report.samples[fleet.title] = scribe.ask("dump", page=str(page), limit_s=_LIMIT_S)["samples"]
        for each, helper in helpers.items():
            if each != OURS:
                helper.ask("load", page=str(page), names=MODELS[fleet.model], limit_s=_LIMIT_S)
        Measured(fleet, helpers, report, held).everything()


class Measured:
    """One fleet in all its subjects."""

    def __init__(self, fleet: Fleet, helpers: dict[str, Helper], report: Report, held: dict[str, float]) -> None:
        self._fleet = fleet
        self._helpers = helpers
        self._report = report
        self._held = held
        self._number = 0
        self._chance = random.Random(1)  # noqa: S311
        self._ports = {each: helper.ask("serve", limit_s=_LIMIT_S)["port"] for each, helper in helpers.items()}

    def everything(self) -> None:
        title = self._fleet.title
        for share in (0.01, 1.0):
            self._rounds(f"over HTTP with gzip, {share:.0%} changed", share, self._scraped)
        self._report.memory_mb[title] = {
            each: memory(helper.pid).peak_rss_mb - self._held[each] for each, helper in self._helpers.items()
        }
        self._stalls()
        for share in (0.01, 1.0):
            self._rounds(f"in process, {share:.0%} changed", share, self._rendered)
        bots = sorted(self._chance.sample(range(self._fleet.bots), min(1000, self._fleet.bots)))
        self._report.event_us[title] = self._helpers[OURS].ask("events", bots=bots, batches=7, limit_s=_LIMIT_S)["us"]

    def _rounds(self, what: str, share: float, once: Callable[[str], tuple[float, float]]) -> None:
        """Do it once a round; `once` returns milliseconds by the clock and of processor time."""
        took = self._report.took.setdefault(self._fleet.title, {}).setdefault(what, {})
        cpu = self._report.cpu.setdefault(self._fleet.title, {}).setdefault(what, {})
        for number, subject in interleaved(self._fleet.rounds, tuple(self._helpers)):
            if subject in self._fleet.slow and number > self._fleet.slow_rounds:
                continue
            if number == 1 and subject not in self._fleet.slow:
                once(subject)  # what is made once only: the first page, caches
            self._change(subject, share)
            clock_ms, cpu_ms = once(subject)
            took.setdefault(subject, []).append(clock_ms)
            cpu.setdefault(subject, []).append(cpu_ms)

    def _change(self, subject: str, share: float) -> None:
        self._number += 1
        count = max(1, round(self._fleet.bots * share))
        bots = self._chance.sample(range(self._fleet.bots), count)
        self._helpers[subject].ask("change", bots=bots, number=self._number, limit_s=_LIMIT_S)

    def _rendered(self, subject: str) -> tuple[float, float]:
        answer = self._helpers[subject].ask("render", gzip=False, limit_s=_LIMIT_S)
        return float(answer["ms"]), float(answer["cpu_ms"])

    def _scraped(self, subject: str) -> tuple[float, float]:
        pid = self._helpers[subject].pid
        before = processor_s(pid)
        took, size = scrape(self._ports[subject], MODELS[self._fleet.model] if subject == OURS else ())
        self._report.sizes.setdefault(self._fleet.title, {})[subject] = size
        return took, (processor_s(pid) - before) * 1000

    def _stalls(self) -> None:
        ours = self._helpers[OURS]
        stalls = self._report.stalls.setdefault(self._fleet.title, {})
        for _ in range(self._fleet.rounds):
            ours.ask("watch")
            time.sleep(0.3)
            stalls.setdefault("no scrape", []).append(ours.ask("watched"))
            for share in (0.01, 1.0):
                self._change(OURS, share)
                ours.ask("watch")
                self._scraped(OURS)
                stalls.setdefault(f"one scrape, {share:.0%} changed", []).append(ours.ask("watched"))


@contextlib.contextmanager
def started(subject: str, log: IO[bytes], program: Path | None) -> Iterator[Helper]:
    """Run a subject."""
    names = {OURS: "ours", COLLECTOR: "collector", LIVE: "live"}
    if subject == GO:
        helper = Helper(GO, log=log, program=program)
    else:
        helper = Helper("benchmarks.exposition_subject", names[subject], log=log)
    try:
        yield helper
    finally:
        helper.close()


def scrape(port: int, names: Sequence[str]) -> tuple[float, int]:
    """Scrape as Prometheus does; return how many milliseconds it took, and the size of the answer."""
    query = "?" + "&".join(f"name[]={each}" for each in names) if names else ""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT_S)
    try:
        began = time.perf_counter()
        connection.request("GET", f"/metrics{query}", headers={"Accept": "text/plain", "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200 or answer.headers["Content-Encoding"] != "gzip":
            raise RuntimeError(f"{answer.status} {answer.headers}")
        return took, len(body)
    finally:
        connection.close()


def go_program() -> Path:
    """Build the peer from Debian's packages; raises NoPeer."""
    program = ROOT / "build" / "promhttp"
    program.parent.mkdir(exist_ok=True)
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    try:
        subprocess.run(
            ["go", "build", "-o", program, "./benchmarks/promhttp"],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            timeout=_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        packages = "golang-go and golang-github-prometheus-client-golang-dev"
        raise NoPeer(f"{GO} cannot be built ({type(error).__name__}): it needs Debian's {packages}") from error
    return program


def _begin_peak(pid: int) -> float:
    """Begin a new peak of a process's memory; return what it holds now, in MB."""
    (Path("/proc") / str(pid) / "clear_refs").write_text("5")
    return memory(pid).peak_rss_mb


# --- the table ---


def table(report: Report) -> str:
    """Return the figures as text."""
    about = machine() | versions("prometheus-client", "aiohttp", "isal", "uvloop")
    lines = [
        "scrapes; milliseconds by the clock, and of processor time, as min / median / max",
        ", ".join(f"{name} {value}" for name, value in about.items()),
        f"load of the machine in the minute before: {report.before:.2f}; after: {load_average():.2f}",
        *(f"note: {note}" for note in report.notes),
    ]
    for title, parts in report.took.items():
        lines += ["", f"{title}: {report.samples[title]} samples"]
        for what, subjects in parts.items():
            lines.append(f"  {what}")
            for subject, took in subjects.items():
                worked = report.cpu[title][what]
                by_clock, by_work = _times(took, subjects[OURS]), _times(worked[subject], worked[OURS])
                compared = f"  times ours: {by_clock} by the clock, {by_work} by processor time"
                spreads = f"{Spread.of(took).text(1)}; processor {Spread.of(worked[subject]).text(1)}"
                lines.append(f"    {subject}  {spreads}{compared if subject != OURS else ''}")
        sizes = ", ".join(f"{subject} {size / 1e6:.2f}" for subject, size in report.sizes[title].items())
        lines.append(f"  compressed MB: {sizes}")
        peaks = report.memory_mb[title]
        lines.append(f"  peak memory MB: {', '.join(f'{subject} {peak:.0f}' for subject, peak in peaks.items())}")
        for what, rounds in report.stalls[title].items():
            worst = Spread.of([each["max"] for each in rounds]).text()
            usual = Spread.of([each["p99"] for each in rounds]).text()
            work = Spread.of([each["work"] for each in rounds]).text()
            lines.append(
                f"  event loop late, {what}: at most {worst}; p99 {usual}; longest work between two ticks {work}"
            )
        lines.append(f"  one event through store and subscribers: {Spread.of(report.event_us[title]).text(1)} us")
    return "\n".join(lines)


def _times(theirs: Sequence[float], ours: Sequence[float]) -> str:
    return Spread.of(ratios(theirs, ours[: len(theirs)])).text(1)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="exposition", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one small fleet, one round: does it still run?")
    parser.add_argument("--no-peer", action="store_true", help="bot-exporter alone")
    parser.add_argument("--only", type=int, metavar="BOTS", help="fleets of this size only")
    parser.add_argument("--rounds", type=int, default=9, help="the most rounds of one fleet (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    given = parse(arguments)
    fleets = [
        replace(each, rounds=min(each.rounds, given.rounds), slow_rounds=min(each.slow_rounds, given.rounds))
        for each in (SMOKE if given.smoke else FULL)
        if given.only in (None, each.bots)
    ]
    report = run(fleets, peers=not given.no_peer)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
