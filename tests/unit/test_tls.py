"""TLS contexts, by handshakes in memory: what Go's names ask for is what is negotiated."""

import ssl
from pathlib import Path

import pytest
import trustme

from exporter.tls import (
    CIPHER_SUITES,
    CURVES,
    TLS13_SUITES,
    TlsError,
    TlsOptions,
    alternative_names,
    plain_name,
    server_context,
)
from tests import certificates

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, bytes]]:
    folder = tmp_path_factory.mktemp("own")
    kinds = {"ECDSA": trustme.KeyType.ECDSA, "RSA": trustme.KeyType.RSA}
    paths = {name: certificates.issue(folder, name, key_type=kind) for name, kind in kinds.items()}
    return {name: (cert.read_bytes(), key.read_bytes()) for name, (cert, key) in paths.items()}


def client(low: ssl.TLSVersion = TLS12, high: ssl.TLSVersion = TLS13) -> ssl.SSLContext:
    context = ssl.create_default_context()
    certificates.authority().configure_trust(context)
    context.minimum_version, context.maximum_version = low, high
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Return the client's end after a whole handshake, the server's answer to its certificate included."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    done = set[str]()
    for _ in range(10):
        for name, end in (("client", ours), ("server", theirs)):
            if name not in done:
                try:
                    end.do_handshake()
                    done.add(name)
                except ssl.SSLWantReadError:
                    pass
        if len(done) == 2:
            theirs.write(b"x")
            assert ours.read(1) == b"x"
            return ours
    raise AssertionError("no end of the handshake")


@pytest.mark.parametrize("suite", CIPHER_SUITES)
def test_each_suite_is_what_is_negotiated(suite: str, own: dict[str, tuple[bytes, bytes]]) -> None:
    cert, key = own["ECDSA" if "ECDSA" in suite else "RSA"]
    ours = client(high=TLS12)
    ours.set_ciphers("ALL")
    end = shake_hands(server_context(TlsOptions(cert, key, ciphers=(suite,))), ours)
    cipher = end.cipher()
    assert cipher is not None
    assert cipher[0] == CIPHER_SUITES[suite]


def test_only_suites_of_tls13_leave_only_tls13(own: dict[str, tuple[bytes, bytes]]) -> None:
    server = server_context(TlsOptions(*own["ECDSA"], ciphers=TLS13_SUITES))
    assert shake_hands(server, client()).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        shake_hands(server, client(high=TLS12))


@pytest.mark.parametrize("prefer_server", [True, False])
def test_whose_order_of_suites_counts(own: dict[str, tuple[bytes, bytes]], prefer_server: bool) -> None:
    names = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    server = server_context(TlsOptions(*own["ECDSA"], ciphers=names, prefer_server=prefer_server))
    ours = client(high=TLS12)
    ours.set_ciphers(":".join(CIPHER_SUITES[name] for name in reversed(names)))
    cipher = shake_hands(server, ours).cipher()
    assert cipher is not None
    assert cipher[0] == CIPHER_SUITES[names[0 if prefer_server else 1]]


@pytest.mark.parametrize(("low", "high"), [(TLS12, TLS12), (TLS13, TLS13)])
def test_versions(own: dict[str, tuple[bytes, bytes]], low: ssl.TLSVersion, high: ssl.TLSVersion) -> None:
    server = server_context(TlsOptions(*own["ECDSA"], min_version=low, max_version=high))
    other = TLS13 if low is TLS12 else TLS12
    assert shake_hands(server, client()).version() == {TLS12: "TLSv1.2", TLS13: "TLSv1.3"}[low]
    with pytest.raises(ssl.SSLError):
        shake_hands(server, client(other, other))


@pytest.mark.parametrize("curve", CURVES)
def test_only_the_one_curve(own: dict[str, tuple[bytes, bytes]], curve: str) -> None:
    server = server_context(TlsOptions(*own["RSA"], curve=curve))
    for each in CURVES:
        ours = client()
        ours.set_ecdh_curve(CURVES[each])
        if each == curve:
            shake_hands(server, ours)
        else:
            with pytest.raises(ssl.SSLError):
                shake_hands(server, ours)


def test_client_certificates(own: dict[str, tuple[bytes, bytes]]) -> None:
    authority = certificates.authority("clients")
    options = TlsOptions(*own["ECDSA"], client_ca=authority.cert_pem.bytes(), client_certificates=ssl.CERT_REQUIRED)
    good, foreign = client(), client()
    authority.issue_cert("ann.example").configure_cert(good)
    trustme.CA().issue_cert("ann.example").configure_cert(foreign)
    server = server_context(options)
    shake_hands(server, good)
    for ours in (client(), foreign):
        with pytest.raises(ssl.SSLError):
            shake_hands(server, ours)


def test_the_authorities_of_the_machine(
    own: dict[str, tuple[bytes, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = certificates.authority("clients")
    authority.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    ours = client()
    authority.issue_cert("ann.example").configure_cert(ours)
    shake_hands(server_context(TlsOptions(*own["ECDSA"], client_certificates=ssl.CERT_REQUIRED)), ours)


def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    cert, key = certificates.issue(tmp_path, "own")
    with pytest.raises(TlsError, match="is encrypted") as caught:
        server_context(TlsOptions(cert.read_bytes(), certificates.encrypted(key)))
    assert caught.value.part == "key"


def test_options_do_not_show_the_key(own: dict[str, tuple[bytes, bytes]]) -> None:
    assert "PRIVATE" not in repr(TlsOptions(*own["ECDSA"]))


def test_alternative_names() -> None:
    certificate = {
        "subjectAltName": (
            ("DNS", "a.example"),
            ("IP Address", "2001:DB8:0:0:0:0:0:1\n"),
            ("email", "ann@a.example"),
            ("URI", "https://a.example/"),
            ("DirName", "ignored"),
        )
    }
    names = {"a.example", "2001:db8::1", "ann@a.example", "https://a.example/"}
    assert alternative_names(certificate) == names
    assert alternative_names(None) == alternative_names({}) == frozenset()
    assert plain_name("2001:DB8::0:1") == "2001:db8::1"
