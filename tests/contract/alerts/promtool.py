"""Runs promtool's rule tests on made-up worlds."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract.alerts.shipped import ALERTING, load
from tests.contract.alerts.world import Series
from tests.tools import require_tool

LIMIT_S = 120
FIRING = 'ALERTS{alertstate="firing",alertname!="Watchdog"}'

Labels = Mapping[str, str]


def firing_at(minute: int, expected: Iterable[Labels]) -> dict[str, Any]:
    """Return the check that exactly these alerts fire at that minute."""
    samples = [{"labels": _alerts_series(labels), "value": 1} for labels in expected]
    return {"expr": FIRING, "eval_time": f"{minute}m", "exp_samples": samples}


def _alerts_series(labels: Labels) -> str:
    full = {"alertstate": "firing", **labels}
    return "ALERTS{" + ",".join(f"{key}={json.dumps(value)}" for key, value in full.items()) + "}"


def scene(
    title: str,
    series: Series,
    minutes: int,
    *,
    queries: Iterable[dict[str, Any]] = (),
    texts: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return one rule test: what Prometheus sees for so many minutes, and what must come of it."""
    return {
        "name": title,
        "interval": "1m",
        "input_series": [
            {"series": name, "values": _written([value(minute) for minute in range(minutes + 1)])}
            for name, value in series.items()
        ],
        "promql_expr_test": list(queries),
        "alert_rule_test": list(texts),
    }


def _written(values: Sequence[float | None]) -> str:
    """Write the samples down. As in a real Prometheus, a series that vanishes is stale at once."""
    words = []
    for before, value in zip([None, *values], values, strict=False):
        if value is not None:
            words.append(repr(float(value)))
        else:
            words.append("_" if before is None else "stale")
    return " ".join(words)


def judge(scenes: Iterable[dict[str, Any]], folder: Path, only: str = "", every: str = "1m") -> None:
    """Fail with promtool's own words if anything else comes of the scenes than what they say.

    `only` is the name of the one alert that they are about, `every` how often rules are evaluated. Either saves most of
    the work, which is the evaluation of rules.
    """
    promtool = require_tool("promtool", "prometheus")
    groups = load(ALERTING)["groups"]
    if only:
        groups = [
            {"name": only, "rules": [rule for group in groups for rule in group["rules"] if rule["alert"] == only]}
        ]
    (folder / "rules.json").write_text(json.dumps({"groups": groups}), encoding="utf-8")  # JSON is YAML
    path = folder / "tests.json"
    tests = {"rule_files": ["rules.json"], "evaluation_interval": every, "tests": list(scenes)}
    path.write_text(json.dumps(tests), encoding="utf-8")
    check = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if check.returncode != 0:
        pytest.fail(check.stdout + check.stderr, pytrace=False)
