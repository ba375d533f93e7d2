"""What a service manager is told by the protocol of sd_notify: ready, alive, reloading, stopping.

The manager names a datagram socket in NOTIFY_SOCKET, and in WATCHDOG_USEC how long it waits for a sign of life before
it ends the process. Without them (a terminal, a container) everything here does nothing.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NoReturn, Self

import structlog

from exporter.errors import StartError
from exporter.timing import Clock

# A sign of life is sent several times in the time that the manager waits, so that one that is late costs nothing.
_SIGNS: Final = 3

_log = structlog.get_logger(component="notify")


class ServiceManager:
    """Whoever started this process and wants to know how it is. Sending never blocks the event loop and never raises.

    `address` is a path, or a name in the abstract namespace behind an `@`; None sends nothing. `watchdog_s` is how long
    the manager waits for a sign of life, None if it wants none.
    """

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s
        self._status = ""
        self._heard = True

    @classmethod
    def of_environment(cls, environment: Mapping[str, str], pid: int | None = None) -> Self:
        """Read what the manager has put into the environment. Raises StartError for what no manager writes."""
        address = environment.get("NOTIFY_SOCKET")
        if not address:
            return cls(None, None)
        if address[0] not in "/@" or len(address) < 2:
            raise StartError("NOTIFY_SOCKET is no path and no abstract name: unset it, or start this under systemd")
        meant = environment.get("WATCHDOG_PID")
        microseconds = environment.get("WATCHDOG_USEC")
        if microseconds is None or (meant is not None and meant != str(os.getpid() if pid is None else pid)):
            return cls(address, None)
        if not microseconds.isascii() or not microseconds.isdecimal() or int(microseconds) == 0:
            raise StartError("WATCHDOG_USEC is no number of microseconds: unset it, or start this under systemd")
        return cls(address, int(microseconds) / 1e6)

    def ready(self, status: str) -> None:
        """Tell that the start is over; `status` is one line for people who ask the manager."""
        self._status = status
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Tell that a reload has begun."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self, well: bool) -> None:
        """Tell that the reload is over; the process runs on in any case."""
        self._send("READY=1", f"STATUS={self._status if well else 'the last reload failed: see the log'}")

    def stopping(self, status: str, extra_s: float) -> None:
        """Tell that the end has begun and may take so many seconds, whatever limit the manager has for a stop."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(extra_s * 1e6)}", f"STATUS={status}")

    @asynccontextmanager
    async def kept_informed(self, clock: Clock) -> AsyncIterator[None]:
        """Give signs of life from the event loop as long as the block lasts, if the manager wants any."""
        signs = asyncio.create_task(self._signs(clock, self.watchdog_s), name="watchdog") if self.watchdog_s else None
        try:
            yield
        finally:
            if signs is not None:
                signs.cancel()
                await asyncio.wait({signs})

    async def _signs(self, clock: Clock, limit_s: float) -> NoReturn:
        while True:
            self._send("WATCHDOG=1")
            await clock.sleep(limit_s / _SIGNS)

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        name = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            ) as sender:
                sender.sendto("\n".join(lines).encode(), name)
        except OSError as error:
            if self._heard:
                _log.warning("the service manager cannot be told", what=lines[0], error=error.strerror)
            self._heard = False
        else:
            self._heard = True
