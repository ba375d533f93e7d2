"""The live feed over a WebSocket: connects, reads, and comes back with its cursor after every loss."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import urlencode

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from exporter.ctl.board import Board, Changed
from exporter.ctl.client import Answer, refusal, server_time, tls_context, unreachable
from exporter.ctl.failures import CtlError, Lost, Refused, own_problem
from exporter.ctl.locate import Server

PATH: Final = "/status/stream"
SILENT_S: Final = 40.0  # the server sends a heartbeat every 15 s
AGAIN_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_OPEN_S: Final = 10.0
_MOST_BYTES: Final = 16 * 1024 * 1024
_TEMPORARY: Final = frozenset({429, 502, 503, 504})


class Feed:
    """Follows the feed into a board. `say` is told of losses and returns; `ahead_s` is how far the server's clock is.

    `frame` is given each frame as it came, `changes` what it changed. `idle` is called between frames, at the latest
    every `idle_s` seconds.
    """

    def __init__(
        self,
        server: Server,
        query: Mapping[str, Any],
        *,
        say: Callable[[CtlError | str], None],
        frame: Callable[[str], None],
        changes: Callable[[list[Changed]], None],
        idle: Callable[[], None] = lambda: None,
        idle_s: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        silent_s: float = SILENT_S,
    ) -> None:
        self.board = Board()
        self.ahead_s = 0.0
        self._server = server
        self._query = query
        self._say = say
        self._frame = frame
        self._changes = changes
        self._idle = idle
        self._idle_s = idle_s
        self._sleep = sleep
        self._monotonic = monotonic
        self._silent_s = silent_s
        self._tls = tls_context(server) if server.encrypted else None

    def follow(self) -> None:
        """Follow for ever. Raises CtlError when there is no first connection, or when the server says no."""
        lost = 0
        while True:
            try:
                with self._connection() as socket:
                    self._read(socket)
            except Refused as error:
                if not lost or error.problem.get("status") not in _TEMPORARY:
                    raise
                trouble: CtlError = error
            except CtlError as error:
                if self.board.cursor is None:
                    raise
                trouble = error
            if self.board.resumed is not None:
                lost = 0  # there were frames: this is a new loss
                self.board.connected()
            pause = AGAIN_S[min(lost, len(AGAIN_S) - 1)]
            if not lost:
                self._say(trouble)
                self._say(f"coming back, to go on after {self.board.cursor}")
            lost += 1
            self._sleep(pause)

    @contextmanager
    def _connection(self) -> Iterator[ClientConnection]:
        query = {**self._query, **({"since": self.board.cursor} if self.board.cursor is not None else {})}
        url = f"ws{self._server.url.removeprefix('http')}{PATH}{f'?{urlencode(query, doseq=True)}' if query else ''}"
        key = self._server.key
        with ExitStack() as stack:
            try:
                socket = stack.enter_context(
                    connect(
                        url,
                        additional_headers={"X-API-Key": key.reveal()} if key is not None else None,
                        ssl=self._tls,
                        open_timeout=_OPEN_S,
                        close_timeout=1,
                        max_size=_MOST_BYTES,
                        proxy=None,
                    )
                )
            except (InvalidHandshake, ConnectionClosed, OSError, EOFError) as error:
                raise self._failure(error) from None
            if socket.response is not None:
                self.ahead_s = server_time(_lower(socket.response.headers)) - time.time()
            yield socket

    def _failure(self, error: Exception) -> CtlError:
        """Return what to tell about a connection that did not come about."""
        match error:
            case InvalidStatus(response=response):
                body = bytes(response.body or b"")
                return refusal(Answer(response.status_code, body, _lower(response.headers), 0.0), self._server)
            case InvalidMessage():
                return unreachable(self._server, error.__cause__ or error)
            case InvalidHandshake():
                return Refused(own_problem("Unexpected answer", f"{self._server.url} opens no WebSocket: {error}"))
        return unreachable(self._server, error)

    def _read(self, socket: ClientConnection) -> None:
        heard = self._monotonic()
        while True:
            try:
                text = socket.recv(timeout=self._idle_s)
            except TimeoutError:
                if self._monotonic() - heard > self._silent_s:
                    raise Lost(f"nothing was heard of {self._server.url} for {self._silent_s:g} s") from None
                self._idle()
                continue
            except ConnectionClosed as error:
                closed = error.rcvd.reason or f"code {error.rcvd.code}" if error.rcvd is not None else "no goodbye"
                raise Lost(f"the connection to {self._server.url} has ended: {closed}") from None
            heard = self._monotonic()
            self._take(text if isinstance(text, str) else text.decode(errors="replace"))
            self._idle()

    def _take(self, text: str) -> None:
        back = self.board.resumed is None and self.board.cursor is not None
        try:
            changes = self.board.receive(json.loads(text))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Lost(f"{self._server.url} sent something that is no frame of the feed") from None
        if back:
            self._say(
                "connected again: it goes on where it ended"
                if self.board.resumed
                else "connected again: the server has begun anew, or it was too long; everything is read again"
            )
        self._frame(text)
        if changes:
            self._changes(changes)


def _lower(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.raw_items()}
