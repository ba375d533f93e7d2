"""The choice of a connection manager: by load, around failures, and in spite of garbage."""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import FailureReason, TransientError
from exporter.platforms.steam.directory import FRESH_S, SET_ASIDE_S, Cm, CmDirectory, open_directory, parse_list
from tests.clock import ManualClock

TLS = ssl.create_default_context()


def answer(*rows: object) -> bytes:
    return json.dumps({"response": {"serverlist": rows, "success": True}}).encode()


def row(endpoint: object, load: object = 1.0, **more: object) -> dict[str, object]:
    return {"endpoint": endpoint, "type": "websockets", "realm": "steamglobal", "wtd_load": load} | more


def test_the_least_loaded_come_first_and_once() -> None:
    found = parse_list(answer(row("b:443", 30), row("a:443", 20.5), row("b:443", 10), row("c:443", None)))
    assert [(cm.url, cm.load) for cm in found] == [
        ("wss://b:443/cmsocket/", 10.0),
        ("wss://a:443/cmsocket/", 20.5),
        ("wss://c:443/cmsocket/", float("inf")),
    ]


@pytest.mark.parametrize(
    "item",
    [
        5,
        row(5),
        row("nohost"),
        row("host:0"),
        row("host:70000"),
        row("evil/path:443"),
        row("user@host:443"),
        row("a:443", realm="steamchina"),
        row("a:443", type="netfilter"),
    ],
)
def test_what_is_no_server_of_ours_is_left_out(item: object) -> None:
    assert parse_list(answer(item, row("good:443"))) == [Cm("wss://good:443/cmsocket/", 1.0)]


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.floats(allow_nan=False),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["response", "serverlist", "endpoint"]), x),
    ).map(lambda x: json.dumps(x).encode())
)
def test_garbage_is_an_empty_list(data: bytes) -> None:
    assert parse_list(data) == []


class Site:
    """A directory over HTTP that answers what a test wants, and counts."""

    def __init__(self) -> None:
        self.body = answer(*(row(f"cm{n}:443", n) for n in range(8)))
        self.status = 200
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(
            f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n".encode()
        )
        writer.write(self.body)
        await writer.drain()
        writer.close()


class Scene:
    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self.site, self.clock, self.file = Site(), ManualClock(), folder / "servers.json"
        self._stack = stack

    async def start(self) -> None:
        server = await asyncio.start_server(self.site.serve, "127.0.0.1", 0)
        self._stack.callback(server.close)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def directory(self, *fixed: str, url: str | None = None) -> CmDirectory:
        opening = open_directory(
            url or self.url, self.file, clock=self.clock, rng=random.Random(1), tls=TLS, fixed=fixed
        )
        return await self._stack.enter_async_context(opening)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        scene = Scene(stack, tmp_path)
        await scene.start()
        yield scene


async def test_one_of_the_best_five_is_chosen(scene: Scene) -> None:
    directory = await scene.directory()
    chosen = {(await directory.choose()).url for _ in range(200)}
    assert chosen == {f"wss://cm{n}:443/cmsocket/" for n in range(5)}
    assert scene.site.asked == 1


async def test_many_who_ask_at_once_share_one_answer(scene: Scene) -> None:
    directory = await scene.directory()
    await asyncio.gather(*(directory.choose() for _ in range(50)))
    assert scene.site.asked == 1
    await scene.clock.advance(FRESH_S)
    await directory.choose()
    assert scene.site.asked == 2


async def test_many_who_ask_at_once_share_one_failure(scene: Scene) -> None:
    """A fleet would otherwise time out one after the other, and look as if it were still connecting."""
    directory = await scene.directory()
    scene.site.status = 503
    outcomes = await asyncio.gather(*(directory.choose() for _ in range(50)), return_exceptions=True)
    assert {str(each) for each in outcomes} == {"Steam's directory answered 503"}
    assert scene.site.asked == 1
    scene.site.status = 200
    assert (await directory.choose()).url.startswith("wss://cm")  # who comes later asks anew


async def test_a_failing_one_is_set_aside_for_two_minutes(scene: Scene) -> None:
    directory = await scene.directory("ws://a/cmsocket/", "ws://b/cmsocket/")
    directory.set_aside(Cm("ws://a/cmsocket/"))
    assert {(await directory.choose()).url for _ in range(20)} == {"ws://b/cmsocket/"}
    await scene.clock.advance(1)
    directory.set_aside(Cm("ws://b/cmsocket/"))
    assert (await directory.choose()).url == "ws://a/cmsocket/"  # it failed longer ago
    await scene.clock.advance(SET_ASIDE_S)
    assert {(await directory.choose()).url for _ in range(20)} == {"ws://a/cmsocket/", "ws://b/cmsocket/"}
    assert scene.site.asked == 0


async def test_the_list_of_the_last_start_helps_while_the_directory_is_away(scene: Scene) -> None:
    await (await scene.directory()).choose()
    scene.site.status = 503
    later = await scene.directory()
    assert (await later.choose()).url.startswith("wss://cm")
    await later.choose()
    assert scene.site.asked == 2  # not every bot has to find that out
    scene.site.status = 200
    await scene.clock.advance(SET_ASIDE_S)
    await later.choose()
    assert scene.site.asked == 3


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, b"", FailureReason.HTTP_5XX),
        (302, b"", FailureReason.PROTOCOL),
        (200, b"<html>", FailureReason.PROTOCOL),
        (200, b" " * (1024 * 1024 + 1), FailureReason.PROTOCOL),
    ],
)
async def test_without_any_list_the_reason_is_told(
    scene: Scene, status: int, body: bytes, reason: FailureReason
) -> None:
    scene.site.status, scene.site.body = status, body
    with pytest.raises(TransientError) as caught:
        await (await scene.directory()).choose()
    assert caught.value.reason is reason


async def test_nobody_there(scene: Scene) -> None:
    with pytest.raises(TransientError) as caught:
        await (await scene.directory(url="http://127.0.0.1:1")).choose()
    assert caught.value.reason is FailureReason.REFUSED


async def test_a_list_that_cannot_be_kept_is_used(scene: Scene) -> None:
    scene.file.mkdir()
    assert (await (await scene.directory()).choose()).url
