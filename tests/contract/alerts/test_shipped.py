"""The shipped rules name what exists, say what to do, and each alert has its page."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.errors import AuthReason
from exporter.metrics.catalogue import FAMILIES
from exporter.model.states import BotStatus
from exporter.platforms import PLATFORMS
from tests.contract.alerts.shipped import ALERTING, RECORDING, RUNBOOKS, Alert, alerts, recorded
from tests.tools import require_tool
from tests.web.fleet import Fleet

# Prometheus' own.
OTHERS = {"up", "ALERTS"}
REST = (
    "and on (job, instance, bot) (bot_active == 1)",
    "and on (job, instance, bot) (bot_maintenance == 0)",
)
PARTS = ["What it means", "First look", "Causes and remedies", "Wait or act", "Escalate"]
SAMPLES = {name: family for family in FAMILIES.values() for name in family.sample_names}

each_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.id)


def expressions() -> dict[str, str]:
    """Return every expression of the rules and of the queries inside descriptions."""
    found = {alert.id: alert.expr for alert in alerts()} | recorded()
    for alert in alerts():
        for number, query in enumerate(re.findall(r'printf "(.*?[^\\])" \$', alert.annotations["description"])):
            found[f"{alert.id} description {number}"] = query.replace('\\"', '"').replace("%q", '""')
    return found


def selectors(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric with the labels that it is selected by."""
    for name, inside in re.findall(r"\b((?:bot|process|python)_[a-z0-9_]+)(?:\{([^}]*)\})?", expr):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))


def test_the_files_are_valid() -> None:
    promtool = require_tool("promtool", "prometheus")
    command = [promtool, "check", "rules", "--lint-fatal", str(ALERTING), str(RECORDING)]
    check = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_metric_and_label_is_in_the_catalogue() -> None:
    for place, expr in expressions().items():
        used = list(selectors(expr))
        assert used or place in {"Watchdog", "BotExporterDown", "BotExporterAbsent"} or "bot:" in expr, place
        for metric, labels in used:
            assert metric in SAMPLES, (place, metric)
            known = {*SAMPLES[metric].label_names, "job", "instance"} | (
                {"le"} if metric.endswith("_bucket") else set()
            )
            assert labels <= known, (place, metric)


def test_labels_in_matching_and_grouping_exist() -> None:
    known = {label for family in FAMILIES.values() for label in family.label_names} | {"job", "instance", "le"}
    for place, expr in expressions().items():
        for inside in re.findall(r"\b(?:on|by) \(([^)]*)\)", expr):
            assert set(inside.split(", ")) <= known, place


def test_label_values_are_words_of_the_program() -> None:
    """A matcher on a word that nobody says would be silent for ever."""
    words = {
        "platform": set(PLATFORMS),
        "bot_status": {status.word for status in BotStatus},
        "bot_status_reason": {reason for each in PLATFORMS.values() for reason in each.traits.status_reasons},
        "bot_lobby_state_since_timestamp_seconds": set(
            FAMILIES["bot_lobby_state_since_timestamp_seconds"].labels[2].values
        ),
        "bot_race_oldest_state_since_timestamp_seconds": set(
            FAMILIES["bot_race_oldest_state_since_timestamp_seconds"].labels[1].values
        ),
    }
    for place, expr in expressions().items():
        for metric, inside in re.findall(r"\b(bot_[a-z_]+)\{([^}]*)\}", expr):
            for label, value in re.findall(r'(\w+)=~?"([^"]+)"', inside):
                known = words["platform"] if label == "platform" else words.get(metric)
                if known is not None:
                    assert set(value.split("|")) <= known, (place, metric, label)


@each_alert
def test_bots_at_rest_are_left_out(alert: Alert) -> None:
    """Whatever asks for single bots leaves out those that are switched off or in maintenance."""
    about_bots = {"bot", "category"} & {label for metric, _ in selectors(alert.expr) for label in labels_of(metric)}
    if about_bots and alert.labels.get("scope") != "empty":
        text = " ".join(alert.expr.split())
        assert all(text.count(line) >= 1 for line in REST)
        assert text.count(REST[0]) == text.count(REST[1])


