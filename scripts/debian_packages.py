"""Install the Debian programs that the tests use, without starting any daemon.

As root, or with password-less sudo, it installs; otherwise it prints the one command to run. A missing program does
not fail here: its tests say so themselves (they skip on a person's machine and fail where CI=true).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# program -> Debian package
NEEDED = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "postgres": "postgresql",
    "chromium": "chromium",
    "curl": "curl",
    "systemd-analyze": "systemd",
}
# Debian keeps the programs of its PostgreSQL server where no PATH looks.
BESIDE_PATH = {"postgres": ("/usr/lib/postgresql", "*/bin/postgres")}
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> int:
    packages = sorted({package for program, package in NEEDED.items() if not is_installed(program)})
    if not packages:
        return 0
    if shutil.which("apt-get") is None:
        print(f"no apt-get here: install these programs yourself for all tests: {', '.join(packages)}")
        return 0
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode != 0:
        print(f"for all tests, run: sudo apt-get install -y --no-install-recommends {' '.join(packages)}")
        return 0
    return install(packages, sudo)


def is_installed(program: str) -> bool:
    """Say whether a program is there, on the PATH or where its package puts it."""
    folder, pattern = BESIDE_PATH.get(program, ("/nowhere", program))
    return shutil.which(program) is not None or any(Path(folder).glob(pattern))


def install(packages: list[str], sudo: list[str]) -> int:
    """Run apt-get while a policy keeps the packages from starting their services."""
    had_policy = POLICY.exists()
    if not had_policy:
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
            policy.flush()
            subprocess.run([*sudo, "install", "-m", "755", policy.name, str(POLICY)], check=True)
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    try:
        subprocess.run([*apt, "update"], check=True, stdout=sys.stderr)
        subprocess.run([*apt, "install", "-y", "--no-install-recommends", *packages], check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"apt-get failed ({error.returncode}); the tests that need {', '.join(packages)} will say so")
        return 1 if os.environ.get("CI") == "true" else 0
    finally:
        if not had_policy:
            subprocess.run([*sudo, "rm", "-f", str(POLICY)], check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
