"""The shipped rules name what exists, say what to do, and each alert has its page."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from exporter.errors import AuthReason
from exporter.metrics.catalogue import FAMILIES
from exporter.model.states import BotStatus
from exporter.platforms import PLATFORMS
from tests.contract.alerts.shipped import ALERTING, RECORDING, Alert, alerts, recorded
from tests.tools import require_tool

# Prometheus' own.
OTHERS = {"up", "ALERTS"}
REST = (
    "and on (job, instance, bot) (bot_active == 1)",
    "and on (job, instance, bot) (bot_maintenance == 0)",
)
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
