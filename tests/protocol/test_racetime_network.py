"""The ways in which the network fails before racetime.gg says anything, told apart over real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from exporter.errors import FailureReason, TransientError
from exporter.platforms.racetime.client import Patience
from exporter.platforms.racetime.service import open_session
from exporter.secrets import Secret
from tests.e2e.prometheus import free_port

SECRET = Secret("a-secret-that-must-not-show")


async def failure(url: str) -> tuple[TransientError, TransientError]:
    """Return how the token endpoint and a room's socket fail there."""
    async with open_session(url, "bot-exporter tests", Patience(request_s=5.0)) as client:
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


async def test_a_server_that_accepts_and_says_nothing() -> None:
    release = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_session(url, "bot-exporter tests", Patience(request_s=0.2)) as client:
            with pytest.raises(TransientError) as at_token:
                await client.fetch_token("some-client", SECRET)
            with pytest.raises(TransientError) as at_socket:
                await client.open_room("some-room", SECRET.reveal())
        release.set()
    assert {at_token.value.reason, at_socket.value.reason} == {FailureReason.TIMEOUT}
