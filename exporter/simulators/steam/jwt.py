"""JSON web tokens as Steam hands them out: clients read the claims and never check the signature."""

import base64
import hashlib
import hmac
from typing import Any

import orjson

Claims = dict[str, Any]
_HEADER = {"typ": "JWT", "alg": "HS256"}


def encode(claims: Claims, key: bytes) -> str:
    """Return the signed token."""
    signed = f"{_part(orjson.dumps(_HEADER))}.{_part(orjson.dumps(claims))}"
    return f"{signed}.{_part(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def decode(token: str, key: bytes) -> Claims | None:
    """Return the claims, or None for what this key did not sign."""
    signed, _, signature = token.rpartition(".")
    expected = _part(hmac.new(key, signed.encode(), hashlib.sha256).digest())
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return None
    claims: Claims = orjson.loads(_bytes(signed.partition(".")[2]))
    return claims


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
