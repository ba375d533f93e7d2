"""A WebSocket to a connection manager: the only file of this platform that awaits a socket.

There is no task of its own: whoever waits for something reads for everybody. Heartbeats take the place of WebSocket
pings, for the CM answers them only while the session itself is alive.
"""

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.frames import CloseCode

from exporter.errors import DisconnectReason, FailureReason, TransientError
from exporter.platforms.steam.auth import Answer
from exporter.platforms.steam.messages import Method
from exporter.platforms.steam.session import CallAnswered, Event, PeerSilent, SteamSession
from exporter.stats import BotStats
from exporter.timing import Clock, format_duration, phase

CONNECT_LIMIT_S: Final = 10.0
CALL_LIMIT_S: Final = 15.0
CLOSE_LIMIT_S: Final = 1.0
MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_WAITING: Final = 10_000

_Q = TypeVar("_Q")
_R = TypeVar("_R")

# With these the library closes a connection itself: no WebSocket frames, no UTF-8, a frame above MOST_BYTES.
_PEER_ERRORS: Final = frozenset({CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_DATA, CloseCode.MESSAGE_TOO_BIG})

# The library logs frames, and with them tokens, when debug logging is on.
_SILENT = logging.getLogger(f"{__name__}.websockets")
_SILENT.disabled = True


