"""Write what Grafana loads, or with --check say what is stale; `make docs` and `make check` run this."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dashboards.source.bot import BOT
from dashboards.source.fleet import FLEET
from dashboards.source.grafana import Dashboard
from dashboards.source.health import HEALTH
from dashboards.source.work import WORK

ROOT: Final = Path(__file__).resolve().parents[1]
DASHBOARDS: Final[tuple[Dashboard, ...]] = (FLEET, BOT, WORK, HEALTH)


def file_name(dashboard: Dashboard) -> str:
    """Return the name of the file, which is that of the page's address in Grafana."""
    return f"{dashboard.uid}.json"


def text(dashboard: Dashboard) -> str:
    """Return what Grafana loads."""
    return json.dumps(dashboard.json(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Write the dashboards below `root`, or compare them; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.source", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file is stale or nobody's")
    check = parser.parse_args(arguments).check
    wanted = {file_name(dashboard): text(dashboard) for dashboard in DASHBOARDS}
    found = {path.name: path.read_text(encoding="utf-8") for path in root.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    for name in stale:
        if check:
            print(f"dashboards/{name} is stale: run `make docs`", file=sys.stderr)
        elif name in wanted:
            (root / name).write_text(wanted[name], encoding="utf-8")
            print(f"wrote dashboards/{name}")
        else:
            (root / name).unlink()
            print(f"deleted dashboards/{name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
