"""Programs from outside that some tests need."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def require_tool(name: str, package: str) -> str:
    """Return the path of a program from a Debian package, as require_program."""
    path = shutil.which(name)
    return str(require_program(Path(path) if path is not None else None, name, package))


def require_program(path: Path | None, name: str, package: str) -> Path:
    """Return the path of a program that was looked for.

    Without it the test is skipped on a person's machine and fails where CI=true: there, nothing may be left out.
    """
    if path is None:
        missing(f"{name} is not installed: apt-get install -y --no-install-recommends {package}")
    return path


def require_package(folder: Path) -> Path:
    """Return where the locked npm packages of a folder are installed; without them as require_program."""
    installed = folder / "node_modules"
    if not (installed / ".package-lock.json").exists():
        missing(f"the npm packages of {folder.name} are not installed: make setup")
    return installed


def missing(reason: str) -> NoReturn:
    """Skip the test on a person's machine, and fail it where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
