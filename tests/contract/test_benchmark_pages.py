"""docs/benchmarks.md has every target once, says what is so, and is what its source makes of its figures."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import everything, summary, targets
from benchmarks.lines import ROOT

# What is to be reached, as it was agreed on. A row of the page must not go away because its figure is bad.
AGREED = (
    "/metrics in process, 1,000 bots, 1% changed, times generate_latest",
    "/metrics in process, 1,000 bots, 100% changed, times generate_latest",
    "/metrics over HTTP, 10,000 bots, gzip, 1% changed, times Go's promhttp",
    "Event loop stall of one scrape at 10,000 bots, gzip",
    "Peak memory of the fleet's exposition",
    "One event through reduce, store and all subscribers, 10,000 bots",
    "GET /status/system; GET /status at 3,500 bots",
    "Feed to 100 subscribers",
    "History written",
    "1,000 Steam bots, limiter off, all at gc_connected",
    "racetime bots, a category with a room each",
    "3,000 bots in three processes that start at once; then one is killed",
    "Scrape time against fleet size",
    "Ten bots: a scrape costs no more than a tenth of prometheus_client's",
)
LIMITS = {
    ">= 150",
    ">= 40",
    ">= 20",
    ">= 10",
    "<= 5 ms",
    "<= 0.15",
    "<= 0.3",
    "<= 15 us",
    ">= 0.8",
    "<= 256 KB",
    ">= 25",
}
LIMITS |= {"<= 1 ms", "<= 0.5", "<= 150 ms", "<= 120 KB", "<= 20 s", "<= 1", "<= 0", "<= 30 s"}

ABOUT: dict[str, Any] = {
    "date": "2026-11-29",
    "minutes": 24,
    "rounds": 2,
    "load_before": 0.5,
    "load_after": 1.5,
    "machine": {"cores": "2"},
    "versions": {"uvloop": "1.2"},
    "notes": ["no peer can be had"],
}


def rows_of(page: str) -> list[list[str]]:
    table = page.partition("## Targets")[2].partition("\n\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_every_target_has_its_row_once() -> None:
    titles = [cells[0] for cells in rows_of(summary.PAGE.read_text(encoding="utf-8")) if cells[0]]
    assert titles == [f"[{title}]({row.page})" for title, row in zip(AGREED, targets.ROWS, strict=True)]
    assert [row.title for row in targets.ROWS] == list(AGREED)
    assert {part.target for row in targets.ROWS for part in row.parts} == LIMITS


def test_every_figure_has_a_name_of_its_own_and_every_page_is_there() -> None:
    names = [(row.title, part.what) for row in targets.ROWS for part in row.parts]
    assert len(names) == len(set(names))
    assert {row.page for row in targets.ROWS} <= set(summary.DETAILS)
    assert all((ROOT / "docs" / name).exists() for name in summary.DETAILS)


def test_every_reason_is_for_a_row() -> None:
    assert {part.why for row in targets.ROWS for part in row.parts if part.why} == set(summary.reasons())


def test_the_page_is_what_its_figures_make() -> None:
    kept = json.loads(summary.FIGURES.read_text(encoding="utf-8"))
    assert summary.PAGE.read_text(encoding="utf-8") == summary.page(kept), (
        "run `python -m benchmarks.everything --pages`"
    )


def test_every_benchmark_has_a_place_for_its_table() -> None:
    pages = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in summary.DETAILS)
    assert [pages.count(f"<!-- figures: {each} -->\n```\n") for each in everything.BENCHMARKS] == [1] * 8


def test_the_page_says_what_is_met_by_how_much_not_and_what_was_not_measured() -> None:
    reports = {
        "history": {"ratios": [24.0, 26.0, 40.0], "lags": {"bot-exporter": [{"p99": 1.5}, {"p99": 2.5}, {"p99": 0.5}]}},
        "feed": {"ratios": [10.0], "waiting": [10240]},
        "cluster": {"rounds": [{"lost": 5.0, "taken_s": 22.5}]},
        "whole_process": {"figures": {"3 bots": {"cpu": {"low": 0.25, "middle": 0.5, "high": 0.75}}}},
    }
    page = summary.page(json.loads(json.dumps(summary.summary(reports, ABOUT))))
    cells = {row[1]: row[2:] for row in rows_of(page)}
    assert cells["times aiosqlite with a commit each"] == [">= 25", "24.0 / 26.0 / 40.0", "met"]
    assert cells["loop lag p99, 1,000 events a second"] == [
        "<= 1 ms",
        "0.50 / 1.50 / 2.50",
        "missed: 1.50 of it (busy)",
    ]
    assert cells["waiting for a slow reader"] == ["<= 256 KB", "10.00 / 10.00 / 10.00", "met"]
    assert cells["leases lost while all start"] == ["<= 0", "5.00 / 5.00 / 5.00", "missed"]
    assert cells["all of its bots have owners"] == ["<= 30 s", "22.50 / 22.50 / 22.50", "met"]
    assert cells["all back"] == ["<= 20 s", "-", "not measured"]
    assert f"* **busy**: {summary.reasons()['busy']}" in page
    assert "**steam**" not in page  # nothing is explained that is not missed
    assert "| CPU, share of one processor | 0.250 / 0.500 / 0.750 |" in page
    for told in (
        "2026-11-29",
        "24 minutes",
        "before: 0.50; after: 1.50",
        "cores 2, uvloop 1.2",
        "* Not measured: no peer",
    ):
        assert told in page


def test_a_benchmark_that_fails_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports, tables, notes = everything.run(("of_nobody", "of_no_one"), 1, smoke=True, folder=tmp_path)
    assert (reports, tables) == ({}, {})
    assert notes == ["of_nobody: it ended with 1", "of_no_one: it ended with 1"]
    assert "benchmarks.of_no_one" in capsys.readouterr().err


def test_a_table_replaces_the_one_before_it() -> None:
    page = "# It\n\n<!-- figures: a -->\n```\n1 \\1\n```\n\n<!-- figures: b -->\n```\n```\n\nend\n"
    page = summary.with_figures(page, "a", "x \\2\ny")
    page = summary.with_figures(page, "b", "z")
    assert page == "# It\n\n<!-- figures: a -->\n```\nx \\2\ny\n```\n\n<!-- figures: b -->\n```\nz\n```\n\nend\n"


def test_what_was_not_run_again_keeps_its_figures() -> None:
    earlier = {
        "date": "2026-01-01",
        "notes": ["anew: all but feed", "exposition: Go", "status: busy"],
        "figures": {"a": [1], "b": [2]},
        "whole": {},
    }
    kept = {"date": "2026-01-02", "notes": [], "figures": {"b": [3]}, "whole": {"c": {}}}
    told = summary.beside(earlier, kept, ["status", "history"])
    assert (told["date"], told["figures"], told["whole"]) == ("2026-01-02", {"a": [1], "b": [3]}, {"c": {}})
    assert told["notes"] == [
        "anew: all but status, history; the rest is of 2026-01-01 or before, as its pages say",
        "exposition: Go",
    ]
