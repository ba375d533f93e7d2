"""Ask for known vulnerabilities of all that is locked. Ends with 0 (none is known), 1 (some) or 2 (not all was asked).

pip-audit runs in a temporary environment, as the resolver of lock.py does. By itself it says "No known
vulnerabilities found" when the service knows none of the packages: here that is a failure.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements/run.txt", "requirements/dev.txt")


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, with_pip=True)
        subprocess.run([f"{scratch}/bin/pip", "install", "--quiet", "pip-audit"], check=True)
        audit = [f"{scratch}/bin/pip-audit", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
        codes = []
        for lock in LOCKS:
            ended = subprocess.run(
                [*audit, "--format=json", f"--requirement={ROOT / lock}", *sys.argv[1:]],
                capture_output=True,
                text=True,
                check=False,
            )
            code, told = verdict(ended.stdout, ended.stderr)
            print(f"{lock}: {told}")
            codes.append(code)
    return max(codes)


def verdict(report: str, complaints: str) -> tuple[int, str]:
    """Return an exit code and what to tell, of the report that pip-audit printed and of what it complained about."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except ValueError:
        last = (complaints.strip().splitlines() or ["it printed nothing"])[-1]
        return 2, f"NOT AUDITED: pip-audit could not ask the service for vulnerabilities: {last}"
    found = [
        f"{each['name']} {each['version']}: {bug['id']}, mended in {', '.join(bug['fix_versions']) or 'no version yet'}"
        for each in packages
        for bug in each.get("vulns", ())
    ]
    unasked = [each for each in packages if "skip_reason" in each]
    if unasked or not packages:
        count = f"{len(unasked)} of {len(packages)} packages"
        found.append(f"NOT AUDITED: {count}, such as: {unasked[0]['skip_reason'] if unasked else 'the lock is empty'}")
        return 2, "\n  ".join(found)
    return (1, "\n  ".join(found)) if found else (0, f"no known vulnerability in {len(packages)} packages")


if __name__ == "__main__":
    sys.exit(main())
