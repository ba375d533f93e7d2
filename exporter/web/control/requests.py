"""What a request says beside its path: a checked body, an idempotency key, how long its sender will wait."""

import re
from typing import Final, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from exporter.timing import parse_duration
from exporter.web.answers import HttpProblem
from exporter.web.control.desk import Ask
from exporter.web.keys import KEY

WAIT_S: Final = 10.0
MOST_WAIT_S: Final = 60.0
_TYPES: Final = {
    "int_type": "a whole number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
}
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")


class Body(BaseModel):
    """A body: types are taken as they are, and what is not known is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def example(**fields: JsonValue) -> ConfigDict:
    """Show a body with these fields in the description."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


_B = TypeVar("_B", bound=Body)


async def body_of(request: web.Request, model: type[_B]) -> _B:
    """Return the body, checked; one that is missing counts as an empty object. Raises HttpProblem (422)."""
    raw = await request.read()
    try:
        data = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError as error:
        raise HttpProblem(422, f"the body is no JSON, send an object: {{ ... }}: {error}") from None
    if not isinstance(data, dict):
        raise HttpProblem(422, "the body has to be a JSON object: { ... }")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise invalid(_all_words(error, known)) from None


def invalid(errors: list[str]) -> HttpProblem:
    """Return the problem of wrong fields, each `field: what to do about it`."""
    return HttpProblem(422, "; ".join(errors), members={"errors": errors})


def no_query(request: web.Request, *allowed: str) -> None:
    """Refuse query parameters that mean nothing: a typing error must not become another order."""
    for key in request.query:
        if key not in ("wait", *allowed):
            raise HttpProblem(400, f"there is no parameter {key!r}: use {', '.join(('wait', *allowed))}")


def ask_of(request: web.Request, body: bytes) -> Ask:
    """Return who asks for what, and under which idempotency key; how long the sender waits makes no difference."""
    key = request.get(KEY)
    chosen = sorted((name, value) for name, value in request.query.items() if name != "wait")
    route = f"{request.method} {request.rel_url.raw_path} {chosen}"
    return Ask(route, body, key.name if key is not None else None, _idempotency_key(request))


def wait_s(request: web.Request) -> float:
    """Return how long the sender waits for the end of the order: `wait` in seconds, or as a duration."""
    text = request.query.get("wait", "")
    if not text:
        return WAIT_S
    try:
        asked = float(text) if text.isascii() and text.isdecimal() and len(text) < 4 else parse_duration(text)
    except ValueError:
        asked = -1.0
    if not 0 <= asked <= MOST_WAIT_S:
        raise HttpProblem(400, f"wait cannot be {text[:20]!r}: give 0 to {MOST_WAIT_S:g} seconds, such as 20 or 20s")
    return asked


def _idempotency_key(request: web.Request) -> str | None:
    found = request.headers.getall("Idempotency-Key", [])
    if not found:
        return None
    if len(found) > 1 or not _KEY.fullmatch(found[0]):
        raise HttpProblem(400, "Idempotency-Key: send one, of 1 to 200 letters, digits and signs without spaces")
    return found[0]


def _all_words(error: ValidationError, known: str) -> list[str]:
    """Return the mistakes, each field once: of a list only the list, of a choice of types all of them."""
    types: dict[str, list[str]] = {}
    others: dict[str, None] = {}
    for each in error.errors():
        name = str(each["loc"][0]) if each["loc"] else "body"
        if each["type"] in _TYPES:
            types.setdefault(name, []).append(_TYPES[each["type"]])
        else:
            others[_words(name, each["type"], each["msg"], known)] = None
    return [f"{name}: must be {' or '.join(dict.fromkeys(words))}" for name, words in types.items()] + list(others)


def _words(name: str, kind: str, message: str, known: str) -> str:
    match kind:
        case "missing":
            return f"{name}: is missing"
        case "extra_forbidden":
            return f"{name[:64]}: unknown field, use one of {known}"
        case "value_error":
            return f"{name}: {message.removeprefix('Value error, ')}"
    return f"{name}: {message[:1].lower()}{message[1:]}"
