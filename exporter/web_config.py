"""The web configuration file: TLS, headers, users and a rate limit, in the format of Prometheus' exporter-toolkit.

    web.yml -> Document (yaml_lines) -> typed sections -> contradictions, certificates -> WebConfig | ConfigError

Strict, as the configuration is: every problem at once, each with file, line and key. Where the format allows what this
server could not keep, or what would have no effect, that is an error too. No message holds a value.
"""

import difflib
import re
import ssl
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo

from exporter.errors import ConfigError
from exporter.sections import Section
from exporter.timing import parse_duration
from exporter.tls import CIPHER_SUITES, CURVES, TLS13_SUITES, VERSIONS, TlsError, TlsOptions, plain_name, server_context
from exporter.yaml_lines import Place, explain, kind_of, read_document

_MOST_PEM_BYTES: Final = 1024 * 1024
_MOST_COST: Final = 16
# 22 characters of salt, of which the last holds two bits, and 31 of the hash itself.
_BCRYPT: Final = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_AUTH_TYPES: Final[Mapping[str, ssl.VerifyMode]] = MappingProxyType(
    {
        "NoClientCert": ssl.CERT_NONE,
        "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
        "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
    }
)
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_OLD_VERSIONS: Final = ("TLS10", "TLS11")


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


# --- what each key may say ---


@dataclass(frozen=True, slots=True)
class _Pem:
    """The text of certificates or a key, and the file that it came from."""

    path: Path | None
    content: bytes = field(repr=False)


def _inline(value: object) -> _Pem | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be the PEM text itself, not {kind_of(value)}")
    return _Pem(None, value.encode(errors="replace"))


def _file(value: object, info: ValidationInfo) -> _Pem | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be the path of a file, not {kind_of(value)}")
    assert info.context is not None  # noqa: S101  (load_web_config gives it)
    path = Path(info.context["base_dir"], value)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for a writer
            raise ValueError(f"{path} is not a regular file")
        with path.open("rb") as stream:
            content = stream.read(_MOST_PEM_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _MOST_PEM_BYTES:
        raise ValueError(f"{path} is larger than 1 MiB: it should hold nothing but PEM texts")
    return _Pem(path, content)


def _one_of(name: str, known: Collection[str], what: str) -> str:
    if name not in known:
        close = difflib.get_close_matches(name.upper() if name.lower().startswith("tls") else name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        raise ValueError(f"is no {what}: {hint}")
    return name


def _auth_type(name: str) -> str:
    if name in _UNVERIFIED:
        raise ValueError(
            "asks for client certificates without verifying them, which Python's ssl cannot do: use "
            "RequireAndVerifyClientCert or VerifyClientCertIfGiven, with client_ca_file"
        )
    return _one_of(name, _AUTH_TYPES, "way to treat client certificates")


def _version(name: str) -> str:
    if name in _OLD_VERSIONS:
        raise ValueError("is broken and not offered here: use TLS12 or TLS13")
    return _one_of(name, VERSIONS, "version of TLS")


def _suite(name: str) -> str:
    return _one_of(name, (*CIPHER_SUITES, *TLS13_SUITES), "known cipher suite")


def _curve(name: str) -> str:
    return _one_of(name, CURVES, "known curve")


def _curves(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > 1:
        raise ValueError("has more than one curve, and Python's ssl takes only one: keep the one that you prefer")
    return names


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or not all(names):
        raise ValueError("must name at least one host, address, mailbox or URI, and nothing empty")
    return names


def _header(text: str) -> str:
    if not text.isascii() or not (text.isprintable() or not text):
        raise ValueError("must be printable ASCII text on one line")
    return text


def _header_of(*allowed: str) -> AfterValidator:
    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}")
        return text

    return AfterValidator(check)


def _hash(text: str) -> str:
    match = _BCRYPT.fullmatch(text)
    if match is None:
        raise ValueError("is no bcrypt hash: make one with `htpasswd -nBC 10 NAME`, and take what follows the colon")
    cost = int(match["cost"])
    if not 4 <= cost <= _MOST_COST:
        raise ValueError(f"has a cost that is not between 4 and {_MOST_COST}: make a hash with a cost of about 10")
    return text


def _interval(value: object) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    form = "must be a duration: a number with a unit, such as 500ms, 1s or 1m30s, or 0 for no limit"
    if not isinstance(value, str) or len(value) > 32:
        raise ValueError(form)
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError(form) from None


def _list() -> Any:
    """Return the field of an empty tuple that takes YAML's lists."""
    return Field((), strict=False)


_Version = Annotated[str, AfterValidator(_version)]
_InlinePem = Annotated[_Pem | None, BeforeValidator(_inline)]
_PemFile = Annotated[_Pem | None, BeforeValidator(_file)]
_Header = Annotated[str, AfterValidator(_header)]


class TlsSection(Section):
    """`tls_server_config`."""

    cert: _InlinePem = None
    key: Annotated[_InlinePem, Field(repr=False)] = None
    client_ca: _InlinePem = None
    cert_file: _PemFile = None
    key_file: Annotated[_PemFile, Field(repr=False)] = None
    client_ca_file: _PemFile = None
    client_auth_type: Annotated[str, AfterValidator(_auth_type)] = "NoClientCert"
    client_allowed_sans: Annotated[tuple[str, ...], AfterValidator(_names)] = _list()
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(_suite)], ...] = _list()
    curve_preferences: Annotated[tuple[Annotated[str, AfterValidator(_curve)], ...], AfterValidator(_curves)] = _list()
    prefer_server_cipher_suites: bool = True


class HeadersSection(Section):
    """`http_server_config.headers`."""

    content_security_policy: _Header = Field("", validation_alias="Content-Security-Policy")
    x_frame_options: Annotated[str, _header_of("deny", "sameorigin")] = Field("", validation_alias="X-Frame-Options")
    x_content_type_options: Annotated[str, _header_of("nosniff")] = Field("", validation_alias="X-Content-Type-Options")
    x_xss_protection: _Header = Field("", validation_alias="X-XSS-Protection")
    strict_transport_security: _Header = Field("", validation_alias="Strict-Transport-Security")

    def given(self) -> dict[str, str]:
        """Return the headers to send, by their names; a blank one was not asked for."""
        names = ((field.validation_alias, name) for name, field in type(self).model_fields.items())
        return {str(header): value for header, name in names if (value := getattr(self, name))}


class HttpSection(Section):
    """`http_server_config`. `http2` is accepted for the sake of shared files: this server speaks HTTP/1.1."""

    http2: bool = True
    headers: HeadersSection = Field(default_factory=lambda: HeadersSection.model_validate({}))


class RateSection(Section):
    """`rate_limit`."""

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: int = 0


class WebFile(Section):
    """The whole file. A section whose keys are all commented out is null in YAML: nothing was asked for."""

    tls_server_config: TlsSection | None = None
    http_server_config: HttpSection | None = None
    basic_auth_users: dict[str, Annotated[str, AfterValidator(_hash)]] | None = None
    rate_limit: RateSection | None = None


# --- loading ---


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
        client_certificates=_AUTH_TYPES[section.client_auth_type],
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
