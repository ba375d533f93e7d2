"""deploy/compose.yaml: it is a compose file, all that it mounts is there, and its parts know each other by name."""

import importlib.resources
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from exporter.app import load_fleet
from tests import dockerfile
from tests.tools import require_tool

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
BESIDE = ROOT / "deploy" / "compose"

Document = dict[str, Any]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services() -> dict[str, Document]:
    found: dict[str, Document] = read(COMPOSE)["services"]
    return found


def mounts(service: Document, kind: str) -> list[Document]:
    return [each for each in service.get("volumes", []) if each["type"] == kind]


def errors(document: Document) -> list[str]:
    packaged = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(packaged.read_text(encoding="utf-8"))
    checker = validator_for(schema, default=Draft202012Validator)(schema)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(document)]


def test_it_is_a_compose_file() -> None:
    assert errors(read(COMPOSE)) == []


def test_the_schema_finds_mistakes() -> None:
    wrong = read(COMPOSE)
    wrong["services"]["exporter"]["prots"] = []
    assert any("prots" in each for each in errors(wrong))


def test_docker_agrees_where_it_is() -> None:
    """The schema is what this can be held against everywhere; Docker itself, with its plugin, is not everywhere."""
    docker = shutil.which("docker")
    command = [docker or "docker", "compose"]
    if docker and subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
        subprocess.run([*command, f"--file={COMPOSE}", "config", "--quiet"], check=True)


def test_all_that_is_mounted_is_there(services: dict[str, Document]) -> None:
    volumes = read(COMPOSE)["volumes"]
    for name, service in services.items():
        for each in mounts(service, "bind"):
            assert (COMPOSE.parent / each["source"]).exists(), (name, each["source"])
            assert each["read_only"] is True, (name, each["source"])
        assert {each["source"] for each in mounts(service, "volume")} <= set(volumes)


def test_nothing_can_be_reached_from_other_machines(services: dict[str, Document]) -> None:
    ports = [port for service in services.values() for port in service["ports"]]
    assert sorted(ports) == [f"127.0.0.1:{port}:{port}" for port in (3000, 9090, 9093, 9977)]
    assert all("network_mode" not in each for each in services.values())


def test_nothing_may_do_more_than_it_has_to(services: dict[str, Document]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+|bot-exporter", service["image"]), name


def test_prometheus_asks_for_the_exporter_by_a_name_that_it_knows(services: dict[str, Document]) -> None:
    config = read(BESIDE / "prometheus.yml")
    assert [each["job_name"] for each in config["scrape_configs"]] == ["bot-exporter"]
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    (managers,) = config["alerting"]["alertmanagers"][0]["static_configs"]
    assert target == f"{services['exporter']['hostname']}:9977"
    assert [each.partition(":")[0] for each in managers["targets"]] == ["alertmanager"]
    assert "alertmanager" in services


def test_prometheus_takes_its_configuration(services: dict[str, Document], tmp_path: Path) -> None:
    for each in mounts(services["prometheus"], "bind"):
        place = tmp_path / each["target"].removeprefix("/etc/prometheus/")
        place.symlink_to((COMPOSE.parent / each["source"]).resolve())
    promtool = require_tool("promtool", "prometheus")
    command = [promtool, "check", "config", "--lint-fatal", str(tmp_path / "prometheus.yml")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 rule files found" in ended.stdout


def test_alertmanager_gets_the_shipped_configuration_with_files_for_all_secrets(
    services: dict[str, Document], tmp_path: Path
) -> None:
    (script,) = services["alertmanager"]["command"]
    rewrite, _, start = script.replace("$$", "$").partition("exec ")
    assert "--config.file=/tmp/alertmanager.yml" in start
    shipped, made = ROOT / "alerts" / "alertmanager.yml", tmp_path / "alertmanager.yml"
    for name, path in (("/etc/alertmanager/alertmanager.yml", shipped), ("/tmp/alertmanager.yml", made)):  # noqa: S108
        rewrite = rewrite.replace(name, str(path))
    subprocess.run(["/bin/sh", "-ec", rewrite], check=True)
    wanted, found = read(shipped), read(made)
    assert found["templates"] == ["/etc/alertmanager/templates/*.tmpl"]
    assert (found["route"], found["inhibit_rules"]) == (wanted["route"], wanted["inhibit_rules"])
    text = made.read_text(encoding="utf-8")
    assert "invalid" not in re.sub(r"#.*", "", text)
    (secrets,) = (each for each in mounts(services["alertmanager"], "bind") if each["target"].endswith("/secrets"))
    named = re.findall(r"^ *(?:- )?\w+_file: (\S+)", text, re.MULTILINE)
    assert sorted(Path(each).name for each in named) == [
        "discord.url",
        "pagerduty.key",
        "slack.url",
        "smtp.password",
        "watchdog.url",
    ]
    assert {str(Path(each).parent) for each in named} == {secrets["target"]}


def test_the_exporter_gets_a_configuration_that_is_fine(services: dict[str, Document]) -> None:
    (folder,) = mounts(services["exporter"], "bind")
    entry = dockerfile.read(ROOT / "Dockerfile")[-1].one("ENTRYPOINT").arguments()
    config = next(each.partition("=")[2] for each in entry if each.startswith("--config.file="))
    here = COMPOSE.parent / folder["source"] / Path(config).relative_to(folder["target"])
    fleet = load_fleet(here)
    assert {each.traits.name for each in fleet.specs} == {"racetime", "dota2"}
    assert fleet.config.web.open_reads  # its port is published on loopback only: see above


def test_its_data_are_kept(services: dict[str, Document]) -> None:
    final = dockerfile.read(ROOT / "Dockerfile")[-1]
    (kept,) = mounts(services["exporter"], "volume")
    assert kept["target"] == final.one("VOLUME").rest


def test_a_drain_has_time_to_end(services: dict[str, Document]) -> None:
    exporter = services["exporter"]
    (drain,) = (re.fullmatch(r"--drain-timeout=(\d+)m", each) for each in exporter["command"] if "drain" in each)
    grace = re.fullmatch(r"(\d+)m", exporter["stop_grace_period"])
    assert drain is not None
    assert grace is not None
    assert int(grace[1]) > int(drain[1])


def test_secrets_do_not_get_into_git() -> None:
    for folder in (BESIDE / "bots" / "secrets", BESIDE / "alertmanager-secrets"):
        rules = (folder / ".gitignore").read_text(encoding="utf-8").splitlines()
        assert [line for line in rules if not line.startswith("#")] == ["*", "!.gitignore"]


def test_grafana_has_the_data_source_of_the_dashboards() -> None:
    ours, shipped = (
        read(folder / "prometheus.yaml")["datasources"]
        for folder in (BESIDE / "datasources", ROOT / "dashboards" / "provisioning" / "datasources")
    )
    assert [{**each, "url": ""} for each in ours] == [{**each, "url": ""} for each in shipped]
    assert [each["url"] for each in ours] == ["http://prometheus:9090"]


def test_grafana_finds_the_dashboards_where_they_are_looked_for(services: dict[str, Document]) -> None:
    (provider,) = read(ROOT / "dashboards" / "provisioning" / "dashboards" / "bot-exporter.yaml")["providers"]
    sources = {each["target"]: each["source"] for each in mounts(services["grafana"], "bind")}
    folder = COMPOSE.parent / sources[provider["options"]["path"]]
    assert list(folder.glob("*.json"))
