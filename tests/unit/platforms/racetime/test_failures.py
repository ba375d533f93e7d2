"""What answers and network failures mean."""

import socket
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from websockets.datastructures import Headers
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.http11 import Response

from exporter.errors import FailureReason, RateLimited, TransientError
from exporter.platforms.racetime.failures import Answer, Forbidden, NotFound, NotSent, form_errors, good, network_error
from tests.unit.platforms.racetime import captured

KEY: Any = ConnectionKey("racetime.gg", 443, True, True, None, None, None)
CERTIFICATE = ssl.SSLCertVerificationError(1, "certificate verify failed")


@pytest.mark.parametrize(
    ("error", "reason", "sent"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "unknown")), FailureReason.DNS, False),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "no")), FailureReason.REFUSED, False),
        (aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE), FailureReason.TLS, False),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "handshake")), FailureReason.TLS, False),
        (aiohttp.ServerDisconnectedError(), FailureReason.OTHER, True),
        (aiohttp.ClientPayloadError("cut"), FailureReason.PROTOCOL, True),
        (aiohttp.ClientOSError(104, "reset"), FailureReason.OTHER, True),
        (TimeoutError(), FailureReason.TIMEOUT, True),
        (socket.gaierror(-2, "unknown"), FailureReason.DNS, True),
        (ConnectionRefusedError(), FailureReason.REFUSED, True),
        (ConnectionResetError(), FailureReason.OTHER, True),
        (ssl.SSLError(1, "x"), FailureReason.TLS, True),
        (EOFError(), FailureReason.PROTOCOL, True),
        (InvalidMessage("x"), FailureReason.PROTOCOL, True),
        (InvalidStatus(Response(502, "Bad Gateway", Headers())), FailureReason.HTTP_5XX, True),
        (InvalidStatus(Response(302, "Found", Headers())), FailureReason.PROTOCOL, True),
    ],
)
def test_network_failures_are_told_apart(error: Exception, reason: FailureReason, sent: bool) -> None:
    found = network_error("poll", error)
    assert found.reason is reason
    assert str(found).startswith("poll: ")
    assert isinstance(found, NotSent) is not sent


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, FailureReason.HTTP_5XX),
        (503, FailureReason.HTTP_5XX),
        (302, FailureReason.PROTOCOL),
        (400, FailureReason.PROTOCOL),
    ],
)
def test_bad_statuses(status: int, reason: str) -> None:
    with pytest.raises(TransientError) as caught:
        good(answer(status), "poll")
    assert caught.value.reason == reason


def test_statuses_that_the_bot_decides_on() -> None:
    with pytest.raises(Forbidden):
        good(answer(403), "poll")
    with pytest.raises(NotFound):
        good(answer(404), "poll")
    with pytest.raises(TransientError, match="403"):
        good(answer(403, cf_mitigated="challenge"), "poll")


@pytest.mark.parametrize(("header", "wait_s"), [("120", 120), ("0", 1), ("soon", 60), ("", 60), ("9" * 20, 60)])
def test_a_named_pause_is_kept(header: str, wait_s: float) -> None:
    with pytest.raises(RateLimited) as caught:
        good(answer(429, Retry_After=header), "poll")
    assert caught.value.wait_s == wait_s


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/html", b"{}"), ("", b"{}"), ("application/json", b"{"), ("application/json", b"[]")],
)
def test_only_json_objects_are_read(kind: str, body: bytes) -> None:
    with pytest.raises(TransientError) as caught:
        answer(200, body, Content_Type=kind).json("poll")
    assert caught.value.reason is FailureReason.PROTOCOL


def test_the_words_of_captured_form_errors() -> None:
    refused = [each for each in captured.load("http/all_cases.json") if each["status"] == 422]
    assert refused
    for each in refused:
        words = form_errors(answer(422, each["body"].encode(), Content_Type=each["ctype"]))
        assert words
        assert not any("__all__" in word for word in words)


def test_a_refusal_without_words() -> None:
    assert form_errors(answer(422, b"oops")) == ["racetime.gg refused the form without saying why"]
    assert form_errors(answer(422, b'{"errors": {"goal": "bad"}}', Content_Type="application/json")) == ["goal: bad"]
