"""What every request goes through, from the outside in.

counted    -> the HTTP metrics
guarded    -> problems become answers, bugs become a 500 without details
addressed  -> Host and Origin: is it us who were asked, and by a page of ours?
known      -> 404 and 405
typed      -> bodies are JSON
admitted   -> keys
"""

from collections.abc import Callable, Sequence

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from exporter.stats import HttpStats
from exporter.timing import Clock
from exporter.web.answers import JSON_TYPE, HttpProblem, problem_answer
from exporter.web.keys import Gate
from exporter.web.listeners import Listeners
from exporter.web.routes import Route

RouteOf = Callable[[web.Request], Route | None]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_METHODS = _SAFE | {"POST", "PUT", "PATCH", "DELETE", "CONNECT"}
_CLIENT_LEFT = 499
_HEADERS = {
    "Server": "bot-exporter",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}

_log = structlog.get_logger(component="web")


def complete(response: web.StreamResponse) -> None:
    """Add the headers that every answer has; what a handler has set stays."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


async def add_headers(_: object, response: web.StreamResponse) -> None:
    """Do so just before an answer is sent (aiohttp's on_response_prepare)."""
    response.headers.popall("Server", None)  # the library's own names its version
    complete(response)


def middlewares(
    route_of: RouteOf, *, stats: HttpStats, clock: Clock, listeners: Listeners, gate: Gate
) -> Sequence[Middleware]:
    """Return the chain, outermost first."""
    return (
        _counted(route_of, stats, clock),
        _guarded(route_of),
        _addressed(listeners),
        _known(route_of),
        _typed,
        _admitted(route_of, gate, listeners),
    )


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
            stats.observe(route.path if route else "unmatched", method, code, clock.monotonic() - began)

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
        except Exception:  # noqa: BLE001  (a mistake in one answer must not show its details, nor end the connection)
            route = route_of(request)
            _log.exception("a request failed", method=request.method, route=route.path if route else "unmatched")
            return problem_answer(500, "this is a mistake in bot-exporter: its log has the details", path)

    return guarded


def _addressed(listeners: Listeners) -> Middleware:
    @web.middleware
    async def addressed(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1:
            raise HttpProblem(400, "the request needs one Host header")
        if not listeners.accepts(hosts[0]):
            detail = (
                f"this server does not go by the name {hosts[0]!r}: use the address it listens on, "
                "or start it with --web.external-url set to the address that you use"
            )
            raise HttpProblem(421, detail)
        acts = request.method not in _SAFE or request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        foreign = [
            each for each in request.headers.getall(hdrs.ORIGIN, []) if not listeners.is_own_origin(each, hosts[0])
        ]
        if acts and foreign:
            raise HttpProblem(403, f"pages of the origin {foreign[0]!r} may not act here: only this server's own may")
        return await handler(request)

    return addressed


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
    if request.method not in _SAFE and request.body_exists and request.content_type != JSON_TYPE:
        raise HttpProblem(415, f"the body has to be JSON, sent with the header Content-Type: {JSON_TYPE}")
    return await handler(request)


def _admitted(route_of: RouteOf, gate: Gate, listeners: Listeners) -> Middleware:
    @web.middleware
    async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        if route is not None:
            sockname = request.get_extra_info("sockname")
            gate.admit(route.access, request.headers, loopback=listeners.is_loopback(sockname))
        return await handler(request)

    return admitted
