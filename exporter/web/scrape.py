"""The telemetry path: what Prometheus scrapes."""

import asyncio
import math
from collections.abc import Sequence
from typing import Final, Protocol

from aiohttp import hdrs, web

from exporter.web.answers import HttpProblem
from exporter.web.streaming import streamed

_TIMEOUT_HEADER: Final = "X-Prometheus-Scrape-Timeout-Seconds"
_MARGIN_S: Final = 0.5


class MetricsPage(Protocol):
    """One rendered page of metrics, in parts of any size."""

    @property
    def parts(self) -> Sequence[bytes]: ...
    @property
    def size(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    @property
    def content_encoding(self) -> str | None: ...


class MetricsSource(Protocol):
    """Where the metrics come from; format and compression are negotiated there."""

    async def page(self, *, accept: str | None, accept_encoding: str | None, names: Sequence[str] = ()) -> MetricsPage:
        """Return the metrics of those names, all for none."""


class Scrape:
    """The handler of the telemetry path."""

    def __init__(self, source: MetricsSource) -> None:
        self._source = source

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer a scrape; `name[]` picks metrics. A page that is not ready in time is refused, never cut off."""
        try:
            async with asyncio.timeout(patience_s(request.headers.get(_TIMEOUT_HEADER))) as limit:
                page = await self._source.page(
                    accept=", ".join(request.headers.getall(hdrs.ACCEPT, [])) or None,
                    accept_encoding=", ".join(request.headers.getall(hdrs.ACCEPT_ENCODING, [])) or None,
                    names=request.query.getall("name[]", []),
                )
        except TimeoutError:
            if not limit.expired():
                raise
            detail = "the page was not ready within the time limit of the scrape: set a longer scrape_timeout"
            raise HttpProblem(503, detail, {hdrs.RETRY_AFTER: "1"}) from None
        headers: dict[str, str] = {hdrs.CONTENT_TYPE: page.content_type, hdrs.VARY: "Accept, Accept-Encoding"}
        if page.content_encoding:
            headers[hdrs.CONTENT_ENCODING] = page.content_encoding
        return await streamed(request, page.parts, headers)


def patience_s(header: str | None) -> float | None:
    """Return how long the page may take, None for as long as it needs.

    Prometheus says after how many seconds it gives up; it should get its answer before. What is no sensible number
    counts as not said.
    """
    try:
        timeout_s = float(header or "")
    except ValueError:
        return None
    if not math.isfinite(timeout_s) or timeout_s <= 0:
        return None
    return max(timeout_s - _MARGIN_S, timeout_s / 2)
