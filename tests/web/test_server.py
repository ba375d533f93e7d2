"""Routes, headers and problems in general, and how the server starts and stops."""

import asyncio
import re
import socket
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from exporter.errors import StartError
from exporter.web.routes import STREAM
from exporter.web.settings import WebSettings
from tests.web.fleet import Fleet


async def raw(fleet: Fleet, request: bytes) -> bytes:
    """Send bytes as they are and return all that comes back."""
    reader, writer = await asyncio.open_connection(*fleet.server.addresses[0])
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_head_is_get_without_a_body(fleet: Fleet) -> None:
    paths = {
        "/static/{file}": "/static/page.css",
        "/api/v1/docs/{file}": "/api/v1/docs/docs.css",
        "{name}": "sm",
        "{lobby_id}": "29000000000000001",
    }
    paths |= {"{category}": "alttpr", "{slug}": "lucky-link-1"}
    for route in fleet.server.routes:
        if route.method != "GET" or route.access == "admin" or route.path == STREAM:
            continue
        path = re.sub(r"{.*?}", lambda match: paths[match[0]], paths.get(route.path, route.path))
        path += "?lobby_id=29000000000000001" if path == "/lobby/info" else ""
        got, head = await fleet.call(path), await fleet.call(path, "HEAD")
        assert (got.status, head.status) == (200, 200), path
        assert await head.read() == b""
        assert head.headers["Content-Length"] == got.headers["Content-Length"]
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


async def test_the_scrape_is_negotiated_by_the_metrics(fleet: Fleet) -> None:
    headers = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "gzip"}
    answer = await fleet.call("/metrics?name[]=bot_up&name[]=bot_info", headers=headers)
    assert await answer.text() == "# text/plain;version=0.0.4 | gzip | bot_up,bot_info\n"
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"


async def test_another_telemetry_path() -> None:
    async with Fleet(WebSettings(listen=(("127.0.0.1", 0),), telemetry_path="/probe/prom")) as fleet:
        assert (await fleet.call("/probe/prom")).status == 200
        assert (await fleet.call("/metrics")).status == 404
        assert 'href="probe/prom"' in await (await fleet.call("/")).text()


