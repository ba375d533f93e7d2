"""The ways in which the network fails before racetime.gg says anything, told apart over real sockets."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import trustme

from exporter.app import application, load_fleet
from exporter.errors import FailureReason, TransientError
from exporter.platforms.racetime.client import Patience
from exporter.platforms.racetime.service import open_session
from exporter.secrets import Secret
from exporter.web.settings import WebSettings
from tests.e2e.prometheus import free_port
from tests.eventually import eventually
from tests.protocol.fleet_rig import QUICK_PATIENCE, QUICK_ROOMS, quick_platforms
from tests.steady import LoopClock

SECRET = Secret("a-secret-that-must-not-show")


async def failure(url: str, tls: ssl.SSLContext | None = None) -> tuple[TransientError, TransientError]:
    """Return how the token endpoint and a room's socket fail there."""
    async with open_session(url, "bot-exporter tests", Patience(request_s=5.0), tls=tls) as client:
        with pytest.raises(TransientError) as at_token:
            await client.fetch_token("some-client", SECRET)
        with pytest.raises(TransientError) as at_socket:
            await client.open_room("some-room", SECRET.reveal())
    for caught in (at_token, at_socket):
        assert SECRET.reveal() not in str(caught.value)
        assert url.partition("://")[2] in str(caught.value)  # it says which server
    return at_token.value, at_socket.value


@asynccontextmanager
async def tls_server(certificate: trustme.LeafCert) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_certificate_that_nobody_vouches_for() -> None:
    async with tls_server(trustme.CA().issue_cert("127.0.0.1")) as port:
        for error in await failure(f"https://127.0.0.1:{port}"):
            assert error.reason is FailureReason.TLS
            assert "certificate" in str(error)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize(
    ("name", "expired", "told"),
    [("racetime.example", False, "IP address mismatch"), ("127.0.0.1", True, "certificate has expired")],
)
async def test_a_certificate_of_another_name_or_of_the_past(name: str, expired: bool, told: str) -> None:
    authority, past = trustme.CA(), datetime(2020, 1, 1, tzinfo=UTC) if expired else None
    async with tls_server(authority.issue_cert(name, not_after=past)) as port:
        for error in await failure(f"https://127.0.0.1:{port}", trusting(authority)):
            assert error.reason is FailureReason.TLS
            assert told in str(error)


async def test_a_good_certificate_is_taken() -> None:
    """The proof that the tests beside it fail for what they name: what is wrong here comes after TLS."""
    authority = trustme.CA()
    async with tls_server(authority.issue_cert("127.0.0.1")) as port:
        for error in await failure(f"https://127.0.0.1:{port}", trusting(authority)):
            assert error.reason in {FailureReason.PROTOCOL, FailureReason.OTHER}


async def test_a_server_that_speaks_no_tls_at_all() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        for error in await failure(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"):
            assert error.reason is FailureReason.TLS


async def test_nobody_listens() -> None:
    for error in await failure(f"http://127.0.0.1:{free_port()}"):
        assert error.reason is FailureReason.REFUSED


async def test_a_name_without_an_address() -> None:
    for error in await failure("https://no-such-host.invalid"):
        assert error.reason is FailureReason.DNS
        assert "cannot be resolved" in str(error)


@asynccontextmanager
async def deaf_server() -> AsyncIterator[int]:
    """Accept everybody and say nothing."""
    release = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        release.set()


@pytest.mark.parametrize("reason", ["dns", "refused", "tls", "timeout"])
async def test_an_operator_sees_which_of_them_it_is(reason: str, tmp_path: Path) -> None:
    """/status, /metrics and the outage say the same, and one outage it is, not two bad bots."""
    async with AsyncExitStack() as stack:
        match reason:
            case "dns":
                url = "https://no-such-host.invalid"
            case "refused":
                url = f"http://127.0.0.1:{free_port()}"
            case "tls":
                certificate = trustme.CA().issue_cert("127.0.0.1")
                url = f"https://127.0.0.1:{await stack.enter_async_context(tls_server(certificate))}"
            case _:
                url = f"http://127.0.0.1:{await stack.enter_async_context(deaf_server())}"
        config = tmp_path / "config.yaml"
        bots = [
            f"  - {{name: {bot}, platform: racetime, category: {bot}, client_id: x, client_secret: {SECRET.reveal()}}}"
            for bot in ("sm", "ootr")
        ]
        config.write_text("\n".join([f"racetime: {{url: '{url}'}}", "bots:", *bots]))
        app = await stack.enter_async_context(
            application(
                load_fleet(config),
                WebSettings(listen=(("127.0.0.1", 0),)),
                tmp_path / "data",
                clock=LoopClock(),
                stagger_s=0,
                platforms=quick_platforms(QUICK_PATIENCE, QUICK_ROOMS),
            )
        )
        session = aiohttp.ClientSession(f"http://127.0.0.1:{app.web.addresses[0][1]}")
        await stack.enter_async_context(session)
        await eventually(lambda: all(bot.next_retry_at is not None for bot in app.store.bots.values()))
        async with session.get("/status/bots") as response:
            shown = await response.text()
        async with session.get("/metrics") as response:
            page = await response.text()
        for bot in json.loads(shown)["bots"]:
            assert (bot["status_name"], bot["status_reason"]) == ("connection_error", reason)
            assert bot["status_message"] == bot["last_error"]
            labels = f'bot="{bot["name"]}",platform="racetime",reason="{reason}"'
            assert f"bot_status_reason{{{labels}}} 1.0" in page
            assert f"bot_connection_failures_total{{{labels}}} 0.0" not in page  # it goes on trying
        assert "bot_racetime_outage 1.0" in page
        assert SECRET.reveal() not in shown + page


async def test_a_server_that_accepts_and_says_nothing() -> None:
    async with deaf_server() as port:
        url = f"http://127.0.0.1:{port}"
        async with open_session(url, "bot-exporter tests", Patience(request_s=0.2)) as client:
            with pytest.raises(TransientError) as at_token:
                await client.fetch_token("some-client", SECRET)
            with pytest.raises(TransientError) as at_socket:
                await client.open_room("some-room", SECRET.reveal())
    assert {at_token.value.reason, at_socket.value.reason} == {FailureReason.TIMEOUT}
