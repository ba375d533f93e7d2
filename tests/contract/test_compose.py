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


PORTS = {"alone": [3000, 9090, 9093, 9977], "cluster": [3000, 9090, 9093, 9977, 9978]}
MEMBERS = ("exporter-1", "exporter-2")


def of(profile: str, services: dict[str, Document]) -> dict[str, Document]:
    """Return the services that run with a profile."""
    return {name: each for name, each in services.items() if profile in each.get("profiles", [profile])}


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
    for profile, expected in PORTS.items():
        ports = [port for service in of(profile, services).values() for port in service.get("ports", [])]
        published = [re.fullmatch(r"127\.0\.0\.1:(\d+):(\d+)", port) for port in ports]
        assert sorted(int(each[1]) for each in published if each) == expected
        assert len(ports) == len(expected)
    assert all("network_mode" not in each for each in services.values())


def test_nothing_may_do_more_than_it_has_to(services: dict[str, Document]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?|bot-exporter", service["image"]), name


def test_prometheus_finds_every_exporter_by_their_common_name(services: dict[str, Document]) -> None:
    """A lookup gives their addresses, under which each may be asked."""
    config = read(BESIDE / "prometheus.yml")
    assert [each["job_name"] for each in config["scrape_configs"]] == ["bot-exporter"]
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    (managers,) = config["alerting"]["alertmanagers"][0]["static_configs"]
    assert (found["type"], found["port"]) == ("A", 9977)
    exporters = {name for name, each in services.items() if each["image"] == "bot-exporter"}
    assert exporters == {"exporter", *MEMBERS}
    for each in exporters:
        assert services[each]["networks"]["default"]["aliases"] == found["names"]
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
    for folder in (BESIDE / "bots" / "secrets", BESIDE / "cluster" / "secrets", BESIDE / "alertmanager-secrets"):
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


def test_one_exporter_or_two_but_never_all_three(services: dict[str, Document]) -> None:
    """Without being asked for a profile, Docker takes the one of the file beside it."""
    assert "COMPOSE_PROFILES=alone" in (COMPOSE.parent / ".env").read_text(encoding="utf-8").splitlines()
    common = {"prometheus", "alertmanager", "grafana"}
    assert set(of("alone", services)) == {"exporter", *common}
    assert set(of("cluster", services)) == {*MEMBERS, "postgresql", *common}


def test_the_members_differ_in_their_names_and_data_alone(services: dict[str, Document]) -> None:
    for name in MEMBERS:
        service = services[name]
        assert service["hostname"] == name
        assert [each["source"] for each in mounts(service, "volume")] == [name]
        assert [each["source"] for each in mounts(service, "bind")] == ["./compose/cluster"]
    own = {"hostname", "ports", "volumes"}
    first, second = ({key: value for key, value in services[name].items() if key not in own} for name in MEMBERS)
    assert first == second


def test_only_the_members_reach_the_database(services: dict[str, Document]) -> None:
    """It asks for no password, so nobody else is in its network, from which nothing leads outside."""
    assert read(COMPOSE)["networks"]["database"] == {"internal": True}
    assert {name for name, each in services.items() if "database" in each.get("networks", [])} == {
        *MEMBERS,
        "postgresql",
    }
    assert services["postgresql"]["networks"] == ["database"]
    assert "ports" not in services["postgresql"]


def test_the_members_get_a_configuration_that_is_fine(services: dict[str, Document], tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    shutil.copytree(BESIDE / "cluster", folder)
    (folder / "secrets" / "admin.key").write_text("k" * 32, encoding="utf-8")
    fleet = load_fleet(folder / "config.yaml")
    assert {each.traits.name for each in fleet.specs} == {"racetime", "dota2"}
    assert fleet.config.cluster.enabled
    assert fleet.config.cluster.instance is None  # it is the host's name
    assert fleet.config.cluster.my_url == f"http://{fleet.config.cluster.me}:9977"
    url = fleet.config.storage.url
    database = services["postgresql"]
    assert url is not None
    assert url.reveal() == "postgresql://{}@postgresql/{}".format(
        database["environment"]["POSTGRES_USER"], database["environment"]["POSTGRES_DB"]
    )
