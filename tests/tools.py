"""Programs from outside that some tests need."""

import os
import shutil

import pytest


def require_tool(name: str, package: str) -> str:
    """Return the path of a program from a Debian package.

    Without it the test is skipped on a person's machine and fails where CI=true: there, nothing may be left out.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is not installed: apt-get install -y --no-install-recommends {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
