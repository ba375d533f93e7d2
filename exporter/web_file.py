"""The keys of the web configuration file: what each may say, and what each is for.

What it is for stands beside it: `make docs` makes the tables of docs/web-config.md of it.
"""

import difflib
import re
import ssl
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from exporter.described import Section, setting
from exporter.timing import parse_duration
from exporter.tls import CIPHER_SUITES, CURVES, TLS13_SUITES, VERSIONS
from exporter.yaml_lines import kind_of

_MOST_PEM_BYTES: Final = 1024 * 1024
_MOST_COST: Final = 16
# 22 characters of salt, of which the last holds two bits, and 31 of the hash itself.
_BCRYPT: Final = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
AUTH_TYPES: Final[Mapping[str, ssl.VerifyMode]] = MappingProxyType(
    {
        "NoClientCert": ssl.CERT_NONE,
        "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
        "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
    }
)
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_OLD_VERSIONS: Final = ("TLS10", "TLS11")


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
    return _one_of(name, AUTH_TYPES, "way to treat client certificates")


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


def _words(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# What the reference says of several keys.
_PATH: Final = "the path of a PEM file"
_TEXT: Final = "PEM text"
_LINE: Final = "printable ASCII on one line"
_EITHER: Final = "one of the two"

_Version = Annotated[str, AfterValidator(_version)]
_InlinePem = Annotated[_Pem | None, BeforeValidator(_inline)]
_PemFile = Annotated[_Pem | None, BeforeValidator(_file)]
_Header = Annotated[str, AfterValidator(_header)]


class TlsSection(Section):
    """`tls_server_config`."""

    cert_file: _PemFile = setting(
        None, "the certificate, its chain behind it", values=_PATH, absent=_EITHER, example="tls/server.pem"
    )
    cert: _InlinePem = setting(None, "the certificate itself", values=_TEXT, absent=_EITHER)
    key_file: Annotated[_PemFile, Field(repr=False)] = setting(
        None, "its private key, without a password", values=_PATH, absent=_EITHER, example="tls/server.key"
    )
    key: Annotated[_InlinePem, Field(repr=False)] = setting(
        None, "the private key itself", values=_TEXT, absent=_EITHER, secret=True
    )
    client_auth_type: Annotated[str, AfterValidator(_auth_type)] = setting(
        "NoClientCert",
        "`RequireAndVerifyClientCert`: clients need a certificate. `VerifyClientCertIfGiven`: one that is shown must "
        "be good",
        values=_words(AUTH_TYPES),
        example="RequireAndVerifyClientCert",
    )
    client_ca_file: _PemFile = setting(
        None,
        "the authorities that vouch for clients",
        values=_PATH,
        absent="what the machine trusts",
        example="tls/ca.pem",
    )
    client_ca: _InlinePem = setting(
        None, "their certificates themselves", values=_TEXT, absent="what the machine trusts"
    )
    client_allowed_sans: Annotated[tuple[str, ...], AfterValidator(_names)] = setting(
        (),
        "only clients whose certificate has one of these alternative names (exactly so) come in. Needs "
        "`RequireAndVerifyClientCert`",
        values="a list of hosts, addresses, mailboxes or URIs",
        absent="any",
        example=["prometheus.example.org"],
        strict=False,
    )
    min_version: _Version = setting("TLS12", "the oldest", values=_words(VERSIONS), example="TLS12")
    max_version: _Version = setting("TLS13", "the newest", values=_words(VERSIONS), example="TLS13")
    cipher_suites: tuple[Annotated[str, AfterValidator(_suite)], ...] = setting(
        (),
        "suites of TLS 1.2. Those of TLS 1.3 are always all there; naming only such leaves only TLS 1.3",
        values="a list of suites by Go's names",
        absent="OpenSSL's",
        example=["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        strict=False,
    )
    curve_preferences: Annotated[tuple[Annotated[str, AfterValidator(_curve)], ...], AfterValidator(_curves)] = setting(
        (),
        "which curve keys are exchanged with",
        values=f"a list with one of {_words(CURVES)}",
        absent="OpenSSL's",
        example=["X25519"],
        strict=False,
    )
    prefer_server_cipher_suites: bool = setting(
        True, "whose order of suites counts: `false` is the client's", example=True
    )


class HeadersSection(Section):
    """`http_server_config.headers`."""

    content_security_policy: _Header = setting(
        "",
        "sent on every answer, in place of ours; the page may need what you take away",
        values=_LINE,
        absent="the page's own",
        example="default-src 'self'",
        name="Content-Security-Policy",
    )
    x_frame_options: Annotated[str, _header_of("deny", "sameorigin")] = setting(
        "",
        "whether pages of others may frame ours",
        values="`deny`, `sameorigin`",
        absent="`DENY`",
        example="sameorigin",
        name="X-Frame-Options",
    )
    x_content_type_options: Annotated[str, _header_of("nosniff")] = setting(
        "",
        "browsers believe the type that an answer has",
        values="`nosniff`",
        absent="`nosniff`",
        example="nosniff",
        name="X-Content-Type-Options",
    )
    x_xss_protection: _Header = setting(
        "", "sent as it is", values=_LINE, absent="none", example="0", name="X-XSS-Protection"
    )
    strict_transport_security: _Header = setting(
        "",
        "sent as it is. Browsers remember it for the whole host",
        values=_LINE,
        absent="none",
        example="max-age=31536000",
        name="Strict-Transport-Security",
    )

    def given(self) -> dict[str, str]:
        """Return the headers to send, by their names; a blank one was not asked for."""
        names = ((field.validation_alias, name) for name, field in type(self).model_fields.items())
        return {str(header): value for header, name in names if (value := getattr(self, name))}


class HttpSection(Section):
    """`http_server_config`. `http2` is accepted for the sake of shared files: this server speaks HTTP/1.1."""

    http2: bool = setting(True, "accepted and without effect: this server speaks HTTP/1.1", example=True)
    headers: HeadersSection = Field(default_factory=lambda: HeadersSection.model_validate({}))


class RateSection(Section):
    """`rate_limit`."""

    interval: Annotated[float, BeforeValidator(_interval)] = setting(
        0.0,
        "one more request is served each such time; `0` is no limit",
        values="a duration, or `0`",
        absent="`0`",
        example="100ms",
    )
    burst: int = setting(
        0, "so many may come at once", values="a number, 1 or more", absent="required with an interval", example=50
    )


class WebFile(Section):
    """The whole file. A section whose keys are all commented out is null in YAML: nothing was asked for."""

    tls_server_config: TlsSection | None = None
    http_server_config: HttpSection | None = None
    basic_auth_users: dict[str, Annotated[str, AfterValidator(_hash)]] | None = None
    rate_limit: RateSection | None = None
