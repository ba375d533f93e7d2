"""A request as this server has it: it knows what its path names, and completes whatever answers it."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from exporter.web.headers import AnswerHeaders

NAMES: Final = web.RequestKey("names", Mapping[str, str])
"""What stands in the path in the place of `{name}` and its like."""


class Request(web.Request):
    """The library's request, whose answers get the headers of ours just before they are sent, however that is done."""

    ATTRS = web.Request.ATTRS | {"_complete"}

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
        *,
        headers: AnswerHeaders,
        body_bytes: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(message, payload, protocol, writer, task, loop, client_max_size=body_bytes)
        self._complete = headers.complete

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        self._complete(response.headers)
