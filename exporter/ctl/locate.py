"""Which server is meant, and with which key: by flags, then by the environment, then by what a data directory says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from exporter.ctl.failures import Misused, Unreachable
from exporter.endpoint import ENDPOINT_FILE, Endpoint, EndpointError, read_endpoint
from exporter.secrets import Secret, SecretError, read_secret_file

ADMIN_KEY_FILE: Final = "admin.key"
DATA_DIRS: Final = (Path("data"), Path("/var/lib/bot-exporter"))
_HEADER_TEXT: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Given:
    """The flags that say which server is meant."""

    url: str | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    data_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server to speak to. `found` and `key_found` say where its address and key come from; `hint` is for errors."""

    url: str
    found: str
    metrics: str = "/metrics"
    key: Secret | None = field(default=None, repr=False)
    key_found: str | None = None
    ca_file: Path | None = None
    pid: int | None = None

    @property
    def encrypted(self) -> bool:
        return self.url.startswith("https:")


def locate(given: Given, environ: Mapping[str, str], directories: tuple[Path, ...] = DATA_DIRS) -> Server:
    """Return the server that is meant. Raises Misused and Unreachable.

    The key that an exporter made for itself is sent only where it belongs: to the address beside it, or to this
    machine.
    """
    directories = (given.data_dir,) if given.data_dir is not None else directories
    endpoint: Endpoint | None = None
    place: Path | None = None
    url, found = _first((given.url, "--url"), (environ.get("BOTCTL_URL"), "BOTCTL_URL"))
    if url is None:
        endpoint, place = _announced(directories)
        url, found = endpoint.url, str(place / ENDPOINT_FILE)
    url = _checked_url(url, found)
    key_file, key_found = _first((given.key_file, "--key-file"), (environ.get("BOTCTL_KEY_FILE"), "BOTCTL_KEY_FILE"))
    made = None
    if key_file is None and (place is not None or _on_this_machine(url)):
        made = _made_key((place,) if place is not None else directories)
    ca_file, _ = _first((given.ca_file, "--ca-file"), (environ.get("BOTCTL_CA_FILE"), "BOTCTL_CA_FILE"))
    return Server(
        url,
        found,
        metrics=endpoint.metrics if endpoint is not None else "/metrics",
        key=_read_key(Path(key_file)) if key_file is not None else _read_key(made) if made is not None else None,
        key_found=f"{key_file} ({key_found})" if key_file is not None else str(made) if made is not None else None,
        ca_file=Path(ca_file) if ca_file is not None else None,
        pid=endpoint.pid if endpoint is not None else None,
    )


def _first(*choices: tuple[str | Path | None, str]) -> tuple[str | None, str]:
    """Return the first choice that says something, and what it is called."""
    return next(((str(value), name) for value, name in choices if value), (None, ""))


def _announced(directories: tuple[Path, ...]) -> tuple[Endpoint, Path]:
    broken, closed = list[str](), False
    for directory in directories:
        try:
            endpoint = read_endpoint(directory)
        except EndpointError as error:
            broken.append(str(error))
            closed = closed or isinstance(error.__cause__, PermissionError)
            continue
        if endpoint is not None:
            return endpoint, directory
    places = " or ".join(str(each) for each in directories)
    raise Unreachable(
        "; ".join((f"no running exporter was found: there is no {ENDPOINT_FILE} in {places}", *broken)),
        "start the exporter, name its data directory with --data.dir, or its address with --url or BOTCTL_URL",
        *(("a data directory belongs to the exporter's user: run botctl as that user (sudo -u)",) if closed else ()),
    )


def _checked_url(text: str, name: str) -> str:
    form = "give an address such as http://127.0.0.1:9977 or https://bots.example.org/fleet"
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise Misused(f"{name} is no address of a server: {form}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise Misused(f"{name} holds a user name, a query or a fragment: {form}; a key goes into a file (--key-file)")
    return text.rstrip("/")


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _made_key(directories: tuple[Path, ...]) -> Path | None:
    for directory in directories:
        try:
            if (directory / ADMIN_KEY_FILE).is_file():
                return directory / ADMIN_KEY_FILE
        except OSError:  # a directory that is not ours: what needs a key will say so
            continue
    return None


def _read_key(path: Path) -> Secret:
    try:
        key = read_secret_file(path)
    except SecretError as error:
        raise Misused(f"the key cannot be read: {error}") from None
    # What cannot stand in a header would be quoted in the library's error.
    if not _HEADER_TEXT.fullmatch(key.reveal().strip()):
        raise Misused(f"secret file {path} holds no key: a key is one line of printable characters")
    return Secret(key.reveal().strip())
