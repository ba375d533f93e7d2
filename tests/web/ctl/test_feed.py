"""Following the live feed: what comes, what is lost, and coming back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.ctl.board import Changed
from exporter.ctl.failures import CtlError, Refused, Unreachable
from exporter.ctl.locate import Server
from exporter.ctl.stream import Feed
from exporter.secrets import Secret
from tests.web.ctl.feed import SNAPSHOT, Script, Serve, answer, frame, scripted, sending, silent


class Enough(Exception):
    """What the test waits for has come."""


@dataclass
class Seen:
    said: list[str] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    frames: int = 0
    pauses: list[float] = field(default_factory=list)


@dataclass
class Following:
    feed: Feed
    seen: Seen

    async def __call__(self) -> Seen:
        with pytest.raises(Enough):
            await asyncio.to_thread(self.feed.follow)
        return self.seen


@asynccontextmanager
async def follow(script: Script, *, frames: int = 99, **options: Any) -> AsyncIterator[Following]:
    """Yield what follows the feed until so many frames have come, or until it gives up."""
    seen = Seen()

    def got(_: str) -> None:
        seen.frames += 1

    def idle() -> None:
        if seen.frames >= frames:
            raise Enough

    async with scripted(script) as url:
        feed = Feed(
            Server(url, "--url", key=Secret("the-key")),
            {"kind": ("bot", "race")},
            say=lambda what: seen.said.append(str(what)),
            frame=got,
            changes=seen.changes.extend,
            idle=idle,
            idle_s=0.01,
            sleep=seen.pauses.append,
            **options,
        )

        yield Following(feed, seen)


async def test_frames_become_changes() -> None:
    script = Script([sending(*SNAPSHOT, frame("change", 2, "bot", "a", {"x": 2}), frame("heartbeat", 2))])
    async with follow(script, frames=4) as run:
        seen = await run()
    assert script.asked == [("/fleet/status/stream?kind=bot&kind=race", "the-key")]
    assert seen.changes == [Changed("bot", "a", {"x": 1}, {"x": 2})]
    assert seen.said == []


async def test_a_loss_is_told_and_the_feed_goes_on_where_it_ended() -> None:
    script = Script(
        [
            sending(*SNAPSHOT),
            answer(503, "starting"),
            answer(502, "no"),
            sending(frame("change", 2, "bot", "b", {"x": 3})),
        ]
    )
    async with follow(script, frames=3) as run:
        seen = await run()
    assert [path.rpartition("&")[2] for path, _ in script.asked] == ["kind=race", *["since=boot-1"] * 3]
    assert seen.changes == [Changed("bot", "b", None, {"x": 3})]
    assert seen.said[0].endswith("has ended: the server stops")
    assert seen.said[1:] == ["coming back, to go on after boot-1", "connected again: it goes on where it ended"]
    assert seen.pauses == [0.5, 1.0, 2.0]


async def test_a_server_that_begins_anew_tells_what_is_different() -> None:
    script = Script(
        [sending(*SNAPSHOT, code=None), sending(frame("snapshot", 7, "bot", "b", {"x": 3}), frame("snapshot", 8))]
    )
    async with follow(script, frames=4) as run:
        seen = await run()
    assert seen.changes == [Changed("bot", "a", {"x": 1}, None), Changed("bot", "b", None, {"x": 3})]
    assert "no goodbye" in seen.said[0]
    assert seen.said[2].startswith("connected again: the server has begun anew")


async def test_silence_is_a_loss() -> None:
    script = Script([silent, sending(frame("heartbeat", 1))])
    async with follow(script, frames=2, silent_s=0.05) as run:
        seen = await run()
    assert seen.said[0].startswith("nothing was heard of http://127.0.0.1:")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"type": "change", "cursor": "x"}'])
async def test_what_is_no_frame_is_a_loss(text: str) -> None:
    script = Script([sending(*SNAPSHOT, text), sending(frame("heartbeat", 1))])
    async with follow(script, frames=3) as run:
        seen = await run()
    assert "something that is no frame of the feed" in seen.said[0]


@pytest.mark.parametrize("before", [[], [sending(*SNAPSHOT)]])
async def test_a_key_that_is_not_good_ends_it(before: list[Serve]) -> None:
    script = Script([*before, answer(401, "the key that was sent is not known here")])
    async with follow(script) as run:
        with pytest.raises(Refused, match="is not known here") as caught:
            await asyncio.to_thread(run.feed.follow)
    assert caught.value.problem["status"] == 401


async def test_a_first_connection_that_does_not_come_about_is_told_at_once() -> None:
    async with follow(Script([answer(503, "full")])) as run:
        with pytest.raises(Refused, match="full"):
            await asyncio.to_thread(run.feed.follow)
    with pytest.raises(Unreachable, match="nothing answers at"):
        await asyncio.to_thread(run.feed.follow)


async def test_what_speaks_no_websocket_is_told() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(speak, "127.0.0.1", 0)
    url = "http://127.0.0.1:{1}".format(*listening.sockets[0].getsockname())
    async with listening:
        feed = Feed(Server(url, "--url"), {}, say=print, frame=print, changes=print)
        with pytest.raises(CtlError) as caught:
            await asyncio.to_thread(feed.follow)
    assert url in str(caught.value)
