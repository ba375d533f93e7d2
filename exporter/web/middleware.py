"""What every request goes through, from the outside in.

sent       -> large answers go out in pieces, at the client's speed
counted    -> the HTTP metrics
guarded    -> problems become answers, bugs become a 500 without details
paced      -> the rate limit of the web configuration file
uncrowded  -> the last connection of an address is for scrapes and probes
addressed  -> Host, Origin, Sec-Fetch-Site: is it us who were asked, and by a page of ours?
known      -> 404 and 405
typed      -> bodies are JSON, and not packed
admitted   -> keys and users
received   -> the whole body is here, in time and not too large
"""

import asyncio
import math
import re
from collections.abc import Callable, Collection, Sequence

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from exporter.addresses import LIVENESS
from exporter.stats import HttpStats
from exporter.timing import Clock
from exporter.web.answers import JSON_TYPE, HttpProblem, problem_answer
from exporter.web.clients import Clients
from exporter.web.connection import PIECE, Connection
from exporter.web.keys import KEY, Gate
from exporter.web.listeners import Listeners
from exporter.web.rate import RateLimiter
from exporter.web.routes import PROBES, STREAM, Route
from exporter.web.settings import Limits
from exporter.web.slots import Slots
from exporter.web.stream.feed import ADMISSION, BEGUN, is_websocket, takes_events
from exporter.web.streaming import in_pieces

RouteOf = Callable[[web.Request], Route | None]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_METHODS = _SAFE | {"POST", "PUT", "PATCH", "DELETE", "CONNECT"}
_SITE = "Sec-Fetch-Site"  # browsers say it even of requests that they send without an Origin
_OWN_SITES = frozenset({"same-origin", "none"})
_CLIENT_LEFT = 499
_log = structlog.get_logger(component="web")


def middlewares(
    route_of: RouteOf,
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
) -> Sequence[Middleware]:
    """Return the chain, outermost first."""
    return (
        _sent,
        _counted(route_of, stats, clock),
        _guarded(route_of),
        _paced(route_of, rate),
        _uncrowded(route_of, slots, {telemetry_path, LIVENESS}),
        _addressed(listeners),
        _known(route_of),
        _typed,
        _admitted(route_of, gate, clients),
        _received(limits),
    )