def labels_of(metric: str) -> tuple[str, ...]:
    return SAMPLES[metric].label_names if metric in SAMPLES else ()


@each_alert
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: Alert) -> None:
    assert re.fullmatch(r"Bot[A-Z]\w+|Watchdog", alert.name)
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert "{{" not in alert.annotations["summary"]
    assert alert.annotations["summary"].endswith(".")
    assert alert.annotations["runbook_url"] == f"https://runbooks.example.org/bot-exporter/{alert.name}.md"


def test_an_alert_has_one_summary() -> None:
    told = {(alert.name, alert.annotations["summary"]) for alert in alerts()}
    assert len(told) == len({name for name, _ in told})


def test_every_refusal_is_told() -> None:
    """Each reason for which credentials are refused belongs to one alert."""
    told = [
        reason
        for alert in alerts()
        if alert.name == "BotAuthFailed"
        for value in re.findall(r'reason=~?"([^"]+)"', alert.expr)
        for reason in value.split("|")
    ]
    assert sorted(told) == sorted(set(AuthReason) - {AuthReason.RATE_LIMITED})
    assert any(alert.name == "BotSteamRateLimited" for alert in alerts())


def test_every_platform_has_its_alert_for_a_bot_that_is_down() -> None:
    assert {alert.labels["platform"] for alert in alerts() if alert.name == "BotDown"} == set(PLATFORMS)
    assert {alert.labels["platform"] for alert in alerts() if alert.name == "BotTokenExpiringSoon"} == set(PLATFORMS)


# --- runbooks ---

PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_every_alert_has_a_runbook_and_no_other() -> None:
    assert {page.stem for page in PAGES} == {alert.name for alert in alerts()}
    index = re.findall(
        r"^\| \[(\w+)\]\((\w+)\.md\) \| ([a-z, ]+) \|", (RUNBOOKS / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert {name for name, file, _ in index if name == file} == {alert.name for alert in alerts()}
    for name, _, severities in index:
        assert set(severities.split(", ")) == {alert.labels["severity"] for alert in alerts() if alert.name == name}


@each_page
def test_a_runbook_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    look = text.partition("## First look")[2].partition("## ")[0]
    assert "```sh" in look
    assert "```promql" in look


async def test_the_routes_that_runbooks_ask_exist() -> None:
    async with Fleet() as fleet:
        routes = [re.sub(r"\{\w+\}", "[^/]+", route.path) for route in fleet.server.routes]
    asked = {
        url
        for page in [*PAGES, RUNBOOKS / "README.md"]
        for url in re.findall(r"127\.0\.0\.1:9977(/[\w./-]*)", page.read_text("utf-8"))
    }
    assert len(asked) > 5
    for path in asked:
        assert any(re.fullmatch(route, path) for route in routes), path


def test_the_programs_that_runbooks_run_are_known() -> None:
    known = {"curl", "bot-exporter", "pgrep", "pkill", "date", "top", "df", "promtool", "amtool"}
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            assert {line.split()[0] for line in block.splitlines()} <= known, page.name


def test_the_queries_of_runbooks_are_promql_about_what_exists(tmp_path: Path) -> None:
    promtool = require_tool("promtool", "prometheus")
    queries = {
        f"runbooks:{page.stem}:{number}": query
        for page in PAGES
        for number, query in enumerate(
            re.findall(r"^```promql\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        )
    }
    assert len(queries) >= len(PAGES)
    for query in queries.values():
        known = {label for metric, _ in selectors(query) for label in SAMPLES[metric].label_names}
        for inside in re.findall(r"\b(?:on|by) \(([^)]*)\)", query):
            assert set(inside.split(", ")) <= known | {"job", "instance", "le"}, query
        for metric, labels in selectors(query):
            assert metric in SAMPLES, metric
            assert labels <= {*SAMPLES[metric].label_names, "job", "instance"}, query
    rules = [{"record": name, "expr": query} for name, query in queries.items()]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"groups": [{"name": "runbooks", "rules": rules}]}), encoding="utf-8")
    check = subprocess.run(
        [promtool, "check", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
