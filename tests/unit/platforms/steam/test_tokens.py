"""What is kept of a logon: whole or not at all, for its owner only."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.platforms.steam.tokens import LIFE_S, StoredLogon, TokenFacts, TokenStore, token_facts

KEPT = StoredLogon("user", 2**63, "refresh-hunter2", "guard-hunter2")


def jwt(claims: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{middle}.signature"


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens")


def test_what_is_kept_comes_back(store: TokenStore, tmp_path: Path) -> None:
    assert store.load("bot", "user") == StoredLogon("user")
    store.save("bot", KEPT)
    assert TokenStore(tmp_path / "tokens").load("bot", "user") == KEPT
    file = tmp_path / "tokens" / "bot.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == ["bot.json"]


def test_what_a_killed_process_left_half_written_is_deleted(store: TokenStore, tmp_path: Path) -> None:
    store.tidy()  # without a folder there is nothing to do
    store.save("bot", KEPT)
    folder = tmp_path / "tokens"
    (folder / ".bot.json.k1ll3d").write_text("half a tok")
    (folder / "old.damaged").write_text("an operator's to look at")
    store.tidy()
    assert {each.name for each in folder.iterdir()} == {"bot.json", "old.damaged"}
    assert store.load("bot", "user") == KEPT


def test_what_another_process_is_just_writing_is_left_alone(store: TokenStore, tmp_path: Path) -> None:
    store.save("bot", KEPT)
    young, old = tmp_path / "tokens" / ".young", tmp_path / "tokens" / ".old"
    for each in (young, old):
        each.write_text("half a tok")
    os.utime(old, (1.0, 1.0))
    store.tidy(3600.0)
    assert (young.exists(), old.exists()) == (True, False)


def test_another_account_has_no_use_for_it(store: TokenStore) -> None:
    store.save("bot", KEPT)
    assert store.load("bot", "other") == StoredLogon("other")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"account": 5}',
        b"\xff\xfe",
        b" " * 70_000,
        b'{"account":"user","steamid":"-1","refresh_token":"","guard_data":""}',
    ],
)
def test_a_damaged_file_is_put_aside(store: TokenStore, tmp_path: Path, data: bytes) -> None:
    store.save("bot", KEPT)
    file = tmp_path / "tokens" / "bot.json"
    file.write_bytes(data)
    with capture_logs() as logs:
        assert store.load("bot", "user") == StoredLogon("user")
    assert [each["log_level"] for each in logs] == ["warning"]
    assert file.with_suffix(".damaged").exists()
    assert not file.exists()


def test_a_token_that_cannot_be_written_is_used_all_the_same(store: TokenStore, tmp_path: Path) -> None:
    """The one on the disk is invalid by then."""
    (tmp_path / "tokens").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="tokens"):
        store.save("bot", KEPT)
    assert store.load("bot", "user") == KEPT


def test_a_file_that_cannot_be_read_is_left_alone(store: TokenStore, tmp_path: Path) -> None:
    (tmp_path / "tokens" / "bot.json").mkdir(parents=True)
    with capture_logs() as logs:
        assert store.load("bot", "user") == StoredLogon("user")
    assert len(logs) == 1


def test_secrets_are_not_shown() -> None:
    assert "hunter2" not in repr(KEPT)
    assert KEPT.without_token() == StoredLogon("user", 2**63, "", "guard-hunter2")


def test_a_token_says_whose_it_is_and_how_long() -> None:
    facts = token_facts(jwt({"sub": "76561198000000001", "iat": 1000, "exp": 4000, "aud": ["client"]}))
    assert facts == TokenFacts(76561198000000001, 1000.0, 4000.0)
    assert facts.renew_at() == 3000.0
    assert TokenFacts().renew_at() is None
    assert TokenFacts(expires_at=LIFE_S * 2).renew_at() == pytest.approx(LIFE_S * 5 / 3)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.!!!.c",
        "a.AAAA.c",
        jwt([]),
        jwt({"sub": 5, "exp": "x", "iat": True}),
        jwt({"sub": "-1", "exp": -1}),
        jwt({"sub": "9" * 20, "exp": 1e300}),
        jwt({"sub": "²"}),
    ],
)
def test_a_token_that_says_nothing_useful(token: str) -> None:
    assert token_facts(token) == TokenFacts()


@given(st.text())
def test_any_text_is_a_token_of_sorts(text: str) -> None:
    assert isinstance(token_facts(text), TokenFacts)
