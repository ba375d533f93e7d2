"""One connection: what is no HTTP, or comes too slowly, is answered like any other mistake, and ended."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from exporter.tls import alternative_names
from exporter.web.answers import problem_answer
from exporter.web.headers import AnswerHeaders
from exporter.web.settings import Limits
from exporter.web.slots import Slot
from exporter.web_config import ServerTls

_log = structlog.get_logger(component="web")


class Connection(web.RequestHandler):
    """The library's protocol, with a time limit for the head of a request, and with our errors.

    The library limits only the time without a request, and takes a half-sent one for none. It would answer what is no
    HTTP with its own version, and write a part of it, maybe a key, to the log.

    The limit runs from the connection's start, later from the first byte of a request. `left` is called once the
    connection is over, `late` when it was ended because of the limit.
    """

    __slots__ = ("_allowed", "_begun", "_head_s", "_headers", "_late", "_left", "_timer", "slot", "was_made")

    def __init__(
        self,
        manager: web.Server,
        slot: Slot,
        *,
        limits: Limits,
        headers: AnswerHeaders,
        tls: ServerTls | None,
        left: Callable[[Slot], None],
        late: Callable[[], None],
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.keepalive_s,
            lingering_time=limits.linger_s,
            access_log=None,  # type: ignore[arg-type]  # the documented way to have none
        )
        self.slot = slot
        self._head_s = limits.head_s
        self._headers = headers
        self._allowed = tls.allowed_sans if tls is not None else frozenset()
        self._left = left
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        self.was_made = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless TLS let in a certificate with other names than are allowed."""
        self.was_made = True
        if self._allowed:
            names = alternative_names(transport.get_extra_info("peercert"))
            if not self._allowed & names:
                _log.debug("client certificate without an allowed name", names=sorted(names))
                assert isinstance(transport, asyncio.Transport)  # noqa: S101  (what servers get)
                transport.abort()
                return
        super().connection_made(transport)
        self.slot.busy, self.slot.evict = self._is_busy, self.force_close
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free what the connection holds."""
        self._stop_timer()
        self._left(self.slot)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and watch whether a whole head came of it."""
        heads = self._request_count
        super().data_received(data)
        waiter = self._waiter
        if self._request_count != heads:
            self._stop_timer()
        elif data and waiter is not None and not waiter.done():  # not a body: no request is being served
            self._begun = True
            self._start_timer()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refused."""
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        response = problem_answer(status, "this is not a valid HTTP request", None)
        self._headers.complete(response.headers)
        response.force_close()
        return response

    def _is_busy(self) -> bool:
        return self._request_in_progress

    def _start_timer(self) -> None:
        if self._timer is None and not self._force_close:
            self._timer = self._loop.call_later(self._head_s, self._head_is_late)

    def _stop_timer(self) -> None:
        self._begun = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self.transport is None:
            return
        if self._begun:
            self.transport.write(self._timeout_answer())
        self._late()
        self.force_close()

    def _timeout_answer(self) -> bytes:
        """Return an answer as bytes: there is no request that the library could answer."""
        detail = f"the head of the request did not come within {self._head_s:g} seconds"
        response = problem_answer(408, detail, None)
        self._headers.complete(response.headers)
        body: Any = response.body
        lines = [f"HTTP/1.1 408 {response.reason}", *(f"{name}: {value}" for name, value in response.headers.items())]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + bytes(body)
