"""The dashboards over a fleet of several processes: each bot shows once, also in the minute in which it moves."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.contract.alerts.promtool import scene
from tests.contract.alerts.test_several import A, B, member, only
from tests.contract.alerts.world import (
    ALTTPR,
    FLEET,
    LOBBY_1,
    LOBBY_2,
    OOTR,
    RESTING,
    fleet,
    name,
)
from tests.contract.dashboards.shipped import dashboards, expressions, filled, panels, variables
from tests.tools import require_tool

MOVES: Final = 5
"""The minute in which lobby-1 moves from A to B, and both show it."""
BOTS: Final = len(FLEET) + len(RESTING)
ALL: Final = {"__rate_interval": "5m", "__range": "15m"}


def world() -> dict[str, Any]:
    here, there = (
        only(fleet(LOBBY_1), lambda minute: minute <= MOVES),
        only(fleet(LOBBY_1), lambda minute: minute >= MOVES),
    )
    lost = {name("bot_exporter_cluster_takeovers_total"): float, name("bot_exporter_cluster_leases_lost_total"): float}
    return {
        **member(A, ALTTPR, *RESTING, also=here),
        **member(B, OOTR, LOBBY_2, also={**there, **lost}),
    }


def ask(folder: Path, checks: list[tuple[str, int, list[dict[str, Any]]]]) -> None:
    """Hold what Prometheus would answer at a minute against what is expected."""
    queries = [{"expr": expr, "eval_time": f"{at}m", "exp_samples": samples} for expr, at, samples in checks]
    path = folder / "tests.json"
    tests = {"rule_files": [], "evaluation_interval": "1m", "tests": [scene("several", world(), 10, queries=queries)]}
    path.write_text(json.dumps(tests), encoding="utf-8")
    command = [require_tool("promtool", "prometheus"), "test", "rules", str(path)]
    check = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def asked(page: str, title: str, number: int = 0) -> str:
    (panel,) = [each for each in panels(dashboards()[page]) if each["title"] == title]
    return filled(panel["targets"][number]["expr"], dict.fromkeys(variables(dashboards()[page]), ".+") | ALL)


def one(value: float, labels: str = "{}") -> list[dict[str, Any]]:
    return [{"labels": labels, "value": value}]


def test_each_bot_shows_once_while_it_moves(tmp_path: Path) -> None:
    fleet_page = "bot-exporter-fleet"
    verdicts = asked(fleet_page, "How did the verdict on each bot change?")
    checks = []
    for minute in (MOVES - 1, MOVES, MOVES + 1):
        checks += [
            (f"max(count by (bot) ({verdicts}))", minute, one(1)),
            (f"count({verdicts})", minute, one(BOTS)),
            (asked(fleet_page, "Do the bots that should work do so?"), minute, one(1)),
            (asked(fleet_page, "How many are down that should work?"), minute, one(0)),
            (asked(fleet_page, "How many rest?"), minute, one(len(RESTING))),
            (
                asked(fleet_page, "How many can take new work?"),
                minute,
                [{"labels": f'{{platform="{each}"}}', "value": 2} for each in ("dota2", "racetime")],
            ),
        ]
    ask(tmp_path, checks)


def test_a_table_has_one_row_a_bot_with_the_process_that_runs_it(tmp_path: Path) -> None:
    page, title = "bot-exporter-fleet", "What is each bot doing, and why is it not connected?"
    (table,) = [panel for panel in panels(dashboards()[page]) if panel["title"] == title]
    columns = [asked(page, title, number) for number in range(len(table["targets"]))]
    (place,) = [expr for expr in columns if expr.startswith("topk by")]
    checks: list[tuple[str, int, list[dict[str, Any]]]] = []
    for minute in (MOVES - 1, MOVES, MOVES + 1):
        checks += [(f"max(count by (bot) ({expr})) > 1", minute, []) for expr in columns]
    for minute, instance in ((MOVES - 1, A), (MOVES + 1, B)):
        where = f'count by (instance) ({place} and on (bot) bot_up{{bot="lobby-1"}})'
        checks.append((where, minute, one(1, f'{{instance="{instance}"}}')))
    ask(tmp_path, checks)


def test_the_panels_about_the_cluster_find_something(tmp_path: Path) -> None:
    """Of a fleet in one process they say that there is only one: the end-to-end tests have no more."""
    found = {place: expr for place, expr in expressions().items() if "bot_exporter_cluster_" in expr}
    assert len(found) >= 5
    everything = dict.fromkeys(("job", "instance"), ".+") | ALL
    ask(tmp_path, [(f"count({filled(expr, everything)}) > bool 0", 10, one(1)) for expr in found.values()])
    owned = re.sub(r"\s+", " ", asked("bot-exporter-health", "How many bots does each process have?"))
    assert owned.startswith("bot_exporter_cluster_bots_owned{")
