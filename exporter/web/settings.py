"""What the flags and the configuration say about the web server, checked before anything is opened."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from exporter.errors import ConfigError, Problem
from exporter.web.keys import AccessRules
from exporter.web_config import WebConfig

DEFAULT_LISTEN: Final = ("127.0.0.1", 9977)
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_RESERVED: Final = ("status", "health", "-", "static", "api", "bots", "lobby")


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


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a client may take, in seconds, and how much it may send and hold open.

    `keepalive_s` is for a connection between two requests, `linger_s` for the rest of a body that nobody wants.
    `take_s` is for taking 60 KiB of an answer, or what is left of it; `untaken_bytes` is what may wait in all.
    Above `connections_of_one` and `connections` one more each is kept for scrapes and liveness probes. `streams` are
    those connections that may be the live feed's.
    """

    handshake_s: float = 10.0
    head_s: float = 10.0
    body_s: float = 30.0
    keepalive_s: float = 60.0
    linger_s: float = 5.0
    take_s: float = 30.0
    body_bytes: int = 64 * 1024
    untaken_bytes: int = 128 * 1024 * 1024
    connections_of_one: int = 100
    connections: int = 2000
    streams: int = 500


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The web server's settings. Raises ConfigError with every mistake.

    An empty host in `listen` means every address of the machine, port 0 any free port. A `route_prefix` of None is
    the path of `external_url`, as in Prometheus. `web_config` is the web configuration at the start.
    """

    listen: tuple[tuple[str, int], ...] = (DEFAULT_LISTEN,)
    telemetry_path: str = "/metrics"
    route_prefix: str | None = None
    external_url: str | None = None
    access: AccessRules = field(default_factory=AccessRules)
    web_config: WebConfig | None = None
    limits: Limits = Limits()

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
