"""Secrets: strings that hide themselves, and files that are read again at each use."""

import hmac
import math
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol

from exporter.errors import ExporterError

_MOST_SECRET_BYTES: Final = 64 * 1024


class SecretError(ExporterError, ValueError):
    """A secret file cannot be used; the message names the file and what to do."""


class Hide(Protocol):
    """Takes a secret that no log may show; one that is good for a limited time only is forgotten `for_s` later."""

    def __call__(self, secret: str, for_s: float = math.inf, /) -> None: ...


def hide_nothing(_secret: str, _for_s: float = math.inf, /) -> None:
    """Be told secrets where there is no log that could show them."""


class Secret:
    """A string that shows itself only to `reveal`; compared in constant time, neither hashable nor picklable."""

    __hash__ = None  # type: ignore[assignment]  # a table keyed by secrets would compare them byte by byte
    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself; give it to the service and to nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "**********"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode(errors="surrogatepass"), other._value.encode(errors="surrogatepass")
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is neither pickled nor copied")


def read_secret_file(path: Path) -> Secret:
    """Return the content without one trailing newline; raises SecretError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for a writer
            raise SecretError(f"secret file {path} is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(_MOST_SECRET_BYTES + 1)
    except OSError as error:
        raise SecretError(f"secret file {path} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_SECRET_BYTES:
        raise SecretError(f"secret file {path} is larger than 64 KiB: it should hold nothing but the secret")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise SecretError(f"secret file {path} is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretError(f"secret file {path} is empty: write the secret into it")
    return Secret(text)


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret comes from: the configuration itself or a file that is read again at each use."""

    path: Path | None
    inline: Secret | None = None

    def read(self) -> Secret:
        """Return the secret as it is now; raises SecretError."""
        if self.inline is not None:
            return self.inline
        assert self.path is not None  # noqa: S101  (secret_option gives one of the two)
        return read_secret_file(self.path)

    def fingerprint(self) -> object:
        """Return something cheap that differs once the file was changed; None while it cannot be seen."""
        if self.path is None:
            return "inline"
        try:
            seen = self.path.stat()
        except OSError:
            return None
        return seen.st_mtime_ns, seen.st_size, seen.st_ino
