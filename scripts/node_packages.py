"""Install the locked npm packages that the tests use, without running any of their scripts.

Where node and npm are missing, or npm fails, one line says so: the tests that need the packages skip on a person's
machine. Where CI=true this fails.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
FOLDERS = (TESTS / "e2e" / "steam_user", TESTS / "browser" / "axe")
OPTIONS = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--loglevel=error",
    # Without a network the defaults take more than a minute to give up.
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
)


def main() -> int:
    stale = [folder for folder in FOLDERS if not is_fresh(folder)]
    if not stale:
        return 0
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        return without(f"not installed here: {', '.join(missing)} (Debian packages: nodejs npm)")
    return max(install(folder) for folder in stale)


def install(folder: Path) -> int:
    """Install what the lock file of a folder names."""
    ended = subprocess.run(["npm", "ci", *OPTIONS], cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return 0
    if in_ci():
        sys.stderr.write(ended.stderr)
    why = ended.stderr.partition("\n")[0] or f"exit code {ended.returncode}"
    return without(f"npm ci failed in {folder.relative_to(TESTS.parent)}: {why}")


def is_fresh(folder: Path) -> bool:
    """Return whether the tree was installed after the lock file was last written: npm writes its own copy last."""
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime


def without(reason: str) -> int:
    print(f"{reason}; the test that needs npm packages will say so")
    return 1 if in_ci() else 0


def in_ci() -> bool:
    return os.environ.get("CI") == "true"


if __name__ == "__main__":
    sys.exit(main())
