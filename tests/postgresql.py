"""A real PostgreSQL from Debian's package, on a socket of a temporary folder, that tests may stop and start."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg

from tests.tools import require_program

_USER = "tester"
_QUICK = {
    "listen_addresses": "",  # only the socket in the folder
    "fsync": "off",  # it is the server that crashes here, never the machine
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "autovacuum": "off",
}


class PostgreSQL:
    """One server. It refuses to run as root, and then runs as the user that Debian made for it."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        self._bin = require_program(found[-1] if found else None, "postgres", "postgresql").parent
        self._folder = Path(tempfile.mkdtemp(prefix="bot-exporter-pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        self._folder.chmod(0o755)
        self._run("initdb", "-D", str(self._data), "-U", _USER, "-A", "trust", "--no-sync", "-E", "UTF8")

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def url(self) -> str:
        """The address of the server's own database."""
        return self.address("postgres")

    def address(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://{_USER}@/{database}?host={self._folder}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"db_{uuid.uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.address(name)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [word for name, value in _QUICK.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            command = ["postgres", "-D", str(self._data), "-k", str(self._folder), *settings]
            self._process = subprocess.Popen(self._as_user(command), stdout=log, stderr=log, cwd="/")
        for _ in range(3000):
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                signal.sigtimedwait([], 0.02)
            else:
                return
        raise AssertionError((self._folder / "log").read_text())

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server: its clients' connections are cut off; `at_once` leaves it no time to write anything."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        self._process.wait(30)
        self._process = None

    def remove(self) -> None:
        """Stop the server and delete what it kept."""
        self.stop(at_once=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _as_user(self, command: list[str]) -> list[str]:
        program = [str(self._bin / command[0]), *command[1:]]
        if os.geteuid() != 0:
            return program
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *program]

    def _run(self, *command: str) -> None:
        done = subprocess.run(self._as_user(list(command)), capture_output=True, text=True, check=False, cwd="/")
        assert done.returncode == 0, done.stderr
