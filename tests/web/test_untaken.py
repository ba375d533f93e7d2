"""Clients that ask for much and do not read, over real sockets: cut off in time, and bounded in all."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.web.connection import PIECE
from exporter.web.settings import Limits, WebSettings
from exporter.web.untaken import Untaken
from exporter.web_config import load_web_config
from tests import certificates
from tests.eventually import eventually
from tests.steady import SteadyLoop
from tests.web import wire
from tests.web.fleet import NOW, Fleet, race_view
from tests.web.wire import Wire

LARGE = 8 * 1024 * 1024
ASK = b"GET /status HTTP/1.1\r\nHost: localhost\r\n"
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def settings(folder: Path, *, tls: bool = False, **limits: Any) -> WebSettings:
    web_config = None
    if tls:
        certificates.issue(folder, "own")
        (folder / "web.yml").write_text("tls_server_config:\n  cert_file: own.pem\n  key_file: own.key\n")
        web_config = load_web_config(folder / "web.yml")
    return WebSettings(listen=(("127.0.0.1", 0),), limits=Limits(**limits), web_config=web_config)


def filled(fleet: Fleet) -> None:
    """Make `/status` larger than what the system's own buffers take."""
    fleet.populate()
    view = replace(race_view("large"), info="x" * LARGE)
    fleet.store.apply(ev.RaceUpdated("alttpr", NOW, view))


async def ask(fleet: Fleet, request: bytes = ASK + b"\r\n", *, buffer: int = 4096) -> Wire:
    trust: ssl.SSLContext | None = None
    if fleet.server.encrypted:
        trust = ssl.create_default_context()
        certificates.authority().configure_trust(trust)
    each = await wire.connect(fleet.server.addresses[0], trust=trust, buffer=buffer)
    each.send(request)
    return each


def taken(fleet: Fleet) -> int:
    return fleet.server._slots._all.taken


REQUESTS = {
    "one answer": ASK + b"\r\n",
    "one answer, and the end": ASK + b"Connection: close\r\n\r\n",
    "many answers": (ASK + b"\r\n") * 100,
    "many small answers": b"GET /static/page.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000,
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("what", REQUESTS)
def test_who_does_not_read_is_cut_off(what: str, tls: bool, loop: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with Fleet(settings(tmp_path, tls=tls, take_s=0.2, keepalive_s=0.2)) as fleet:
            filled(fleet)
            with capture_logs() as logs:
                each = await ask(fleet, REQUESTS[what])
                await eventually(lambda: any("whose client does not read" in line["event"] for line in logs))
            await eventually(lambda: taken(fleet) == 0)
            assert len(fleet.server._untaken) == 0
            assert fleet.stats.cut_off == {"slow": 1}
            each.abort()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(scene())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_what_a_connection_keeps_is_a_piece(tls: bool, loop: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with Fleet(settings(tmp_path, tls=tls)) as fleet:
            filled(fleet)
            each = await ask(fleet)
            await eventually(lambda: len(fleet.server._untaken) == 1)
            (connection,) = fleet.server._untaken._waiting
            assert connection.buffered <= 2 * PIECE + 1000
            assert connection.answer is not None
            assert connection.answer[1] > LARGE
            status, body = await each.answer()
            assert (status, len(body) > LARGE) == (200, True)
            await eventually(lambda: len(fleet.server._untaken) == 0)
            await eventually(lambda: connection.answer is None)  # or an idle connection would keep an old page
            each.abort()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(scene())


def test_who_reads_slowly_but_reads_is_served(tmp_path: Path) -> None:
    """The whole answer takes far longer than the limit, each piece does not."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        async with Fleet(settings(tmp_path, take_s=0.5)) as fleet:
            filled(fleet)
            each = await ask(fleet, buffer=65536)
            began, size = loop.time(), 0
            while size < LARGE:
                size += len(await each.some())
                if loop.time() - began < 2.0:
                    await asyncio.sleep(0.02)
            assert loop.time() - began > 1.0
            each.abort()

    with asyncio.Runner(loop_factory=SteadyLoop) as runner:
        runner.run(scene())


async def test_all_together_keep_only_so_much(tmp_path: Path) -> None:
    """A new client that reads is served while those who do not give way, the one that waits for longest first."""
    most = 3 * LARGE
    async with Fleet(settings(tmp_path, untaken_bytes=most)) as fleet:
        filled(fleet)
        deaf = []
        for _ in range(10):
            deaf.append(await ask(fleet))
            await eventually(lambda: len(fleet.server._untaken) > 0)
            assert fleet.server._untaken.held <= most
        reader = await ask(fleet, buffer=65536)
        assert (await reader.answer())[0] == 200
        await eventually(lambda: taken(fleet) <= 4)
        assert set(fleet.stats.cut_off) == {"crowded"}
        assert fleet.server._untaken.held <= most
        for each in (*deaf, reader):
            each.abort()


async def test_metrics_are_shared(tmp_path: Path) -> None:
    """One page that many are sent counts once: scrapes of a large fleet do not cut each other off."""

    class Held:
        def __init__(self, body: bytes | None, buffered: int = 10) -> None:
            self.answer = None if body is None else (body, len(body))
            self.buffered, self.gone = buffered, False

        def cut_off(self) -> None:
            self.gone = True

    page = b"x" * 1000
    untaken = Untaken(1500)
    scrapes = [Held(page) for _ in range(20)]
    for each in scrapes:
        untaken.add(each)
    assert untaken.held == 1200
    untaken.remove(scrapes[0])  # it has read, and waits again
    untaken.add(scrapes[0])
    other = Held(b"y" * 400)
    untaken.add(other)
    assert [each.gone for each in scrapes] == [False, *(each < 12 for each in range(1, 20))]
    assert not other.gone
    untaken.add(Held(None, 5000))
    assert len(untaken) == 0


async def test_a_head_is_answered_and_a_large_answer_may_be_left(tmp_path: Path) -> None:
    async with Fleet(settings(tmp_path)) as fleet:
        filled(fleet)
        each = await ask(fleet, ASK.replace(b"GET", b"HEAD") + b"Connection: close\r\n\r\n")
        assert (await each.rest()).endswith(b"\r\n\r\n")
        each.close()
        for _ in range(3):
            left = await ask(fleet)
            await eventually(lambda: len(fleet.server._untaken) == 1)
            left.abort()
            await eventually(lambda: taken(fleet) == 0)
        await eventually(lambda: fleet.server._stats.requests["/status", "GET", 499] == 3)  # the client has left
        assert not fleet.stats.cut_off
