"""The live feed of a real server, over WebSockets and Server-Sent Events."""

import asyncio
from typing import Any

import aiohttp
import pytest

from exporter.model import events as ev
from exporter.model.states import RaceState
from exporter.web.keys import AccessRules
from exporter.web.settings import Limits, WebSettings
from exporter.web.stream import feed
from exporter.web.stream.hub import HEARTBEAT_S, LOOK_S, TICK_S
from tests.eventually import eventually
from tests.web.fleet import KEYS, LOBBY_ID, NOW, Fleet, race_view
from tests.web.streams import EVENTS, LIMIT_S, Stream, pass_on, status, streaming, told

BOTH = pytest.mark.parametrize("sse", [False, True], ids=["websocket", "sse"])
HERE = (("127.0.0.1", 0),)


def happen(fleet: Fleet) -> None:
    """Change something of each kind."""
    fleet.store.apply(ev.RaceUpdated("alttpr", NOW, race_view(state=RaceState.PENDING, name="Ben")))
    fleet.store.apply(ev.BotRemoved("sm", NOW))
    fleet.store.apply(ev.LobbyForgotten("dire", NOW, str(LOBBY_ID)))
    fleet.process.draining = not fleet.process.draining


async def same(fleet: Fleet, stream: Stream) -> None:
    """Wait until a stream has said what /status says."""
    expected = await status(fleet)
    await stream.take(lambda: told(stream) == expected)


# --- what comes ---


@BOTH
async def test_a_stream_says_what_status_says(fleet: Fleet, sse: bool) -> None:
    async with streaming(fleet, sse=sse) as stream:
        await stream.take(lambda: stream.replica.complete)
        assert told(stream) == await status(fleet)
        assert set(stream.replica.types) == {"snapshot"}
        happen(fleet)
        await pass_on(fleet)
        await same(fleet, stream)
        assert ("lobby", str(LOBBY_ID)) not in told(stream)


async def test_the_head_of_an_event_stream(fleet: Fleet) -> None:
    answer = await fleet.client.get(fleet.url("/status/stream"), headers=EVENTS)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Server"] == "bot-exporter"
    assert await answer.content.readline() == b"retry: 2000\n"
    answer.close()
    head = await fleet.call("/status/stream", "HEAD", headers=EVENTS)
    assert (head.status, head.headers["Content-Type"]) == (200, "text/event-stream")


