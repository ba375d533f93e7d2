"""A service manager's end of sd_notify: the socket that it names in NOTIFY_SOCKET."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from tests.eventually import LIMIT_S


@dataclass(frozen=True)
class Listener:
    """A bound datagram socket; `address` is as the environment has it, with an `@` before abstract names."""

    socket: socket.socket
    address: str

    @classmethod
    @contextmanager
    def at(cls, address: str) -> Iterator[Self]:
        """Listen until the block ends."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
            bound.bind(f"\0{address[1:]}" if address[0] == "@" else address)
            yield cls(bound, address)

    def next(self, limit_s: float = LIMIT_S) -> dict[str, str]:
        """Wait for a message and return its fields; raises TimeoutError. Blocks whatever thread it is called in."""
        self.socket.settimeout(limit_s)
        return _fields(self.socket.recv(4096))

    def waiting(self) -> list[dict[str, str]]:
        """Return the messages that have come already."""
        self.socket.setblocking(False)
        found: list[dict[str, str]] = []
        while True:
            try:
                found.append(_fields(self.socket.recv(4096)))
            except BlockingIOError:
                return found


def _fields(message: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in message.decode().splitlines())
    return {name: value for name, _, value in pairs}
