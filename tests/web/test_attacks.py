"""Attacks over raw sockets: each is refused or bounded, while somebody else's scrapes and probes are answered."""

import asyncio
import gzip
import resource
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.web.failures import MOST_FAILURES
from exporter.web.keys import AccessRules
from exporter.web.settings import Limits, WebSettings
from exporter.web_config import load_web_config
from tests import certificates
from tests.eventually import eventually
from tests.memory import back_at_its_level, resident_mb
from tests.web import wire
from tests.web.fleet import ADMIN_KEY, KEYS, READ_KEY, Fleet
from tests.web.wire import Wire, watched

ATTACKER = "127.6.6.6"
QUICK = Limits(
    handshake_s=0.3, head_s=0.3, body_s=0.3, keepalive_s=0.5, linger_s=0.1, connections_of_one=100, connections=2000
)
HEAD = b"GET /status HTTP/1.1\r\nHost: localhost\r\n"
KEYED = f"X-API-Key: {ADMIN_KEY}\r\n".encode()
ORDER = b"POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + KEYED
Connect = Callable[..., Awaitable[Wire]]


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever is sent: none of it is an error or a warning of ours, nor of a library."""
    with capture_logs() as ours:
        yield
    assert [each for each in ours if each["log_level"] not in ("debug", "info")] == []
    assert [each for each in caplog.records if each.levelname not in ("DEBUG", "INFO")] == []


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    certificates.authority().configure_trust(context)
    return context


@asynccontextmanager
async def attacked(
    folder: Path, *, tls: bool = False, limits: Limits = QUICK, access: AccessRules | None = None
) -> AsyncIterator[tuple[Fleet, Connect]]:
    """A server, somebody who watches it, and a way to connect as an attacker; in the end nothing is left of it."""
    web_config, trust = None, None
    if tls:
        certificates.issue(folder, "own")
        (folder / "web.yml").write_text("tls_server_config:\n  cert_file: own.pem\n  key_file: own.key\n")
        web_config, trust = load_web_config(folder / "web.yml"), trusting()
    settings = WebSettings(
        listen=(("127.0.0.1", 0),), access=access or AccessRules(KEYS), web_config=web_config, limits=limits
    )
    wires: list[Wire] = []
    async with Fleet(settings, folder) as fleet:
        fleet.populate()

        async def connect(source: str = ATTACKER, *, buffer: int = 0, plain: bool = False) -> Wire:
            address = fleet.server.addresses[0]
            wires.append(await wire.connect(address, source=source, trust=None if plain else trust, buffer=buffer))
            return wires[-1]

        try:
            async with watched(fleet.server.addresses[0], trust):
                yield fleet, connect
        finally:
            for each in wires:
                each.abort()
        await eventually(lambda: fleet.server._slots._all.taken == 0)
        assert fleet.server._slots._groups == {}
        assert len(fleet.server._untaken) == 0


async def dripped(to: Wire, data: bytes) -> int | None:
    """Send byte by byte until there is an answer, and return its status; None if it ended before that was read."""

    async def drip() -> None:
        for byte in data:
            to.send(bytes([byte]))
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    try:
        return (await to.answer())[0]
    except ConnectionError:  # who sends to what has been closed may lose what has come and was not yet read
        return None
    finally:
        dripping.cancel()


# --- slow ---


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_slow_heads_and_bodies(tmp_path: Path, quiet: None, *, tls: bool) -> None:
    async with attacked(tmp_path, tls=tls) as (fleet, connect):
        chunked = ORDER + b"Transfer-Encoding: chunked\r\n\r\n"
        sent = [
            *((b"", HEAD + b"X: " + b"a" * 8000),) * 20,
            *((ORDER + b"Content-Length: 60000\r\n\r\n", b" " * 60000),) * 20,
            *((chunked, b"1\r\n \r\n" * 10000),) * 20,
        ]

        async def attack(begin: bytes, data: bytes) -> int | None:
            each = await connect()
            each.send(begin)
            return await dripped(each, data)

        async with back_at_its_level(most_mb=60 if tls else 8, left_mb=20 if tls else 0.5):  # TLS buffers of this side
            statuses = set(await asyncio.gather(*(attack(*each) for each in sent)))
        assert {408} <= statuses <= {408, None}
        codes = [code for (_, _, code), count in fleet.stats.requests.items() for _ in range(count)]
        assert codes.count(408) == len(sent)


async def test_slow_handshakes(tmp_path: Path, quiet: None) -> None:
    async with attacked(tmp_path, tls=True) as (_, connect):
        slow = [await connect(plain=True) for _ in range(50)]
        for each in slow:
            each.send(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
        assert [await each.rest() for each in slow] == [b""] * 50


# --- large and many ---


LARGE = {
    "a header": HEAD + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    "a header's name": HEAD + b"a" * 100_000 + b": b\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(20_000)) + b"\r\n",
    "a request line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method": b"A" * 100_000 + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a query": b"GET /status/bots?" + b"a=b&" * 30_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a chunk's extension": ORDER + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 100_000 + b"\r\n{\r\n0\r\n\r\n",
    "a trailer": ORDER + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "a body": ORDER + b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n" + b" " * 32768 + b"\r\n8000\r\n" * 2,
}


@pytest.mark.parametrize("what", LARGE)
async def test_what_is_too_large(what: str, tmp_path: Path, quiet: None) -> None:
    async with attacked(tmp_path) as (_, connect):
        each = await connect()
        each.send(LARGE[what])
        status, _ = await each.answer()
        assert status in (400, 408, 413, 414, 422, 431), status  # 422: an extension is skipped, the body is none
        await each.rest()


async def test_thousands_of_pipelined_requests(tmp_path: Path, quiet: None) -> None:
    """They are served one after the other, and wait in the network, not in memory, until the client reads."""
    async with attacked(tmp_path) as (fleet, connect):
        each = await connect()
        count = 3000
        each.send((HEAD + b"\r\n") * (count - 1) + HEAD + b"Connection: close\r\n\r\n")
        for _ in range(count):
            assert (await each.answer())[0] == 200
        assert await each.rest() == b""
        assert fleet.stats.requests["/status", "GET", 200] == count


IDLE = 5000
MOST_IDLE_MB = 50  # ten kilobytes for each that knocks, if none were ever let go


async def test_five_thousand_idle_connections(tmp_path: Path, quiet: None) -> None:
    """An attacker with a hundred addresses: others get in all the same, and in the end all of it is closed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * IDLE + 1000) if hard >= 0 else 2 * IDLE + 1000, hard))
    limits = Limits(head_s=1.5, keepalive_s=0.5)
    sockets: list[socket.socket] = []
    try:
        async with attacked(tmp_path, limits=limits) as (fleet, _):
            loop = asyncio.get_running_loop()
            before_mb = resident_mb()
            for number in range(IDLE):
                each = socket.socket()
                each.setblocking(False)
                each.bind((f"127.6.{number % 100}.1", 0))
                sockets.append(each)
                await loop.sock_connect(each, fleet.server.addresses[0])
            most, most_mb = fleet.server._slots._all.taken, resident_mb()
            assert most <= limits.connections
            await eventually(lambda: fleet.server._slots._all.taken <= 1)
            assert most_mb - before_mb < MOST_IDLE_MB
            assert resident_mb() - before_mb < MOST_IDLE_MB
    finally:
        for each in sockets:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_storm_of_connections(tmp_path: Path, quiet: None) -> None:
    """All slots are taken, and others knock all the time: a scrape of somebody else is not in their way."""
    limits = Limits(head_s=30, connections_of_one=10, connections=50)
    async with attacked(tmp_path, limits=limits) as (fleet, connect):
        for number in range(5):
            for _ in range(10):
                await connect(f"127.6.1.{number + 1}")
        await eventually(lambda: fleet.server._slots._all.taken >= 50)

        async def knock(number: int) -> None:
            for turn in range(100):
                each = await connect(f"127.6.{number + 2}.{turn + 1}")
                await asyncio.sleep(0)
                each.abort()

        await asyncio.gather(*(knock(number) for number in range(8)))


