"""What every request goes through, from the outside in.

sent       -> large answers go out in pieces, at the client's speed
counted    -> the HTTP metrics
guarded    -> problems become answers, bugs become a 500 without details
paced      -> the rate limit of the web configuration file
uncrowded  -> the last connection of an address is for scrapes and probes
addressed  -> Host, Origin, Sec-Fetch-Site: is it us who were asked, and by a page of ours?
known      -> 404 and 405 (`ways`)
typed      -> bodies are JSON, and not packed
admitted   -> keys and users
received   -> the whole body is here, in time and not too large

Which of the checks, from `paced` on, concern a route is resolved once (`ways`).
"""

import asyncio
import math
import re

import structlog
from aiohttp import HttpVersion11, hdrs, web
from multidict import istr

from exporter.addresses import LIVENESS
from exporter.stats import HttpStats
from exporter.timing import Clock
from exporter.web.answers import JSON_TYPE, HttpProblem, problem_answer
from exporter.web.clients import Clients
from exporter.web.connection import PIECE, Connection
from exporter.web.keys import KEY, Gate
from exporter.web.listeners import Listeners
from exporter.web.rate import RateLimiter
from exporter.web.routes import PROBES, Route
from exporter.web.settings import Limits
from exporter.web.slots import Slots
from exporter.web.stream.feed import ADMISSION, BEGUN, is_websocket, takes_events
from exporter.web.streaming import in_pieces
from exporter.web.ways import SAFE, Check, Way, Ways

_METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE", "CONNECT"}
_SITE = istr("Sec-Fetch-Site")  # browsers say it even of requests that they send without an Origin
_OWN_SITES = frozenset({"same-origin", "none"})
_CLIENT_LEFT = 499
_log = structlog.get_logger(component="web")


class Entrance:
    """What the library calls with each request. Every route is told to `open` before anything is served."""

    def __init__(
        self,
        *,
        stats: HttpStats,
        clock: Clock,
        listeners: Listeners,
        clients: Clients,
        gate: Gate,
        rate: RateLimiter,
        slots: Slots,
        limits: Limits,
        telemetry_path: str,
    ) -> None:
        self._stats = stats
        self._clock = clock
        self._listeners = listeners
        self._clients = clients
        self._gate = gate
        self._rate = rate
        self._slots = slots
        self._limits = limits
        self._kept_for = {telemetry_path, LIVENESS}
        self._too_large = f"the body is too large for this server: send at most {limits.body_bytes // 1024} KiB"
        self._ways = Ways((self._paced, self._uncrowded, self._addressed))

    def open(self, route: Route, path: str) -> None:
        """Let requests of this path, with the prefix, in by the rules of this route."""
        checks: list[Check] = []
        if route.path not in PROBES:
            checks.append(self._paced)
        if route.path not in self._kept_for:
            checks.append(self._uncrowded)
        checks.append(self._addressed)
        if route.method not in SAFE:
            checks.append(_typed)
        way = Way(route, checks)
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            self._ways.add(method, path, way)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        way = self._ways.find(request)
        began = self._clock.monotonic()
        code = _CLIENT_LEFT
        try:
            response = await self._answered(request, way)
            code = response.status
        finally:
            self._count(request, way, code, began)
        body = getattr(response, "body", None)
        if isinstance(body, bytes) and len(body) > PIECE and request.method != hdrs.METH_HEAD:
            await in_pieces(request, response, (body,), len(body))
        return response

    async def _answered(self, request: web.Request, way: Way) -> web.StreamResponse:
        try:
            if hdrs.EXPECT in request.headers:
                await _expected(request)
            for check in way.checks:
                check(request)
            route = way.route
            assert route is not None  # noqa: S101  (what leads nowhere has a check that says so)
            await self._admit(request, way, route)
            if way.acts and request.body_exists:
                await self._receive(request)
            return await route.handler(request)
        except Exception as error:  # noqa: BLE001  (a mistake in one answer must not end the connection)
            return _told(request, way, error)

    def _count(self, request: web.Request, way: Way, code: int, began: float) -> None:
        method = request.method if request.method in _METHODS else "other"
        ended = self._clock.monotonic()
        if way.streams:  # a stream's end is not the time to answer
            code, ended = request.get(BEGUN, (code, ended))
        self._stats.observe(way.label, method, code, ended - began)

    def _paced(self, _: web.Request) -> None:
        wait_s = self._rate.wait_s()
        if wait_s > 0:
            detail = "the rate limit of this server is reached: send fewer requests, or raise rate_limit in its file"
            raise HttpProblem(429, detail, {"Retry-After": str(math.ceil(wait_s))})

    def _uncrowded(self, request: web.Request) -> None:
        connection = request.protocol
        if isinstance(connection, Connection) and self._slots.is_crowded(connection.slot):
            detail = (
                "there are too many connections from this address: close some; the last one is kept for "
                f"{' and '.join(sorted(self._kept_for))}"
            )
            raise HttpProblem(429, detail)

    def _addressed(self, request: web.Request) -> None:
        headers = request.headers
        hosts = headers.getall(hdrs.HOST, [])
        if len(hosts) != 1:
            raise HttpProblem(400, "the request needs one Host header")
        for name in hosts if "://" not in request.raw_path else (*_named(request), *hosts):
            if not self._listeners.accepts(name):
                detail = (
                    f"this server does not go by the name {name!r}: use the address it listens on, "
                    "or start it with --web.external-url set to the address that you use"
                )
                raise HttpProblem(421, detail)
        if hdrs.ORIGIN in headers or _SITE in headers:  # it comes from a page
            self._from_our_page(request, hosts[0])

    def _from_our_page(self, request: web.Request, host: str) -> None:
        origins = request.headers.getall(hdrs.ORIGIN, [])
        foreign = [each for each in origins if not self._listeners.is_own_origin(each, host)]
        elsewhere = not _OWN_SITES.issuperset(request.headers.getall(_SITE, []))
        if (foreign or elsewhere) and (request.method not in SAFE or is_websocket(request) or takes_events(request)):
            if foreign:
                detail = f"pages of the origin {foreign[0]!r} may not act here: only this server's own may"
            else:
                detail = f"the browser says ({_SITE}) that a page of another origin asks: it may not act here"
            raise HttpProblem(403, detail)

    async def _admit(self, request: web.Request, way: Way, route: Route) -> None:
        ticket = request.query.get("ticket") if way.streams else None
        if ticket:
            request[ADMISSION] = self._gate.redeem(ticket, self._clients.of(request))
            return
        key = await self._gate.admit(route.access, request.headers, self._clients.of(request))
        if key is not None:
            request[KEY] = key

    async def _receive(self, request: web.Request) -> None:
        if (request.content_length or 0) > self._limits.body_bytes:
            raise HttpProblem(413, self._too_large)
        try:
            async with asyncio.timeout(self._limits.body_s):
                await request.read()  # the request keeps it for the handler
        except TimeoutError:
            raise HttpProblem(408, f"the body did not come within {self._limits.body_s:g} seconds") from None
        except web.HTTPRequestEntityTooLarge:
            raise HttpProblem(413, self._too_large) from None
        except web.RequestPayloadError:
            raise HttpProblem(400, "the body is not encoded in the way that its headers say") from None


