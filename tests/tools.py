"""Programs from outside that some tests need."""

import os
import shutil
from pathlib import Path

import pytest


def require_tool(name: str, package: str) -> str:
    """Return the path of a program from a Debian package, as require_program."""
    path = shutil.which(name)
    return str(require_program(Path(path) if path is not None else None, name, package))


def require_program(path: Path | None, name: str, package: str) -> Path:
    """Return the path of a program that was looked for.

    Without it the test is skipped on a person's machine and fails where CI=true: there, nothing may be left out.
    """
    if path is not None:
        return path
    reason = f"{name} is not installed: apt-get install -y --no-install-recommends {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
