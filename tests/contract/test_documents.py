"""The documents tell the truth: their links, flags, verbs, files, keys, routes, metrics and examples are real."""

import ast
import base64
import re
import shutil
import subprocess
import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

import exporter.config
from exporter.app import load_fleet
from exporter.config import BotEntry, Config, load
from exporter.errors import AuthReason, ConfigError, DisconnectReason, FailureReason
from exporter.flags import parse_flags
from exporter.metrics.catalogue import FAMILIES
from exporter.model.states import BotStatus, CreateFailure
from exporter.platforms import PLATFORMS
from exporter.simulators import racetime as racetime_simulator
from exporter.simulators import steam as steam_simulator
from exporter.timing import parse_duration
from exporter.web_config import load_web_config
from exporter.web_file import HttpSection, RateSection, TlsSection, WebFile
from tests import certificates
from tests.tools import require_tool
from tests.web.fleet import Fleet

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PACKAGE = ROOT / "exporter"

# Keys and words of the API, and a table, that begin like a metric.
NO_METRICS = frozenset(
    {
        "bot_challenge",
        "bot_events",
        "bot_lost",
        "bot_state_summary",
        "bot_status_summary",
        "bot_team",
        "bot_used",
        "bot_username",
    }
)

# What Alertmanager is told.
FLAGS_OF_OTHERS = frozenset({"--cluster.listen-address"})

# Where systemd puts the credentials of our service.
CREDENTIALS = "/run/credentials/bot-exporter.service/secrets_"

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SHARED_SECRET = base64.b64encode(bytes(20)).decode()
_NAMED_FILE = re.compile(r"# (\S+\.ya?ml)\n")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return [textwrap.dedent(body) for _, found, body in _FENCE.findall(text) if found == language]


def prose(text: str) -> str:
    return _FENCE.sub("", text)


