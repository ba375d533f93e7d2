"""The rules of grafana/dashboard-linter, and what makes a page good beyond them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exporter.metrics.catalogue import Kind
from tests.contract.dashboards.shipped import (
    OF_PROMETHEUS,
    SAMPLES,
    Json,
    all_panels,
    choices,
    dashboards,
    expressions,
    filled,
    selectors,
    targets,
    used_variables,
    variables,
)
from tests.tools import require_tool

each_dashboard = pytest.mark.parametrize("name", dashboards())

WINDOWS = {
    "[$__range]": "is about the time shown as a whole",
    "[1h]": "is compared with the rule BotFlapping, which counts within an hour",
}
"""What stands in place of $__rate_interval, and why."""

UNITS = {"none", "s", "percentunit", "bytes", "ops", "reqps"}
"""Of Grafana's list of units."""


@each_dashboard
def test_nobody_can_edit_it_in_grafana_and_lose_it(name: str) -> None:
    assert dashboards()[name]["editable"] is False


@each_dashboard
def test_the_variables_are_as_the_linter_wants_them(name: str) -> None:
    found = {each["name"]: each for each in dashboards()[name]["templating"]["list"]}
    assert list(found)[:3] == ["datasource", "job", "instance"]
    assert (found["datasource"]["type"], found["datasource"]["query"]) == ("datasource", "prometheus")
    assert [each for each in found.values() if each["type"] == "datasource"] == [found["datasource"]]
    for each in found.values():
        if each["type"] == "query":
            assert each["label"] == each["name"]
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert each["refresh"] == 2, "values of the time shown, not of the first look"
            assert each["multi"] == each["includeAll"] == (each.get("allValue") == ".+")
    assert found["job"]["multi"]
    assert found["instance"]["multi"]
    assert found["runbooks"]["query"] == "https://runbooks.example.org/bot-exporter"


@each_dashboard
def test_a_variable_follows_those_before_it_that_it_can(name: str) -> None:
    before = set[str]()
    for label, (selector, of) in choices(dashboards()[name]).items():
        assert label == of
        metric = selector.partition("{")[0]
        assert used_variables(selector) == before & {*SAMPLES[metric].label_names, "job", "instance"}
        before.add(label)


@each_dashboard
def test_every_variable_that_is_used_exists_and_the_reverse(name: str) -> None:
    dashboard = dashboards()[name]
    text = json.dumps({key: value for key, value in dashboard.items() if key != "uid"})
    grafanas = {"__rate_interval", "__range", "__url_time_range", "__all"}
    inner = {found for found in used_variables(re.sub(r"\$\{__(data|field)\.[\w.]+\}", "", text)) if found}
    assert inner - grafanas <= variables(dashboard)
    assert variables(dashboard) <= inner


@pytest.mark.parametrize(
    "panel", [panel for _, panel in all_panels()], ids=[f"{name}-{panel['id']}" for name, panel in all_panels()]
)
def test_a_panel_has_what_a_reader_needs(panel: Json) -> None:
    assert panel["title"].endswith("?"), "the title is the question that the panel answers"
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"]
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    assert defaults["noValue"], "what it means when there is nothing"
    assert defaults["unit"] != "percentunit" or panel["type"] != "timeseries" or defaults["min"] == 0
    assert [target["refId"] for target in panel["targets"]] == sorted({each["refId"] for each in panel["targets"]})
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert target["instant"] != target["range"]
        assert target["instant"] == (panel["type"] in {"stat", "bargauge", "table"})
        assert (target["format"] == "table") == (panel["type"] == "table")


def test_every_selector_has_job_and_instance() -> None:
    for place, expr in expressions().items():
        if " variable " in place:
            continue
        for metric, matchers in selectors(expr):
            # An alert about all exporters, or about none, has no instance.
            more = "|" if metric == "ALERTS" else ""
            assert matchers["job"] == ("=~", f"$job{more}"), (place, metric)
            assert matchers["instance"] == ("=~", f"$instance{more}"), (place, metric)


@each_dashboard
def test_every_selector_follows_the_variables_that_it_can(name: str) -> None:
    own = variables(dashboards()[name]) & {"platform", "bot", "category"}
    for target in targets():
        if target.dashboard != name:
            continue
        for metric, matchers in selectors(target.expr):
            if metric in OF_PROMETHEUS:
                continue
            missing = (own & set(SAMPLES[metric].label_names)) - set(matchers)
            assert not missing, (str(target), metric, missing)


