"""The chain around a route that acts: bodies, roles, sizes. The server's own table has only reads so far."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import aiohttp
import pytest
from aiohttp import web

from exporter.stats import HttpStats
from exporter.web.answers import json_answer
from exporter.web.clients import Clients
from exporter.web.connection import Connection
from exporter.web.failures import Failures
from exporter.web.headers import AnswerHeaders
from exporter.web.keys import Access, AccessRules, Gate
from exporter.web.listeners import Listeners
from exporter.web.middleware import Entrance
from exporter.web.rate import RateLimiter
from exporter.web.request import Request
from exporter.web.routes import Route
from exporter.web.settings import Limits, WebSettings
from exporter.web.slots import Slots
from exporter.web.untaken import Untaken
from tests.clock import ManualClock
from tests.web.fleet import ADMIN_KEY, KEYS, READ_KEY


async def act(request: web.Request) -> web.Response:
    """Return the body that was sent."""
    return json_answer(await request.json() if request.body_exists else None, 201)


ROUTE = Route("POST", "/act/{thing}", act, Access.ADMIN)


class Server:
    """One route behind the entrance, on connections of ours."""

    port: int

    def __init__(self) -> None:
        limits, clock = Limits(body_s=0.05), ManualClock()
        slots, headers, untaken = Slots(10, 10), AnswerHeaders(), Untaken(limits.untaken_bytes)
        self.listeners = Listeners(WebSettings(listen=(("127.0.0.1", 0),)))
        entrance = Entrance(
            stats=HttpStats(),
            clock=clock,
            listeners=self.listeners,
            clients=Clients(self.listeners.is_loopback),
            gate=Gate(AccessRules(KEYS, open_reads=True), Failures(clock)),
            rate=RateLimiter(clock),
            slots=slots,
            limits=limits,
            telemetry_path="/metrics",
        )
        entrance.open(ROUTE, ROUTE.path)
        self.connections = web.Server(
            entrance.answer,  # type: ignore[arg-type]  # as in exporter/web/server.py
            request_factory=partial(Request, headers=headers, body_bytes=limits.body_bytes),
            handler_cancellation=True,
        )
        self.connection = partial(
            Connection,
            self.connections,
            limits=limits,
            headers=headers,
            untaken=untaken,
            tls=None,
            left=slots.give_back,
            late=lambda: None,
            cut=lambda _: None,
        )
        self.slot = partial(slots.take, "127.0.0.1")

    def make_url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def made(self) -> Connection:
        slot = self.slot()
        assert slot is not None
        return self.connection(slot)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.get_running_loop().create_server(server.made, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    server.listeners.bind([("127.0.0.1", server.port)])
    yield server
    listening.close()
    await server.connections.shutdown(1)
    await listening.wait_closed()


async def send(server: Server, key: str | None = ADMIN_KEY, **options: object) -> tuple[int, str]:
    headers = {"X-API-Key": key} if key else {}
    headers |= options.pop("headers", {})  # type: ignore[call-overload]
    async with (
        aiohttp.ClientSession() as client,
        client.post(server.make_url("/act/bot"), headers=headers, **options) as answer,  # type: ignore[arg-type]
    ):
        return answer.status, await answer.text()


async def test_json_passes(server: Server) -> None:
    assert await send(server, json={"a": 1}) == (201, '{"a":1}')
    assert await send(server, data=b"{}", headers={"Content-Type": "application/json; charset=utf-8"}) == (201, "{}")


async def test_no_body_needs_no_type(server: Server) -> None:
    assert await send(server) == (201, "null")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_other_bodies_are_refused(server: Server, kind: str) -> None:
    status, text = await send(server, data=b"{}", headers={"Content-Type": kind})
    assert status == 415
    assert "Content-Type: application/json" in text


async def test_large_bodies_are_refused(server: Server) -> None:
    status, text = await send(server, json={"a": "b" * 70_000})
    assert status == 413
    assert "Too Large" in text


async def chunked(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_large_bodies_without_a_length_are_refused(server: Server) -> None:
    kind = {"Content-Type": "application/json"}
    assert (await send(server, data=chunked(b'"', b"a" * 66_000, b'"'), headers=kind))[0] == 413
    assert await send(server, data=chunked(b'"', b"aa", b'"'), headers=kind) == (201, '"aa"')


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "x" * 500])
async def test_packed_bodies_are_refused_unopened(server: Server, packing: str) -> None:
    answer = await post(server, f"Content-Length: 4\r\nContent-Encoding: {packing}\r\n".encode(), b"nope")
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"Accept-Encoding: identity\r\n" in answer
    assert b"without the header Content-Encoding" in answer
    assert await send(server, json=1, headers={"Content-Encoding": "identity"}) == (201, "1")


async def post(server: Server, fields: bytes, body: bytes) -> bytes:
    """Send a body as it is, no end of it, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    fields += b"Host: localhost\r\nContent-Type: application/json\r\nX-API-Key: " + ADMIN_KEY.encode() + b"\r\n"
    writer.write(b"POST /act/bot HTTP/1.1\r\n" + fields + b"\r\n" + body)
    try:
        return await reader.readuntil(b"}")
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_is_announced_as_large_is_not_waited_for(server: Server) -> None:
    answer = await post(server, b"Content-Length: 70000\r\n", b"")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"64 KiB" in answer


async def test_a_body_that_does_not_come_is_not_waited_for(server: Server) -> None:
    async with asyncio.timeout(4):  # far more than the limit of the fixture, far less than that of the server
        answer = await post(server, b"Content-Length: 10\r\n", b'{"a"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not come within 0.05 seconds" in answer


async def test_orders_need_an_admin_even_on_loopback(server: Server) -> None:
    assert (await send(server, None))[0] == 401
    assert (await send(server, "wrong"))[0] == 401
    status, text = await send(server, READ_KEY)
    assert status == 403
    assert "the key monitor has the role read" in text


@pytest.mark.parametrize("key", [None, READ_KEY, ADMIN_KEY])
async def test_foreign_pages_may_not_act_whatever_their_key(server: Server, key: str | None) -> None:
    assert (await send(server, key, headers={"Origin": "https://evil.example"}, json={}))[0] == 403


async def test_a_wrong_method_is_a_405(server: Server) -> None:
    async with aiohttp.ClientSession() as client, client.get(server.make_url("/act/bot")) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_client_that_gives_up_waiting_for_a_continue(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /act/bot HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 100")
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_waits_for_a_continue_may_go_on(server: Server) -> None:
    assert await send(server, json={"a": 1}, headers={"Expect": "100-continue"}) == (201, '{"a":1}')


async def test_nothing_else_is_expected(server: Server) -> None:
    status, text = await send(server, json={}, headers={"Expect": "200-ok"})
    assert status == 417
    assert "100-continue" in text
