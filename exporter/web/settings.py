"""The settings of the web server: where it is, who may come in, and how much of it one client may have."""

from dataclasses import dataclass, field

from exporter.addresses import Addresses
from exporter.web.keys import AccessRules
from exporter.web_config import WebConfig


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
class WebSettings(Addresses):
    """The web server's settings. `web_config` is the web configuration at the start."""

    access: AccessRules = field(default_factory=AccessRules)
    web_config: WebConfig | None = None
    limits: Limits = Limits()
    advertise_url: str | None = None
