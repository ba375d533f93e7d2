"""A server accepts and hangs up at once, while this process has no turn: it was suspended, or the machine is busy.

Then the end of the connection is seen together with its beginning, before anything was said. Which error that is
depends on the event loop, and on the step at which the process stood still.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from exporter.errors import FailureReason, TransientError
from exporter.platforms.racetime.service import open_session
from exporter.platforms.steam.connection import SteamConnection
from exporter.stats import BotStats
from exporter.timing import SystemClock

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
STEPS = 8
TRIES = 4
SUSPENDED_S = 0.02


async def racetime_room(url: str) -> None:
    async with open_session(url.replace("ws:", "http:"), "bot-exporter tests") as client:
        await client.open_room("some-room", "token")


async def steam_cm(url: str) -> None:
    await SteamConnection.open(url, stats=BotStats(), clock=SystemClock(), tls=ssl.create_default_context())


@asynccontextmanager
async def hanging_up(*, reset: bool) -> AsyncIterator[str]:
    """Accept everybody and end the connection at once, in a thread: it goes on while the loop stands still."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = listener.accept()
                except OSError:
                    return
                if reset:
                    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                accepted.close()

        serving = asyncio.get_running_loop().run_in_executor(None, serve)
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            await serving


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("connect", [racetime_room, steam_cm])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_whose_end_comes_with_its_beginning(
    reset: bool, connect: Callable[[str], Awaitable[None]], loop: str
) -> None:
    async def scene() -> None:
        async with hanging_up(reset=reset) as url:
            for number in range(STEPS * TRIES):
                connecting = asyncio.ensure_future(connect(url))
                for _ in range(number % STEPS):
                    await asyncio.sleep(0)
                time.sleep(SUSPENDED_S)  # noqa: ASYNC251  (nobody has a turn: that is what is tried)
                with pytest.raises(TransientError) as caught:
                    await connecting
                assert caught.value.reason in {FailureReason.OTHER, FailureReason.PROTOCOL}
                assert url.partition("://")[2] in str(caught.value)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(scene())
