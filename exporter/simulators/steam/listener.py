"""One listening socket in front of an aiohttp application, with a hand on the door: every accepted connection
passes the rules for ACCEPT and TLS before the application sees a byte of it."""

import asyncio
import contextlib
import socket
import ssl
import struct
from typing import Literal

from aiohttp import web

from exporter.simulators.steam.faults import Deed, Faults, Phase
from exporter.timing import Clock

CLOSE_LIMIT_S = 1.0
_BACKLOG = 512
_RESET = struct.pack("ii", 1, 0)
_HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")


class Listener:
    """Starts, stops, crashes, and comes back on the same port."""

    def __init__(
        self,
        app: web.Application,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        clock: Clock,
        faults: Faults,
        cm: int | None,
    ) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self._app = app
        self._clock = clock
        self._faults = faults
        self._cm = cm
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._held: list[socket.socket] = []
        self._closing = asyncio.Event()

    @property
    def running(self) -> bool:
        return self._runner is not None

    async def start(self) -> None:
        """Listen; on the same port as before if it ran already."""
        if self._runner is not None:
            return
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=CLOSE_LIMIT_S, handle_signals=False)
        await runner.setup()
        self._socket = socket.create_server((self.host, self.port), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._runner = runner
        self._closing.clear()
        self._accepting = asyncio.create_task(self._accept(self._socket, runner), name="steam-simulator-accept")

    async def pause(self, seconds: float | None = None) -> None:
        """Return that many seconds of the clock later, or at the latest when the door closes; None is for ever."""
        waits = {asyncio.create_task(self._closing.wait(), name="steam-simulator-closing")}
        if seconds is not None:
            waits.add(asyncio.create_task(self._until(seconds), name="steam-simulator-pause"))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def hang_up(self, request: web.Request, *, waiting: bool) -> web.Response:
        """Drop a connection without an HTTP answer; `waiting` until the door closes."""
        if waiting:
            await self.pause()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def close_door(self) -> None:
        """Accept no further connection; those that are open stay."""
        self._closing.set()
        tasks = [each for each in (self._accepting, *self._arriving) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._accepting = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        while self._held:
            self._held.pop().close()

    async def stop(self, *, abruptly: bool = False) -> None:
        """Accept nothing more and end all connections; `abruptly` resets them as a killed process does."""
        await self.close_door()
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if abruptly and runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await runner.cleanup()

    async def _until(self, seconds: float) -> Literal[True]:
        await self._clock.sleep(seconds)
        return True

    async def _accept(self, listening: socket.socket, runner: web.AppRunner) -> None:
        loop = asyncio.get_running_loop()
        while True:
            arrived, _ = await loop.sock_accept(listening)
            task = asyncio.create_task(self._receive(arrived, runner), name="steam-simulator-arrival")
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _receive(self, arrived: socket.socket, runner: web.AppRunner) -> None:
        phases = (Phase.ACCEPT, Phase.TLS) if self.tls is not None else (Phase.ACCEPT,)
        for phase in phases:
            fault = self._faults.take(phase, cm=self._cm)
            if fault is None:
                continue
            if fault.deed is Deed.HANG:
                self._held.append(arrived)
                return
            if phase is Phase.TLS and fault.deed is Deed.REFUSE:
                arrived.send(_HANDSHAKE_FAILURE)
            else:
                arrived.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            arrived.close()
            return
        loop = asyncio.get_running_loop()
        # Whoever does not manage the TLS handshake is gone: nothing to answer.
        with contextlib.suppress(OSError):
            if runner.server is None:
                arrived.close()
            else:
                await loop.connect_accepted_socket(runner.server, arrived, ssl=self.tls)
