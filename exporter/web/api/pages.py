"""The description itself, and the page that shows it: Swagger UI, from a package, all from this server."""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from exporter.web.answers import JSON_TYPE, HttpProblem, encoded
from exporter.web.page import TYPES
from exporter.web.request import NAMES

_OWN: Final = Path(__file__).parent / "static"
_OURS: Final = ("docs.css", "docs.js")
_THEIRS: Final = ("swagger-ui.css", "swagger-ui-bundle.js")
_PACKAGE: Final = "flask_swagger_ui"  # of it only files: nothing of it is imported, and nothing of Flask


class ApiPages:
    """The handlers. `describe` must be called once the route table is made, which has these handlers in it.

    The page holds no facts: it fetches the description, with a key where one is needed. Its links are relative, so
    they hold under any prefix.
    """

    def __init__(self) -> None:
        self._document: Callable[[], Mapping[str, Any]] = dict
        self._encoded: bytes | None = None
        self._read: dict[str, tuple[bytes, str]] = {}

    def describe(self, document: Callable[[], Mapping[str, Any]]) -> None:
        """Show this document; it is made when somebody asks for it, in a thread, because that takes its time."""
        self._document, self._encoded = document, None

    async def description(self, _: web.Request) -> web.Response:
        """Return the description of all routes, as an OpenAPI 3.1 document."""
        if self._encoded is None:
            self._encoded = await asyncio.to_thread(lambda: encoded(self._document()))
        return web.Response(body=self._encoded, content_type=JSON_TYPE)

    async def docs(self, _: web.Request) -> web.Response:
        """Return a page to browse the API with, and to try it."""
        body, _tag = await self._file("docs.html", _OWN)
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    async def file(self, request: web.Request) -> web.Response:
        """Return one of that page's files; browsers ask each time whether theirs is still the newest."""
        name = request[NAMES]["file"]
        if name not in (*_OURS, *_THEIRS):
            raise HttpProblem(404, f"the page has no file {name[:64]!r}")
        body, tag = await self._file(name, _OWN if name in _OURS else _their_folder())
        headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
        if any(each.value == tag for each in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=TYPES[Path(name).suffix], charset="utf-8", headers=headers)

    async def _file(self, name: str, folder: Path) -> tuple[bytes, str]:
        """Return a file and its tag; it is read when it is first asked for, because most servers never are."""
        if name not in self._read:
            body = await asyncio.to_thread((folder / name).read_bytes)
            self._read[name] = body, sha256(body).hexdigest()[:16]
        return self._read[name]


def _their_folder() -> Path:
    found = find_spec(_PACKAGE)
    assert found is not None  # noqa: S101  (the package is installed with this one)
    assert found.origin is not None  # noqa: S101
    return Path(found.origin).parent / "dist"
