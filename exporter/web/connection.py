"""One connection: what is no HTTP, or comes or is taken too slowly, is answered like any other mistake, and ended."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import structlog
from aiohttp import web

from exporter.tls import alternative_names
from exporter.web.answers import problem_answer
from exporter.web.headers import AnswerHeaders
from exporter.web.settings import Limits
from exporter.web.slots import Slot
from exporter.web.untaken import Untaken
from exporter.web_config import ServerTls

PIECE: Final = 60 * 1024
"""How much of an answer may wait for its client before no more of it is written; a larger one goes out bit by bit."""

_log = structlog.get_logger(component="web")


class Connection(web.RequestHandler):
    """The library's protocol, with time limits for the head of a request and for taking an answer, and our errors.

    The library limits only the time without a request, and takes a half-sent one for none. It would answer what is no
    HTTP with its own version, and write a part of it, maybe a key, to the log. It waits for ever for a client that does
    not read, and unpacks bodies, which nobody here wants.

    The limit for a head runs from the connection's start, later from the first byte of a request. `left` is called once
    the connection is over, `late` when it was ended because of that limit. The limit for taking runs while a piece of
    an answer waits, and when the connection is to end.
    """

    __slots__ = (
        "_allowed",
        "_answer",
        "_begun",
        "_carrier",
        "_cut",
        "_fed",
        "_head_s",
        "_headers",
        "_late",
        "_left",
        "_take_s",
        "_taking",
        "_timer",
        "_untaken",
        "slot",
        "was_made",
    )

    def __init__(
        self,
        manager: web.Server,
        slot: Slot,
        *,
        limits: Limits,
        headers: AnswerHeaders,
        untaken: Untaken,
        tls: ServerTls | None,
        left: Callable[[Slot], None],
        late: Callable[[], None],
        cut: Callable[[str], None],
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.keepalive_s,
            lingering_time=limits.linger_s,
            access_log=None,  # type: ignore[arg-type]  # the documented way to have none
            auto_decompress=False,
        )
        self.slot = slot
        self._answer: tuple[object, int] | None = None
        self._head_s = limits.head_s
        self._take_s = limits.take_s
        self._headers = headers
        self._untaken = untaken
        self._allowed = tls.allowed_sans if tls is not None else frozenset()
        self._left = left
        self._late = late
        self._cut = cut
        self._timer: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._begun = False
        self._fed = False
        self._carrier: asyncio.Transport | None = None
        self.was_made = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless TLS let in a certificate with other names than are allowed."""
        self.was_made = True
        carrier = cast("asyncio.Transport", transport)  # what servers get; uvloop's are of no common class
        if self._allowed:
            names = alternative_names(transport.get_extra_info("peercert"))
            if not self._allowed & names:
                _log.debug("client certificate without an allowed name", names=sorted(names))
                carrier.abort()
                return
        self._carrier = carrier
        carrier.set_write_buffer_limits(high=PIECE)  # that of TLS is larger
        super().connection_made(transport)
        self.slot.busy, self.slot.evict = self._is_busy, self._give_way
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free what the connection holds."""
        self._stop_timer()
        self._taken()
        self._carrier = self._answer = None
        self._left(self.slot)
        super().connection_lost(exc)

    async def start(self) -> None:
        """Serve requests until the connection is to end; what then waits to be taken has its time, and no more."""
        await super().start()
        self._await_taking()

    def force_close(self) -> None:
        """Close without a further request."""
        super().force_close()
        self._await_taking()

    def pause_writing(self) -> None:
        """Note that the client has to read first."""
        super().pause_writing()
        if not self._fed:
            self._await_taking()
            self._untaken.add(self)

    def resume_writing(self) -> None:
        """Note that the client has read."""
        super().resume_writing()
        if self._carrier is None or not self._carrier.is_closing():
            self._taken()

    def feed(self) -> None:
        """Leave it to the live feed from now on to bound what waits."""
        self._fed = True

    def answering(self, body: object, size: int) -> None:
        """Note which body is being sent in pieces, and how many bytes it has; None when it is done."""
        self._answer = None if body is None else (body, size)

    @property
    def answer(self) -> tuple[object, int] | None:
        """The body that is being sent in pieces, and how many bytes it has."""
        return self._answer

    @property
    def buffered(self) -> int:
        """How many bytes were written and not yet taken."""
        return self._carrier.get_write_buffer_size() if self._carrier is not None else 0

    def cut_off(self, why: str = "crowded") -> None:
        """Close the connection now, and throw away what waits."""
        if self._carrier is not None:
            _log.debug(
                "closed a connection whose client does not read", group=self.slot.group, bytes=self.buffered, why=why
            )
            self._cut(why)
            self._carrier.abort()

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
        response.force_close()
        return response

    def _is_busy(self) -> bool:
        return self._request_in_progress

    def _give_way(self) -> None:
        if self._carrier is not None:
            self._carrier.abort()  # a plain close could last: the place is somebody else's from now on

    def _await_taking(self) -> None:
        if self._taking is None and self._carrier is not None:
            self._taking = self._loop.call_later(self._take_s, self.cut_off, "slow")

    def _taken(self) -> None:
        self._untaken.remove(self)
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

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
