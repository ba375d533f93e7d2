"""Programs to compare with, each in a virtual environment of its own: they are no dependencies of this project."""

import subprocess
import venv
from pathlib import Path

from benchmarks.lines import ROOT, users_environment

_FOLDER = ROOT / "build" / "bench-venv"


class NoPeer(Exception):
    """The peer cannot be had here."""


def peer_python(requirement: str, module: str) -> Path:
    """Return an interpreter that has this pinned package, installing it on demand; raises NoPeer."""
    folder = _FOLDER / requirement.replace("==", "-")
    python = folder / "bin" / "python"
    if not _has(python, module):
        try:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
                check=True,
                capture_output=True,
                timeout=300,
                env=users_environment(),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise NoPeer(f"{requirement} cannot be installed: {type(error).__name__}") from error
        if not _has(python, module):
            raise NoPeer(f"{requirement} is installed but cannot be imported")
    return python


def _has(python: Path, module: str) -> bool:
    if not python.exists():
        return False
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
