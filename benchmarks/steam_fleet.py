"""Many Steam accounts, all logging on at once: one bot-exporter against steam-next's own gevent client, one process.

    start -> all accounts online (stored token, or password and device code) -> all welcomed by the coordinator of
    Dota 2 -> idle, only heartbeats

Steam is the simulator in a process of its own, whose processor time does not count. The queue that spaces logons out
is off. Each round runs every subject anew, one after the other, each kind of logon. Run it with
`python -m benchmarks.steam_fleet`; --help shows the options.
"""

import argparse
import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from benchmarks.lines import Helper, HelperEnded, Json
from benchmarks.measure import Memory, Spread, interleaved, load_average, machine, memory, ratios, say
from benchmarks.racetime_fleet import Figures, Row, until, warm_up
from benchmarks.steam_site import AUTHORITY_FILE, PASSWORD, SECRET

OURS, PEER = "bot-exporter", "steam-next"
LAYER = "its Steam layer alone"  # no store, history, web server, status, log or bot of a game: what the peer does
WATCHED = "bot-exporter, watched"  # a run of its own: the ticker that finds stalls would add to the processor time
EMPTY = "bot-exporter, no bots"  # what memory is compared with
TOKEN, BY_PASSWORD = "token", "password"
KINDS: Final = {TOKEN: "by stored token, as after a restart", BY_PASSWORD: "by password and device code"}


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long."""

    bots: int
    rounds: int
    idle_s: float
    limit_s: float
    kinds: tuple[str, ...] = tuple(KINDS)
    tls: bool = False
    settle_s: float = 2.0
    beat_s: int = 9
    """Between two heartbeats: what most real answers to a logon say."""


ROWS = (
    Row("start_cpu_s", "CPU s: start, imports, configuration", compared=True),
    Row("logon_cpu_s", "CPU s: until all are online", compared=True, most_ratio=0.5),
    Row("diskless_cpu_s", "  without the thread that puts tokens on the disk", compared=True),
    Row("logon_s", "s from start until all are online", compared=True),
    Row("welcome_cpu_s", "CPU s: until all are welcomed by the coordinator", compared=True, most_ratio=0.5),
    Row("welcome_s", "s from start until all are welcomed", compared=True),
    Row("idle_cpu_s", "CPU s a minute, idle with heartbeats", compared=True),
    Row("idle_beats", "heartbeats a minute that reached Steam", 0),
    Row("bot_kb", "memory KB a bot, PSS", 1, compared=True, most=120.0),
    Row("bot_peak_kb", "memory KB a bot, peak RSS", 1, compared=True),
    Row("online_right", "accounts that are online then, as Steam has it", 0),
    Row("sessions_right", "sessions then, as the coordinator has it", 0),
    Row("again", "logons that failed and were tried again", 0),
    Row("attempts", "logons that reached Steam", 0),
    Row("stall_start_max", "loop stall ms, start with the whole fleet: max"),
    Row("stall_logon_p50", "loop stall ms, all logging on: p50"),
    Row("stall_logon_p99", "  p99"),
    Row("stall_logon_max", "  max", most=150.0),
    Row("stall_idle_p50", "loop stall ms, idle: p50"),
    Row("stall_idle_p99", "  p99"),
    Row("stall_idle_max", "  max", most=150.0),
)


@contextmanager
def site_process(kind: str, options: Options, folder: Path, log: IO[bytes]) -> Iterator[tuple[Helper, Json]]:
    """Run a fresh Steam; gives it, and its addresses and accounts."""
    words = [str(folder)] if options.tls else []
    site = Helper("benchmarks.steam_site", str(options.bots), kind, str(options.beat_s), *words, log=log)
    try:
        told = site.receive()
        for account in told["accounts"]:
            account |= {"password": PASSWORD, "secret": base64.b64encode(SECRET).decode()}
        if options.tls:
            trust = str(folder / AUTHORITY_FILE)
            os.environ |= {"SSL_CERT_FILE": trust, "WEBSOCKET_CLIENT_CA_BUNDLE": trust}
        yield site, told
    finally:
        site.close()


def written(told: Json, accounts: list[Json], folder: Path) -> list[str]:
    """Write configuration and tokens, as an earlier run would have left them; return where they and the data are."""
    tokens = folder / "data" / "tokens"
    tokens.mkdir(parents=True)
    lines = [f"steam: {{logon_interval: 0s, cm_list: {json.dumps(told['urls'])}}}", "bots:" if accounts else "bots: []"]
    for number, each in enumerate(accounts):
        lines.append(
            f"  - {{name: bot{number}, platform: dota2, username: {each['account']}, password: {each['password']}, "
            f"shared_secret: '{each['secret']}'}}"
        )
        if each["token"]:
            stored = {name: each[name] for name in ("account", "steamid")}
            stored |= {"refresh_token": each["token"], "guard_data": ""}
            (tokens / f"bot{number}.json").write_text(json.dumps(stored), encoding="utf-8")
    config = folder / "config.yaml"
    config.write_text("\n".join(lines), encoding="utf-8")
    return [str(config), str(folder / "data")]


def exporter(told: Json, folder: Path, log: IO[bytes], subject: str) -> Helper:
    """Start a bot-exporter, or its Steam layer."""
    places = written(told, [] if subject == EMPTY else told["accounts"], folder)
    words = ["watched"] if subject == WATCHED else []
    module = "benchmarks.steam_layer" if subject == LAYER else "benchmarks.steam_ours"
    return Helper(module, *places, *words, log=log)


def peer(told: Json, kind: str, folder: Path, log: IO[bytes]) -> Helper:
    """Start a process of the peer."""
    accounts = folder / "accounts.json"
    accounts.write_text(json.dumps(told["accounts"]), encoding="utf-8")
    return Helper("benchmarks.steam_peer", str(accounts), kind, *told["urls"], log=log)


def life(subject: str, fleet: Helper, site: Helper, options: Options) -> tuple[Figures, Memory]:
    """Take one fleet through its life; raises HelperEnded when not all are welcomed."""
    figures: Figures = {}
    empty = memory(fleet.pid)
    fleet.ask("go")
    if subject == EMPTY:
        time.sleep(options.settle_s)
        return figures, memory(fleet.pid)
    told = until(lambda: fleet.ask("online"), lambda answer: answer["welcomed"] >= options.bots, options.limit_s)
    figures |= {"logon_cpu_s": told["cpu_s"], "logon_s": told["wall_s"]}
    figures |= {"welcome_cpu_s": told["welcomed_cpu_s"], "welcome_s": told["welcomed_s"]}
    figures["diskless_cpu_s"] = told["cpu_s"] - told.get("disk_cpu_s", 0.0)
    if subject == WATCHED:
        starting, logging_on = fleet.ask("start_stalls"), fleet.ask("stalls")
        figures["stall_start_max"] = starting["max"]
        figures |= {f"stall_logon_{name}": value for name, value in logging_on.items()}
    time.sleep(options.settle_s)
    if subject == WATCHED:
        fleet.ask("stalls")
    before_s, beats, at = fleet.ask("cpu")["cpu_s"], site.ask("truth")["heartbeats"], time.monotonic()
    time.sleep(options.idle_s)
    spent_s, truth = fleet.ask("cpu")["cpu_s"] - before_s, site.ask("truth")
    to_minute = 60.0 / (time.monotonic() - at)
    figures |= {"idle_cpu_s": spent_s * to_minute, "idle_beats": (truth["heartbeats"] - beats) * to_minute}
    if subject == WATCHED:
        figures |= {f"stall_idle_{name}": value for name, value in fleet.ask("stalls").items()}
    figures |= {"online_right": truth["logged_on"], "attempts": truth["attempts"], "sessions_right": truth["sessions"]}
    figures["again"] = fleet.ask("online")["again"]
    if subject == PEER:  # there is nothing of it to start without clients: what its imports took
        figures |= per_bot(memory(fleet.pid), empty, options.bots)
    return figures, memory(fleet.pid)


def per_bot(full: Memory, empty: Memory, bots: int) -> Figures:
    """Return what each bot adds to a process."""
    figures = {"bot_peak_kb": (full.peak_rss_mb - empty.peak_rss_mb) * 1024 / bots}
    if full.pss_mb is not None and empty.pss_mb is not None:
        figures["bot_kb"] = (full.pss_mb - empty.pss_mb) * 1024 / bots
    return figures


def one_run(subject: str, kind: str, options: Options) -> tuple[Figures, Memory, Json]:
    """Measure one subject once, on a fresh Steam; gives also its memory and what it says of itself."""
    with tempfile.TemporaryDirectory() as scratch, Path(scratch, "log").open("w+b") as log:
        folder = Path(scratch)
        with site_process(kind, options, folder, log) as (site, told):
            fleet = peer(told, kind, folder, log) if subject == PEER else exporter(told, folder, log, subject)
            try:
                hello = fleet.ask("hello")
                figures, held = life(subject, fleet, site, options)
                return figures | {"start_cpu_s": hello["cpu_s"]}, held, hello
            finally:
                fleet.close()


@dataclass(slots=True)
class Report:
    """Everything that was measured: the runs of each kind of logon, by subject."""

    options: Options
    machine: dict[str, str]
    load_before: float
    load_after: float = 0.0
    notes: list[str] = field(default_factory=list)
    subjects: dict[str, Json] = field(default_factory=dict)
    runs: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)

    def values(self, kind: str, subject: str, key: str) -> list[float]:
        """Return one figure of all rounds; the stalls of ours come from its watched runs."""
        if key.startswith("stall_"):
            subject = WATCHED if subject == OURS else ""
        return [run[key] for run in self.runs[kind].get(subject, ()) if key in run]

    def ratios(self, kind: str, key: str, subject: str = OURS) -> list[float]:
        """Return ours/peer of the rounds in which both were measured."""
        pairs = [
            (ours[key], peers[key])
            for ours, peers in zip(self.runs[kind].get(subject, ()), self.runs[kind].get(PEER, ()), strict=False)
            if key in ours and key in peers
        ]
        return ratios([mine for mine, _ in pairs], [theirs for _, theirs in pairs])

    def as_json(self) -> Json:
        """Return it all, for machines."""
        figures: Json = {}
        for kind in self.runs:
            found: Json = {}
            for row in ROWS:
                spreads = {name: self.values(kind, name, row.key) for name in (OURS, LAYER, PEER)}
                spreads["ratio"] = self.ratios(kind, row.key) if row.compared else []
                found[row.key] = {
                    "title": row.title.strip(),
                    **{name: asdict(Spread.of(values)) for name, values in spreads.items() if values},
                    **{key: most for key, most in (("most_ratio", row.most_ratio), ("most", row.most)) if most},
                }
            figures[kind] = found
        return {**asdict(self), "figures": figures}


def run(options: Options, notes: list[str], *, with_peer: bool) -> Report:
    """Run all rounds. A run that fails is told and left out."""
    report = Report(options, machine(), load_average(), notes=notes)
    subjects = [EMPTY, OURS, PEER, LAYER, WATCHED] if with_peer else [EMPTY, OURS, LAYER, WATCHED]
    report.runs = {kind: {subject: [] for subject in subjects} for kind in options.kinds}
    warm_up()
    held: Memory | None = None
    for number, turn in interleaved(options.rounds, [f"{kind}:{each}" for kind in options.kinds for each in subjects]):
        kind, _, subject = turn.partition(":")
        say(f"round {number} of {options.rounds}: {subject}, {options.bots} accounts, {KINDS[kind]}")
        try:
            figures, now_held, report.subjects[subject] = one_run(subject, kind, options)
            if subject == EMPTY:
                held = now_held
            elif subject == OURS and held is not None:
                figures |= per_bot(now_held, held, options.bots)
        except HelperEnded as error:
            figures = {}
            report.notes.append(f"round {number}, {kind}, {subject}: {error}")
        report.runs[kind][subject].append(figures)
    report.load_after = load_average()
    return report


def table(report: Report) -> str:
    """Return the figures for people."""
    options, about = report.options, report.machine
    lines = [
        f"{options.bots} Steam accounts at once, {'TLS' if options.tls else 'no TLS'}, logons not spaced out, "
        f"a heartbeat each {options.beat_s} s, {options.idle_s:g} s idle, {options.rounds} rounds; min / median / max",
        ", ".join(f"{key} {value}" for key, value in about.items()),
        f"load of the machine in the minute before: {report.load_before:.2f}; after: {report.load_after:.2f}",
    ]
    for name in (OURS, PEER):
        if name in report.subjects:
            packages = report.subjects[name]["versions"]
            lines.append(f"{name}: {', '.join(f'{package} {number}' for package, number in packages.items())}")
    if PEER in report.subjects:
        lines.append(
            f"{PEER} is run without its web session after the logon and with 60 s of patience; it keeps no files, "
            "no status and no figures; bot-exporter as shipped, but all bots start at once"
        )
    lines += [f"note: {note}" for note in report.notes]
    for kind in report.runs:
        header = [f"log on {KINDS[kind]}", OURS, PEER, "ratio", "target"]
        rows = [header, *filter(None, (_cells(report, kind, row) for row in ROWS))]
        alone = [cells for row in ROWS[1:6] if (cells := _cells(report, kind, row, LAYER))]
        rows += [["", LAYER, PEER, "ratio", "target"], *alone] if alone else []
        widths = [max(len(row[place]) for row in rows) for place in range(len(header))]
        lines += ["", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)]
    return "\n".join(lines)


def _cells(report: Report, kind: str, row: Row, subject: str = OURS) -> list[str] | None:
    ours, peers = (report.values(kind, name, row.key) for name in (subject, PEER))
    compared = report.ratios(kind, row.key, subject) if row.compared else []
    if not ours and not peers:
        return None
    target = f"ratio <= {row.most_ratio:g}" if row.most_ratio else f"<= {row.most:g}" if row.most else ""
    spreads = [
        Spread.of(values).text(digits) if values else "-"
        for values, digits in ((ours, row.digits), (peers, row.digits), (compared, 3))
    ]
    return [row.title, *spreads, target]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="steam_fleet", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bots", type=int, default=1000, help="accounts of the fleet (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--idle", type=float, default=18.0, help="seconds of idling (default: %(default)s)")
    parser.add_argument("--kind", choices=KINDS, help="only this kind of logon (default: each)")
    parser.add_argument("--tls", action="store_true", help="the simulated Steam speaks TLS")
    parser.add_argument("--no-peer", action="store_true", help="measure bot-exporter alone")
    parser.add_argument("--smoke", action="store_true", help="20 bots, one short round, no peer: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if bot-exporter itself could not be measured in every round."""
    given = parse(arguments)
    kinds = (given.kind,) if given.kind else tuple(KINDS)
    if given.smoke:
        options = Options(bots=20, rounds=1, idle_s=0.5, limit_s=120.0, kinds=kinds, tls=given.tls, settle_s=0.3)
    else:
        options = Options(given.bots, given.rounds, given.idle, limit_s=120.0, kinds=kinds, tls=given.tls)
    with_peer, notes = not (given.no_peer or given.smoke), []
    if with_peer and find_spec("gevent") is None:
        with_peer = False
        notes.append(f"no peer, only {OURS} is measured: gevent is not installed")
    report = run(options, notes, with_peer=with_peer)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    good = all("idle_cpu_s" in figures for runs in report.runs.values() for figures in runs[OURS])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
