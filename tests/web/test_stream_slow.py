"""Clients of the live feed that do not read, over real sockets: bounded, dropped, and nobody else's trouble."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import uvloop

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.web.settings import WebSettings
from exporter.web.stream.hub import LOOK_S, PATIENCE_S, TICK_S
from exporter.web.stream.subscriber import MOST_WAITING, WRITE
from exporter.web_config import load_web_config
from tests import certificates
from tests.eventually import eventually
from tests.replica import Replica, messages
from tests.web.fleet import NOW, Fleet, race_view
from tests.web.streams import Stream, streaming
from tests.web.test_stream import HANDSHAKE

RACES = 50
INFO = 20_000

HEAD = "GET /status/stream HTTP/1.1\r\nHost: localhost\r\n"
WEBSOCKET = HEAD + "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items()) + "\r\n"
EVENTS = HEAD + "Accept: text/event-stream\r\n\r\n"

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def settings(folder: Path, *, tls: bool) -> WebSettings:
    if not tls:
        return WebSettings(listen=(("127.0.0.1", 0),))
    certificates.issue(folder, "own")
    (folder / "web.yml").write_text("tls_server_config:\n  cert_file: own.pem\n  key_file: own.key\n")
    return WebSettings(listen=(("127.0.0.1", 0),), web_config=load_web_config(folder / "web.yml"))


@asynccontextmanager
async def stalled(fleet: Fleet, request: str) -> AsyncIterator[asyncio.StreamReader]:
    """Open a stream whose client has small buffers, and reads the head of the answer only."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, fleet.server.addresses[0])
    trust = trusting() if fleet.server.encrypted else None
    reader, writer = await asyncio.open_connection(
        sock=plain, limit=1024, ssl=trust, server_hostname="localhost" if trust else None
    )
    writer.write(request.encode())
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader
    finally:
        writer.transport.abort()


async def whole(reader: asyncio.StreamReader) -> bytes:
    """Return all that comes until the end."""
    found = b""
    try:
        while chunk := await reader.read(1 << 16):
            found += chunk
    except ConnectionResetError:
        pass
    return found


def waiting(fleet: Fleet) -> list[int]:
    return fleet.server._feed.hub.waiting


async def everything_changes(fleet: Fleet, turn: int) -> None:
    for number in range(RACES):
        view = replace(race_view(f"race-{number}"), info=f"{turn} " + "x" * INFO)
        fleet.store.apply(ev.RaceUpdated("alttpr", NOW, view))
    await fleet.clock.advance(TICK_S)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    certificates.authority().configure_trust(context)
    return context


async def trouble(fleet: Fleet, request: str) -> bytes:
    """Let everything change again and again beside a client that does not read; return what it gets in the end.

    The system's own buffers take some megabytes first; only then has the server to keep anything.
    """
    fleet.populate()
    if fleet.server.encrypted:
        await fleet.client.close()
        fleet.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting()))
    bound = MOST_WAITING + WRITE + INFO + 1000  # what may wait, and one write with the frame that is above it
    async with streaming(fleet, "?kind=race") as other, stalled(fleet, request) as reader:
        await other.take(lambda: other.replica.complete)
        await eventually(lambda: len(waiting(fleet)) == 2)
        most, turn, beyond = 0, 0, 0
        while beyond < 4:
            turn += 1
            await everything_changes(fleet, turn)
            await other.take(lambda turn=turn: _all_told(other, turn))  # type: ignore[misc]
            most = max(most, *waiting(fleet))
            beyond += most > MOST_WAITING
        assert most <= bound
        assert not fleet.streams.dropped
        for _ in range(int(PATIENCE_S / LOOK_S) + 1):
            await fleet.clock.advance(LOOK_S)
        assert fleet.streams.dropped == {"slow": 1}
        await eventually(lambda: len(waiting(fleet)) == 1)
        last = await whole(reader)
        await fleet.clock.advance(2)
        return last


def _all_told(stream: Stream, turn: int) -> bool:
    infos = [data["info"] for (kind, name), data in stream.replica.objects.items() if "/race-" in (name or "")]
    return len(infos) == RACES and all(info.startswith(f"{turn} ") for info in infos)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_websocket_that_is_not_read(loop: str, tls: bool, tmp_path: Path) -> None:
    async def scene() -> bytes:
        async with Fleet(settings(tmp_path, tls=tls)) as fleet:
            return await trouble(fleet, WEBSOCKET)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        *frames, goodbye = messages(runner.run(scene()))
    assert int.from_bytes(goodbye[:2], "big") == 1013
    assert b"too slow" in goodbye
    replica = Replica()
    for frame in frames:
        replica.take(frame)


async def test_events_that_are_not_read() -> None:
    async with Fleet() as fleet:
        last = await trouble(fleet, EVENTS)
    assert last
    assert not last.endswith(b"0\r\n\r\n")  # what is cut off does not look as if it were whole


async def test_one_that_never_reads_again_is_gone_after_a_moment() -> None:
    async with Fleet() as fleet:
        fleet.populate()
        async with stalled(fleet, WEBSOCKET):
            turn = 0
            while max(waiting(fleet), default=0) <= MOST_WAITING:
                turn += 1
                await everything_changes(fleet, turn)
            for _ in range(int(PATIENCE_S / LOOK_S) + 1):
                await fleet.clock.advance(LOOK_S)
            await eventually(lambda: fleet.streams.dropped["slow"] == 1)
            assert fleet.server._slots._all.taken == 1
            await fleet.clock.advance(2)
            await eventually(lambda: fleet.server._slots._all.taken == 0)
