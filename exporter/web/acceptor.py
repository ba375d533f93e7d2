"""Listening sockets, and connections from the moment they are accepted: a slot, the TLS of that moment, a limit.

The event loop's own server knows one TLS context for its whole life and counts a connection only after the handshake.
Here each connection gets the newest context, so that certificates rotate, and has its slot before it says anything.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

import structlog

from exporter.addresses import shown
from exporter.errors import StartError
from exporter.timing import Clock
from exporter.web.clients import Clients, group_of
from exporter.web.connection import Connection
from exporter.web.settings import Limits
from exporter.web.slots import Slot, Slots
from exporter.web_config import ServerTls

_BACKLOG: Final = 256
_OUT_OF_RESOURCES_S: Final = 1.0
_TLS_GOODBYE_S: Final = 2.0

_log = structlog.get_logger(component="web")


class Acceptor:
    """Accepts connections from `start` until `close`; `addresses` is what it listens on since `bind`.

    `tls` is asked at each connection, and `connection` makes the protocol that serves it.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        slots: Slots,
        clients: Clients,
        clock: Clock,
        tls: Callable[[], ServerTls | None],
        connection: Callable[[Slot, ServerTls | None], Connection],
    ) -> None:
        self._limits = limits
        self._slots = slots
        self._clients = clients
        self._clock = clock
        self._tls = tls
        self._connection = connection
        self._listeners: list[tuple[socket.socket, tuple[str, int]]] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._fresh: set[socket.socket] = set()

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        return tuple(listener.getsockname()[:2] for listener, _ in self._listeners)

    async def bind(self, listen: Sequence[tuple[str, int]]) -> None:
        """Reserve every address, without taking connections yet. Raises StartError."""
        for host, port in listen:
            with _explained(host, port):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                self._listeners += ((each, (host, port)) for each in _bound(found))

    def start(self) -> None:
        """Take connections from now on. Raises StartError."""
        for listener, (host, port) in self._listeners:
            with _explained(host, port):
                listener.listen(_BACKLOG)
        for listener, (host, port) in self._listeners:
            accepting = self._accept(listener)
            self._accepting.append(asyncio.create_task(accepting, name=f"accept on {shown(host, port)}"))

    def refuse(self) -> None:
        """Take no more connections, from this moment on; those that are open stay so."""
        for task in (*self._accepting, *self._opening):
            task.cancel()
        for listener, _ in self._listeners:
            with suppress(OSError):  # it may not listen yet
                listener.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Refuse, and free the addresses."""
        self.refuse()
        tasks = {*self._accepting, *self._opening}
        if tasks:
            await asyncio.wait(tasks)
        for each in (*self._fresh, *(listener for listener, _ in self._listeners)):
            each.close()
        self._fresh.clear()
        self._accepting.clear()
        self._listeners.clear()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listener)
            except ConnectionAbortedError:  # the client has left already
                continue
            except OSError as error:  # as a rule too many open files
                _log.warning("cannot accept connections", error=error.strerror)
                await self._clock.sleep(_OUT_OF_RESOURCES_S)
                continue
            slot = self._slots.take(None if self._clients.trusts(peer) else group_of(peer))
            if slot is None:
                _log.debug("connection refused: there are too many from this address, or in all", peer=peer[0])
                accepted.close()
                continue
            opening = asyncio.create_task(self._open(accepted, slot), name="open a connection")
            slot.evict = partial(_cancel, opening)
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
            self._fresh.add(accepted)
            await asyncio.sleep(0)  # from now on the task owns the socket, also if it is cancelled

    async def _open(self, accepted: socket.socket, slot: Slot) -> None:
        """Bring a connection to where it can take requests. Whatever comes of it, the event loop closes the socket."""
        self._fresh.discard(accepted)
        tls = self._tls()
        connection = self._connection(slot, tls)
        try:
            if tls is None:
                await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, accepted)
            else:
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=tls.context,
                    ssl_handshake_timeout=self._limits.handshake_s,
                    ssl_shutdown_timeout=_TLS_GOODBYE_S,
                )
        except OSError as error:  # no TLS, no certificate, another version, too slow
            _log.debug("no TLS connection came about", error=getattr(error, "reason", None) or str(error))
        finally:
            if not connection.was_made:
                self._slots.give_back(slot)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _bound(found: Sequence[tuple[int, int, int, str, tuple[object, ...]]]) -> Iterator[socket.socket]:
    """Yield a bound socket for each address; a family that this machine does not have is left out if another is there.

    Raises OSError when none can be had, or when one is taken.
    """
    missing: OSError | None = None
    some = False
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            each = socket.socket(family, kind, protocol)
        except OSError as error:
            missing = error
            continue
        try:
            each.setblocking(False)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(address)
        except OSError as error:
            each.close()
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            missing = error
        else:
            some = True
            yield each
    if not some and missing is not None:
        raise missing


@contextmanager
def _explained(host: str, port: int) -> Iterator[None]:
    """Turn the system's refusal of an address into a StartError that says what to do."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        message = f"cannot listen on {shown(host, port)}: {_trouble(error)}; choose another with --web.listen-address"
        raise StartError(message) from error


def _trouble(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):  # the latter for what cannot even be looked up
        return "the name has no address"
    match error.errno:
        case errno.EADDRINUSE:
            return "another program uses it (maybe bot-exporter already runs)"
        case errno.EACCES | errno.EPERM:
            return "not permitted (ports below 1024 need a privilege)"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case None:
            return str(error)
        case number:
            return os.strerror(number)
