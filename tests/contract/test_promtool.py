"""Prometheus' own tool finds nothing to say about the page and the documented queries."""

import json
import subprocess
from pathlib import Path

from scripts import docs
from tests.tools import require_tool
from tests.unit.metrics.rig import rich_fleet

LIMIT_S = 60


async def test_the_page_of_a_rich_fleet_passes() -> None:
    promtool = require_tool("promtool", "prometheus")
    page = await rich_fleet().page()
    check = subprocess.run(  # noqa: ASYNC221  (nothing else runs on this loop)
        [promtool, "check", "metrics"], input=page.body, capture_output=True, timeout=LIMIT_S, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_the_documented_queries_are_promql(tmp_path: Path) -> None:
    promtool = require_tool("promtool", "prometheus")
    rules = [{"record": f"docs:example:{n}", "expr": example.query} for n, example in enumerate(docs.EXAMPLES)]
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "docs", "rules": rules}]}), encoding="utf-8")
    check = subprocess.run(
        [promtool, "check", "rules", str(path)], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
