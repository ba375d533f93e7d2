"""Which way a request goes: by method and path, with the names in it."""

from collections.abc import Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from exporter.web.answers import HttpProblem
from exporter.web.keys import Access
from exporter.web.request import NAMES
from exporter.web.routes import Route
from exporter.web.ways import Way, Ways


async def handler(_: web.Request) -> web.Response:
    return web.Response()


ROUTES = [
    Route(method, path, handler, Access.READ)
    for method, path in (
        ("GET", "/"),
        ("GET", "/status/bots"),
        ("GET", "/status/bots/{name}"),
        ("GET", "/status/bots/{name}/history"),
        ("PATCH", "/races/{category}/{slug}"),
        ("DELETE", "/races/{category}/{slug}"),
        ("GET", "/a.b/{name}"),
    )
]


def _go(way: Way, request: web.Request) -> None:
    for check in way.checks:
        check(request)


@pytest.fixture
def ways() -> Ways:
    found = Ways((_barred,))
    for route in ROUTES:
        found.add(route.method, route.path, Way(route, ()))
    return found


def _barred(request: web.Request) -> None:
    if request.path == "/barred":
        raise HttpProblem(421, "not by this name")


def found(ways: Ways, method: str, path: str) -> tuple[str, Mapping[str, str]]:
    request = make_mocked_request(method, path)
    return ways.find(request).label, request.get(NAMES, {})


@pytest.mark.parametrize(
    ("path", "label", "names"),
    [
        ("/", "/", {}),
        ("/status/bots?status=connected", "/status/bots", {}),
        ("/status/bot%73", "/status/bots", {}),
        ("/status/bots/dire", "/status/bots/{name}", {"name": "dire"}),
        ("/status/bots/history", "/status/bots/{name}", {"name": "history"}),
        ("/status/bots/dire/history", "/status/bots/{name}/history", {"name": "dire"}),
        ("/status/bots/%C3%A9%20%2F%25%252F", "/status/bots/{name}", {"name": "é /%%2F"}),
        ("/a.b/c", "/a.b/{name}", {"name": "c"}),
        ("/axb/c", "unmatched", {}),
        ("/status/bots/", "unmatched", {}),
        ("/status/bots/%7Bname%7D", "unmatched", {}),
        ("/status/bots/a/b", "unmatched", {}),
        ("/status", "unmatched", {}),
        ("", "unmatched", {}),
    ],
)
def test_by_path(ways: Ways, path: str, label: str, names: dict[str, str]) -> None:
    assert found(ways, "GET", path) == (label, names)


def test_by_method(ways: Ways) -> None:
    assert found(ways, "DELETE", "/races/sm/x") == ("/races/{category}/{slug}", {"category": "sm", "slug": "x"})
    assert found(ways, "GET", "/races/sm/x")[0] == "unmatched"
    assert found(ways, "POST", "/")[0] == "unmatched"


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/nowhere", 404, None),
        ("POST", "/status/bots", 405, "GET"),
        ("GET", "/races/sm/x", 405, "DELETE, PATCH"),
        ("GET", "/barred", 421, None),
    ],
)
def test_what_leads_nowhere_is_told_after_all_else(
    ways: Ways, method: str, path: str, status: int, allowed: str | None
) -> None:
    request = make_mocked_request(method, path)
    way = ways.find(request)
    assert way.route is None
    with pytest.raises(HttpProblem) as told:
        _go(way, request)
    assert (told.value.status, told.value.headers.get("Allow")) == (status, allowed)
