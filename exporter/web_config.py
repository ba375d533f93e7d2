"""The web configuration file: TLS, headers, users and a rate limit, in the format of Prometheus' exporter-toolkit.

    web.yml -> Document (yaml_lines) -> typed sections -> contradictions, certificates -> WebConfig | ConfigError

Strict, as the configuration is: every problem at once, each with file, line and key. Where the format allows what this
server could not keep, or what would have no effect, that is an error too. No message holds a value.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from exporter.errors import ConfigError
from exporter.tls import CIPHER_SUITES, VERSIONS, TlsError, TlsOptions, plain_name, server_context
from exporter.web_file import AUTH_TYPES, TlsSection, WebFile
from exporter.yaml_lines import Place, explain, kind_of, read_document


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How connections are encrypted. Without `allowed_sans` any verified client certificate is good."""

    context: ssl.SSLContext
    allowed_sans: frozenset[str] = frozenset()

    @property
    def client_must_show(self) -> bool:
        """Whether a client without a certificate is refused."""
        return self.context.verify_mode is ssl.CERT_REQUIRED


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` requests at once, and one more each `interval_s` seconds."""

    interval_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A whole, valid web configuration. `users` are bcrypt hashes by name; `files` are those that it came from."""

    path: Path
    files: tuple[Path, ...]
    tls: ServerTls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    rate: Rate | None = None


def load_web_config(path: Path) -> WebConfig:
    """Read the file and the certificates that it names; raises ConfigError with every problem found."""
    document = read_document(path, may_be_empty=True)
    raw = document.value
    problems = list(document.problems)
    if raw is None and not problems:
        raw = {}
    found: list[tuple[Place, str]] = []
    parsed = None
    if isinstance(raw, dict):
        try:
            parsed = WebFile.model_validate(raw, context={"base_dir": path.parent})
        except ValidationError as error:
            found += explain(error, WebFile)
        found += (each for each in _contradictions(raw) if each[0] not in {place for place, _ in found})
    elif raw is not None:
        found.append(((), f"must be a mapping with keys such as tls_server_config, not {kind_of(raw)}"))
    tls = None
    if parsed is not None and parsed.tls_server_config is not None and not found and not problems:
        try:
            tls = _tls(parsed.tls_server_config)
        except TlsError as error:
            inline = getattr(parsed.tls_server_config, error.part) is not None
            found.append((("tls_server_config", error.part if inline else f"{error.part}_file"), str(error)))
    problems += (
        problem
        for problem in (document.problem(place, message) for place, message in found)
        if problem.key not in document.unreadable
    )
    if problems or parsed is None:
        raise ConfigError(problems)
    return _web_config(path, parsed, tls)


def _web_config(path: Path, parsed: WebFile, tls: ServerTls | None) -> WebConfig:
    pems = parsed.tls_server_config
    named = (pems.cert_file, pems.key_file, pems.client_ca_file) if pems is not None else ()
    http, rate = parsed.http_server_config, parsed.rate_limit
    return WebConfig(
        path,
        (path, *(pem.path for pem in named if pem is not None and pem.path is not None)),
        tls,
        MappingProxyType(http.headers.given() if http is not None else {}),
        MappingProxyType({name: text.encode() for name, text in (parsed.basic_auth_users or {}).items()}),
        Rate(rate.interval, rate.burst) if rate is not None and rate.interval > 0 else None,
    )


def _tls(section: TlsSection) -> ServerTls | None:
    cert, key = section.cert or section.cert_file, section.key or section.key_file
    if cert is None or key is None:
        return None
    client_ca = section.client_ca or section.client_ca_file
    options = TlsOptions(
        cert=cert.content,
        key=key.content,
        client_ca=client_ca.content if client_ca is not None else None,
        client_certificates=AUTH_TYPES[section.client_auth_type],
        min_version=VERSIONS[section.min_version],
        max_version=VERSIONS[section.max_version],
        ciphers=section.cipher_suites,
        curve=section.curve_preferences[0] if section.curve_preferences else None,
        prefer_server=section.prefer_server_cipher_suites,
    )
    return ServerTls(server_context(options), frozenset(map(plain_name, section.client_allowed_sans)))


def _contradictions(raw: Mapping[str, object]) -> Iterator[tuple[Place, str]]:
    """Yield what single keys cannot know of: they are judged by what is written, right or wrong."""
    tls, rate, users = raw.get("tls_server_config"), raw.get("rate_limit"), raw.get("basic_auth_users")
    if isinstance(tls, dict):
        written = {key: value for key, value in tls.items() if value is not None}
        yield from ((("tls_server_config", key), message) for key, message in _tls_contradictions(written))
    if isinstance(rate, dict) and rate.get("interval") not in (None, 0, "0", "0s"):
        burst = rate.get("burst", 0)
        if isinstance(burst, int) and burst < 1:
            yield ("rate_limit", "burst"), "must be at least 1: with less, no request at all would be served"
    for name in users if isinstance(users, dict) else ():
        if ":" in name:
            yield ("basic_auth_users", name), "has a colon in the name, which cannot be sent: use another name"


def _tls_contradictions(written: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key in ("cert", "key", "client_ca"):
        if key in written and f"{key}_file" in written:
            yield f"{key}_file", f"{key} is given too: keep one of them"
    if written:
        for key in ("cert", "key"):
            if key not in written and f"{key}_file" not in written:
                yield f"{key}_file", f"is missing: give {key}_file (a path) or {key}, or remove the whole section"
    auth_type = written.get("client_auth_type", "NoClientCert")
    for key in ("client_ca", "client_ca_file"):
        if key in written and auth_type == "NoClientCert":
            yield key, "has no effect without client_auth_type: set that to RequireAndVerifyClientCert"
    if "client_allowed_sans" in written and auth_type != "RequireAndVerifyClientCert":
        yield "client_allowed_sans", "needs client_auth_type: RequireAndVerifyClientCert, so that each client shows one"
    low, high = written.get("min_version", "TLS12"), written.get("max_version", "TLS13")
    if (low, high) == ("TLS13", "TLS12"):
        yield "max_version", "is below min_version: no client could connect"
    suites = written.get("cipher_suites")
    if isinstance(suites, list) and suites and high == "TLS12" and not CIPHER_SUITES.keys() & set(map(str, suites)):
        yield "cipher_suites", "has no suite of TLS 1.2, and max_version allows nothing newer: no client could connect"