async def test_an_old_client_gets_events_without_chunks(fleet: Fleet) -> None:
    reader, writer = await asyncio.open_connection(*fleet.server.addresses[0])
    writer.write(b"GET /status/stream?kind=bot HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert await reader.readuntil(b"\n\n") == b"retry: 2000\n\n"
    assert (await reader.readuntil(b"\n\n")).startswith(b"id: ")
    writer.close()


async def test_filters(fleet: Fleet) -> None:
    for query, kinds in (
        ("?kind=bot", {"bot"}),
        ("?kind=bot&kind=system", {"bot", "system"}),
        ("?platform=dota2", {"bot", "lobby"}),
        ("?bot=dire_account", {"bot", "lobby"}),
        ("?bot=alttpr&kind=race", {"race"}),
        ("?kind=&bot=&platform=", {"bot", "lobby", "race", "system"}),
    ):
        async with streaming(fleet, query) as stream:
            await stream.take(lambda stream=stream: stream.replica.complete)  # type: ignore[misc]
            assert {kind for kind, _ in told(stream)} == kinds, query
            everything = await status(fleet)
            assert all(everything[key] == data for key, data in told(stream).items())


@BOTH
async def test_coming_back(fleet: Fleet, sse: bool) -> None:
    async with streaming(fleet, sse=sse) as stream:
        await stream.take(lambda: stream.replica.complete)
    replica = stream.replica
    happen(fleet)
    await pass_on(fleet)
    async with streaming(fleet, f"?since={replica.cursor}", sse=sse, replica=replica) as stream:
        await same(fleet, stream)
        assert set(replica.types) == {"change"}
    # A browser comes back with the address it began with; what it says by itself is newer.
    fleet.add("new")
    await fleet.clock.advance(TICK_S)
    headers = {"Last-Event-ID": replica.cursor}
    async with streaming(fleet, "?since=0-0", sse=sse, replica=replica, headers=headers) as stream:
        await stream.take(lambda: bool(replica.frames))
        assert [(frame["type"], frame["id"]) for frame in replica.frames] == [("change", "new")]


@BOTH
async def test_coming_back_to_another_run_of_the_server(sse: bool) -> None:
    async with Fleet() as before:
        before.populate()
        async with streaming(before, sse=sse) as stream:
            await stream.take(lambda: stream.replica.complete)
    async with Fleet() as after:
        after.add("alttpr")
        after.connect("alttpr")
        query = f"?since={stream.replica.cursor}"
        async with streaming(after, query, sse=sse, replica=stream.replica) as again:
            await again.take(lambda: len(again.replica.frames) == 3)
            assert again.replica.types == ["snapshot"] * 3
            await same(after, again)


async def test_what_no_run_of_ours_has_said_gets_a_snapshot(fleet: Fleet) -> None:
    cases: list[tuple[str, dict[str, str]]] = [("?since=0-0", {}), ("?since=ffffffffffffffff-5", {}), ("?since=", {})]
    for query, headers in (*cases, ("", {"Last-Event-ID": "whatever"})):
        async with streaming(fleet, query, headers=headers) as stream:
            await stream.take(lambda stream=stream: stream.replica.complete)  # type: ignore[misc]
            assert told(stream) == await status(fleet)


@BOTH
async def test_signs_of_life(fleet: Fleet, sse: bool) -> None:
    async with streaming(fleet, sse=sse) as stream:
        await stream.take(lambda: stream.replica.complete)
        for beat in (1, 2):
            await fleet.clock.advance(HEARTBEAT_S)
            await stream.take(lambda beat=beat: stream.replica.types.count("heartbeat") >= beat)  # type: ignore[misc]
        assert "change" not in stream.replica.types


# --- what is refused ---


@pytest.mark.parametrize(
    ("accept", "status_code"),
    [
        (None, 406),
        ("*/*", 406),
        ("application/json", 406),
        ("text/event-stream;q=0", 406),
        ("text/event-stream; q=0.0, */*", 406),
        ("text/event-streams", 406),
        ("TEXT/Event-Stream", 200),
        ("text/html, text/event-stream;q=0.5", 200),
    ],
)
async def test_who_gets_events(fleet: Fleet, accept: str | None, status_code: int) -> None:
    headers = {"Accept": accept} if accept else {}
    async with fleet.client.get(fleet.url("/status/stream"), headers=headers, skip_auto_headers=["Accept"]) as answer:
        assert answer.status == status_code
        if status_code == 406:
            assert "text/event-stream" in (await answer.json())["detail"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?kind=bots", ("kind", "'bots'", "lobby")),
        ("?kind=bot&platform=steam", ("platform", "'steam'", "dota2")),
        ("?bot=nobody", ("bot", "'nobody'", "/status/bots")),
        ("?since=yesterday", ("since", "'yesterday'", "cursor")),
        ("?status=connected", ("'status'", "kind")),
    ],
)
@BOTH
async def test_a_wrong_parameter_is_named(fleet: Fleet, query: str, words: tuple[str, ...], sse: bool) -> None:
    headers = EVENTS if sse else HANDSHAKE
    answer = await fleet.call(f"/status/stream{query}", headers=headers)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    detail = (await answer.json())["detail"]
    assert all(word in detail for word in words)


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.mark.parametrize(
    "change",
    [
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": "%"},
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Protocol": "bearer, some-key"},
        {"Connection": "keep-alive"},
    ],
    ids=str,
)
async def test_what_is_no_handshake(fleet: Fleet, change: dict[str, str]) -> None:
    answer = await fleet.call("/status/stream", headers=HANDSHAKE | change)
    assert answer.status == 400
    assert "handshake" in (await answer.json())["detail"]
    assert (await fleet.call("/status/stream", "POST", headers=EVENTS)).status == 405


@BOTH
async def test_there_are_only_so_many_streams(sse: bool) -> None:
    async with Fleet(WebSettings(listen=HERE, limits=Limits(streams=1))) as fleet:
        async with streaming(fleet, sse=sse) as stream:
            await stream.take(lambda: stream.replica.complete)
            answer = await fleet.call("/status/stream", headers=EVENTS)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        await eventually(lambda: not +fleet.streams.clients)
        async with streaming(fleet, sse=sse) as stream:
            await stream.take(lambda: stream.replica.complete)


async def test_a_stream_is_one_of_an_addresss_connections() -> None:
    limits = Limits(connections_of_one=2)
    async with Fleet(WebSettings(listen=HERE, limits=limits)) as fleet, streaming(fleet), streaming(fleet, sse=True):
        assert (await fleet.call("/status")).status == 429
        assert (await fleet.call("/metrics")).status == 200


# --- how it ends ---