@pytest.mark.parametrize("path", ["/nothing", "/status/", "/static/../server.py", "/static/index.html", "//status"])
async def test_unknown_paths(fleet: Fleet, path: str) -> None:
    answer = await raw(fleet, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_a_wrong_method_is_told_the_right_ones(fleet: Fleet, method: str) -> None:
    answer = await fleet.call("/status/bots/alttpr", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert "GET, HEAD" in (await answer.json())["detail"]


async def test_security_headers_are_on_every_answer(fleet: Fleet) -> None:
    answers = [await fleet.call(path) for path in ("/", "/status", "/metrics", "/health", "/-/ready", "/none")]
    answers += [await fleet.call("/status", "POST"), await fleet.call("/", headers={"Host": "evil.example"})]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "bot-exporter"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy


async def test_a_bug_is_logged_once_and_not_told(fleet: Fleet) -> None:
    fleet.metrics.error = KeyError("internal detail")
    with capture_logs() as logs:
        answer = await fleet.call("/metrics")
    assert answer.status == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "internal" not in await answer.text()
    assert [(each["log_level"], each["route"], each["exc_info"]) for each in logs] == [("error", "/metrics", True)]
    assert fleet.stats.requests["/metrics", "GET", 500] == 1


async def test_requests_are_counted_by_pattern(fleet: Fleet) -> None:
    for path in ("/status/bots/sm", "/status/bots/dire", "/status/bots/nobody", "/other", "/another"):
        await fleet.call(path)
    await fleet.call("/status", "POST")
    await fleet.call("/status", "BREW")
    assert dict(fleet.stats.requests) == {
        ("/status/bots/{name}", "GET", 200): 2,
        ("/status/bots/{name}", "GET", 404): 1,
        ("unmatched", "GET", 404): 2,
        ("unmatched", "POST", 405): 1,
    } | {key: 1 for key in fleet.stats.requests if key[1] == "other"}
    assert sum(fleet.stats.durations["/status/bots/{name}"].counts) == 3


async def test_what_is_no_http_gets_a_problem_without_our_version(fleet: Fleet) -> None:
    with capture_logs() as logs:
        answer = await raw(fleet, b"\x16\x03\x01 not http at all\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b"application/problem+json" in head
    assert b"this is not a valid HTTP request" in body
    assert b"aiohttp" not in answer
    assert b"Python" not in answer
    assert logs == []


@pytest.mark.parametrize("hosts", ["", "Host: localhost\r\nHost: evil.example\r\n"])
async def test_a_request_has_one_host(fleet: Fleet, hosts: str) -> None:
    answer = await raw(fleet, f"GET /status HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode())
    assert b" 400 " in answer.splitlines()[0]


@pytest.mark.parametrize(
    ("settings", "prefix"),
    [
        (WebSettings(listen=(("127.0.0.1", 0),), route_prefix="/bots"), "/bots"),
        (WebSettings(listen=(("127.0.0.1", 0),), external_url="https://example.org/a/bots/"), "/a/bots"),
    ],
)
async def test_all_routes_live_under_the_prefix(settings: WebSettings, prefix: str) -> None:
    async with Fleet(settings) as fleet:
        for path in ("/", "/status", "/metrics", "/health", "/-/ready", "/static/page.js"):
            assert (await fleet.call(prefix + path)).status == 200, path
            assert (await fleet.call(path)).status == 404, path
        bare = await fleet.call(prefix)
        assert (bare.status, bare.headers["Location"]) == (308, "bots/")
        assert fleet.stats.requests["/status", "GET", 200] == 1


async def test_a_proxy_may_cut_the_external_path_off() -> None:
    settings = WebSettings(listen=(("127.0.0.1", 0),), external_url="https://example.org/bots", route_prefix="/")
    async with Fleet(settings) as fleet:
        page = await (await fleet.call("/", headers={"Host": "example.org"})).text()
        assert (await fleet.call("/status")).status == 200
    assert "metrics_path: /bots/metrics" in page
    assert "scheme: https" in page


async def test_several_addresses() -> None:
    async with Fleet(WebSettings(listen=(("127.0.0.1", 0), ("127.0.0.2", 0)))) as fleet:
        assert [host for host, _ in fleet.server.addresses] == ["127.0.0.1", "127.0.0.2"]
        for host, port in fleet.server.addresses:
            assert port > 0
            async with fleet.client.get(f"http://{host}:{port}/status") as answer:
                assert answer.status == 200


async def test_a_port_in_use_is_told_and_nothing_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fleet = Fleet(WebSettings(listen=(("127.0.0.1", 0), ("127.0.0.1", port))))
        with pytest.raises(StartError, match=rf"127\.0\.0\.1:{port}: another program uses it.*--web\.listen-address"):
            await fleet.__aenter__()
        assert fleet.server.addresses == ()


@pytest.mark.parametrize(("host", "trouble"), [("203.0.113.1", "no such address"), ("x..y", "the name has no address")])
async def test_an_address_that_is_not_ours(host: str, trouble: str) -> None:
    with pytest.raises(StartError, match=trouble):
        await Fleet(WebSettings(listen=((host, 0),))).__aenter__()


async def test_stop_lets_a_running_request_finish() -> None:
    fleet = Fleet()
    async with fleet:
        fleet.metrics.go.clear()
        running = asyncio.create_task(fleet.call("/metrics"))
        idle = await fleet.call("/health")
        await fleet.metrics.asked.wait()
        stopping = asyncio.create_task(fleet.server.stop(30))
        await asyncio.sleep(0)
        with pytest.raises(aiohttp.ClientConnectionError):
            await fleet.call("/health")
        fleet.metrics.go.set()
        answer = await running
        await stopping
    assert (idle.status, answer.status) == (200, 200)


async def test_stop_ends_a_request_that_does_not() -> None:
    async with Fleet() as fleet:
        fleet.metrics.go.clear()
        running = asyncio.create_task(fleet.call("/metrics"))
        await fleet.metrics.asked.wait()
        await fleet.server.stop(0.01)
        with pytest.raises(aiohttp.ClientConnectionError):
            await running


async def test_stop_does_not_wait_for_a_client_that_does_not_read() -> None:
    async with Fleet() as fleet:
        for number in range(500):
            fleet.add(f"bot-{number}")
        with socket.create_connection(fleet.server.addresses[0]) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
            await fleet.call("/health")
            await fleet.server.stop(0.01)


async def test_a_client_that_leaves_ends_its_request(fleet: Fleet) -> None:
    fleet.metrics.go.clear()
    leaving = asyncio.create_task(fleet.call("/metrics"))
    await fleet.metrics.asked.wait()
    leaving.cancel()
    while fleet.stats.requests["/metrics", "GET", 499] == 0:
        await fleet.call("/health")


async def test_a_thousand_bots_are_one_quick_answer(fleet: Fleet) -> None:
    for number in range(1000):
        fleet.add(f"bot-{number}")
        fleet.connect(f"bot-{number}")
    whole: Any = await fleet.get("/status")
    assert len(whole["bots"]) == 1003
