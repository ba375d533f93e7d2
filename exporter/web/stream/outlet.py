"""Bytes on their way to one client: past the library's own way to write, which costs a call for each message."""

import asyncio
import socket
from typing import Final

from aiohttp.abc import AbstractStreamWriter

from exporter.web.stream.subscriber import MOST_WAITING

_UNHEARD_MS: Final = 60_000


class TransportOutlet:
    """Writes to the transport of a request that was answered by a stream, which nobody else writes to meanwhile.

    The library writes whole messages too, such as the answer to a ping, so its bytes and ours do not mix. A peer that
    has vanished is noticed by the system after a minute without an acknowledgement.
    """

    def __init__(self, transport: asyncio.Transport, writer: AbstractStreamWriter) -> None:
        self._transport = transport
        self._writer = writer
        transport.set_write_buffer_limits(high=MOST_WAITING)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)

    @property
    def waiting(self) -> int:
        return self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Take no more, and close the connection when all that waits was taken."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    async def drained(self) -> None:
        await self._writer.drain()
