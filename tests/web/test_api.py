"""The API's description: whole, valid, and true of the answers that the server gives; and the page to read it."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from exporter.errors import StorageAway
from exporter.model import events as ev
from exporter.model.history import HistoryItem, HistoryKind, HistoryPage
from exporter.model.states import PlatformTraits
from exporter.platforms import PLATFORMS
from exporter.web.api import operations, shapes
from exporter.web.api.document import check_described
from exporter.web.control.giving import gives_order
from exporter.web.control.requests import Body
from exporter.web.keys import Access, AccessRules
from exporter.web.routes import Route
from exporter.web.settings import WebSettings
from tests.web.fleet import ADMIN_KEY, KEYS, LOBBY_ID, NOW, READ_KEY, Fleet, lobby

Json = dict[str, Any]
HERE = WebSettings(listen=(("127.0.0.1", 0),), access=AccessRules(KEYS))
BOSS = {"X-API-Key": ADMIN_KEY}


async def description(fleet: Fleet) -> Json:
    return dict(await fleet.get("/api/v1/openapi.json"))


def each_operation(told: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def test_the_description_is_openapi(fleet: Fleet) -> None:
    told = await description(fleet)
    assert [str(error) for error in OpenAPIV31SpecValidator(told).iter_errors()] == []
    assert told["openapi"].startswith("3.1")
    assert told["info"]["version"] == "1.2.3"
    assert len({operation["operationId"] for _, _, operation in each_operation(told)}) == len(fleet.server.routes)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from [each] if key == "$ref" else references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


async def test_what_the_description_refers_to_is_in_it(fleet: Fleet) -> None:
    told = await description(fleet)
    found = set(references(told))
    assert len(found) > 30
    for reference in found:
        part: Any = told
        for step in reference.removeprefix("#/").split("/"):
            assert step in part, reference
            part = part[step]


async def test_every_route_is_described_and_no_other(fleet: Fleet) -> None:
    told = await description(fleet)
    assert {(method, path) for method, path, _ in each_operation(told)} == {
        (route.method, route.path) for route in fleet.server.routes
    }
    tags = {tag["name"] for tag in told["tags"]}
    for route in fleet.server.routes:
        operation = told["paths"][route.path][route.method.lower()]
        assert operation["description"] == str(route.handler.__doc__).strip()
        assert {each["name"] for each in operation["parameters"] if each["in"] == "path"} == set(
            re.findall(r"{(\w+)}", route.path)
        )
        assert set(operation["tags"]) <= tags


async def test_a_route_cannot_be_forgotten(fleet: Fleet) -> None:
    async def handler(_: web.Request) -> web.Response:
        """Do something new."""
        raise NotImplementedError

    new = Route("GET", "/status/new", handler, Access.READ)
    for routes, words in (
        ((*fleet.server.routes, new), "not described are GET /status/new"),
        (fleet.server.routes[1:], "described without a route are GET /$"),
    ):
        with pytest.raises(ValueError, match=words):
            check_described(routes, "/metrics")


async def test_moved_routes_are_described_where_they_are() -> None:
    moved = WebSettings(listen=(("127.0.0.1", 0),), telemetry_path="/scrape", external_url="https://bots.example/fleet")
    async with Fleet(moved) as fleet:
        told: Json = dict(await fleet.get("/fleet/api/v1/openapi.json"))
    assert told["servers"] == [{"url": "/fleet"}]
    assert "/scrape" in told["paths"]
    assert "/metrics" not in told["paths"]


async def test_orders_say_how_they_are_given_and_answered(fleet: Fleet) -> None:
    told = await description(fleet)
    for route in fleet.server.routes:
        operation = told["paths"][route.path][route.method.lower()]
        named = {(each["in"], each["name"]) for each in operation["parameters"]}
        answers = operation["responses"]
        order = gives_order(route.handler)
        assert order == (("header", "Idempotency-Key") in named) == (("query", "wait") in named) == ("202" in answers)
        assert order == (route.access is Access.ADMIN and route.method != "GET" and route.path != "/-/reload")
        for status, answer in answers.items():
            headers = answer.get("headers", {})
            created = status in {"201", "202"} and route.path != "/api/v1/stream-tickets"  # tickets have no place
            assert ("Location" in headers) == created
            assert ("Order-Id" in headers) == (order and int(status) < 400)
        assert ("requestBody" in operation) <= (route.method != "GET")


async def test_the_description_says_who_may_ask(fleet: Fleet) -> None:
    told = await description(fleet)
    assert {name: each["type"] for name, each in told["components"]["securitySchemes"].items()} == {
        "key": "apiKey",
        "bearer": "http",
        "basic": "http",
    }
    for route in fleet.server.routes:
        operation = told["paths"][route.path][route.method.lower()]
        needs, open_to_all = operation["security"], {} in operation["security"] or not operation["security"]
        assert open_to_all == (route.access is not Access.ADMIN), route
        assert ("401" in operation["responses"]) == (route.access is not Access.PUBLIC)
        if route.access is Access.ADMIN:
            assert needs == [{"key": []}, {"bearer": []}]


async def test_it_is_read_by_those_who_may_read() -> None:
    beyond = WebSettings(listen=(("0.0.0.0", 0),), access=AccessRules(KEYS))  # noqa: S104
    async with Fleet(beyond) as fleet:
        assert (await fleet.call("/api/v1/openapi.json")).status == 401
        assert (await fleet.call("/api/v1/openapi.json", headers={"X-API-Key": READ_KEY})).status == 200
        for path in ("docs", "docs/docs.js", "docs/swagger-ui.css"):
            assert (await fleet.call(f"/api/v1/{path}")).status == 200, path


# --- what is described is true ---


def check(told: Json, method: str, path: str, status: int, body: Json) -> None:
    """Hold an answer against the schema that the description gives for it."""
    answer = told["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        answer = told["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    (content,) = answer["content"].values()
    validator = Draft202012Validator(
        {**content["schema"], "components": told["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    assert [f"{path}: {error.json_path}: {error.message}" for error in validator.iter_errors(body)] == []


def full(fleet: Fleet) -> None:
    """Fill the fleet so that every part of an answer is there."""
    fleet.populate()
    fleet.store.apply(ev.LobbyUpdated("dire", NOW, lobby(lobby_id=None)))
    item = HistoryItem(7, NOW, HistoryKind.ORDER, "dire", "dota2", None, "done", "stop", "dire", "boss")
    fleet.past = HistoryPage((item,), 7)


READS = {
    "/status": "/status",
    "/status/system": "/status/system",
    "/status/bots": "/status/bots",
    "/status/bots/{name}": "/status/bots/sm",
    "/status/bots/{name}/history": "/status/bots/sm/history",
    "/status/history": "/status/history",
    "/status/lobbies": "/status/lobbies",
    "/status/lobbies/{lobby_id}": f"/status/lobbies/{LOBBY_ID}",
    "/status/races": "/status/races",
    "/status/races/{category}/{slug}": "/status/races/alttpr/lucky-link-1",
    "/health": "/health",
    "/bots": "/bots",
    "/lobby/info": f"/lobby/info?lobby_id={LOBBY_ID}",
}


async def test_answers_are_as_described(fleet: Fleet) -> None:
    full(fleet)
    told = await description(fleet)
    for path, asked in READS.items():
        check(told, "GET", path, 200, await fleet.get(asked))
    ticket = await fleet.call("/api/v1/stream-tickets", "POST")
    check(told, "POST", "/api/v1/stream-tickets", ticket.status, await ticket.json())
    info = await fleet.call("/lobby/info", "POST", json={"lobby_id": LOBBY_ID})
    check(told, "POST", "/lobby/info", info.status, await info.json())
    discovered = await fleet.call("/sd")
    check(told, "GET", "/sd", discovered.status, await discovered.json())
    lists = {path for method, path in operations.OPERATIONS if method == "GET" and path not in READS}
    assert lists == {  # what is no JSON, or needs an order
        "/",
        "/sd",
        "/status/stream",
        "/static/{file}",
        operations.TELEMETRY,
        "/-/healthy",
        "/-/ready",
        "/api/v1/openapi.json",
        "/api/v1/docs",
        "/api/v1/docs/{file}",
        "/api/v1/orders/{order_id}",
    }


async def test_a_wrong_answer_would_be_found(fleet: Fleet) -> None:
    full(fleet)
    told, bot = await description(fleet), dict(await fleet.get("/status/bots/sm"))
    for wrong in (bot | {"new_key": 1}, bot | {"races": None}, {k: v for k, v in bot.items() if k != "races"}):
        with pytest.raises(AssertionError):
            check(told, "GET", "/status/bots/{name}", 200, wrong)


async def test_orders_and_problems_are_as_described() -> None:
    async with Fleet(HERE) as fleet:
        full(fleet)
        told = await description(fleet)
        for method, path, asked, status in (
            ("GET", "/status/bots/{name}", "/status/bots/nobody", 404),
            ("GET", "/status/bots", "/status/bots?colour=red", 400),
            ("GET", "/status/stream", "/status/stream", 406),
            ("POST", "/api/v1/drain", "/api/v1/drain?wait=61", 400),
            ("POST", "/api/v1/lobbies", "/api/v1/lobbies", 422),
            ("POST", "/api/v1/bots/{name}/start", "/api/v1/bots/nobody/start", 404),
            ("POST", "/api/v1/bots/{name}/start", "/api/v1/bots/sm/start", 404),  # it was never given to the supervisor
            ("POST", "/-/reload", "/-/reload", 200),
        ):
            answer = await fleet.call(asked, method, headers=BOSS)
            assert answer.status == status, await answer.text()
            check(told, method, path, status, await answer.json(content_type=None))
        fleet.past = StorageAway("the database is away")
        answer = await fleet.call("/status/history")
        check(told, "GET", "/status/history", 503, await answer.json(content_type=None))


def facts_of(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields) - set(shapes._Bot.model_fields) - {"platform"}


def test_every_platform_has_its_bot() -> None:
    known = {
        get_args(model.model_fields["platform"].annotation)[0]: model for model in (shapes.Dota2Bot, shapes.RacetimeBot)
    }
    traits: list[PlatformTraits] = [each.traits for each in PLATFORMS.values()]
    assert {each.name: {each.subject, *each.facts} for each in traits} == {
        name: facts_of(model) for name, model in known.items()
    }


def bodies(kind: type[Body]) -> Iterator[type[Body]]:
    for each in kind.__subclasses__():
        yield each
        yield from bodies(each)


async def test_every_body_is_described_and_its_example_holds(fleet: Fleet) -> None:
    told = await description(fleet)
    described = told["components"]["schemas"]
    for model in bodies(Body):
        if not model.model_fields:
            continue
        schema = described[model.__name__]
        assert schema["additionalProperties"] is False
        assert set(schema["properties"]) == set(model.model_fields)
        for example in schema.get("examples", []):
            model.model_validate(json.loads(json.dumps(example)))
            Draft202012Validator({**schema, "components": told["components"]}).validate(example)


# --- the page ---


async def test_the_page_is_all_from_this_server(fleet: Fleet) -> None:
    page = await fleet.call("/api/v1/docs")
    text = await page.text()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(
        r"<script>|<style| style=| on\w+=|javascript:|https?://|//", text.replace("<!doctype html>", "")
    )
    links = re.findall(r'(?:href|src)="([^"]+)"', text)
    assert "docs/swagger-ui-bundle.js" in links
    assert "flask_swagger_ui" not in sys.modules  # only its files are wanted
    for link in links:
        path = {"../../": "/", "../../static/favicon.svg": "/static/favicon.svg"}.get(link, f"/api/v1/{link}")
        answer = await fleet.call(path)
        assert answer.status == 200, link
        if link.startswith("docs/"):
            again = await fleet.call(path, headers={"If-None-Match": answer.headers["ETag"]})
            assert (again.status, again.headers["Cache-Control"]) == (304, "no-cache")


async def test_the_page_has_no_other_files(fleet: Fleet) -> None:
    for name in ("docs.html", "index.html", "..%2fpages.py", "swagger-ui.js", "LICENSE"):
        answer = await fleet.call(f"/api/v1/docs/{name}")
        assert answer.status == 404, name
