"""The shipped dashboards are what their source says, what Grafana's types allow, and about metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dashboards.source import __main__ as source
from dashboards.source.queries import Selector
from dashboards.source.words import STATE_COLORS, STATES, STATUS_COLORS
from exporter.metrics.catalogue import FAMILIES
from exporter.model.states import BotStatus
from exporter.platforms import PLATFORMS
from scripts import dashboard_schema
from tests.contract.dashboards.shipped import (
    FOLDER,
    OF_PROMETHEUS,
    SAMPLES,
    Json,
    all_panels,
    bare_names,
    dashboards,
    expressions,
    panels,
    selectors,
    targets,
)

UNSHOWN = {
    "process_virtual_memory_bytes": "what is reserved says nothing; the memory that is used has a panel",
    "python_info": "bot_exporter_build_info has the version of Python",
    "python_gc_objects_collected_total": "for developers; operators have CPU and the lag of the loop",
    "python_gc_objects_uncollectable_total": "for developers; what it costs shows in the memory",
    "python_gc_collections_total": "for developers; operators have CPU and the lag of the loop",
}
"""The metrics of the catalogue that no panel asks for, each with the reason."""

each_dashboard = pytest.mark.parametrize("name", dashboards())


# --- the files and their source ---


def test_the_files_are_what_their_source_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert source.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_file_and_one_of_nobody_are_named_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert source.main(["--check"], root=tmp_path) == 1
    assert not list(tmp_path.iterdir())
    assert source.main([], root=tmp_path) == 0
    stale, foreign = tmp_path / "bot-exporter-fleet.json", tmp_path / "somebody.json"
    stale.write_text("{}")
    foreign.write_text("{}")
    capsys.readouterr()
    assert source.main(["--check"], root=tmp_path) == 1
    assert capsys.readouterr().err == "".join(
        f"dashboards/{name} is stale: run `make docs`\n" for name in (stale.name, foreign.name)
    )
    assert source.main([], root=tmp_path) == 0
    assert source.main(["--check"], root=tmp_path) == 0
    assert not foreign.exists()


def test_a_selector_cannot_name_what_does_not_exist() -> None:
    with pytest.raises(KeyError):
        Selector()("bot_upp")
    with pytest.raises(ValueError, match="bot_up has no label category"):
        Selector()("bot_up", category="sm")
    assert Selector(("bot", "category"))("bot_up", platform="dota2") == (
        'bot_up{job=~"$job", instance=~"$instance", bot=~"$bot", platform="dota2"}'
    )


# --- Grafana's own types ---


def schema() -> Json:
    found: Json = json.loads(dashboard_schema.SCHEMA.read_text(encoding="utf-8"))
    return found


@each_dashboard
def test_grafanas_types_allow_it(name: str) -> None:
    jsonschema.validate(dashboards()[name], schema())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("unit", 5),
        ("noValue", None),
        ("color", {"mode": "by-guess"}),
        ("mappings", [{"type": "value", "opptions": {}}]),
        ("thresholds", {"steps": []}),
        ("custom", {"cellOption": {"type": "auto"}}),
    ],
)
def test_the_schema_notices_a_mistake(place: str, value: object) -> None:
    dashboard = json.loads(json.dumps(dashboards()["bot-exporter-fleet"]))
    for panel in panels(dashboard):
        panel["fieldConfig"]["defaults"][place] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(dashboard, schema())


def test_the_schema_is_made_of_these_sources() -> None:
    assert schema()["$comment"].endswith(dashboard_schema.sources()), "run `make schema`"


# --- the catalogue ---


def test_every_metric_and_label_is_in_the_catalogue() -> None:
    for place, expr in expressions().items():
        found = list(selectors(expr))
        assert found, place
        for metric, matchers in found:
            if metric in OF_PROMETHEUS:
                continue
            assert metric in SAMPLES, (place, metric)
            assert set(matchers) <= {*SAMPLES[metric].label_names, "job", "instance", "le"}, (place, metric)


def test_no_metric_stands_without_matchers() -> None:
    for place, expr in expressions().items():
        assert bare_names(expr) == set(), place


def test_labels_in_matching_and_grouping_exist() -> None:
    known = {label for family in FAMILIES.values() for label in family.label_names} | {"job", "instance", "le"}
    of_alerts = {"alertname", "severity", "alertstate"}
    for place, expr in expressions().items():
        for inside in re.findall(r"\b(?:on|by) \(([^)]*)\)", expr):
            assert set(inside.split(", ")) <= known | (of_alerts if "ALERTS" in expr else set()), place


def test_label_values_are_words_of_the_program() -> None:
    """A matcher on a word that nobody says would find nothing for ever."""
    states = {state for platform in PLATFORMS.values() for state in platform.traits.states}
    for place, expr in expressions().items():
        for metric, matchers in selectors(expr):
            if metric in OF_PROMETHEUS:
                continue
            closed = {label.name: set(label.values) for label in SAMPLES[metric].labels if label.values}
            closed |= {"platform": set(PLATFORMS)}
            if metric in {"bot_state", "bot_state_transitions_total"}:
                closed |= {"state": states}
            for label, (_, value) in matchers.items():
                if label in closed and "$" not in value:
                    assert set(value.split("|")) <= closed[label], (place, metric, label)


def test_every_metric_is_on_a_panel_or_has_a_reason_not_to_be() -> None:
    shown = {SAMPLES[metric].name for target in targets() for metric, _ in selectors(target.expr) if metric in SAMPLES}
    assert set(FAMILIES) - shown == set(UNSHOWN)


def test_every_state_and_status_has_its_colour_and_number() -> None:
    assert {state for each in PLATFORMS.values() for state in each.traits.states} == set(STATES) == set(STATE_COLORS)
    assert set(STATUS_COLORS) == set(BotStatus)
    words = {str(int(status)): status.display for status in BotStatus}
    bands = [panel for _, panel in all_panels() if panel["type"] == "state-timeline" and "verdict" in panel["title"]]
    assert len(bands) == 2
    for panel in bands:
        (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
        assert {number: each["text"] for number, each in mapping["options"].items()} == words
        colors = {each["text"]: each["color"] for each in mapping["options"].values()}
        assert colors["Connected"] == "green"
        assert colors["Disconnected"] == "yellow"
        assert {colors["Auth Failed"], colors["Connection Error"]} == {"red", "dark-red"}
        assert colors["Unknown"] == "#8e8e8e"
        (target,) = panel["targets"]
        for status in BotStatus:
            numbered = rf'{int(status)} \* bot_status\{{[^}}]*status="{status.word}"\}}'
            assert bool(re.search(numbered, target["expr"])) == bool(status), status


# --- provisioning ---


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_provisioning_is_of_files_without_questions() -> None:
    """No dashboard asks for a data source when it is loaded: such a one cannot be provisioned."""
    for name, dashboard in dashboards().items():
        assert "__inputs" not in dashboard, name
        assert "DS_" not in json.dumps(dashboard), name
    providers = load(FOLDER / "provisioning" / "dashboards" / "bot-exporter.yaml")
    assert providers["apiVersion"] == 1
    (provider,) = providers["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert set(provider) <= {
        "name",
        "folder",
        "type",
        "disableDeletion",
        "allowUiUpdates",
        "updateIntervalSeconds",
        "options",
    }
    documented = (FOLDER.parent / "docs" / "dashboards.md").read_text(encoding="utf-8")
    assert provider["options"]["path"] in documented


def test_the_data_source_is_the_prometheus_of_the_alerts() -> None:
    sources = load(FOLDER / "provisioning" / "datasources" / "prometheus.yaml")
    (found,) = sources["datasources"]
    assert (sources["apiVersion"], found["type"], found["access"]) == (1, "prometheus", "proxy")
    scrape = load(FOLDER.parent / "alerts" / "prometheus.yml")["global"]["scrape_interval"]
    assert found["jsonData"]["timeInterval"] == scrape
