"""Resolve all dependencies in one run and write requirements/, without addresses of any index.

The set for running (run.txt) is constrained by the set for development (dev.txt), so both hold the same versions.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet"


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, with_pip=True)
        subprocess.run([f"{scratch}/bin/pip", "install", "--quiet", "uv"], check=True)
        compile_ = [f"{scratch}/bin/uv", "pip", "compile", *COMMON.split(), *sys.argv[1:]]
        for extra in (
            "pyproject.toml --all-extras --group dev -o requirements/dev.txt",
            "pyproject.toml --extra speed --group build -c requirements/dev.txt -o requirements/run.txt",
        ):
            subprocess.run([*compile_, *extra.split()], cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
