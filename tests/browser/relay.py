"""A cable between the browser and the server, which a test can pull out and plug in elsewhere."""

import asyncio
from contextlib import suppress


class Relay:
    """Passes bytes on to `port`; while it is None nobody gets through."""

    def __init__(self, port: int | None) -> None:
        self.port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """End what is connected now."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self.port is None:
                return
            behind_reader, behind = await asyncio.open_connection("127.0.0.1", self.port)
            self._writers.add(behind)
            try:
                await asyncio.gather(_pass(reader, behind), _pass(behind_reader, writer))
            finally:
                self._writers.discard(behind)
                behind.transport.abort()
        except OSError:
            pass  # the server is gone: so is this
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            self._tasks.discard(task)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until one side has had enough; then the other has, too."""
    with suppress(OSError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
