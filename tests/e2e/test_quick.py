"""What is asked often costs little: the container asks for health every 30 s, from a process of its own."""

import json
import sys
from pathlib import Path

import pytest

from tests.e2e.command import run_to_end

# What the fleet needs, and these do not.
HEAVY = ("aiohttp", "asyncio", "google.protobuf", "pydantic", "sqlalchemy", "steam", "structlog", "yaml")
ASK = """
import json, sys
from exporter.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("flags", [("--version",), ("--help",), ("--healthcheck", "--web.listen-address=127.0.0.1:1")])
async def test_what_is_asked_often_imports_little(flags: tuple[str, ...]) -> None:
    ended = await run_to_end("-c", ASK, *flags, command=Path(sys.executable))
    modules = json.loads(ended.out.splitlines()[-1])
    assert not set(HEAVY) & set(modules)


async def test_a_process_that_runs_its_fleet_alone_imports_nothing_of_a_cluster() -> None:
    ended = await run_to_end(
        "-c", "import json, sys, exporter.app; print(json.dumps(sorted(sys.modules)))", command=Path(sys.executable)
    )
    modules = json.loads(ended.out.splitlines()[-1])
    assert "exporter.web.server" in modules
    assert not [each for each in modules if each == "exporter.cluster" or each.startswith("exporter.cluster.")]
