"""How answers are written: JSON, plain text, and problems after RFC 9457."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

JSON_TYPE = "application/json"
PROBLEM_TYPE = "application/problem+json"


class HttpProblem(Exception):
    """A request that cannot be served as it is; `detail` tells the client what to change.

    `members` are further members of the problem, such as a list of `errors`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        super().__init__(detail)


def encoded(data: Any) -> bytes:
    """Return the JSON text. A name with half a surrogate pair, which UTF-8 cannot hold, costs that character only."""
    try:
        return b"%b" % orjson.dumps(data)  # a copy: orjson's own was cut to its size, which malloc makes dear to keep
    except TypeError:
        return json.dumps(data, ensure_ascii=False).encode(errors="replace")


def json_answer(data: Any, status: int = 200) -> web.Response:
    """Return an answer of ours as JSON."""
    return web.Response(body=encoded(data), status=status, content_type=JSON_TYPE)


def text_answer(text: str, status: int = 200) -> web.Response:
    """Return a line for people and simple probes."""
    return web.Response(text=text, status=status)


def problem_answer(
    status: int,
    detail: str,
    instance: str | None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    """Return a problem: `instance` is the path that was asked for."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        **(members or {}),
    }
    return web.Response(body=encoded(problem), status=status, content_type=PROBLEM_TYPE, headers=headers)
