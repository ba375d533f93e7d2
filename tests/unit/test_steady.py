"""The event loop of tests: a slow machine does not make its time go faster."""

import asyncio
import time

import pytest

from tests.steady import TURN_S, LoopClock, SteadyLoop


@pytest.fixture
def loop() -> SteadyLoop:
    return SteadyLoop()


def test_a_stall_is_not_seen(loop: SteadyLoop) -> None:
    async def scene() -> None:
        clock = LoopClock()
        began, began_at = clock.monotonic(), clock.now()
        async with asyncio.timeout(0.1):
            for _ in range(3):
                time.sleep(0.15)  # noqa: ASYNC251  (the machine is busy)
                await asyncio.sleep(0)
        assert clock.monotonic() - began <= 5 * TURN_S
        assert clock.now() - began_at == pytest.approx(clock.monotonic() - began, abs=TURN_S)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene())


def test_waits_take_their_time_and_end_in_order(loop: SteadyLoop) -> None:
    async def scene() -> None:
        ended = []

        async def wait(seconds: float) -> None:
            await asyncio.sleep(seconds)
            ended.append(seconds)

        began, really = asyncio.get_running_loop().time(), time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.gather(wait(0.05), wait(0.02), wait(10))
        assert ended == [0.02, 0.05]
        assert 0.1 <= asyncio.get_running_loop().time() - began < 0.1 + 10 * TURN_S
        assert time.monotonic() - really >= 0.09

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene())


def test_a_fast_loop_waits_for_a_fraction_of_the_time_and_loses_no_socket() -> None:
    async def scene() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        began, really = asyncio.get_running_loop().time(), time.monotonic()
        await asyncio.sleep(60)
        assert 60 <= asyncio.get_running_loop().time() - began < 60 + 10 * TURN_S
        assert 0.05 < time.monotonic() - really < 20
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            assert await reader.read() == b"hello\n"
            writer.close()

    with asyncio.Runner(loop_factory=lambda: SteadyLoop(pace=1000.0)) as runner:
        runner.run(scene())


def test_time_hardly_passes_while_a_thread_works() -> None:
    async def scene() -> None:
        running = asyncio.get_running_loop()
        began = running.time()
        async with asyncio.timeout(5):  # a twentieth of a second of waiting
            await asyncio.to_thread(time.sleep, 0.3)
        assert running.time() - began < 0.3
        await asyncio.sleep(60)  # and passes as before when it has done it
        assert running.time() - began >= 60

    with asyncio.Runner(loop_factory=lambda: SteadyLoop(pace=100.0)) as runner:
        runner.run(scene())
