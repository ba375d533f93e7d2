"""Certificates for tests, made anew in each run: no key is stored in the repository."""

import datetime as dt
from functools import cache
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@cache
def authority(name: str = "servers") -> trustme.CA:
    return trustme.CA(organization_name=name, key_type=trustme.KeyType.ECDSA)


def issue(
    folder: Path,
    name: str,
    *identities: str,
    by: trustme.CA | None = None,
    key_type: trustme.KeyType = trustme.KeyType.ECDSA,
) -> tuple[Path, Path]:
    """Write `name`.pem and `name`.key, a certificate for these hosts and addresses."""
    made = (by or authority()).issue_cert(*(identities or ("localhost", "127.0.0.1")), key_type=key_type)
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    return cert, key


def encrypted(key: Path) -> bytes:
    """Return a private key, behind a password."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    )


def weak(folder: Path) -> None:
    """Write weak.pem and weak.key: RSA with 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  (weak is what the test is about)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "weak.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "weak.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
