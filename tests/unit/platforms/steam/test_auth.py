"""The flow from a password to a token, without sockets: what it asks, waits for and makes of the answers."""

from collections.abc import Callable
from typing import Any

import pytest

from exporter.errors import AuthError, AuthReason, FailureReason, TransientError
from exporter.platforms.steam import messages as m
from exporter.platforms.steam.auth import (
    LOGIN_ID,
    Answer,
    Ask,
    ConfirmationWanted,
    Confirmed,
    Credentials,
    Pause,
    Step,
    logon_message,
    password_logon,
)
from exporter.platforms.steam.crypto import guard_code, machine_id, shared_secret_bytes
from exporter.platforms.steam.messages import Confirmation, Result
from exporter.platforms.steam.results import Policy, Refused
from exporter.platforms.steam.tokens import StoredLogon
from exporter.secrets import Secret

KEY = m.RsaKey(f"{(1 << 2047) + 1:x}", "010001", 99)
SECRET = b"twenty bytes of this"
BEGUN = m.AuthBegun(client_id=7, request_id=b"req", interval=5.0, steamid=1234)
GRANTED = m.Polled(refresh_token="the token", new_guard_data="machine")


def begun(*kinds: int) -> m.AuthBegun:
    allowed = tuple(m.AllowedConfirmation(kind) for kind in kinds)
    return m.AuthBegun(BEGUN.client_id, BEGUN.request_id, BEGUN.interval, allowed, BEGUN.steamid)


class Play:
    """A flow and who answers it."""

    def __init__(
        self, secret: bytes | None = None, guard_data: str = "", now: Callable[[], float] = lambda: 90.0
    ) -> None:
        credentials = Credentials("user", Secret("pass"), secret)
        self.flow = password_logon(credentials, guard_data, now)
        self.step: Step | None = None
        self.result: StoredLogon | None = None

    def send(self, value: object) -> "Play":
        try:
            self.step = self.flow.send(value)
        except StopIteration as done:
            self.result = done.value
        return self

    def answer(self, message: object, result: int = Result.OK) -> "Play":
        return self.send(Answer(result, message))

    def asked(self, method: m.Method[Any, Any]) -> Any:
        assert isinstance(self.step, Ask)
        assert self.step.method is method
        return self.step.request

    def begin(self, *kinds: int) -> "Play":
        self.send(None)
        self.asked(m.GET_RSA_KEY)
        self.answer(KEY)
        self.asked(m.BEGIN_AUTH)
        return self.answer(begun(*kinds))


def test_without_a_guard() -> None:
    play = Play(guard_data="old machine").send(None)
    assert play.asked(m.GET_RSA_KEY) == m.RsaKeyRequest("user")
    request = play.answer(KEY).asked(m.BEGIN_AUTH)
    assert (request.account_name, request.encryption_timestamp, request.guard_data) == ("user", 99, "old machine")
    assert (request.remember_login, request.persistence, request.website_id) == (True, 1, "Unknown")
    assert request.device_details.platform_type == 1
    assert "pass" not in request.encrypted_password
    poll = play.answer(begun(Confirmation.NONE)).asked(m.POLL_AUTH)
    assert poll == m.PollRequest(7, b"req")
    play.answer(GRANTED)
    assert play.result == StoredLogon("user", 1234, "the token", "machine")


def test_polls_follow_a_new_client_id_at_the_interval() -> None:
    play = Play(guard_data="kept").begin()
    play.answer(m.Polled(new_client_id=8))
    assert play.step == Pause(5.0)
    assert play.send(None).asked(m.POLL_AUTH).client_id == 8
    play.answer(m.Polled(refresh_token="t"))
    assert play.result is not None
    assert play.result.guard_data == "kept"


def test_polls_end() -> None:
    play = Play().begin()
    with pytest.raises(TransientError, match="no token"):  # noqa: PT012  (as often as it takes)
        for _ in range(100):
            play.answer(m.Polled())
            play.send(None)


def test_a_device_code_from_the_shared_secret() -> None:
    play = Play(SECRET).begin(Confirmation.DEVICE_CONFIRMATION, Confirmation.DEVICE_CODE)
    request = play.asked(m.SEND_CODE)
    assert request == m.GuardCodeRequest(7, 1234, guard_code(SECRET, 90.0), Confirmation.DEVICE_CODE)
    play.answer(m.GuardCodeTaken()).asked(m.POLL_AUTH)


@pytest.mark.parametrize("result", [Result.OK, Result.DUPLICATE_REQUEST])
def test_a_code_that_is_needed_no_more_is_as_good(result: int) -> None:
    Play(SECRET).begin(Confirmation.DEVICE_CODE).answer(m.GuardCodeTaken(), result).asked(m.POLL_AUTH)


def test_a_refused_device_code_is_followed_by_steams_time_and_another_code() -> None:
    play = Play(SECRET).begin(Confirmation.DEVICE_CODE).answer(None, Result.TWO_FACTOR_CODE_MISMATCH)
    play.asked(m.QUERY_TIME)
    second = play.answer(m.ServerTime(1000)).asked(m.SEND_CODE)
    assert second.code == guard_code(SECRET, 1000)


def test_a_code_is_not_sent_twice() -> None:
    """Steam's time is ours: then only the next code can help."""
    now = [100.0]
    play = Play(SECRET, now=lambda: now[0]).begin(Confirmation.DEVICE_CODE)
    first = play.asked(m.SEND_CODE).code
    play.answer(None, Result.TWO_FACTOR_CODE_MISMATCH)
    assert play.answer(m.ServerTime(100)).step == Pause(20.0)
    now[0] = 120.0
    second = play.send(None).asked(m.SEND_CODE).code
    assert second == guard_code(SECRET, 120.0) != first