# --- what is in a request's line ---


TRICKS = [
    b"/static/../web.yml",
    b"/static/%2e%2e/web.yml",
    b"/static/%2e%2e%2fweb.yml",
    b"/static/..%2fweb.yml",
    b"/static/..%5cweb.yml",
    b"/static/%252e%252e%252fweb.yml",
    b"/static/....//web.yml",
    b"/static//etc/passwd",
    b"/static/%2fetc%2fpasswd",
    b"/static/page.css%00.js",
    b"/static/\xc0\xae\xc0\xae/web.yml",
    b"/static/%c0%ae%c0%ae/web.yml",
    b"/static/%e0%80%ae/web.yml",
    b"/static/%ff",
    b"/static/%u002e",
    b"/static/%",
    b"/api/v1/docs/../../web.yml",
    b"/api/v1/docs/%2e%2e%2f%2e%2e%2fpages.py",
    b"//status",
    b"/status/",
    b"/./status/bots/../../x",
    b"/status/bots/..",
    b"/status/bots/%00",
    b"/status/bots/%0d%0aX-Evil:%201",
    b"/status/bots/%f0%9f%92%a9%ed%a0%80",
    b"/api/v1/orders/..%2f..%2fadmin.key",
    b"http://evil.example/status",
    b"http://localhost@evil.example/status",
    b"//evil.example/status",
    b"/\\evil.example",
    b"*",
    b"localhost:80",
    b"?",
    b"#",
    b"/status#/../x",
    b"/status;x=y",
]
DENIED = {400, 401, 404, 405, 421, 422}


