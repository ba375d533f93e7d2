"""The route table, described as an OpenAPI 3.1 document."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from inspect import getdoc
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from exporter.addresses import LIVENESS
from exporter.web.answers import JSON_TYPE, PROBLEM_TYPE
from exporter.web.api.operation import TEXT, Given, Operation, Parameter
from exporter.web.api.operations import OPERATIONS, TAGS, TELEMETRY
from exporter.web.api.shapes import Problem, Waiting
from exporter.web.control.giving import gives_order
from exporter.web.control.requests import MOST_WAIT_S, WAIT_S
from exporter.web.keys import Access
from exporter.web.routes import Route

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_ABOUT: Final = """\
Reads the state of a fleet of game bots, and gives it orders.

Reads need no key on a loopback listener; orders need one with the role admin. A GET route answers HEAD too. What is
asked with a method that its path does not have is 405, a path that does not exist 404, both as a problem.

An answer to an order says what the service has confirmed, never what was merely sent. Orders go on when their request
has ended. Send an `Idempotency-Key` with what must not happen twice.
"""

_PATHS: Final[Mapping[str, str]] = {
    "name": "A bot's name, or its Steam username.",
    "lobby_id": "The id of a lobby.",
    "category": "A category of racetime.gg.",
    "slug": "The rest of a race's name.",
    "order_id": "The id of an order, as its answer names it.",
    "file": "The name of a file.",
}

_PROBLEMS: Final[Mapping[int, str]] = {
    400: "A parameter that does not exist or has a wrong value, or not exactly one Host header.",
    401: "No key or user, or one that is not known.",
    403: "A page of another origin may not act here, or the key has the role read and this needs admin.",
    404: "What it is about does not exist.",
    406: "Neither a WebSocket nor events are asked for.",
    408: "The body did not come in time.",
    409: "Not possible in this state; or the order of this Idempotency-Key is in doubt.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not JSON, or its Content-Type does not say so.",
    421: "This server does not go by the name in Host.",
    422: "The body has wrong fields, or the service's own form says so, and `errors` lists them; or a parameter of the "
    "feed is wrong.",
    429: "Too many wrong keys, connections or requests.",
    500: "A mistake in bot-exporter; its log has the details.",
    502: "The service refused it, or could not be reached to be asked.",
    503: "Nobody can take it now; `Retry-After` says when to try again.",
    504: "No confirmation in time: it may have happened, and is not sent again.",
}

_PROBLEM_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "How to say who you are."},
    429: {"Retry-After": "In how many seconds to try again."},
    503: {"Retry-After": "In how many seconds to try again."},
}

_ORDER_ID: Final[Mapping[str, str]] = {"Order-Id": "The id of the order."}
_ORDER_PROBLEMS: Final = frozenset({409, 422, 503, 504})
_BODY_PROBLEMS: Final = frozenset({408, 413, 415})
_WAIT: Final = Parameter(
    "wait",
    f"How long to wait for the end of the order: seconds or a duration; {WAIT_S:g} without it, at most "
    f"{MOST_WAIT_S:g}.",
    {"type": "string", "pattern": "^([0-9]|[1-5][0-9]|60)s?$", "examples": ["30", "30s"]},
)
_KEY: Final = Parameter(
    "Idempotency-Key",
    "Names this order: given again it is answered as the first time. Keys live 24 hours.",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
)

_SCHEMES: Final[Json] = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key of `web.keys`."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same key; not while basic auth is on."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "A user of `basic_auth_users`, if there are any. Users may read; orders need a key.",
    },
}
_KEYS: Final[list[Json]] = [{"key": []}, {"bearer": []}]
_SECURITY: Final[Mapping[Access, list[Json]]] = {
    Access.PUBLIC: [],
    Access.PAGE: [{}, {"basic": []}, {"key": []}],
    Access.METRICS: [{}, *_KEYS, {"basic": []}],
    Access.READ: [{}, *_KEYS, {"basic": []}],
    Access.ADMIN: [*_KEYS],
}


def check_described(routes: Sequence[Route], telemetry_path: str) -> None:
    """Raise ValueError for a route that nobody has described, and for a description without a route."""
    known, described = {(route.method, route.path) for route in routes}, _table(telemetry_path).keys()
    if known != described:
        raise ValueError(_mismatch(known, set(described)))


def document(routes: Sequence[Route], *, version: str, telemetry_path: str, base: str = "") -> Json:
    """Return the description of these routes, which takes a tenth of a second the first time.

    `base` is what paths begin with for a client. Raises ValueError as `check_described` does.
    """
    check_described(routes, telemetry_path)
    table = _table(telemetry_path)
    paths: Json = {}
    for route in routes:
        described = _operation(route, table[route.method, route.path])
        paths.setdefault(route.path, {})[route.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bot-exporter",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        **({"servers": [{"url": base}]} if base else {}),
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {_word(status): _problem(status) for status in _PROBLEMS},
            "securitySchemes": _SCHEMES,
        },
    }


def _table(telemetry_path: str) -> Mapping[tuple[str, str], Operation]:
    return {(method, telemetry_path if path == TELEMETRY else path): row for (method, path), row in OPERATIONS.items()}


def _mismatch(routes: set[tuple[str, str]], described: set[tuple[str, str]]) -> str:
    def listed(rows: set[tuple[str, str]]) -> str:
        return ", ".join(f"{method} {path}" for method, path in sorted(rows)) or "none"

    return (
        "exporter/web/api/operations.py must have one row for each route: "
        f"not described are {listed(routes - described)}; described without a route are {listed(described - routes)}"
    )


def _operation(route: Route, operation: Operation) -> Json:
    order = gives_order(route.handler)
    query = (*operation.query, *((_WAIT,) if order else ()))
    headers = (*operation.headers, *((_KEY,) if order else ()))
    told: Json = {
        "operationId": operation.name,
        "summary": re.sub("([A-Z])", lambda found: f" {found[1].lower()}", operation.name).capitalize(),
        "description": getdoc(route.handler) or "",
        "tags": [operation.tag],
        "security": _SECURITY[route.access],
        "parameters": [
            *(_path_parameter(name) for name in re.findall(r"{(\w+)}", route.path)),
            *(_parameter(each, "query") for each in query),
            *(_parameter(each, "header") for each in headers),
        ],
        "responses": dict(_responses(route, operation, order=order)),
    }
    if operation.body is not None:
        content = {JSON_TYPE: {"schema": _ref(operation.body)}}
        told["requestBody"] = {"content": content, "required": operation.needs_body}
    return told


def _responses(route: Route, operation: Operation, *, order: bool) -> Iterator[tuple[str, Json]]:
    """Yield what can be answered, by status."""
    given = dict(operation.given)
    if order:
        place = {"Location": "Where to ask for the order."}
        given[202] = Given("It is still being carried out.", Waiting, headers=place)
    named = _ORDER_ID if order else {}
    for status, answer in sorted(given.items()):
        yield str(status), _given(answer, named)
    for status in sorted(_refused(route, operation, order=order) - given.keys()):
        if status in operation.problems:
            yield str(status), _problem(status, operation.problems[status])
        else:
            yield str(status), {"$ref": f"#/components/responses/{_word(status)}"}


def _refused(route: Route, operation: Operation, *, order: bool) -> set[int]:
    """Return the statuses of all problems that this route can give."""
    refused = {400, 403, 421, 429, 500} | operation.refuses
    if route.path == LIVENESS:
        refused.discard(429)  # it is always let in
    if route.access is not Access.PUBLIC:
        refused.add(401)
    if route.method != "GET":
        refused |= _BODY_PROBLEMS
    return refused | _ORDER_PROBLEMS if order else refused


def _given(answer: Given, more: Mapping[str, str]) -> Json:
    told: Json = {"description": answer.description}
    headers = {**answer.headers, **more}
    if headers:
        told["headers"] = _headers(headers)
    if answer.shape is not None:
        told["content"] = {JSON_TYPE: {"schema": _ref(answer.shape)}}
    elif answer.media:
        told["content"] = {media: {"schema": TEXT} for media in answer.media}
    return told


def _problem(status: int, shape: type[BaseModel] = Problem) -> Json:
    told: Json = {"description": _PROBLEMS[status], "content": {PROBLEM_TYPE: {"schema": _ref(shape)}}}
    if status in _PROBLEM_HEADERS:
        told["headers"] = _headers(_PROBLEM_HEADERS[status])
    return told


def _headers(headers: Mapping[str, str]) -> Json:
    return {name: {"description": text, "schema": TEXT} for name, text in headers.items()}


def _word(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": _PATHS[name], "schema": TEXT}


def _parameter(parameter: Parameter, where: str) -> Json:
    schema = {"type": "array", "items": parameter.schema} if parameter.many else parameter.schema
    return {"name": parameter.name, "in": where, "description": parameter.description, "schema": schema}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}


class _Schemas(GenerateJsonSchema):
    """Leaves out the titles of fields, which only repeat their names."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


@cache
def _schemas() -> Json:
    models: dict[type[BaseModel], None] = {Problem: None, Waiting: None}
    for each in OPERATIONS.values():
        shapes = (each.body, *(given.shape for given in each.given.values()), *each.problems.values())
        models |= dict.fromkeys(shape for shape in shapes if shape is not None)
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in models]
    _, made = models_json_schema(modes, ref_template=_REF, schema_generator=_Schemas)
    return dict(sorted(_without_nulls(made["$defs"]).items()))


def _without_nulls(schema: Any) -> Any:
    """Leave out defaults of null: they say that a field may be left out, which `required` says already."""
    if isinstance(schema, dict):
        return {key: _without_nulls(value) for key, value in schema.items() if not (key == "default" and value is None)}
    if isinstance(schema, list):
        return [_without_nulls(each) for each in schema]
    return schema
