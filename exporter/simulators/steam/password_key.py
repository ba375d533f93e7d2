"""The RSA key that passwords travel under: one per process, because making one takes a moment."""

import base64
import binascii
from dataclasses import dataclass
from functools import cache

from Cryptodome.Cipher import PKCS1_v1_5
from Cryptodome.PublicKey import RSA

_BITS = 2048


@dataclass(frozen=True, slots=True)
class PasswordKey:
    """A key pair; modulus and exponent as clients get them, in hexadecimal."""

    pair: RSA.RsaKey

    @property
    def modulus(self) -> str:
        return f"{self.pair.n:x}"

    @property
    def exponent(self) -> str:
        # Steam writes 65537 with a leading zero; clients must take both.
        return f"0{self.pair.e:x}"

    def decrypt(self, encrypted: str) -> str | None:
        """Return the password, or None for what was not encrypted under this key."""
        try:
            plain = PKCS1_v1_5.new(self.pair).decrypt(base64.b64decode(encrypted, validate=True), b"")
            return plain.decode() if plain else None
        except (ValueError, binascii.Error):
            return None


@cache
def process_key() -> PasswordKey:
    """Return this process's key, made at the first call; that call blocks for up to a second."""
    return PasswordKey(RSA.generate(_BITS))
