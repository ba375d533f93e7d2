"""The file that tells programs on this machine where the exporter of a data directory can be reached."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from exporter.errors import ExporterError

ENDPOINT_FILE: Final = "endpoint.json"
_MOST_BYTES: Final = 64 * 1024


class EndpointError(ExporterError):
    """The file is there and cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is told: `url` without a slash at the end, `metrics` the path of the metrics below it."""

    url: str
    metrics: str
    pid: int
    version: str


def local_url(addresses: Sequence[tuple[str, int]], *, encrypted: bool, prefix: str) -> str:
    """Return how a program on this machine reaches a server: by loopback if it listens there, else as it listens."""
    host, port = min(((_from_here(host), port) for host, port in addresses), key=lambda each: not _loopback(each[0]))
    return f"{'https' if encrypted else 'http'}://{f'[{host}]' if ':' in host else host}:{port}{prefix}"


@contextmanager
def announced(directory: Path, endpoint: Endpoint) -> Iterator[None]:
    """Keep the file while the block runs; whoever reads it sees all of it or nothing. Raises OSError.

    Everybody may read it who may enter the directory: it holds no secret.
    """
    path = directory / ENDPOINT_FILE
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as stream:
        json.dump(asdict(endpoint), stream)
        stream.write("\n")
    unfinished.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def read_endpoint(directory: Path) -> Endpoint | None:
    """Return what the file in this directory says, None without one. Raises EndpointError."""
    path = directory / ENDPOINT_FILE
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EndpointError(f"{path} cannot be read: {error.strerror}") from error
    try:
        found = json.loads(text)
        return Endpoint(str(found["url"]), str(found["metrics"]), int(found["pid"]), str(found["version"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise EndpointError(f"{path} is not what bot-exporter writes: restart it, or give --url") from None


def _from_here(host: str) -> str:
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (asked, not opened)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
