"""Where the server is: what the flags say, and what a probe has to know. Nothing here is slow to import."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from exporter.errors import ConfigError, Problem

DEFAULT_LISTEN: Final = ("127.0.0.1", 9977)
LIVENESS: Final = "/-/healthy"
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_RESERVED: Final = ("status", "health", "-", "static", "api", "bots", "lobby", "sd")


def parse_listen_address(text: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:9977`, `[::1]:9977` or `:9977` (every address of the machine).

    Raises ConfigError.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or (":" in host and not bracketed):
        message = f"{text!r} is no address: write host:port such as 127.0.0.1:9977, [::1]:9977 or :9977"
        raise ConfigError([_problem("--web.listen-address", message)])
    return host[1:-1] if bracketed else host, int(port)


def shown(host: str, port: int) -> str:
    """Return an address as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one server. Raises ConfigError with every mistake.

    An empty host in `listen` means every address of the machine, port 0 any free port. A `route_prefix` of None is
    the path of `external_url`, as in Prometheus.
    """

    listen: tuple[tuple[str, int], ...] = (DEFAULT_LISTEN,)
    telemetry_path: str = "/metrics"
    route_prefix: str | None = None
    external_url: str | None = None

    def __post_init__(self) -> None:
        problems = [*_external_url_problems(self.external_url), *_telemetry_problems(self.telemetry_path)]
        if not self.listen:
            problems.append(_problem("--web.listen-address", "is missing: give at least one host:port"))
        prefix = (self.route_prefix or "").strip("/")
        if prefix and not _is_path(f"/{prefix}"):
            problems.append(_problem("--web.route-prefix", f"{self.route_prefix!r} is no path such as /bots"))
        if problems:
            raise ConfigError(problems)

    @property
    def external(self) -> SplitResult | None:
        """The external URL in parts."""
        return urlsplit(self.external_url) if self.external_url else None

    @property
    def prefix(self) -> str:
        """What all routes begin with: empty, or a path such as `/bots`."""
        given = self.route_prefix
        if given is None:
            given = self.external.path if self.external else ""
        return f"/{given.strip('/')}".rstrip("/")

    @property
    def external_path(self) -> str:
        """What all routes begin with for a browser outside, in front of a proxy that may cut it off."""
        return self.external.path.rstrip("/") if self.external else self.prefix


def _problem(flag: str, message: str) -> Problem:
    return Problem("command line", 0, flag, message)


def _is_path(path: str) -> bool:
    return _PATH.fullmatch(path) is not None and not {".", ".."} & set(path.split("/"))


def _external_url_problems(url: str | None) -> list[Problem]:
    if not url:
        return []
    form = f"{url!r} is no address such as https://bots.example.org/bots"
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        bad = True
    if bad or not url.isascii() or not url.isprintable() or " " in url:
        return [_problem("--web.external-url", form)]
    if "@" in parts.netloc or parts.query or parts.fragment:
        return [_problem("--web.external-url", "must not hold a user name, a query or a fragment")]
    path = parts.path.rstrip("/")
    if path and not _is_path(path):
        return [_problem("--web.external-url", f"{form}: the path holds more than letters, digits and ._~-")]
    return []


def _telemetry_problems(path: str) -> list[Problem]:
    if not _is_path(path):
        return [_problem("--web.telemetry-path", f"{path!r} is no path such as /metrics")]
    if path.split("/")[1] in _RESERVED:
        return [_problem("--web.telemetry-path", f"{path!r} is taken by another page: choose one such as /metrics")]
    return []
