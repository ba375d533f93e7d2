"""The package as it is released: a wheel, built of the sources alone, in an environment with what it needs."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "run.txt"
# What the build reads besides the package: pyproject.toml names all of it.
_BESIDE = ("pyproject.toml", "README.md", "LICENSE", "config.yaml", "alerts", "dashboards", "deploy")


def sources() -> list[str]:
    """Return the files of the package as they lie in the tree, relative to its root."""
    files = (each for each in (ROOT / "exporter").rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    return sorted(each.relative_to(ROOT).as_posix() for each in files)


def copied(tree: Path) -> Path:
    """Copy what a build reads into a folder, so that nothing that lies about in this tree gets into what is built."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "exporter", tree / "exporter", ignore=ignored)
    for name in _BESIDE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, tree / name)
    return tree


def build_wheel(scratch: Path) -> Path:
    """Build the wheel of a copy of the sources."""
    tree = copied(scratch / "tree")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", f"--wheel-dir={scratch / 'dist'}", str(tree))
    (wheel,) = (scratch / "dist").iterdir()
    return wheel


def locked() -> Iterator[Requirement]:
    """Yield what the lock file for running wants on this machine."""
    text = LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        requirement = Requirement(line.partition(" --hash")[0])
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement


def fresh_environment(folder: Path) -> Path:
    """Make a virtual environment with the locked requirements, and return its Python."""
    venv.create(folder, symlinks=True)
    return fill_environment(folder)


def fill_environment(folder: Path) -> Path:
    """Put the locked requirements into a virtual environment, and return its Python.

    Their files are those that this environment has installed by the same lock: linked, or copied where that cannot
    be. A package that is needed and not locked for running is missing there, though it may be here.
    """
    python = folder / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    target = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    for requirement in locked():
        found = importlib.metadata.distribution(requirement.name)
        assert requirement.specifier.contains(found.version), f"{requirement}: {found.version} is installed here"
        _forget(target, found)
        for file in found.files or ():
            if ".." not in file.parts:
                _link(Path(str(found.locate_file(file))), target / file)
    return python


def _forget(target: Path, distribution: importlib.metadata.Distribution) -> None:
    """Remove what a new environment brings of itself: setuptools."""
    for each in importlib.metadata.distributions(name=distribution.name, path=[str(target)]):
        for file in each.files or ():
            (target / file).unlink(missing_ok=True)


def install(python: Path, wheel: Path) -> None:
    """Install the wheel alone: what it needs has to be there, and pip is asked whether it is."""
    _pip("--python", str(python), "install", "--no-index", "--no-deps", str(wheel))
    _pip("--python", str(python), "check")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
