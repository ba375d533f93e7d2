"""The typed door to the steam library's cryptography: passwords, codes, and who this machine says it is."""

import base64
import hashlib
from typing import Final

from steam.core.crypto import rsa_encrypt_password
from steam.guard import generate_twofactor_code_for_time

from exporter.platforms.steam.messages import RsaKey

CODE_LIFE_S: Final = 30
_MOST_MODULUS_DIGITS: Final = 2048  # hexadecimal: 8192 bits
_MOST_EXPONENT_DIGITS: Final = 16


def encrypt_password(key: RsaKey, password: str) -> str:
    """Return the password encrypted with Steam's key, in base64; raises ValueError for a key that is none."""
    if len(key.publickey_mod) > _MOST_MODULUS_DIGITS or len(key.publickey_exp) > _MOST_EXPONENT_DIGITS:
        raise ValueError("no RSA key of a sensible size")  # a huge one would stall every bot
    return str(rsa_encrypt_password(key.publickey_mod, key.publickey_exp, password))


def shared_secret_bytes(text: str) -> bytes:
    """Return a Steam Guard shared secret that is given in base64; raises ValueError."""
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raise ValueError("is no shared secret: it must be base64, as `shared_secret` in a maFile") from None
    if len(secret) != 20:
        raise ValueError(f"is no shared secret: it must be 20 bytes in base64, not {len(secret)}")
    return secret


def guard_code(shared_secret: bytes, at: float) -> str:
    """Return the device code that is valid at this Unix time."""
    return str(generate_twofactor_code_for_time(shared_secret, int(at)))


def machine_id(account: str) -> bytes:
    """Return a stable machine id for an account: a binary key-value object of three hashes, as Steam's client sends."""
    hashes = (
        b"\x01" + key + b"\0" + hashlib.sha1(b"bot-exporter " + key + account.encode()).hexdigest().encode() + b"\0"  # noqa: S324  (an identifier)
        for key in (b"BB3", b"FF2", b"3B3")
    )
    return b"\0MessageObject\0" + b"".join(hashes) + b"\x08\x08"
