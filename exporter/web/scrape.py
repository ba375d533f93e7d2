"""The telemetry path: what Prometheus scrapes."""

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web


class MetricsPage(Protocol):
    """One rendered page of metrics."""

    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> str: ...
    @property
    def content_encoding(self) -> str | None: ...


class MetricsSource(Protocol):
    """Where the metrics come from; format and compression are negotiated there."""

    async def page(self, *, accept: str | None, accept_encoding: str | None, names: Sequence[str]) -> MetricsPage:
        """Return the metrics of those names, all for none."""


class Scrape:
    """The handler of the telemetry path."""

    def __init__(self, source: MetricsSource) -> None:
        self._source = source

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer a scrape; `name[]` picks metrics."""
        page = await self._source.page(
            accept=", ".join(request.headers.getall("Accept", [])) or None,
            accept_encoding=", ".join(request.headers.getall("Accept-Encoding", [])) or None,
            names=request.query.getall("name[]", []),
        )
        headers = {"Content-Type": page.content_type, "Vary": "Accept, Accept-Encoding"}
        if page.content_encoding:
            headers["Content-Encoding"] = page.content_encoding
        return web.Response(body=page.body, headers=headers)
