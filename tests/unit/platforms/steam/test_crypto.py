"""Passwords are encrypted so that only the holder of the key reads them."""

import pytest

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.crypto import encrypt_password
from exporter.simulators.steam.password_key import process_key


@pytest.mark.parametrize("password", ["x", "correct horse", "ünïcödé ☕", "x" * 245])
def test_passwords_are_read_with_the_private_key(password: str) -> None:
    pair = process_key()
    key = m.RsaKey(pair.modulus, pair.exponent, 1)
    first, second = encrypt_password(key, password), encrypt_password(key, password)
    assert first != second  # the padding is chance
    assert pair.decrypt(first) == pair.decrypt(second) == password


@pytest.mark.parametrize(("bits", "exponent"), [(99_999, "010001"), (2048, "f" * 40)])
def test_a_key_that_would_stall_every_bot_is_refused(bits: int, exponent: str) -> None:
    with pytest.raises(ValueError, match="sensible size"):
        encrypt_password(m.RsaKey(f"{(1 << bits) - 1:x}", exponent, 1), "password")


@pytest.mark.parametrize("modulus", ["", "no hexadecimal"])
def test_a_key_that_is_none_is_refused(modulus: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        encrypt_password(m.RsaKey(modulus, "010001", 1), "password")