def test_without_steams_time_the_own_clock_must_do() -> None:
    play = Play(SECRET).begin(Confirmation.DEVICE_CODE).answer(None, Result.TWO_FACTOR_CODE_MISMATCH)
    assert play.answer(None, Result.ACCESS_DENIED).step == Pause(30.0)


def test_three_device_codes_and_no_more() -> None:
    now = [100.0]
    play = Play(SECRET, now=lambda: now[0]).begin(Confirmation.DEVICE_CODE)
    play.answer(None, Result.TWO_FACTOR_CODE_MISMATCH).answer(m.ServerTime(100))
    for at in (120.0, 150.0):
        now[0] = at
        play.send(None).asked(m.SEND_CODE)
        if at == 120.0:
            play.answer(None, Result.TWO_FACTOR_CODE_MISMATCH)
    with pytest.raises(AuthError, match="3 device codes") as caught:
        play.answer(None, Result.TWO_FACTOR_CODE_MISMATCH)
    assert (caught.value.reason, caught.value.forgivable) == (AuthReason.GUARD_CODE_MISMATCH, False)


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        ((2,), Confirmation.EMAIL_CODE),
        ((4, 3), Confirmation.DEVICE_CODE),
        ((4,), Confirmation.DEVICE_CONFIRMATION),
        ((5, 6), Confirmation.EMAIL_CONFIRMATION),
    ],
)
def test_an_operator_is_waited_for(kinds: tuple[int, ...], wanted: Confirmation) -> None:
    play = Play().begin(*kinds)
    assert play.step == ConfirmationWanted(wanted, 5.0)
    play.send(None).asked(m.POLL_AUTH)
    play.answer(m.Polled())
    assert play.step == ConfirmationWanted(wanted, 5.0)
    play.send(None).answer(GRANTED)
    assert isinstance(play.step, Confirmed)
    play.send(None)
    assert play.result is not None


def test_a_code_of_the_operator() -> None:
    play = Play().begin(Confirmation.EMAIL_CODE)
    assert play.send("WRONG").asked(m.SEND_CODE) == m.GuardCodeRequest(7, 1234, "WRONG", Confirmation.EMAIL_CODE)
    play.answer(None, Result.INVALID_LOGIN_AUTH_CODE)
    assert play.step == ConfirmationWanted(Confirmation.EMAIL_CODE, 5.0, wrong=True)
    play.send("RIGHT").answer(m.GuardCodeTaken())
    assert isinstance(play.step, Confirmed)
    play.send(None).asked(m.POLL_AUTH)


@pytest.mark.parametrize(
    ("result", "policy"), [(27, Policy.UNCONFIRMED), (84, Policy.PAUSE_ALL), (20, Policy.TRANSIENT)]
)
@pytest.mark.parametrize("secret", [None, SECRET])
def test_other_answers_to_a_code_end_it(result: int, policy: Policy, secret: bytes | None) -> None:
    play = Play(secret).begin(Confirmation.DEVICE_CODE)
    if secret is None:
        play.send("ABCDE")
    with pytest.raises(Refused) as caught:
        play.answer(None, result)
    assert caught.value.verdict.policy is policy


def test_a_machine_token_alone_is_steams_affair() -> None:
    Play(guard_data="machine").begin(Confirmation.MACHINE_TOKEN).asked(m.POLL_AUTH)


def test_a_confirmation_that_nobody_knows() -> None:
    with pytest.raises(AuthError, match="not known here"):
        Play().begin(99)


@pytest.mark.parametrize("key", [m.RsaKey(), m.RsaKey("zz", "3", 1), m.RsaKey("5", "3", 1)])
def test_a_key_that_is_none(key: m.RsaKey) -> None:
    with pytest.raises(TransientError, match="key for the password") as caught:
        Play().send(None).answer(key)
    assert caught.value.reason is FailureReason.PROTOCOL


def test_an_answer_that_cannot_be_read() -> None:
    with pytest.raises(TransientError, match="cannot be read"):
        Play().send(None).answer(None)


def test_the_logon_carries_the_token_and_no_name() -> None:
    logon = logon_message(StoredLogon("user", 1, "the token"))
    assert (logon.access_token, logon.protocol_version, logon.chat_mode) == ("the token", 65580, 2)
    assert logon.obfuscated_private_ip.v4 == LOGIN_ID
    assert logon.supports_rate_limit_response
    assert b"user" not in m.encode_body(logon)
    assert "the token" not in repr(logon)


def test_machine_ids_differ_by_account_only() -> None:
    assert machine_id("a") == machine_id("a") != machine_id("b")
    assert machine_id("a").startswith(b"\0MessageObject\0\x01BB3\0")


def test_device_codes_are_steams() -> None:
    assert guard_code(b"\0" * 20, 0) == guard_code(b"\0" * 20, 29.9) != guard_code(b"\0" * 20, 30)
    assert len(guard_code(SECRET, 5e9)) == 5


@pytest.mark.parametrize("text", ["", "!!!", "c2hvcnQ=", "ünïcode"])
def test_shared_secrets_are_checked(text: str) -> None:
    with pytest.raises(ValueError, match="is no shared secret"):
        shared_secret_bytes(text)


def test_credentials_do_not_show_their_secrets() -> None:
    shown = repr(Credentials("user", Secret("hunter2"), SECRET))
    assert "hunter2" not in shown
    assert "twenty" not in shown
