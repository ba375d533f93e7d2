"""The data directory: created on demand, and used by one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.errors import StartError


@contextmanager
def data_directory(path: Path) -> Iterator[Path]:
    """Hold the data directory for this process; the lock ends with the process, however it ends.

    Raises StartError when the directory cannot be written or another process holds it.
    """
    lock = path / "lock"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = lock.open("a+", encoding="ascii")
    except OSError as error:
        msg = f"cannot write to the data directory {path}: {error.strerror}; make it writable or give --data.dir"
        raise StartError(msg) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            msg = (
                f"another bot-exporter (process {holder}) uses the data directory {path}; stop it or give --data.dir "
                "another directory: two processes on the same accounts would disconnect each other"
            )
            raise StartError(msg) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield path
