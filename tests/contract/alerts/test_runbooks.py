"""Each alert has a page that can be followed at night: its parts, commands, queries, panels and orders are real."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.contract.alerts.runbooks import PARTS, Runbook, blocks, runbooks
from tests.contract.alerts.shipped import RUNBOOKS, alerts
from tests.contract.alerts.test_shipped import SAMPLES, selectors
from tests.contract.dashboards.shipped import dashboards, panels
from tests.tools import require_tool
from tests.web.fleet import Fleet

each_page = pytest.mark.parametrize("page", runbooks(), ids=lambda page: page.name)

PROGRAMS = frozenset(
    {
        *("curl", "botctl", "bot-exporter", "pgrep", "pkill", "promtool", "systemctl", "journalctl"),
        *("date", "top", "free", "df", "mv"),
    }
)
KEY = 'key="X-API-Key: $(cat data/admin.key)"'
# Only there is the process itself the trouble.
OF_THE_PROCESS = frozenset({"BotExporterLoopStalled"})


def index() -> str:
    return (RUNBOOKS / "README.md").read_text(encoding="utf-8")


def test_every_alert_has_a_runbook_and_no_other() -> None:
    assert {page.name for page in runbooks()} == {alert.name for alert in alerts()}
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([a-z, ]+) \|", index(), re.MULTILINE)
    assert {name for name, file, _ in rows if name == file} == {alert.name for alert in alerts()}
    for name, _, severities in rows:
        assert set(severities.split(", ")) == {alert.labels["severity"] for alert in alerts() if alert.name == name}


@each_page
def test_it_has_its_parts_in_order(page: Runbook) -> None:
    assert page.text.startswith(f"# {page.name}\n")
    assert tuple(page.parts) == PARTS
    assert all(text.strip() for text in page.parts.values())


@each_page
def test_what_to_check_has_panels_commands_and_a_query(page: Runbook) -> None:
    check = page.parts["What to check"]
    assert check.strip().startswith("Dashboard: ")
    assert blocks(check, "sh")
    assert blocks(check, "promql")


@each_page
def test_the_end_can_be_seen(page: Runbook) -> None:
    over = page.parts["When it is over"]
    assert blocks(over, "sh") + blocks(over, "promql")


@each_page
def test_the_panels_that_it_names_exist(page: Runbook) -> None:
    """A panel is named after the dashboard that it is on, in quotation marks."""
    titles = {each["title"]: {panel["title"] for panel in panels(each)} for each in dashboards().values()}
    text = " ".join(re.sub(r"^```.*?^```$", "", page.text, flags=re.MULTILINE | re.DOTALL).split())
    _, *rest = re.split(r"\*\*(Bots: [^*]+)\*\*", text)
    named = [
        (dashboard, title)
        for dashboard, after in zip(rest[::2], rest[1::2], strict=True)
        for title in re.findall(r'"([A-Z][^"]+\?)"', after)
    ]
    assert named
    for dashboard, title in named:
        assert title in titles[dashboard], (dashboard, title)


@each_page
def test_the_programs_that_it_runs_are_known(page: Runbook) -> None:
    """What they are told is looked at in tests/contract/test_commands.py, as in every document."""
    for line in page.commands:
        if line == KEY:
            continue
        assert line.removeprefix("sudo ").split()[0] in PROGRAMS, line


@each_page
def test_an_order_has_its_key_and_can_be_given_by_curl(page: Runbook) -> None:
    """The key is set before its first use; what botctl can do is there for those who have only curl."""
    lines = list(page.commands)
    orders = [number for number, line in enumerate(lines) if "/api/v1/" in line or "/-/reload" in line]
    for number in orders:
        assert '-H "$key"' in lines[number]
        assert KEY in lines[:number]
    for what in ("start", "stop", "restart"):
        if any(line.startswith(f"botctl {what} ") for line in lines):
            assert any(line.endswith(f"/api/v1/bots/my-bot/{what}") for line in lines), what


async def test_the_routes_that_are_asked_exist() -> None:
    async with Fleet() as fleet:
        routes = {(route.method, re.sub(r"\{\w+\}", "[^/]+", route.path)) for route in fleet.server.routes}
    asked = set[tuple[str, str]]()
    for page in runbooks():
        for line in [*page.commands, *re.findall(r"`(curl [^`]+)`", page.text)]:
            for path in re.findall(r"127\.0\.0\.1:9977(/[\w./-]*)", line):
                given = re.search(r"-X (\w+)", line)
                asked.add((given[1] if given else "POST" if " -d " in line else "GET", path))
    assert len(asked) > 10
    for method, path in asked:
        assert any(method == known and re.fullmatch(route, path) for known, route in routes), (method, path)


@each_page
def test_nobody_is_told_to_restart_the_exporter_for_a_bot(page: Runbook) -> None:
    """Where the page speaks of it, it says not to, or that it gains nothing."""
    if page.name in OF_THE_PROCESS:
        return
    text = " ".join(page.text.split())
    for before, of, after in re.findall(r"(?i)(\w+ )?restart (of )?the exporter([^.;:]*)", text):
        assert before == "not " or (of and "gains nothing" in after), (before, of, after)


def test_the_queries_are_promql_about_what_exists(tmp_path: Path) -> None:
    promtool = require_tool("promtool", "prometheus")
    queries = {
        f"runbooks:{page.name}:{number}": query
        for page in runbooks()
        for number, query in enumerate(page.blocks("promql"))
    }
    assert len(queries) >= len(runbooks())
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