class SteamConnection:
    """A session and the socket under it. After an error it is of no more use than to be closed."""

    __slots__ = ("_answers", "_clock", "_events", "_lost", "_read_done", "_reading", "_socket", "session", "url")

    def __init__(self, connection: ClientConnection, session: SteamSession, clock: Clock, url: str) -> None:
        self.session = session
        self.url = url
        self._socket = connection
        self._clock = clock
        self._events: deque[Event] = deque()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._lost: TransientError | None = None
        self._reading = False
        self._read_done = asyncio.Event()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        stats: BotStats,
        clock: Clock,
        tls: ssl.SSLContext,
        wanted: frozenset[int] = frozenset(),
    ) -> "SteamConnection":
        """Connect; the hello goes out with what is sent first. Whoever calls must close it. Raises TransientError."""
        what = f"connection manager {url}"
        try:
            connection = await _Connect(
                url,
                ssl=tls if url.startswith("wss:") else None,
                compression=None,  # Steam packs what is worth it, and it triples the memory of an idle socket
                max_size=MOST_BYTES,
                open_timeout=CONNECT_LIMIT_S,
                close_timeout=CLOSE_LIMIT_S,
                ping_interval=None,
                proxy=None,
                logger=_SILENT,
            )
        except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as error:  # the last: reset before the hello
            raise _unreachable(what, error) from error
        return cls(connection, SteamSession(stats, clock.monotonic(), wanted), clock, url)

    @property
    def lost(self) -> bool:
        """Whether the connection ended by itself."""
        return self._lost is not None

    async def flush(self) -> None:
        """Send what the session has to send. A lost connection shows when reading: what came before it counts."""
        try:
            for frame in self.session.data_to_send():
                await self._socket.send(frame)
        except ConnectionClosed:
            return

    async def next_event(self, until: float | None = None) -> Event | None:
        """Return the next event, None at the time `until` (monotonic); keeps the heart beating meanwhile.

        Raises TransientError when the connection is lost and everything that came before is read.
        """
        while not self._events:
            if until is not None and self._clock.monotonic() >= until:
                return None
            await self._read(until)
        return self._events.popleft()

    async def call(
        self, method: Method[_Q, _R], request: _Q, limit_s: float = CALL_LIMIT_S, *, or_later: bool = False
    ) -> Answer:
        """Ask a service method and return its answer; other events wait for `next_event` meanwhile.

        It may be called while another task waits for events. Raises TransientError. An answer that comes after that is
        skipped, unless it is wanted `or_later`: then it is an event, CallAnswered.
        """
        job = self.session.call(method, request)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[job] = answer
        try:
            await self.flush()
            async with phase(method.name.partition("#")[0], limit_s):
                while not answer.done():
                    await self._read(None)
            return answer.result()
        finally:
            del self._answers[job]
            if not or_later:
                self.session.forget(job)

    async def close(self) -> None:
        """Say goodbye and close the socket; done twice it does nothing. A peer that takes nothing is not waited for."""
        self.session.logoff()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self.flush()
        await self._socket.close()

    async def _read(self, until: float | None) -> None:
        """Read once, or wait until another task has; raises TransientError."""
        if self._lost is not None:
            raise self._lost
        if self._reading:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s(until)):
                    await self._read_done.wait()
            return
        self._reading = True
        self._read_done.clear()
        try:
            await self._read_once(until)
        except TransientError as error:
            self._lost = error
            raise
        finally:
            self._reading = False
            self._read_done.set()

    async def _read_once(self, until: float | None) -> None:
        wait_s = self._wait_s(until, self.session.next_deadline)
        limit: asyncio.Timeout | None = None
        try:
            if wait_s is None:
                data = await self._socket.recv()
            else:
                async with asyncio.timeout(wait_s) as limit:
                    data = await self._socket.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error
        except TimeoutError:
            if limit is None or not limit.expired():
                raise
            self._sort(self.session.tick(self._clock.monotonic()))
        else:
            now = self._clock.monotonic()
            self._sort(self.session.receive(data, now))
            self._sort(self.session.tick(now))  # a chatty peer must not keep the heart from beating
        await self.flush()

    def _wait_s(self, *deadlines: float | None) -> float | None:
        known = [at for at in deadlines if at is not None]
        return max(0.0, min(known) - self._clock.monotonic()) if known else None

    def _sort(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case CallAnswered():
                    answer = self._answers.get(event.job)
                    if answer is None:
                        self._events.append(event)
                    elif not answer.done():
                        answer.set_result(Answer(event.result, event.message, event.text))
                case PeerSilent(silent_s=silent_s):
                    message = f"connection manager {self.url}: silent for {format_duration(silent_s)}"
                    raise TransientError(FailureReason.TIMEOUT, message, lost=DisconnectReason.KEEPALIVE)
                case _:
                    self._events.append(event)
        if len(self._events) > _MOST_WAITING:
            raise TransientError(FailureReason.PROTOCOL, f"connection manager {self.url}: more events than are read")


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _closed(error: ConnectionClosed) -> TransientError:
    close, ours = error.rcvd, error.sent
    if ours is not None and ours.code in _PEER_ERRORS and not error.rcvd_then_sent:
        message = f"Steam sent what is refused: {ours.code} {ours.reason}".rstrip()
        return TransientError(FailureReason.PROTOCOL, message, lost=DisconnectReason.OTHER)
    if close is None:
        return TransientError(FailureReason.OTHER, "the connection to Steam was lost")
    message = f"Steam closed the connection: {close.code} {close.reason}".rstrip()
    return TransientError(FailureReason.OTHER, message, lost=DisconnectReason.PEER_CLOSED)


def _unreachable(what: str, error: Exception) -> TransientError:
    """Return what a connection that did not come about means, told apart by reason."""
    match error:
        case ssl.SSLError():
            words = getattr(error, "verify_message", "") or error.reason or "no details"
            return TransientError(FailureReason.TLS, f"{what}: the TLS connection cannot be made: {words}")
        case socket.gaierror():
            return TransientError(FailureReason.DNS, f"{what}: the host name cannot be resolved")
        case ConnectionRefusedError():
            return TransientError(FailureReason.REFUSED, f"{what}: the connection was refused")
        case TimeoutError():
            return TransientError(FailureReason.TIMEOUT, f"{what}: no answer in time")
        case InvalidStatus(response=response):
            reason = FailureReason.HTTP_5XX if response.status_code >= 500 else FailureReason.PROTOCOL
            return TransientError(reason, f"{what}: answered {response.status_code} instead of a WebSocket")
        case InvalidHandshake() | InvalidMessage() | EOFError():
            return TransientError(FailureReason.PROTOCOL, f"{what}: the answer is no WebSocket")
    return TransientError(FailureReason.OTHER, f"{what}: the connection was lost ({type(error).__name__})")
