"""All benchmarks, one after the other; then docs/benchmarks.md and the tables of the pages that it links to.

Run it with `make bench`, or `python -m benchmarks.everything`; --help shows the options.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import summary
from benchmarks.lines import ROOT, users_environment
from benchmarks.measure import load_average, machine, say, versions

BENCHMARKS: Final = (
    *("exposition", "status", "feed", "history", "steam_fleet", "racetime_fleet", "cluster", "whole_process"),
)
_PACKAGES: Final = (
    *("aiohttp", "isal", "msgspec", "orjson", "protobuf", "sqlalchemy", "uvloop", "websockets"),
    *("aiosqlite", "gevent", "prometheus-client", "racetime-bot", "steam-next"),
)
_LIMIT_S: Final = 1800.0


def options(benchmark: str, rounds: int) -> list[str]:
    """Return what a benchmark is told: `rounds` of whole fleets, which take a minute each, and more of the others."""
    match benchmark:
        case "steam_fleet":
            return [f"--rounds={rounds}", "--idle=9"]
        case "racetime_fleet":
            return [f"--rounds={rounds}", "--steady=20"]
        case "whole_process" | "cluster":
            return [f"--rounds={(rounds + 1) // 2}"]
        case "exposition":
            return [f"--rounds={2 * rounds + 1}"]
        case "feed" | "history":
            return [f"--rounds={max(5, rounds)}"]
    return []


def run(
    benchmarks: Sequence[str], rounds: int, *, smoke: bool, folder: Path
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Run them all; return their JSON, what they printed, and what is missing. One that fails does not stop others."""
    reports: dict[str, Any] = {}
    tables: dict[str, str] = {}
    notes: list[str] = []
    for benchmark in benchmarks:
        began, file = time.monotonic(), folder / f"{benchmark}.json"
        file.unlink(missing_ok=True)
        arguments = ["--smoke"] if smoke else options(benchmark, rounds)
        command = [sys.executable, "-m", f"benchmarks.{benchmark}", f"--json={file}", *arguments]
        say(f"--- {' '.join(command[2:])}")
        try:
            ended = subprocess.run(
                command,
                cwd=ROOT,
                env=users_environment(),
                stdout=subprocess.PIPE,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
            how = f"it ended with {ended.returncode}"
            tables[benchmark] = ended.stdout.rstrip()
            print(tables[benchmark], flush=True)
        except subprocess.TimeoutExpired:
            how = f"it did not end within {_LIMIT_S:.0f} s"
        if file.exists():
            reports[benchmark] = json.loads(file.read_text(encoding="utf-8"))
            notes += (f"{benchmark}: {note}" for note in reports[benchmark].get("notes", ()))
        else:
            notes.append(f"{benchmark}: {how}")
            tables.pop(benchmark, None)
        say(f"--- {benchmark}: {time.monotonic() - began:.0f} s")
    return reports, tables, notes


def go_version() -> dict[str, str]:
    """Return the version of Go, if it is there."""
    try:
        told = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"go": told.stdout.strip().removeprefix("go")}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="everything", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="rounds of whole fleets (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench", help="where the JSON goes")
    parser.add_argument("--smoke", action="store_true", help="short forms: do they all still run? Writes no page")
    parser.add_argument(
        "--only",
        action="append",
        choices=BENCHMARKS,
        help="this one (repeatable); others keep their figures",
    )
    parser.add_argument("--pages", action="store_true", help="measure nothing: only write the page anew")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; 1 if any of it has not run."""
    given = parse(arguments)
    if given.pages:
        summary.write(json.loads(summary.FIGURES.read_text(encoding="utf-8")))
        return 0
    given.folder.mkdir(parents=True, exist_ok=True)
    before, began = load_average(), time.monotonic()
    chosen = tuple(given.only or BENCHMARKS)
    reports, tables, notes = run(chosen, given.rounds, smoke=given.smoke, folder=given.folder)
    about = {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "minutes": round((time.monotonic() - began) / 60),
        "rounds": given.rounds,
        "load_before": before,
        "load_after": load_average(),
        "machine": machine(),
        "versions": versions(*_PACKAGES) | go_version(),
        "notes": notes,
    }
    kept = summary.summary(reports, about)
    if given.only:
        kept = summary.beside(json.loads(summary.FIGURES.read_text(encoding="utf-8")), kept, chosen)
    print(summary.page(kept))
    if not given.smoke:
        summary.write(kept)
        for name in summary.DETAILS:
            page = ROOT / "docs" / name
            text = page.read_text(encoding="utf-8")
            for benchmark, table in tables.items():
                text = summary.with_figures(text, benchmark, table)
            page.write_text(text, encoding="utf-8")
    return 0 if len(reports) == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
