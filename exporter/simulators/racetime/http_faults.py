"""What faults do to a request and its answer."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from exporter.simulators.faults import Switch
from exporter.simulators.racetime import spoilt
from exporter.simulators.racetime.faults import Faults
from exporter.simulators.racetime.holds import Holds
from exporter.simulators.racetime.rooms import token_of
from exporter.simulators.racetime.site import credentials, empty, finish_headers, invalid_client
from exporter.simulators.racetime.sockets import drop
from exporter.simulators.racetime.world import World

PIECE = 16
_ROUTES = {
    "/o/token": "token",
    "/o/revoke_token": "token",
    "/o/{category}/data": "category",
    "/o/{category}/startrace": "startrace",
    "/o/{category}/{race}/edit": "edit",
    "/{category}.json": "public",
    "/{category}/data": "public",
    "/{category}/races/data": "public",
    "/races/data": "public",
    "/races.json": "public",
    "/categories/data": "public",
    "/categories.json": "public",
    "/{category}/{race}.json": "race",
    "/{category}/{race}/data": "race",
    "/ws/o/bot/{slug}": "socket",
}

Ordinary = Callable[[], Awaitable[web.StreamResponse]]


class HttpFaults:
    """Stands before every request and does to it what the switchboard says."""

    def __init__(self, faults: Faults, world: World, holds: Holds) -> None:
        self._faults = faults
        self._world = world
        self._holds = holds

    async def answer(self, request: web.Request, ordinary: Ordinary) -> web.StreamResponse:
        """Return the ordinary answer, a spoilt one, or none: then the connection is gone.

        Of several faults each does its part: first what keeps the request from being looked at, in the order in which
        they were switched on, then what spoils the body, at last one that spoils the way.
        """
        await request.post()  # read it while the client is there: some do not wait for what they asked for
        route = route_of(request)
        switches = self._faults.matching(route, await self._names(request, route))
        for switch in switches:
            if switch.on and (before := BEFORE.get(switch.fault.kind)):
                refusal = await before(request, switch, self._holds)
                if refusal is not None:
                    return refusal
        response = await ordinary()
        if not isinstance(response, web.Response):
            return response
        for kind, spoil in SPOIL.items():
            for switch in switches:
                if switch.fault.kind == kind and switch.on and response.status < 300:
                    spoil(response, switch)
        for switch in switches:
            if (send := SEND.get(switch.fault.kind)) and switch.on:
                return await send(request, response, switch, self._holds)
        return response

    async def _names(self, request: web.Request, route: str) -> set[str]:
        """Return what a target may call whoever asks here."""
        about = request.match_info
        names = {about[name] for name in ("category", "race", "slug") if name in about}
        if "race" in about:
            names.add(f"{about['category']}/{about['race']}")
        if "slug" in about and (race := self._world.find_race(about["slug"])):
            names |= {race.category.slug, str(race)}
        if route == "token":
            client_id, _ = await credentials(request)
            bot = self._world.bots.get(client_id)
            names |= {client_id, bot.category.slug} if bot else {client_id}
        elif token := self._world.tokens.get(token_of(request) or ""):
            names.add(token.bot.client_id)
        return names


def route_of(request: web.Request) -> str:
    """Return the kind of route, by which faults tell requests apart."""
    resource = request.match_info.route.resource
    return _ROUTES.get(resource.canonical, "") if resource else ""


# before the request is looked at


async def _hang(request: web.Request, switch: Switch, holds: Holds) -> web.Response:
    await holds.wait(request, None, switch)
    return drop(request)


async def _slow(request: web.Request, switch: Switch, holds: Holds) -> web.Response | None:
    """Wait; what was asked for is done afterwards although the client may have left."""
    return None if await holds.wait(None, switch.number, switch) else drop(request)


async def _drop_before(request: web.Request, _: Switch, __: Holds) -> web.Response:
    return drop(request)


Make = Callable[[Switch], web.Response]


def _by_proxy(make: Make) -> "Before":
    async def before(_: web.Request, switch: Switch, __: Holds) -> web.Response:
        return make(switch)

    return before


def _by_site(make: Callable[[], web.Response]) -> "Before":
    async def before(request: web.Request, _: Switch, __: Holds) -> web.Response:
        response = make()
        finish_headers(request, response)
        return response

    return before


def _page(status: int, words: str, headers: dict[str, str] | None = None) -> web.Response:
    text = spoilt.proxy_page(status, words)
    return web.Response(status=status, text=text, content_type="text/html", charset="UTF-8", headers=headers)


Before = Callable[[web.Request, Switch, Holds], Awaitable[web.Response | None]]

BEFORE: dict[str, Before] = {
    "refuse_credentials": _by_site(invalid_client),
    "refuse_tokens": _by_site(lambda: empty(403)),
    "http_status": _by_proxy(lambda switch: _page(int(switch.number), "Trouble at the origin")),
    "too_many": _by_proxy(lambda switch: _page(429, "Too many requests", {"Retry-After": f"{switch.number:.0f}"})),
    "challenge": _by_proxy(lambda _: _page(403, "Just a moment...", {"cf-mitigated": "challenge"})),
    "redirect": _by_proxy(lambda switch: _page(301, "Moved", {"Location": switch.fault.detail})),
    "hang": _hang,
    "slow": _slow,
    "drop_before": _drop_before,
}


# the body of a good answer


def _tree(change: Callable[[Any, str], Any]) -> "Spoil":
    def spoil(response: web.Response, switch: Switch) -> None:
        if response.content_type == "application/json":
            response.body = orjson.dumps(change(orjson.loads(_body(response)), switch.fault.detail))

    return spoil


def _not_json(response: web.Response, _: Switch) -> None:
    response.body = spoilt.NOT_JSON.encode()
    response.content_type = "application/json"
    response.charset = None


def _html_page(response: web.Response, _: Switch) -> None:
    response.body = spoilt.proxy_page(response.status, "Welcome").encode()
    response.content_type = "text/html"


def _truncated(response: web.Response, _: Switch) -> None:
    body = _body(response)
    response.body = body[: len(body) // 2]


def _body(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


Spoil = Callable[[web.Response, Switch], None]

# In this order: what needs JSON comes first.
SPOIL: dict[str, Spoil] = {
    "unknown_words": _tree(spoilt.unknown_words),
    "extra_fields": _tree(spoilt.extra_fields),
    "missing_fields": _tree(spoilt.missing_fields),
    "nulls": _tree(spoilt.nulls),
    "wrong_types": _tree(spoilt.wrong_types),
    "huge_body": _tree(spoilt.huge),
    "truncated": _truncated,
    "html_page": _html_page,
    "not_json": _not_json,
}


# the way of an answer


async def _trickle(request: web.Request, response: web.Response, switch: Switch, holds: Holds) -> web.StreamResponse:
    stream = await _head(request, response)
    body = _body(response)
    with contextlib.suppress(ConnectionError):
        for begin in range(0, len(body), PIECE):
            await stream.write(body[begin : begin + PIECE])
            await holds.wait(request, switch.number, switch)
        await stream.write_eof()
    return stream


async def _drop_middle(request: web.Request, response: web.Response, _: Switch, __: Holds) -> web.StreamResponse:
    body = _body(response)
    if body:
        stream = await _head(request, response)
        with contextlib.suppress(ConnectionError):
            await stream.write(body[: len(body) // 2])
    elif request.transport is not None:
        request.transport.write(f"HTTP/1.1 {response.status} ".encode())
    return drop(request)


async def _lose_answer(request: web.Request, _: web.Response, __: Switch, ___: Holds) -> web.StreamResponse:
    return drop(request)


async def _head(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Send the head of an answer; whole length announced, body to follow."""
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(_body(response))
    await stream.prepare(request)
    return stream


Send = Callable[[web.Request, web.Response, Switch, Holds], Awaitable[web.StreamResponse]]

SEND: dict[str, Send] = {"lose_answer": _lose_answer, "drop_middle": _drop_middle, "trickle": _trickle}