@BOTH
async def test_streams_end_when_the_server_stops(sse: bool) -> None:
    fleet = Fleet()
    async with fleet, streaming(fleet, sse=sse) as stream, streaming(fleet, sse=sse) as other:
        await stream.take(lambda: stream.replica.complete)
        stopping = asyncio.create_task(fleet.server.stop(LIMIT_S))
        assert await stream.end() == (None if sse else 1001)
        assert await other.end() == (None if sse else 1001)
        async with asyncio.timeout(LIMIT_S / 2):
            await stopping
    assert not +fleet.streams.clients
    assert not fleet.streams.dropped


async def test_a_stop_does_not_wait_for_who_says_no_goodbye() -> None:
    async with Fleet() as fleet:
        reader, writer = await asyncio.open_connection(*fleet.server.addresses[0])
        writer.write(b"GET /status/stream HTTP/1.1\r\nHost: localhost\r\n")
        writer.write("".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items()).encode() + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: fleet.streams.clients["websocket"] == 1)
        async with asyncio.timeout(LIMIT_S):
            await fleet.server.stop(0.1)
        assert (await reader.read()).endswith(b"the server stops")
        writer.close()


async def test_a_stop_hears_the_goodbye_of_a_client_that_leaves_the_closing_to_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "_GOODBYE_S", LIMIT_S + 10)  # so long it would last, were the goodbye not heard
    async with Fleet() as fleet:
        reader, writer = await asyncio.open_connection(*fleet.server.addresses[0])
        writer.write(b"GET /status/stream HTTP/1.1\r\nHost: localhost\r\n")
        writer.write("".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items()).encode() + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: fleet.streams.clients["websocket"] == 1)
        async with asyncio.timeout(LIMIT_S):
            stopping = asyncio.create_task(fleet.server.stop(LIMIT_S))
            await reader.readuntil(b"the server stops")
            writer.write(b"\x88\x82" + bytes(4) + (1001).to_bytes(2, "big"))
            assert await reader.read() == b""
            await stopping
        writer.close()


@BOTH
async def test_a_client_that_leaves_is_counted_no_more(fleet: Fleet, sse: bool) -> None:
    protocol = "sse" if sse else "websocket"
    async with streaming(fleet, sse=sse) as stream:
        await stream.take(lambda: stream.replica.complete)
        assert fleet.streams.clients[protocol] == 1
        fleet.clock.skip(3600)
    await eventually(lambda: fleet.streams.clients[protocol] == 0)
    code = 200 if sse else 101
    await eventually(lambda: fleet.stats.requests["/status/stream", "GET", code] == 1)
    assert fleet.stats.durations["/status/stream"].total < LOOK_S  # how long it lasted is no time to answer
    fleet.add("new")
    await pass_on(fleet)
    assert not fleet.streams.dropped


async def test_what_a_client_sends_is_not_looked_at(fleet: Fleet) -> None:
    async with streaming(fleet) as stream:
        await stream.take(lambda: stream.replica.complete)
        socket: aiohttp.ClientWebSocketResponse = stream.answer
        await socket.send_str('{"type": "change"}')
        await socket.send_bytes(b"\0" * 4000)
        await socket.ping(b"are you there")
        fleet.add("new")
        await pass_on(fleet)
        await stream.take(lambda: "change" in stream.replica.types)
        await socket.send_str("x" * 5000)
        assert await stream.end() == 1009


async def test_a_frame_without_a_mask_ends_it(fleet: Fleet) -> None:
    reader, writer = await asyncio.open_connection(*fleet.server.addresses[0])
    writer.write(b"GET /status/stream HTTP/1.1\r\nHost: localhost\r\n")
    writer.write("".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items()).encode() + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x81\x02hi" * 3 + b"\xff\xff\xff")
    await reader.read()
    writer.close()
    await eventually(lambda: not +fleet.streams.clients)
    assert (await fleet.call("/status")).status == 200


async def test_a_reload_that_keeps_the_keys_ends_nothing() -> None:
    async with Fleet(WebSettings(listen=HERE, access=AccessRules(KEYS))) as fleet, streaming(fleet) as stream:
        await stream.take(lambda: stream.replica.complete)
        fleet.server.change_access(AccessRules(KEYS))
        fleet.add("new")
        await pass_on(fleet)
        await stream.take(lambda: "change" in stream.replica.types)


async def test_the_same_objects_in_the_same_shape(fleet: Fleet) -> None:
    async with streaming(fleet, "?kind=bot&bot=sm") as stream:
        await stream.take(lambda: stream.replica.complete)
        (bot,) = stream.replica.objects.values()
        answer: dict[str, Any] = await fleet.get("/status/bots/sm")
        assert bot == answer
