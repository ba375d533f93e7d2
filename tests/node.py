"""Programs for Node.js that some tests run."""

import os
from pathlib import Path

import pytest

from tests.tools import require_tool


def require_node(folder: Path) -> str:
    """Return the path of node, for a program in a folder whose locked npm packages are installed.

    Without them the test is skipped on a person's machine and fails where CI=true, as with `require_tool`.
    """
    node = require_tool("node", "nodejs npm")
    if (folder / "node_modules" / ".package-lock.json").exists():
        return node
    reason = f"the npm packages of {folder.name} are not installed: make setup"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
