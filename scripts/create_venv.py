"""Create the project's virtual environment, or say in one sentence what is missing."""

import sys
from pathlib import Path

APT_LINE = "sudo apt-get install -y make python3-venv"


def main() -> int:
    target = Path(sys.argv[1])
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:2]))
        print(f"bot-exporter needs Python 3.11 or newer, this is {found}: make PYTHON=python3.11 ...", file=sys.stderr)
        return 2
    try:
        import ensurepip  # noqa: F401, PLC0415  (Debian splits it into python3-venv)
        import venv  # noqa: PLC0415
    except ImportError:
        print(f"Python's venv module is missing. On Debian: {APT_LINE}", file=sys.stderr)
        return 2
    if not (target / "bin" / "python").exists():
        venv.create(target, with_pip=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