async def test_tricks_with_paths(tmp_path: Path, quiet: None) -> None:
    """None leads to a file, past a key, or into another header."""
    closed = AccessRules(KEYS)
    async with attacked(tmp_path, access=closed) as (_, connect):
        for path in TRICKS:
            for method in (b"GET", b"OPTIONS", b"POST", b"CONNECT", b"TRACE"):
                each = await connect()
                each.send(method + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                status, headers, body = await each.whole_answer()
                allowed = DENIED | ({200} if method == b"GET" and path in (b"/status#/../x",) else set())
                assert status in allowed, (method, path, status, body)
                assert b"x-evil" not in headers
                assert b"root:" not in body
                each.close()


@pytest.mark.parametrize("path", ["/status/bots", "/api/v1/drain", "/metrics"])
async def test_no_form_of_a_path_goes_past_its_key(path: str, tmp_path: Path, quiet: None) -> None:
    everywhere = WebSettings(
        listen=(("0.0.0.0", 0),),  # noqa: S104
        access=AccessRules(KEYS, metrics_key=True),
        limits=QUICK,
    )
    first, rest = path[1], path[2:]
    forms = [path, f"/%{ord(first):02x}{rest}", f"//{path[1:]}", f"/.{path}"]
    forms += [f"{path}/", f"{path}%20", f"{path}?ticket=x", f"{path};", f"/x/..{path}", f"/%2e{path}", path.upper()]
    forms += [f"http://localhost{path}", f"http://127.0.0.1{path}"]
    method = b"POST" if "drain" in path else b"GET"
    async with Fleet(everywhere) as fleet:
        for form in forms:
            each = await wire.connect(("127.0.0.1", fleet.server.addresses[0][1]))
            each.send(method + f" {form} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            status, _ = await each.answer()
            assert status in (400, 401, 404, 405, 421), (form, status)
            each.close()
        assert not fleet.process.draining


# --- header injection ---


EVIL = [b"%0d%0aX-Evil:%201", b"%0aX-Evil:%201", b"%0d%0a%0d%0a<script>", b"%E5%98%8A%E5%98%8DX:1", b"%00", b"\x0bX"]


async def test_nothing_that_is_echoed_becomes_a_header(tmp_path: Path, quiet: None) -> None:
    async with attacked(tmp_path) as (_, connect):
        for evil in EVIL:
            for line in (
                b"GET /status/bots/" + evil,
                b"GET /status/bots?" + evil + b"=1",
                b"GET /status/history?before=" + evil,
                b"GET /status/stream?since=" + evil,
                b"GET /" + evil,
                b"GET /static/" + evil,
                b"POST /api/v1/bots/" + evil + b"/stop?wait=0",
                b"POST /api/v1/bots/alttpr/stop?" + evil + b"=1",
                b"GET /api/v1/orders/" + evil,
            ):
                each = await connect()
                each.send(line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + KEYED + b"\r\n")
                status, headers, body = await each.whole_answer()
                assert 400 <= status < 500, (line, status)
                assert b"x-evil" not in headers
                assert b"<script>" not in body or headers[b"content-type"] == b"application/problem+json"
                assert await each.rest() == b""
        for name in (b"Host", b"Origin", b"Idempotency-Key", b"X-Request-Id", b"X-Forwarded-For", b"Last-Event-ID"):
            for value in (b"a\rX-Evil: 1", b"a\x00b", b"a\x0bb", b"\xff\xfe", b"a\tb"):
                each = await connect()
                host = b"" if name == b"Host" else b"Host: localhost\r\n"
                each.send(b"POST /api/v1/drain HTTP/1.1\r\n" + host + name + b": " + value + b"\r\n\r\n")
                status, headers, _ = await each.whole_answer()
                assert 400 <= status < 500, (name, value, status)
                assert b"x-evil" not in headers
                each.abort()


# --- smuggling ---

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /status HTTP/1.1\r\nHost: localhost\r\n"
UNCLEAR = {
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 0, 44\r\n\r\n" + SMUGGLED,
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "a length in hex": POST + b"Content-Length: 0x2\r\n\r\n{}" + SMUGGLED,
    "a length with a space inside": POST + b"Content-Length: 1 2\r\n\r\n" + SMUGGLED,
    "a length beyond all numbers": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + SMUGGLED,
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks that are not the last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "identity, then chunks": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a tab in the encoding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a space before the colon": POST + b"Content-Length : 2\r\n\r\n{}" + SMUGGLED,
    "a folded line": POST + b"X: a\r\n Content-Length: 44\r\n\r\n" + SMUGGLED,
    "a folded encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "junk for a chunk's size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + SMUGGLED,
    "a signed chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + SMUGGLED,
    "a chunk in hex": POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk that is longer": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk beyond all numbers": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n{}\r\n" + SMUGGLED,
    "chunks in HTTP/1.0": b"POST /status HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "lines that end in LF": b"POST /status HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n" + SMUGGLED,
    "lines that end in CR": POST + b"X: y\rContent-Length: 0\r\n\r\n" + SMUGGLED,
    "no version": b"GET /status\r\n\r\n" + SMUGGLED,
    "another version": b"GET /status HTTP/1.2\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
    "two hosts": b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "no host": b"GET /status HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("what", UNCLEAR)
async def test_where_a_request_ends_is_never_guessed(what: str, tmp_path: Path, quiet: None) -> None:
    async with attacked(tmp_path) as (fleet, connect):
        each = await connect()
        each.send(UNCLEAR[what])
        status, _ = await each.answer()
        assert 400 <= status < 500
        rest = await each.rest()
        assert b"200 OK" not in rest
        assert ("unmatched", "GET", 404) not in fleet.stats.requests  # what was smuggled is no request of its own


# --- pages of others ---


ACTS = {
    "an order": ORDER + b"Content-Length: 2\r\n",
    "an order without a body": b"DELETE /api/v1/drain HTTP/1.1\r\nHost: localhost\r\n" + KEYED,
    "a reload": b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n" + KEYED,
    "a WebSocket": b"GET /status/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "events": b"GET /status/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n",
}
FOREIGN = [
    b"Origin: https://evil.example",
    b"Origin: null",
    b"Sec-Fetch-Site: cross-site",
    b"Sec-Fetch-Site: same-site",  # another port of this machine, another name beside ours
    b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site",
    b"Sec-Fetch-Site: ",
]
OWN = [b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Site: none", b"X: what is no browser sends neither"]


@pytest.mark.parametrize("act", ACTS)
async def test_pages_of_others_may_not_act(act: str, tmp_path: Path, quiet: None) -> None:
    """Browsers tell by two headers who asks, and one of them is enough."""
    async with attacked(tmp_path) as (fleet, connect):
        body = b"{}" if b"Content-Length" in ACTS[act] else b""
        for site in FOREIGN + OWN:
            each = await connect()
            each.send(ACTS[act] + site + b"\r\n\r\n" + body)
            status, _, _ = await each.whole_answer()
            assert (status == 403) == (site in FOREIGN), (site, status)
            assert site in OWN or not fleet.process.draining
            each.abort()


# --- guessing ---


async def test_guessing_keys(tmp_path: Path, quiet: None) -> None:
    """The limit goes by the address that connects, whatever it says; a right key passes all the same."""
    async with attacked(tmp_path) as (_, connect):

        async def order(key: str, number: int, source: str = ATTACKER) -> int:
            names = ("X-Forwarded-For: ", "Forwarded: for=", "X-Real-IP: ", "X-Client-IP: ")
            spoofs = [f"{name}198.51.100.{number}" for name in names]
            lines = [f"X-API-Key: {key}", *spoofs, "Connection: close", "", ""]
            each = await connect(source)
            each.send(b"DELETE /api/v1/drain HTTP/1.1\r\nHost: localhost\r\n" + "\r\n".join(lines).encode())
            status, _ = await each.answer()
            each.close()
            return status

        assert [await order(f"guess-{number}", number) for number in range(30)] == [401] * MOST_FAILURES + [429] * 20
        assert await order(ADMIN_KEY, 1) == 200
        assert await order(READ_KEY, 1) == 403  # a good key is no guess
        assert await order("guess", 1) == 429
        assert await order("guess", 1, "127.6.6.7") == 401  # others have their own limit
        prefixes = [ADMIN_KEY[:-1], ADMIN_KEY + "x", ADMIN_KEY.upper(), f" {ADMIN_KEY[1:]}", "", "\x00"]
        assert {await order(each, 1, "127.6.6.8") for each in prefixes} <= {400, 401}


# --- packed bodies ---


BOMB = gzip.compress(b"[" * 20_000_000)
BOMBS = {
    "gzip": BOMB,
    "deflate": zlib.compress(b"[" * 20_000_000),
    "gzip, gzip": gzip.compress(BOMB),
    "br": b"\xff" * 20_000,
    "zstd": b"\x28\xb5\x2f\xfd" + b"\xff" * 20_000,
}


@pytest.mark.parametrize("packing", BOMBS)
async def test_bombs_are_not_opened(packing: str, tmp_path: Path, quiet: None) -> None:
    """Neither by those who take the body nor by those who throw it away."""
    async with attacked(tmp_path) as (_, connect):
        body = BOMBS[packing]
        async with back_at_its_level(most_mb=2):  # 20 MB, if one were opened
            await bombard(connect, packing, body)


async def bombard(connect: Connect, packing: str, body: bytes) -> None:
    for begin, allowed in (
        (ORDER, {413, 415}),
        (ORDER.replace(KEYED, b""), {413, 415}),
        (HEAD, {200}),
        (b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n", {404}),
    ):
        each = await connect()
        each.send(begin + f"Content-Encoding: {packing}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        status, _ = await each.answer()
        assert status in allowed
        each.abort()


# --- WebSockets ---


SHAKE = (
    b"GET /status/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, mask: bool = True) -> bytes:
    """Return a frame; its mask is of zeros, so that the payload stays readable."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size <= 0xFFFF:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    first = bytes([(128 if fin else 0) | reserved << 4 | opcode])
    return first + bytes([length[0] | (0x80 if mask else 0)]) + length[1:] + (bytes(4) if mask else b"") + payload


FRAMES = {
    "a huge one": (frame(1, b"x" * 1_000_000), 1009),
    "the beginning of a huge one": (b"\x81\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), 1009),
    "a length with its top bit": (b"\x81\xff" + (1 << 63).to_bytes(8, "big") + bytes(4), None),
    "fragments without an end": (frame(1, b"x", fin=False) + frame(0, b"x" * 100, fin=False) * 10_000, 1009),
    "a packed one": (frame(1, zlib.compress(b"x" * 1_000_000), reserved=4), 1002),
    "reserved bits": (frame(1, b"x", reserved=3), 1002),
    "an unknown kind": (frame(5, b"x"), 1002),
    "a long ping": (frame(9, b"x" * 126), 1002),
    "a ping in pieces": (frame(9, b"x", fin=False), 1002),
    "a continuation of nothing": (frame(0, b"x"), 1002),
    "no text": (frame(1, b"\xff\xfe"), 1007),
    "a close without a code": (frame(8, b"x"), 1002),
    "a close with a wrong code": (frame(8, b"\x00\x01"), 1002),
    "a close that is no text": (frame(8, b"\x03\xe8\xff"), None),
    "bytes of another protocol": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1002),
}


@pytest.mark.parametrize("what", FRAMES)
async def test_frames_that_no_client_sends(what: str, tmp_path: Path, quiet: None) -> None:
    async with attacked(tmp_path) as (fleet, connect):
        each = await connect()
        each.send(SHAKE)
        status, headers, _ = await each.whole_answer()
        assert status == 101
        assert b"sec-websocket-extensions" not in headers
        sent, code = FRAMES[what]
        each.send(sent)
        rest = await each.rest()
        if code is not None:
            assert code.to_bytes(2, "big") in rest[-200:], rest[-200:]
        await eventually(lambda: not +fleet.streams.clients)


async def test_a_flood_of_pings(tmp_path: Path, quiet: None) -> None:
    """One that never reads the pongs is dropped, and what waits for it is bounded."""
    async with attacked(tmp_path) as (fleet, connect):
        reading, deaf = await connect(), await connect(buffer=4096)
        for each in (reading, deaf):
            each.send(SHAKE)
            assert (await each.whole_answer())[0] == 101
        for each in (reading, deaf):
            each.send(frame(9, b"p" * 125) * 20_000)
        most = 0
        counting = asyncio.create_task(_pongs(reading, 20_000))
        while not counting.done():
            most = max(most, *fleet.server._feed.hub.waiting)
            await asyncio.sleep(0)
        await counting
        assert most < 512 * 1024
        assert fleet.streams.clients["websocket"] == 2


async def _pongs(each: Wire, count: int) -> None:
    seen, tail = 0, b""
    head = b"\x8a\x7d"
    while seen < count:
        data = tail + await each.some()
        seen += data.count(head)
        tail = data[-1:] if data.endswith(head[:1]) else b""
