"""Whether the site still answers on each socket: one sweep over all of them, because a task for each costs far more.

A socket on which frames come needs no ping: whatever is heard proves the same. Only one that was quiet for `ping_s` is
pinged, and ended when nothing at all comes for another `ping_s`. Times are the event loop's, as in `phase`: a hung
server is noticed under any clock.
"""

import asyncio
from typing import NoReturn, Protocol

_SWEEPS_A_PING = 5


class Pinged(Protocol):
    """An open socket. `heard_at` is when something last came, `pinged_at` when it was last pinged."""

    heard_at: float
    pinged_at: float

    def ping(self) -> None:
        """Ask the other side for a sign of life, without waiting for it or for anything else."""

    def abort(self) -> None:
        """End the connection at once, without a word."""


class Keepalive:
    """The open sockets of all bots."""

    def __init__(self, ping_s: float) -> None:
        self._ping_s = ping_s
        self._sockets: set[Pinged] = set()

    def add(self, socket: Pinged) -> None:
        """Look after a socket from now on."""
        self._sockets.add(socket)

    def remove(self, socket: Pinged) -> None:
        """Look after it no longer."""
        self._sockets.discard(socket)

    async def run(self) -> NoReturn:
        """Sweep until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._ping_s / _SWEEPS_A_PING)
            now = loop.time()
            for socket in tuple(self._sockets):
                if now - socket.heard_at < self._ping_s:
                    continue
                if socket.pinged_at <= socket.heard_at:
                    socket.ping()
                elif now - socket.pinged_at >= self._ping_s:
                    self.remove(socket)
                    socket.abort()
