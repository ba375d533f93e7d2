"""The server's side of TLS: certificate, key and options, as Go's names have them, become a context of Python's ssl.

PEM texts, Go's names of suites and curves -> server_context -> ssl.SSLContext | TlsError
"""

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final, NoReturn

# The suites that Go's crypto/tls offers as safe, by OpenSSL's names for them.
CIPHER_SUITES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
        "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    }
)
# Neither Go nor Python's ssl can choose among these: TLS 1.3 always offers all three.
TLS13_SUITES: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CURVES: Final[Mapping[str, str]] = MappingProxyType(
    {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
)
VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = MappingProxyType(
    {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
)


class TlsError(ValueError):
    """Certificates cannot be used. `part` is `cert`, `key` or `client_ca`; the message repeats nothing of them."""

    def __init__(self, part: str, message: str) -> None:
        self.part = part
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What a server's TLS is made of; `cert` is the chain, the server's own certificate first.

    `client_ca` of None means the authorities that this machine trusts. `ciphers` are Go's names, `curve` is one of
    CURVES. `prefer_server` has the order of the suites decided here, not by the client.
    """

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None
    client_certificates: ssl.VerifyMode = ssl.CERT_NONE
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    curve: str | None = None
    prefer_server: bool = True


def server_context(options: TlsOptions) -> ssl.SSLContext:
    """Return the context for accepted connections; raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    suites = [CIPHER_SUITES[name] for name in options.ciphers if name in CIPHER_SUITES]
    if suites:
        context.set_ciphers(":".join(suites))
    only_tls13 = bool(options.ciphers) and not suites
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if only_tls13 else options.min_version
    context.maximum_version = options.max_version
    if options.curve is not None:
        context.set_ecdh_curve(CURVES[options.curve])
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not options.prefer_server:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    _load_own(context, options.cert, options.key)
    context.verify_mode = options.client_certificates
    if options.client_certificates is not ssl.CERT_NONE:
        if options.client_ca is None:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        else:
            _load_authorities(context, "client_ca", options.client_ca)
    return context


def _load_own(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "cert", cert)  # only to see that they are certificates

    def asked_for_a_password() -> NoReturn:  # otherwise OpenSSL would ask on the terminal
        raise TlsError("key", "is encrypted: store the private key without a password, readable for this user only")

    try:
        with _as_file(cert) as cert_file, _as_file(key) as key_file:
            context.load_cert_chain(cert_file, key_file, asked_for_a_password)
    except ssl.SSLError as error:
        match error.reason:
            case "KEY_VALUES_MISMATCH" | "KEY_TYPE_MISMATCH":
                raise TlsError("key", "is not the private key of the certificate") from None
            case "EE_KEY_TOO_SMALL" | "CA_KEY_TOO_SMALL" | "CA_MD_TOO_WEAK":
                weak = error.reason.replace("_", " ").lower()
                raise TlsError("cert", f"is too weak for OpenSSL ({weak}): make a new certificate") from None
            case _:
                raise TlsError("key", "holds no private key in PEM form") from None


def _load_authorities(context: ssl.SSLContext, part: str, pem: bytes) -> None:
    try:
        context.load_verify_locations(cadata=pem.decode("ascii", errors="replace"))
    except (ssl.SSLError, ValueError):
        raise TlsError(part, "holds no certificate in PEM form") from None


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give a text in memory a path, because ssl takes only paths; it never touches a disk."""
    descriptor = os.memfd_create("pem")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def plain_name(name: str) -> str:
    """Return a subject alternative name as names are compared: an IP address in its usual form, all else as it is."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def alternative_names(certificate: Mapping[str, object] | None) -> frozenset[str]:
    """Return a certificate's names of hosts, addresses, mailboxes and URIs; `certificate` is as ssl decodes it."""
    entries = (certificate or {}).get("subjectAltName", ())
    assert isinstance(entries, Iterable)  # noqa: S101  (ssl gives pairs of a kind and a name)
    return frozenset(
        plain_name(name.strip()) for kind, name in entries if kind in ("DNS", "IP Address", "email", "URI")
    )
