"""Files that are either the old one or the new one, whatever happens while they are written."""

import os
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file, readable by its owner only; its folder is made if need be. Raises OSError; it blocks."""
    (error,) = write_all([(path, data)])
    if error is not None:
        raise error


def write_all(files: Sequence[tuple[Path, bytes]]) -> list[OSError | None]:
    """Replace several files as `write_whole` does, with one sync of each folder; returns what failed, file by file."""
    folders = dict.fromkeys(path.parent for path, _ in files)
    unmade = {folder: _tried(partial(folder.mkdir, mode=0o700, parents=True, exist_ok=True)) for folder in folders}
    errors = [unmade[path.parent] or _tried(partial(_replace, path, data)) for path, data in files]
    unsynced = {folder: unmade[folder] or _tried(partial(_sync, folder)) for folder in folders}
    return [error or unsynced[path.parent] for (path, _), error in zip(files, errors, strict=True)]


def unfinished(folder: Path, older_than_s: float = 0.0) -> list[Path]:
    """Return what a process was killed over while it wrote into this folder, if that is so long ago."""
    found = []
    for path in folder.glob(".*"):
        try:
            seen = path.stat()
        except OSError:  # it was finished meanwhile
            continue
        if stat.S_ISREG(seen.st_mode) and seen.st_mtime <= time.time() - older_than_s:
            found.append(path)
    return found


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the start
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _tried(deed: Callable[[], None]) -> OSError | None:
    try:
        deed()
    except OSError as error:
        return error
    return None
