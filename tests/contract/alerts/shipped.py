"""What lies in alerts/, read as data."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "alerts"
ALERTING = ALERTS / "alerting-rules.yml"
RECORDING = ALERTS / "recording-rules.yml"
ALERTMANAGER = ALERTS / "alertmanager.yml"
RUNBOOKS = ROOT / "docs" / "runbooks"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule; several may share a name."""

    name: str
    expr: str
    for_minutes: int
    keep_minutes: int
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def id(self) -> str:
        own = [value for key, value in sorted(self.labels.items()) if key != "severity"]
        return "-".join([self.name, *own])


def load(path: Path) -> Any:
    """Return the data of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def alerts() -> tuple[Alert, ...]:
    """Return every alerting rule, in the order of the file."""
    return tuple(
        Alert(
            rule["alert"],
            rule["expr"].strip(),
            _minutes(rule.get("for", "0m")),
            _minutes(rule.get("keep_firing_for", "0m")),
            rule["labels"],
            rule["annotations"],
        )
        for group in load(ALERTING)["groups"]
        for rule in group["rules"]
    )


def recorded() -> dict[str, str]:
    """Return the expression of every recording rule by its name."""
    return {rule["record"]: rule["expr"] for group in load(RECORDING)["groups"] for rule in group["rules"]}


def _minutes(text: str) -> int:
    found = re.fullmatch(r"(\d+)m", text)
    assert found, f"for: {text} is not in minutes, in which the tests count"
    return int(found[1])
