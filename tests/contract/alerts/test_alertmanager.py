"""The shipped Alertmanager configuration: valid, every route leads where it should, silencing in the right order."""

import re
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract.alerts.shipped import ALERTMANAGER, ALERTS, Alert, alerts, load
from tests.tools import require_tool

RECEIVERS = {"critical": "page", "warning": "tickets", "info": "notes"}
MUTED_ON_TUESDAY = {
    "BotAllDown",
    "BotDown",
    "BotFlapping",
    "BotGameCoordinatorDown",
    "BotNoneAvailable",
    "BotServiceOutage",
    "BotSteamRateLimited",
}


def amtool(*arguments: str) -> str:
    program = require_tool("amtool", "prometheus-alertmanager")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_configuration_and_its_templates_are_valid() -> None:
    found = amtool("check-config", str(ALERTMANAGER))
    assert "SUCCESS" in found
    assert "1 templates" in found


def test_the_example_of_prometheus_is_valid() -> None:
    promtool = require_tool("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "check", "config", "--lint-fatal", str(ALERTS / "prometheus.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


def receiver_of(labels: Mapping[str, str]) -> str:
    words = [f"{key}={value}" for key, value in labels.items()]
    return amtool("config", "routes", "test", f"--config.file={ALERTMANAGER}", *words)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.id)
def test_every_alert_reaches_its_receiver(alert: Alert) -> None:
    """Those of no platform of their own are tried with that which has routes of its own."""
    wanted = "watchdog" if alert.name == "Watchdog" else RECEIVERS[alert.labels["severity"]]
    assert receiver_of({"platform": "dota2", **alert.labels, "alertname": alert.name}) == wanted


def test_an_alert_of_somebody_else_becomes_a_ticket() -> None:
    assert receiver_of({"alertname": "DiskFull", "severity": "page"}) == "tickets"


def matches(matchers: list[str], labels: Mapping[str, str]) -> bool:
    """Return whether all matchers of a route or an inhibition hold; a label that is not there is empty."""
    for matcher in matchers:
        found = re.fullmatch(r'(\w+) (=~|!~|!=|=) "?([^"]*)"?', matcher)
        assert found, matcher
        value = labels.get(found[1], "")
        same = re.fullmatch(found[3], value) is not None if "~" in found[2] else value == found[3]
        if same == found[2].startswith("!"):
            return False
    return True


def routes(route: Mapping[str, Any], labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return the routes that an alert goes through, the last one tells it."""
    inner = next((each for each in route.get("routes", []) if matches(each["matchers"], labels)), None)
    return [route, *(routes(inner, labels) if inner else [])]


def test_only_what_comes_of_the_maintenance_is_muted_on_tuesday() -> None:
    route = load(ALERTMANAGER)["route"]
    muted = set()
    for alert in alerts():
        for platform in ("dota2", "racetime", ""):
            labels = {"platform": platform, **alert.labels, "alertname": alert.name}
            if "valve-maintenance" in routes(route, labels)[-1].get("mute_time_intervals", []):
                muted.add((alert.name, labels["platform"]))
    assert muted == {(name, "dota2") for name in MUTED_ON_TUESDAY} | {
        ("BotExporterDown", "dota2"),
        ("BotExporterAbsent", "dota2"),
    }


def test_what_silences_is_there_before_what_it_silences() -> None:
    for rule in load(ALERTMANAGER)["inhibit_rules"]:
        sources = [
            each for each in alerts() if matches(rule["source_matchers"], each.labels | {"alertname": each.name})
        ]
        targets = [
            each for each in alerts() if matches(rule["target_matchers"], each.labels | {"alertname": each.name})
        ]
        assert sources
        assert targets
        for source in sources:
            for target in targets:
                early = source.for_minutes < target.for_minutes
                # Of the same name they stand in one group of rules, and are judged one after the other.
                assert (
                    early
                    or (source.name == target.name and source.for_minutes == target.for_minutes)
                    or (
                        source.name in {"BotExporterAbsent"}  # without a target no other rule has anything to judge
                    )
                ), (source.id, target.id)
                # Nobody is told the end of what is silenced at that moment.
                assert source.keep_minutes <= target.keep_minutes, (source.id, target.id)


def test_the_end_of_a_page_is_told_before_a_lost_target_silences_it() -> None:
    (route,) = [each for each in load(ALERTMANAGER)["route"]["routes"] if each["receiver"] == "page"]
    (absent,) = [each for each in alerts() if each.name == "BotExporterAbsent"]
    assert route["group_interval"] == "1m"
    pages = [each for each in alerts() if each.labels["severity"] == "critical"]
    assert all(each.keep_minutes + 1 < absent.for_minutes for each in pages)


def test_a_scrape_that_fails_is_no_end_of_what_is_told_of_bots() -> None:
    """What is about the exporter itself ends at once: BotExporterDown comes so soon that it would silence the end."""
    kept = {each.id: each.keep_minutes for each in alerts()}
    itself = {each.id for each in alerts() if each.name.startswith("BotExporter")} | {"Watchdog"}
    (down,) = {each.for_minutes for each in alerts() if each.name == "BotExporterDown"}
    assert kept == {each: 0 if each in itself else down for each in kept}


def test_every_name_in_the_configuration_is_that_of_an_alert() -> None:
    named = set(re.findall(r"\bBot[A-Z]\w+|\bWatchdog\b", ALERTMANAGER.read_text(encoding="utf-8")))
    assert named - {"Bot"} <= {alert.name for alert in alerts()}


def test_a_bot_of_a_broken_platform_is_silenced() -> None:
    """Every alert that names a platform is silenced when all bots of the platform are down."""
    (rule,) = [
        each for each in load(ALERTMANAGER)["inhibit_rules"] if each["source_matchers"] == ["alertname = BotAllDown"]
    ]
    silenced = {each.name for each in alerts() if matches(rule["target_matchers"], {"alertname": each.name})}
    about_the_exporter = {each.name for each in alerts() if each.name.startswith("BotExporter")} | {"BotUnowned"}
    assert silenced == {each.name for each in alerts()} - about_the_exporter - {"BotAllDown", "Watchdog"}