def test_counters_are_never_shown_as_they_are() -> None:
    for place, expr in expressions().items():
        ranged = set[str]()
        for function, metric, window in re.findall(r"\b(\w+)\((\w+)\{[^}]*\}(\[[^]]*\])\)", expr):
            ranged.add(metric)
            if function in {"rate", "increase"}:
                assert window == "[$__rate_interval]" or window in WINDOWS, place
            else:
                assert function == "count_over_time", place
        for metric, _ in selectors(expr):
            family = SAMPLES.get(metric)
            counts = family is not None and family.kind in {Kind.COUNTER, Kind.HISTOGRAM}
            assert (metric in ranged) == (counts or f"count_over_time({metric}" in expr), (place, metric)
            if family is not None and family.kind is Kind.HISTOGRAM:
                assert "histogram_quantile(" in expr, place


def test_the_expressions_are_promql(tmp_path: Path) -> None:
    values = dict.fromkeys(("job", "instance", "platform", "bot", "category"), ".+")
    values |= {"__rate_interval": "1m", "__range": "6h"}
    rules = [
        {"record": f"dashboards:expression:{number}", "expr": filled(expr, values)}
        for number, expr in enumerate(expressions().values())
    ]
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
    check = subprocess.run(
        [require_tool("promtool", "prometheus"), "check", "rules", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


# --- what a page is as a whole ---


def test_names_and_places_are_unique() -> None:
    for attribute in ("uid", "title"):
        assert len({dashboard[attribute] for dashboard in dashboards().values()}) == len(dashboards()) == 4
    assert all(name == dashboard["uid"] for name, dashboard in dashboards().items())


@each_dashboard
def test_panels_lie_beside_each_other(name: str) -> None:
    taken = set[tuple[int, int]]()
    for panel in dashboards()[name]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in dashboards()[name]["panels"]]
    assert len(numbers) == len(set(numbers))


@each_dashboard
def test_restarts_and_reloads_are_marked(name: str) -> None:
    marks = {mark["name"]: mark for mark in dashboards()[name]["annotations"]["list"]}
    assert set(marks) == {"Exporter started", "Configuration reloaded", "Configuration refused"}
    for mark in marks.values():
        assert ("useValueForTime" in mark) == mark["expr"].startswith("1000 * ("), "times are in milliseconds"


@each_dashboard
def test_links_carry_variables_and_time(name: str) -> None:
    others, runbooks = dashboards()[name]["links"]
    assert (others["type"], others["tags"], others["includeVars"], others["keepTime"]) == (
        "dashboards",
        dashboards()[name]["tags"],
        True,
        True,
    )
    assert runbooks["url"] == "${runbooks}/README.md"


def links(value: Any) -> list[str]:
    """Return the addresses that a panel's fields lead to."""
    if isinstance(value, dict):
        own = [value["url"]] if {"url", "title"} <= set(value) else []
        return own + [url for each in value.values() for url in links(each)]
    return [url for each in value for url in links(each)] if isinstance(value, list) else []


def test_the_links_of_panels_lead_somewhere() -> None:
    pages = {f"/d/{name}" for name in dashboards()}
    routes = ("/status/bots/", "/")
    seen = set[str]()
    for _, panel in all_panels():
        columns = set(panel["options"].get("sortBy", ()) and [panel["options"]["sortBy"][0]["displayName"]])
        hidden_or_shown = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]} | columns
        if panel["type"] == "table":
            hidden_or_shown |= set(panel["transformations"][-1]["options"]["indexByName"])
        for url in links(panel["fieldConfig"]):
            seen.add(url)
            for field in re.findall(r"\$\{__data\.fields\.(\w+)\}", url):
                assert field in hidden_or_shown, (panel["title"], field)
            for label in re.findall(r"\$\{__field\.labels\.(\w+)\}", url):
                assert all(re.search(rf"by \([^)]*\b{label}\b", each["expr"]) for each in panel["targets"]), label
            if url.startswith("/d/"):
                page, _, query = url.partition("?")
                assert page in pages
                assert "${__url_time_range}" in query
                assert set(re.findall(r"var-(\w+)=", query)) == {"datasource", "job", "instance", "bot"}
            elif url.startswith("http://"):
                assert re.sub(r"^http://\$\{[\w.]+\}", "", url).startswith(routes)
            else:
                assert url == "${runbooks}/${__data.fields.alertname}.md"
    assert len(seen) >= 9


def test_a_table_arranges_the_columns_that_it_gets() -> None:
    for _, panel in all_panels():
        if panel["type"] != "table":
            continue
        organize = panel["transformations"][-1]["options"]
        several = len(panel["targets"]) > 1
        assert [each["id"] for each in panel["transformations"]] == ["merge"] * several + ["organize"]
        values = {f"Value #{each['refId']}" if several else "Value" for each in panel["targets"]}
        named = {*organize["renameByName"], *organize["excludeByName"]}
        assert named == values | {"Time"}
        grouped = {
            label
            for each in panel["targets"]
            for inside in re.findall(r"(?:max|min|sum|avg) by \(([^)]*)\)", each["expr"])
            for label in inside.split(", ")
        }
        arranged = set(organize["indexByName"]) - values
        assert arranged == grouped - ({"alertstate"} - arranged), panel["title"]
