"""Which sockets the sweep pings and ends."""

import asyncio

from exporter.platforms.racetime.keepalive import Keepalive
from tests.eventually import eventually

PING_S = 0.1


class Line:
    """A socket that answers pings or not."""

    def __init__(self, *, answers: bool) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self.pinged_at = 0.0
        self.pings = 0
        self.aborted_at: float | None = None
        self._answers = answers

    def ping(self) -> None:
        self.pings += 1
        self.pinged_at = asyncio.get_running_loop().time()
        if self._answers:
            asyncio.get_running_loop().call_soon(self.hear)

    def hear(self) -> None:
        self.heard_at = asyncio.get_running_loop().time()

    def abort(self) -> None:
        self.aborted_at = asyncio.get_running_loop().time()


async def test_a_quiet_socket_is_pinged_and_ended_when_nothing_comes() -> None:
    keepalive = Keepalive(PING_S)
    dead, quiet, left = Line(answers=False), Line(answers=True), Line(answers=False)
    began = dead.heard_at
    for each in (dead, quiet, left):
        keepalive.add(each)
    keepalive.remove(left)
    sweep = asyncio.create_task(keepalive.run())
    await eventually(lambda: dead.aborted_at is not None)
    await eventually(lambda: quiet.pings > 2)
    sweep.cancel()
    assert dead.pings == 1
    assert dead.aborted_at is not None
    assert dead.aborted_at - began >= 2 * PING_S
    assert quiet.aborted_at is left.aborted_at is None
    assert left.pings == 0


async def test_a_socket_on_which_frames_come_is_not_pinged() -> None:
    keepalive = Keepalive(PING_S)
    busy, quiet = Line(answers=False), Line(answers=True)
    keepalive.add(busy)
    keepalive.add(quiet)
    sweep = asyncio.create_task(keepalive.run())
    while quiet.pings < 2:
        busy.heard_at = asyncio.get_running_loop().time() + PING_S  # never quiet for long, however busy the machine
        await asyncio.sleep(0)
    sweep.cancel()
    assert (busy.pings, busy.aborted_at) == (0, None)
