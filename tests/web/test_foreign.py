"""Requests and frames made of anything, over real sockets: an answer or an end, no 500, no line in the log."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.web.keys import AccessRules
from exporter.web.settings import Limits, WebSettings
from tests.foreign import much
from tests.web.fleet import ADMIN_KEY, KEYS, Fleet
from tests.web.test_attacks import SHAKE

LIMITS = Limits(head_s=0.5, body_s=0.5, keepalive_s=0.5, linger_s=0.1, take_s=0.5)
PATIENCE_S = 60.0
Address = tuple[str, int]


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    """A server in a thread of its own, for clients that are plain functions."""
    ready, done, found = threading.Event(), asyncio.Event(), list[Address]()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        settings = WebSettings(listen=(("127.0.0.1", 0),), access=AccessRules(KEYS), limits=LIMITS)
        async with Fleet(settings) as fleet:
            fleet.populate()
            found.append(fleet.server.addresses[0])
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="server")
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loops[0].call_soon_threadsafe(done.set)
    thread.join(10)


def sent(address: Address, data: bytes, *, end: bool = True) -> bytes:
    """Send bytes and return all that comes back until the server closes."""
    with closing(socket.create_connection(address, PATIENCE_S)) as plain:
        answer = b""
        try:
            plain.sendall(data)
            if end:
                plain.shutdown(socket.SHUT_WR)
            while chunk := plain.recv(1 << 16):
                answer += chunk
        except ConnectionError:
            pass
        return answer


def healthy(address: Address) -> bool:
    asked = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return sent(address, asked, end=False).startswith(b"HTTP/1.1 200")


def harmless(address: Address, data: bytes) -> bytes:
    """Send bytes; whatever the server makes of them, it is no mistake of its own."""
    with capture_logs() as logs:
        answer = sent(address, data)
        assert healthy(address)
    assert b" 500 " not in answer.split(b"\r\n", 1)[0]
    assert not [each for each in logs if each["log_level"] not in ("debug", "info")], logs
    return answer


TOKEN = st.binary(max_size=40)
LINE = st.sampled_from(
    b"GET /status HTTP/1.1|GET / HTTP/1.0|POST /api/v1/lobbies HTTP/1.1|HEAD /metrics HTTP/1.1|CONNECT x:1 HTTP/1.1|"
    b"GET /static/page.css HTTP/1.1|PATCH /api/v1/lobbies/1 HTTP/1.1".split(b"|")
)
NAME = st.sampled_from(
    b"Host|Content-Length|Transfer-Encoding|Expect|Upgrade|Connection|Range|If-None-Match|If-Modified-Since|Cookie|"
    b"Accept|Accept-Encoding|Content-Type|Content-Encoding|Origin|Authorization|X-Forwarded-For|Last-Event-ID|TE|"
    b"Sec-WebSocket-Key|Sec-WebSocket-Version|Idempotency-Key|X-API-Key|Date|Via|Forwarded".split(b"|")
)
VALUE = TOKEN | st.sampled_from(
    b"localhost|0|1|-1|chunked|gzip|100-continue|websocket|close|bytes=0-|bytes=9-1,2-|W/|*|application/json".split(
        b"|"
    )
)
HEAD = st.builds(
    lambda line, headers: b"\r\n".join([line, *(b": ".join(each) for each in headers), b"", b""]),
    LINE | TOKEN,
    st.lists(st.tuples(NAME | TOKEN, VALUE), max_size=6),
)


@much
@example(SHAKE)  # who leaves before there is an answer
@given(st.lists(HEAD | TOKEN, max_size=4).map(b"".join))
@example(b"GET /static/page.css HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: W/\r\n\r\n")
@example(b'GET /static/page.css HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: "' + b'a","' * 1500 + b"\r\n\r\n")
@example(b"GET /static/page.css HTTP/1.1\r\nHost: localhost\r\nRange: bytes=5-1\r\nIf-Modified-Since: x\r\n\r\n")
@example(b"GET /status HTTP/1.1\r\nHost: localhost\r\nCookie: " + b'a="' * 2000 + b"\r\n\r\n")
@example(b"POST /api/v1/lobbies HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + b";" * 4000 + b"\r\n\r\n")
@example(b"GET /status?" + b"%ff=%ff&" * 500 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
@example(
    b"GET /status HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI * HTTP/2.0\r\n\r\n"
)
def test_no_request_is_fatal(address: Address, data: bytes) -> None:
    harmless(address, data)


BODY = st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass"))
PATHS = """/api/v1/lobbies /lobby/create /lobby/info /api/v1/races /api/v1/bots/dire/guard-code /-/reload /api/v1/drain
/api/v1/bots/dire/maintenance /api/v1/lobbies/1/invite /api/v1/races/alttpr/lucky-link-1/actions"""
PATH = st.sampled_from(PATHS.split())


@much
@given(PATH, BODY)
@example("/api/v1/lobbies", b"[" * 60_000)
@example("/api/v1/lobbies", b'{"a":' * 10_000)
@example("/api/v1/lobbies", b'{"league_id":' + b"9" * 5000 + b"}")
@example("/api/v1/lobbies", b'{"league_id":1e999}')
@example("/api/v1/lobbies", b'{"name":"\\ud800"}')
@example("/api/v1/lobbies", b'{"\\ud800":1}')
@example("/api/v1/bots/dire/maintenance", b'{"reason":"x","until":"9999-12-31T23:59:59-23:59"}')
@example("/api/v1/bots/dire/maintenance", b'{"reason":"x","until":"0001-01-01T00:00:00+23:59"}')
def test_no_body_is_fatal(address: Address, path: str, body: bytes) -> None:
    head = f"POST {path}?wait=0 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {ADMIN_KEY}\r\nConnection: close\r\n"
    rest = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = sent(address, (head + rest).encode() + body, end=False)
    assert answer.startswith(b"HTTP/1.1 ")
    assert not answer.startswith(b"HTTP/1.1 500")


FRAME = st.builds(
    lambda first, masked, size, rest: bytes([first, (0x80 if masked else 0) | size]) + rest,
    st.integers(0, 255),
    st.booleans(),
    st.integers(0, 127),
    st.binary(max_size=140),
)


@much
@given(st.lists(FRAME, max_size=5).map(b"".join) | st.binary(max_size=100))
@example(b"\x81\xff" + b"\xff" * 8)
@example(b"\x88\x80\0\0\0\0")
@example(b"\xc1\x85\0\0\0\0hello")
def test_no_frames_are_fatal(address: Address, data: bytes) -> None:
    with capture_logs() as logs, closing(socket.create_connection(address, PATIENCE_S)) as plain:
        plain.sendall(SHAKE)
        assert plain.recv(1 << 16).startswith(b"HTTP/1.1 101")
        try:
            plain.sendall(data)
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(1 << 16):
                pass
        except ConnectionError:
            pass
        assert healthy(address)
    assert not [each for each in logs if each["log_level"] not in ("debug", "info")], logs
