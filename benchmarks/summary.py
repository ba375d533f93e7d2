"""docs/benchmarks.md: the table of targets, the whole program under load, and where more about each stands.

It is made of docs/benchmarks.json, which `make bench` writes, and of benchmarks/reasons.toml.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.finding import Reports
from benchmarks.lines import ROOT
from benchmarks.measure import Spread
from benchmarks.targets import ROWS, Part, found
from benchmarks.whole_process import TITLES

PAGE: Final = ROOT / "docs" / "benchmarks.md"
FIGURES: Final = ROOT / "docs" / "benchmarks.json"
_REASONS: Final = Path(__file__).with_name("reasons.toml")
DETAILS: Final = {
    "benchmarks_exposition.md": "scrapes, events and /status",
    "benchmarks_feed.md": "the live feed",
    "benchmarks_history.md": "the history, written and read",
    "benchmarks_steam.md": "a fleet of Steam accounts",
    "benchmarks_racetime.md": "a fleet on racetime.gg",
    "benchmarks_cluster.md": "one fleet in several processes",
    "benchmarks_whole.md": "the whole program under load",
}


def summary(reports: Reports, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a run: `about` it, and the spread of each part of the table."""
    whole = reports.get("whole_process", {}).get("figures", {})
    return {
        **about,
        "figures": {key: [spread.low, spread.middle, spread.high] for key, spread in found(reports).items()},
        "whole": {
            title: {key: list(each.values()) for key, each in figures.items()} for title, figures in whole.items()
        },
    }


def beside(earlier: Mapping[str, Any], kept: Mapping[str, Any], chosen: Sequence[str]) -> dict[str, Any]:
    """Return what is kept when only some benchmarks were run: of the others what was kept of them before."""
    outdated = ("anew: ", *(f"{benchmark}: " for benchmark in chosen))
    note = f"anew: all but {', '.join(chosen)}; the rest is of {earlier['date']} or before, as its pages say"
    return {
        **kept,
        "notes": [*kept["notes"], note, *(each for each in earlier["notes"] if not each.startswith(outdated))],
        "figures": {**earlier["figures"], **kept["figures"]},
        "whole": {**earlier["whole"], **kept["whole"]},
    }


def reasons() -> dict[str, str]:
    """Return why targets are missed."""
    return {name: " ".join(text.split()) for name, text in tomllib.loads(_REASONS.read_text(encoding="utf-8")).items()}


def page(kept: Mapping[str, Any]) -> str:
    """Return the page."""
    return "\n".join([*_head(kept), *_targets(kept), *_whole(kept), *_tail()])


def write(kept: Mapping[str, Any]) -> None:
    """Write the figures and the page."""
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")


def with_figures(text: str, benchmark: str, table: str) -> str:
    """Return a page of details with the table that the benchmark has printed, where the page wants it."""
    block = rf"(<!-- figures: {benchmark} -->\n```\n).*?(```\n)"
    return re.sub(block, lambda found: f"{found[1]}{table}\n{found[2]}", text, count=1, flags=re.DOTALL)


def _head(kept: Mapping[str, Any]) -> Iterator[str]:
    yield from (
        "# Benchmarks",
        "",
        "<!-- Written by `make bench` from docs/benchmarks.json and benchmarks/reasons.toml. -->",
        "",
        "Figures, never tests: what bot-exporter costs beside other programs that do the same work. `make bench`",
        "measures all of it and writes this page; it takes about 27 minutes, `make bench ROUNDS=5` longer. Peers are",
        "interleaved, round by round; compare the ratios, not the seconds. A peer that cannot be had is named, and the",
        "rest is measured.",
        "",
        f"Measured on {kept['date']} in {kept['minutes']:.0f} minutes, {kept['rounds']} rounds of whole fleets. "
        f"Load of the machine in the minute before: {kept['load_before']:.2f}; after: {kept['load_after']:.2f}.",
        "",
        ", ".join(f"{name} {value}" for name, value in {**kept["machine"], **kept["versions"]}.items()) + ".",
        "",
        *(f"* Not measured: {note}" for note in kept["notes"]),
        *([""] if kept["notes"] else []),
    )


def _targets(kept: Mapping[str, Any]) -> Iterator[str]:
    missed: dict[str, None] = {}
    yield from ("## Targets", "", "| what | compared | target | min / median / max | |", "|---|---|---|---|---|")
    for row in ROWS:
        title = f"[{row.title}]({row.page})"
        for part in row.parts:
            figures = kept["figures"].get(f"{row.title}: {part.what}")
            spread = Spread(*figures) if figures is not None else None
            verdict = _verdict(part, spread)
            if spread is not None and not part.met(spread) and part.why:
                missed[part.why] = None
                verdict += f" ({part.why})"
            shown = spread.text(part.digits) if spread is not None else "-"
            yield f"| {title} | {part.what} | {part.target} | {shown} | {verdict} |"
            title = ""
    yield ""
    if missed:
        known = reasons()
        yield from ("Why some are missed:", "", *(f"* **{name}**: {known[name]}" for name in missed), "")


def _verdict(part: Part, spread: Spread | None) -> str:
    if spread is None:
        return "not measured"
    if part.met(spread):
        return "met"
    return f"missed: {spread.middle / part.limit:.2f} of it" if part.limit else "missed"


def _whole(kept: Mapping[str, Any]) -> Iterator[str]:
    if not (loads := kept["whole"]):
        return
    yield from (
        "## The whole program under load",
        "",
        "Scrapes each second with gzip, SQLite, three subscribers of the whole feed; see",
        "[benchmarks_whole.md](benchmarks_whole.md) for what is what.",
        "",
        f"| what | {' | '.join(loads)} |",
        f"|---|{'---|' * len(loads)}",
    )
    for key, (words, digits) in TITLES.items():
        cells = [_shown(figures.get(key), digits) for figures in loads.values()]
        yield f"| {words.strip()} | {' | '.join(cells)} |"
    yield ""


def _shown(figures: Sequence[float] | None, digits: int) -> str:
    if figures is None:
        return "-"
    return f"{figures[0]:.{digits}f}" if len(set(figures)) == 1 else Spread(*figures).text(digits)


def _tail() -> Iterator[str]:
    yield from ("## More", "", *(f"* [{name}]({name}): {words}" for name, words in DETAILS.items()), "")