@web.middleware
async def _sent(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    body = getattr(response, "body", None)
    if isinstance(body, bytes) and len(body) > PIECE and request.method != hdrs.METH_HEAD:
        await in_pieces(request, response, (body,), len(body))
    return response


def _counted(route_of: RouteOf, stats: HttpStats, clock: Clock) -> Middleware:
    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        began = clock.monotonic()
        code = _CLIENT_LEFT
        try:
            response = await handler(request)
            code = response.status
            return response
        finally:
            method = request.method if request.method in _METHODS else "other"
            code, ended = request.get(BEGUN, (code, clock.monotonic()))  # a stream's end is not the time to answer
            stats.observe(route.path if route else "unmatched", method, code, ended - began)

    return counted


def _guarded(route_of: RouteOf) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.rel_url.raw_path
        try:
            return await handler(request)
        except HttpProblem as problem:
            return problem_answer(problem.status, problem.detail, path, problem.headers, problem.members)
        except web.HTTPException as error:  # the library's own, such as a body that is too large
            return problem_answer(error.status, error.reason, path)
        except Exception as error:  # noqa: BLE001  (a mistake in one answer must not show its details, nor end the connection)
            if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
                return web.Response(status=_CLIENT_LEFT)  # no mistake of ours, and nobody reads it
            route = route_of(request)
            _log.exception("a request failed", method=request.method, route=route.path if route else "unmatched")
            return problem_answer(500, "this is a mistake in bot-exporter: its log has the details", path)

    return guarded


def _paced(route_of: RouteOf, rate: RateLimiter) -> Middleware:
    @web.middleware
    async def paced(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        wait_s = 0.0 if route is not None and route.path in PROBES else rate.wait_s()
        if wait_s > 0:
            detail = "the rate limit of this server is reached: send fewer requests, or raise rate_limit in its file"
            raise HttpProblem(429, detail, {"Retry-After": str(math.ceil(wait_s))})
        return await handler(request)

    return paced


def _uncrowded(route_of: RouteOf, slots: Slots, kept_for: Collection[str]) -> Middleware:
    @web.middleware
    async def uncrowded(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection, route = request.protocol, route_of(request)
        crowded = isinstance(connection, Connection) and slots.is_crowded(connection.slot)
        if crowded and (route is None or route.path not in kept_for):
            detail = (
                "there are too many connections from this address: close some; the last one is kept for "
                f"{' and '.join(sorted(kept_for))}"
            )
            raise HttpProblem(429, detail)
        return await handler(request)

    return uncrowded


def _addressed(listeners: Listeners) -> Middleware:
    @web.middleware
    async def addressed(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1:
            raise HttpProblem(400, "the request needs one Host header")
        for name in (*_named(request), hosts[0]):
            if not listeners.accepts(name):
                detail = (
                    f"this server does not go by the name {name!r}: use the address it listens on, "
                    "or start it with --web.external-url set to the address that you use"
                )
                raise HttpProblem(421, detail)
        acts = request.method not in _SAFE or is_websocket(request) or takes_events(request)
        foreign = [
            each for each in request.headers.getall(hdrs.ORIGIN, []) if not listeners.is_own_origin(each, hosts[0])
        ]
        if acts and foreign:
            raise HttpProblem(403, f"pages of the origin {foreign[0]!r} may not act here: only this server's own may")
        if acts and not _OWN_SITES.issuperset(request.headers.getall(_SITE, [])):
            raise HttpProblem(
                403, f"the browser says ({_SITE}) that a page of another origin asks: it may not act here"
            )
        return await handler(request)

    return addressed


def _named(request: web.Request) -> list[str]:
    """Return the name in a target such as `http://name/status`: it counts more than Host, so it is held to the same."""
    scheme, separator, rest = request.raw_path.partition("://")
    return [re.split("[/?#]", rest, maxsplit=1)[0]] if separator and not set("/?#") & set(scheme) else []


def _known(route_of: RouteOf) -> Middleware:
    @web.middleware
    async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
        error = request.match_info.http_exception
        if isinstance(error, web.HTTPMethodNotAllowed):
            allowed = ", ".join(sorted(error.allowed_methods))
            raise HttpProblem(405, f"{request.method} is not possible here: use {allowed}", {"Allow": allowed})
        if error is not None or route_of(request) is None:
            detail = "there is nothing at this path: begin at /status, /metrics, /health or the page at /"
            raise HttpProblem(404, detail)
        return await handler(request)

    return known


@web.middleware
async def _typed(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method in _SAFE or not request.body_exists:
        return await handler(request)
    packing = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, [])).strip().lower()
    if packing not in ("", "identity"):
        detail = f"the body is packed with {packing[:20]!r}: send it as it is, without the header Content-Encoding"
        raise HttpProblem(415, detail, {"Accept-Encoding": "identity"})
    if request.content_type != JSON_TYPE:
        raise HttpProblem(415, f"the body has to be JSON, sent with the header Content-Type: {JSON_TYPE}")
    return await handler(request)


def _admitted(route_of: RouteOf, gate: Gate, clients: Clients) -> Middleware:
    @web.middleware
    async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        ticket = request.query.get("ticket") if route is not None and route.path == STREAM else None
        if ticket:
            request[ADMISSION] = gate.redeem(ticket, clients.of(request))
        elif route is not None:
            key = await gate.admit(route.access, request.headers, clients.of(request))
            if key is not None:
                request[KEY] = key
        return await handler(request)

    return admitted


def _received(limits: Limits) -> Middleware:
    too_large = f"the body is too large for this server: send at most {limits.body_bytes // 1024} KiB"

    @web.middleware
    async def received(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method in _SAFE or not request.body_exists:
            return await handler(request)
        if (request.content_length or 0) > limits.body_bytes:
            raise HttpProblem(413, too_large)
        try:
            async with asyncio.timeout(limits.body_s):
                await request.read()  # the request keeps it for the handler
        except TimeoutError:
            raise HttpProblem(408, f"the body did not come within {limits.body_s:g} seconds") from None
        except web.HTTPRequestEntityTooLarge:
            raise HttpProblem(413, too_large) from None
        except web.RequestPayloadError:
            raise HttpProblem(400, "the body is not encoded in the way that its headers say") from None
        return await handler(request)

    return received
