"""Which files a reading of the configuration came from, so that a change of any of them can be seen.

Documents are compared by their content, as Prometheus does; secret files by what the file system says of them, so that
no secret is read for it. Each mark is taken before its file is read: a change in between is seen later, never missed.
"""

import glob
import os
import stat
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from exporter.secrets import SecretSource

Marks = Mapping[str, object]
"""What each file and each pattern was like; equal marks mean that nothing changed."""

_PIECE: Final = 1 << 20


class Sources:
    """The files of one reading, also of one that failed: what is repaired must be seen as well. Its calls block."""

    __slots__ = ("_documents", "_patterns", "_secrets", "_seen")

    def __init__(self) -> None:
        self._documents: set[Path] = set()
        self._secrets: set[Path] = set()
        self._patterns: set[tuple[Path, str]] = set()
        self._seen: dict[str, object] = {}

    @property
    def seen(self) -> Marks:
        """The marks from when it was read."""
        return self._seen

    def document(self, path: Path) -> None:
        """Note a file of YAML that is about to be read."""
        self._documents.add(path)
        self._seen[str(path)] = _content(path)

    def pattern(self, base: Path, pattern: str) -> list[str]:
        """Note a pattern of file names, relative to `base`, and return those that match now, sorted."""
        self._patterns.add((base, pattern))
        names = matches(base, pattern)
        self._seen[_pattern_key(base, pattern)] = names
        return names

    def secrets_of(self, base: Path, value: object) -> None:
        """Note each file that a document names under a key such as `password_file`; `base` is its folder."""
        for name in _named_files(value):
            path = base / name
            self._secrets.add(path)
            self._seen[f"secret {path}"] = SecretSource(path).fingerprint()

    def look(self) -> Marks:
        """Return the marks of now."""
        now: dict[str, object] = {str(path): _content(path) for path in self._documents}
        now |= {f"secret {path}": SecretSource(path).fingerprint() for path in self._secrets}
        now |= {_pattern_key(base, pattern): matches(base, pattern) for base, pattern in self._patterns}
        return now


def matches(base: Path, pattern: str) -> list[str]:
    """Return the names that match a pattern, sorted; relative ones are looked for in `base`."""
    return sorted(glob.glob(pattern, root_dir=base))  # noqa: PTH207  (may be absolute)


def _pattern_key(base: Path, pattern: str) -> str:
    return f"pattern {base} {pattern}"


def _content(path: Path) -> object:
    """Return a digest of the file, or the number of the error that keeps it from being read."""
    digest = sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  (opening a FIFO would wait for a writer)
            return "no regular file"
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        return error.errno
    except ValueError:  # a NUL byte in the name
        return "no name of a file"
    return digest.digest()


def _named_files(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(key, str) and key.endswith("_file") and isinstance(each, str) and each.isprintable():
                yield each
            else:
                yield from _named_files(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named_files(each)