def of(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of every table row."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


# --- links ---


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return what a link may name in a document: its headings, as the usual hosts of repositories write them."""
    headings = re.findall(r"^#+ (.+)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings)


@of(DOCUMENTS)
def test_relative_links_resolve(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


@of(DOCUMENTS)
def test_pictures_are_there(path: Path) -> None:
    for name in re.findall(r'<(?:img|source)[^>]* (?:src|srcset)="([^"]+)"', path.read_text(encoding="utf-8")):
        assert (path.parent / name).is_file(), name


def test_every_picture_is_shown() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    assert all(f"images/{path.name}" in text for path in (ROOT / "docs" / "images").iterdir())


def test_every_document_can_be_reached_from_the_readme() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        path = todo.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        if path.is_dir():
            todo += path.glob("*.md")
        elif path.suffix == ".md":
            links = re.findall(r"\]\(([^)#\s]+)", prose(path.read_text(encoding="utf-8")))
            todo += [(path.parent / link).resolve() for link in links if not re.match(r"[a-z]+:", link)]
    assert set(DOCUMENTS) <= seen


# --- the command and the verbs ---


def flags(capsys: pytest.CaptureFixture[str]) -> set[str]:
    with pytest.raises(SystemExit):
        parse_flags(["--help"])
    return set(re.findall(r"--[a-z][a-z.-]*[a-z]", capsys.readouterr().out))


def test_the_readme_has_every_flag_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    text = re.sub(r"^.*\bbotctl .*$", "", read("README.md"), flags=re.MULTILINE)
    real = flags(capsys) | {"--help"}
    table = {flag for row in rows(text) for flag in re.findall(r"^`(--[^`]+)`$", row[0])}
    assert table == real
    assert set(re.findall(r"--[a-z][a-z.-]*[a-z]", text)) == real


@of(DOCUMENTS)
def test_a_flag_that_is_named_exists(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = re.findall(r"--[a-z]+\.[a-z.-]*[a-z]", path.read_text(encoding="utf-8"))
    assert set(named) - FLAGS_OF_OTHERS <= flags(capsys)


@of(DOCUMENTS)
def test_a_verb_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = "\n".join([*re.findall(r"`([^`\n]+)`", prose(text)), *blocks(text, "sh")])
    named = set(re.findall(r"^ *make ([a-z]+)", code, re.MULTILINE))
    assert named <= set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


def test_contributing_has_every_verb() -> None:
    table = {verb for row in rows(read("CONTRIBUTING.md")) for verb in re.findall(r"^`make ([a-z]+)`$", row[0])}
    assert table == set(re.findall(r"^([a-z]+):.*##", read("Makefile"), re.MULTILINE)) - {"help"}


# --- the code ---


@of(DOCUMENTS)
def test_a_file_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:exporter|tests|scripts|requirements|docs|\.ci)/[\w./-]*)`", text):
        assert (ROOT / name).exists() or "/example/" in name, name


def test_the_architecture_mentions_every_package_and_module_of_the_top() -> None:
    text = read("ARCHITECTURE.md")
    packages = {each.parent.relative_to(ROOT).as_posix() + "/" for each in PACKAGE.rglob("__init__.py")}
    modules = {each.relative_to(ROOT).as_posix() for each in PACKAGE.glob("*.py")}
    wanted = (packages | modules) - {"exporter/", "exporter/__init__.py"}
    assert {each for each in wanted if f"`{each}`" not in text} == set()


def test_the_architecture_has_the_layers_that_are_enforced() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = [each["layers"] for each in contracts if each["type"] == "layers"]
    shown = [block.splitlines() for block in blocks(read("ARCHITECTURE.md"), "layers")]
    assert shown == [[line.replace("exporter.", "") for line in each] for each in layers]


def functions(path: Path) -> set[str]:
    """Return the functions and methods of a module, as `name` and `Class.name`."""
    found = set[str]()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inner = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            found.update(f"{node.name}.{each.name}" for each in inner)
    return found


def test_the_traced_functions_exist() -> None:
    steps = [row for row in rows(read("ARCHITECTURE.md")) if len(row) == 3 and row[0].endswith(".py`")]
    assert len(steps) > 15
    for file, function, _ in steps:
        assert function.strip("`") in functions(ROOT / file.strip("`")), (file, function)


def test_the_architecture_has_every_place_that_catches_everything() -> None:
    section = read("ARCHITECTURE.md").partition("## Where errors end")[2].partition("\n## ")[0]
    shown = {row[0].strip("`") for row in rows(section) if row[0].startswith("`")}
    real = [each for each in PACKAGE.rglob("*.py") if "except Exception" in each.read_text(encoding="utf-8")]
    assert shown == {each.relative_to(ROOT).as_posix() for each in real}


@of(DECISIONS)
def test_a_decision_has_its_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    number = int(path.name[:4])
    assert number == DECISIONS.index(path) + 1
    assert text.startswith(f"# {number:04} ")
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == ["Context", "Decision", "Evidence", "Consequences"]


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    groups = [
        project["project"]["dependencies"],
        *project["project"].get("optional-dependencies", {}).values(),
        *project["dependency-groups"].values(),
    ]
    wanted = {re.split(r"[\[><=~!;]", each)[0].strip() for group in groups for each in group if isinstance(each, str)}
    text = read("docs/adr/0005-dependencies.md")
    assert {each for each in wanted if not re.search(rf"\b{re.escape(each)}\b", text)} == set()


# --- the configuration ---


def keys_of(model: type[BaseModel], place: str) -> Iterator[tuple[str, object]]:
    """Yield every key of a section with its default, by its path; items of a list are written `list[].key`."""
    for name, field in model.model_fields.items():
        key = f"{place}.{field.validation_alias or name}"
        for inner, mark in ((field.annotation, ""), *((each, "[]") for each in get_args(field.annotation))):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from keys_of(inner, key + mark)
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            yield key, field.default


def known_keys() -> dict[str, object]:
    """Return every key that a configuration may have, as the code knows it."""
    hints = get_type_hints(Config)
    sections = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, BaseModel)}
    known = {key: default for name, model in sections.items() for key, default in keys_of(model, name)}
    known |= dict(keys_of(exporter.config.BotHead, "bots[]"))
    for platform in PLATFORMS:
        known |= dict.fromkeys((f"bots[].{key}" for key in platform_keys(platform)), ...)
    return known


def platform_keys(platform: str) -> list[str]:
    """Return a platform's own keys of a bot, as its complaint about another one names them."""
    options: MappingProxyType[str, object] = MappingProxyType({"zzzzzz": 1})
    with pytest.raises(ConfigError) as caught:
        PLATFORMS[platform].parse(BotEntry("a", platform, True, options, "config.yaml", 1, {}))
    (known,) = re.findall(r"zzzzzz: unknown key: known are (.+)", str(caught.value))
    return str(known).split(", ")


def documented_keys() -> dict[str, str]:
    """Return the rows of the reference: the key, and the cell with its default."""
    tables = (row for row in rows(read("docs/configuration.md")) if len(row) == 4)
    return {key: row[2] for row in tables for key in re.findall(r"^`([^`]+)`$", row[0])}


def test_every_key_is_documented_and_no_other() -> None:
    top = {"bots_files"}  # lists that no section's type describes
    assert set(documented_keys()) == set(known_keys()) | top


def test_the_documented_defaults_are_true() -> None:
    shown = documented_keys()
    for key, default in known_keys().items():
        if isinstance(default, bool):
            assert shown[key] == f"`{str(default).lower()}`", key
        elif isinstance(default, str):
            assert shown[key] == f"`{default}`", key
        elif isinstance(default, float):
            assert parse_duration(shown[key].strip("`")) == default, key
        elif isinstance(default, int):
            assert shown[key] == f"`{default}`", key


def test_platforms_and_scenarios_are_documented() -> None:
    scenarios = {*racetime_simulator.SCENARIOS, *steam_simulator.SCENARIOS}
    text = read("docs/configuration.md")
    assert {each for each in (*PLATFORMS, *scenarios) if f"`{each}`" not in text} == set()


def test_the_keys_at_the_top_are_documented(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("zzzzzz: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.yaml")
    (known,) = re.findall(r"known are (.+)", str(caught.value))
    headings = re.findall(r"^## ([a-z_]+)$", read("docs/configuration.md"), re.MULTILINE)
    assert headings == known.split(", ")


def test_every_key_of_the_web_configuration_is_documented_and_no_other() -> None:
    sections: dict[str, type[BaseModel]] = {
        "tls_server_config": TlsSection,
        "http_server_config": HttpSection,
        "rate_limit": RateSection,
    }
    known = {key for name, model in sections.items() for key, _ in keys_of(model, name)}
    text = read("docs/web-config.md")
    shown = {key for row in rows(text) if len(row) == 4 for key in re.findall(r"^`([^`]+)`$", row[0])}
    assert shown == known
    assert set(re.findall(r"^## ([a-z_]+)$", text, re.MULTILINE)) == set(WebFile.model_fields)


# --- examples ---


def yaml_blocks(path: Path) -> dict[str, str]:
    """Return the YAML examples of a document by the file name in their first line; several of one name are numbered."""
    found = blocks(path.read_text(encoding="utf-8"), "yaml")
    named = [_NAMED_FILE.match(block) for block in found]
    assert all(named), "a YAML example says in its first line which file it is"
    examples: dict[str, str] = {}
    for match, block in zip(named, found, strict=True):
        if match:
            examples[f"{len(examples)}-{match[1]}" if match[1] in examples else match[1]] = block
    return examples


@of([path for path in DOCUMENTS if yaml_blocks(path)])
def test_the_yaml_examples_are_valid(path: Path, tmp_path: Path) -> None:
    examples = yaml_blocks(path)
    for name, text in examples.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        here = text.replace(CREDENTIALS, "secrets/")
        file.write_text(here, encoding="utf-8")
        for secret in re.findall(r"_file: ([\w.-][\w./-]*)", here):
            (file.parent / secret).parent.mkdir(parents=True, exist_ok=True)
            (file.parent / secret).write_text(f"{_SHARED_SECRET if 'shared' in secret else 'made-up'}\n")
        for trusted in re.findall(r"ca_file: ([\w./-]+\.crt)", here):
            certificates.authority().cert_pem.write_to_path(file.parent / trusted)
    web = {name for name in examples if name.endswith("web.yml")}
    for name in web:
        certificates.issue(tmp_path / "tls", "server")
        certificates.authority().cert_pem.write_to_path(tmp_path / "tls" / "ca.pem")
        load_web_config(tmp_path / name)
    parts = {name for name in examples if "/" in name}  # of a configuration, which names them in bots_files
    alertmanager = {name for name in examples if name.endswith("alertmanager.yml")}
    whole = set(examples) - parts - alertmanager - web - {"prometheus.yml", "kustomization.yaml"}
    used = {entry.file for name in whole for entry in load_fleet(tmp_path / name).config.bots}
    assert {str(tmp_path / name) for name in parts} <= used
    if alertmanager:
        shutil.copytree(ROOT / "alerts" / "templates", tmp_path / "templates")
        amtool = require_tool("amtool", "prometheus-alertmanager")
        command = [amtool, "check-config", *(str(tmp_path / name) for name in sorted(alertmanager))]
        check = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert check.returncode == 0, check.stdout + check.stderr
        assert check.stdout.count("1 templates") == len(alertmanager)
    if "prometheus.yml" in examples:
        promtool = require_tool("promtool", "prometheus")
        command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
        check = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert check.returncode == 0, check.stdout + check.stderr


def test_the_shipped_configuration_is_whole() -> None:
    assert load_fleet(ROOT / "config.yaml").specs


# --- HTTP ---


async def test_every_route_is_documented_and_no_other() -> None:
    async with Fleet() as fleet:
        real = {route.path for route in fleet.server.routes}
    section = read("docs/http.md").partition("\n## ")[0]
    assert {row[0].strip("`") for row in rows(section) if row[0].startswith("`")} == real


def all_keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return {key for each in value for key in all_keys(each)}
    if isinstance(value, dict):
        return set(value) | all_keys(list(value.values()))
    return set()


async def test_every_key_of_the_answers_is_documented() -> None:
    async with Fleet() as fleet:
        fleet.populate()
        status = await fleet.get("/status")
        health = await fleet.get("/health")
    system, components = status["system"], health["components"]
    assert isinstance(system, dict)
    words = all_keys([system["bot_state_summary"], system["bot_status_summary"], components])
    wanted = (all_keys(status) | all_keys(health)) - words
    named = set(re.findall(r"[`\"]([a-z0-9_]+)[`\"]", read("docs/http.md")))
    assert wanted - named == set()


def test_every_status_is_documented() -> None:
    table = {(row[0], row[1]) for row in rows(read("docs/http.md")) if row[0].isdecimal() and len(row) == 3}
    assert table == {(str(int(status)), f"`{status.word}`") for status in BotStatus}


def sections(name: str) -> dict[str, str]:
    """Return the parts of a document by their heading of the second level."""
    return {part.partition("\n")[0]: part for part in read(name).split("\n## ")[1:]}


def test_every_status_and_every_reason_has_its_trouble_shot() -> None:
    parts = sections("docs/troubleshooting.md")
    wanted: dict[str, Iterable[str]] = {
        "auth_failed": AuthReason,
        "connection_error": FailureReason,
        "Why connections end": DisconnectReason,
        "Lobbies that do not come about": CreateFailure,
    }
    assert {status.word for status in BotStatus} <= set(parts)
    for heading, words in wanted.items():
        told = {word for row in rows(parts[heading]) for word in re.findall(r"`(\w+)`", row[0])}
        assert told - {"status_reason", "reason"} == set(map(str, words)), heading


# --- metrics ---


@of(DOCUMENTS)
def test_a_metric_that_is_named_exists(path: Path) -> None:
    text = re.sub(r"[\w/.-]+\.(?:py|yaml|md)\b", "", path.read_text(encoding="utf-8"))
    known = {name for family in FAMILIES.values() for name in (family.name, *family.sample_names)}
    named = set(re.findall(r"(?<![\w/-])(?:bot|process|python)_[a-z0-9_]*[a-z0-9]", text))
    assert named - NO_METRICS <= known
