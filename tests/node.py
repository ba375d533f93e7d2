"""Programs for Node.js that some tests run."""

from pathlib import Path

from tests.tools import require_package, require_tool


def require_node(folder: Path) -> str:
    """Return the path of node, for a program in a folder whose locked npm packages are installed.

    Without them the test is skipped on a person's machine and fails where CI=true, as with `require_tool`.
    """
    node = require_tool("node", "nodejs npm")
    require_package(folder)
    return node
