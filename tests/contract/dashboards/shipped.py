"""What lies in dashboards/, read as Grafana reads it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from exporter.metrics.catalogue import FAMILIES

Json = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = ROOT / "dashboards"
SAMPLES: Final = {name: family for family in FAMILIES.values() for name in family.sample_names}
OF_PROMETHEUS: Final = frozenset({"up", "ALERTS", "scrape_duration_seconds", "scrape_samples_scraped"})

# A metric with its matchers, inside an expression: every selector of a dashboard has matchers.
_SELECTOR: Final = re.compile(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_LABEL_VALUES: Final = re.compile(r"label_values\((.+), (\w+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel."""

    dashboard: str
    panel: str
    kind: str
    ref: str
    expr: str
    legend: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.dashboard}/{self.panel} {self.ref}"


@cache
def dashboards() -> Mapping[str, Json]:
    """Return every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: Json) -> list[Json]:
    """Return the panels that show data, without the headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def all_panels() -> Iterator[tuple[str, Json]]:
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            yield name, panel


@cache
def targets() -> tuple[Target, ...]:
    """Return every query of every panel."""
    return tuple(
        Target(
            name,
            panel["title"],
            panel["type"],
            target["refId"],
            target["expr"],
            target["legendFormat"],
            target["instant"],
        )
        for name, panel in all_panels()
        for target in panel["targets"]
    )


def choices(dashboard: Json) -> dict[str, tuple[str, str]]:
    """Return the selector and the label of every variable that is asked of Prometheus."""
    found = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert match is not None, variable
            found[variable["name"]] = (match[1], match[2])
    return found


def variables(dashboard: Json) -> set[str]:
    return {variable["name"] for variable in dashboard["templating"]["list"]}


def expressions() -> dict[str, str]:
    """Return every expression: of panels, of variables and of annotations."""
    found = {str(target): target.expr for target in targets()}
    for name, dashboard in dashboards().items():
        found |= {f"{name} variable {label}": _matched(selector) for label, (selector, _) in choices(dashboard).items()}
        found |= {f"{name} annotation {mark['name']}": mark["expr"] for mark in dashboard["annotations"]["list"]}
    return found


def _matched(selector: str) -> str:
    return selector if "{" in selector else f"{selector}{{}}"


def selectors(expr: str) -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """Yield each metric of an expression with its matchers: the operator and the value by the label."""
    for metric, inside in _SELECTOR.findall(expr):
        yield metric, {label: (operator, value) for label, operator, value in _MATCHER.findall(inside)}


def bare_names(expr: str) -> set[str]:
    """Return the metrics of an expression that have no matchers behind them."""
    return set(re.findall(r"\b(?:(?:bot|process|python|scrape)_[a-z0-9_]+|up|ALERTS)\b(?!\{)", _without_words(expr)))


def _without_words(expr: str) -> str:
    """Leave out what is quoted."""
    return re.sub(r'"[^"]*"', '""', expr)


def used_variables(text: str) -> set[str]:
    return {braced or plain for braced, plain in _VARIABLE.findall(text)}


def filled(expr: str, values: Mapping[str, str]) -> str:
    """Return the expression as Grafana sends it, with these values of its variables."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], expr)