def _told(request: web.Request, way: Way, error: Exception) -> web.StreamResponse:
    """Return what a client hears of an error: of a mistake of ours no details."""
    path = request.rel_url.raw_path
    if isinstance(error, HttpProblem):
        return problem_answer(error.status, error.detail, path, error.headers, error.members)
    if isinstance(error, web.HTTPException):  # the library's own, such as a body that is too large
        return problem_answer(error.status, error.reason, path)
    if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
        return web.Response(status=_CLIENT_LEFT)  # no mistake of ours, and nobody reads it
    _log.exception("a request failed", method=request.method, route=way.label)
    return problem_answer(500, "this is a mistake in bot-exporter: its log has the details", path)


def _named(request: web.Request) -> list[str]:
    """Return the name in a target such as `http://name/status`: it counts more than Host, so it is held to the same."""
    scheme, separator, rest = request.raw_path.partition("://")
    return [re.split("[/?#]", rest, maxsplit=1)[0]] if separator and not set("/?#") & set(scheme) else []


async def _expected(request: web.Request) -> None:
    """Tell a client that waits with its body to go on."""
    if request.version >= HttpVersion11:
        if request.headers[hdrs.EXPECT].lower() != "100-continue":
            raise HttpProblem(417, "of what the header Expect can say, this server knows 100-continue only")
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _typed(request: web.Request) -> None:
    if not request.body_exists:
        return
    packing = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, [])).strip().lower()
    if packing not in ("", "identity"):
        detail = f"the body is packed with {packing[:20]!r}: send it as it is, without the header Content-Encoding"
        raise HttpProblem(415, detail, {"Accept-Encoding": "identity"})
    if request.content_type != JSON_TYPE:
        raise HttpProblem(415, f"the body has to be JSON, sent with the header Content-Type: {JSON_TYPE}")
