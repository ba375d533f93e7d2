"""A small Steam without sockets, and what a client does in it."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from Cryptodome.Cipher import PKCS1_v1_5
from Cryptodome.PublicKey import RSA

from exporter.simulators.steam import Account, AuthSession, Policy, Refused, World
from exporter.simulators.steam.auth import KEY_TIMESTAMP

NOW = 1_800_000_000.0
SECRET = b"twenty bytes of this"
PASSWORD = "open sesame"


def encrypted(modulus: str, exponent: str, password: str) -> str:
    """Encrypt as clients do: RSA PKCS#1 v1.5, base64."""
    pair = RSA.construct((int(modulus, 16), int(exponent, 16)))
    return base64.b64encode(PKCS1_v1_5.new(pair).encrypt(password.encode())).decode()


def claims(token: str) -> dict[str, Any]:
    """Return what a JWT says."""
    part = token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return told


@contextmanager
def refused(result: int) -> Iterator[None]:
    """Expect that the world says no with this result."""
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.result == result


class Scene:
    """A world with one account of each kind; `now` is moved by hand."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.now = NOW
        self.world = World(policy=policy)
        self.plain = self.world.add_account("Plain", PASSWORD)
        self.totp = self.world.add_account("totp", PASSWORD, shared_secret=SECRET)
        self.mailed = self.world.add_account("mailed", PASSWORD, email_code="ABC23")

    def begin(self, account: Account | str, password: str = PASSWORD, **how: Any) -> AuthSession:
        """Send name and password."""
        key = self.world.password_key
        how.setdefault("timestamp", KEY_TIMESTAMP)
        secret = encrypted(key.modulus, key.exponent, password)
        return self.world.begin(str(account), secret, how.pop("timestamp"), self.now, **how)

    def submit(self, session: AuthSession, code: str, kind: int) -> None:
        """Type a code."""
        self.world.submit_code(session.client_id, session.account.steamid, code, kind, self.now)

    def code(self, late_s: float = 0.0) -> str:
        """Return the code that the authenticator showed that long ago."""
        return self.world.totp_code(self.totp, self.now - late_s)

    def token(self, account: Account | None = None) -> str:
        """Return a refresh token that is good now."""
        return self.world.issue_token(account or self.plain, self.now).value
