"""A server of the live feed that does what a bad day does: it follows a script, connection by connection."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

Serve = Callable[[ServerConnection], Awaitable[None]]


def frame(type_: str, number: int, kind: str | None = None, id_: str | None = None, data: Any = None) -> str:
    return json.dumps({"type": type_, "cursor": f"boot-{number}", "kind": kind, "id": id_, "data": data})


SNAPSHOT = (frame("snapshot", 0, "bot", "a", {"x": 1}), frame("snapshot", 1))


@dataclass
class Script:
    """What the server does with each connection in turn; `asked` has their paths and keys."""

    acts: list[Serve | Response]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def process(self, _: ServerConnection, request: Request) -> Response | None:
        self.asked.append((request.path, request.headers.get("X-API-Key")))
        act = self.acts[0]
        if not isinstance(act, Response):
            return None
        self.acts.pop(0)
        return act

    async def serve(self, connection: ServerConnection) -> None:
        act = self.acts.pop(0)
        assert not isinstance(act, Response)
        await act(connection)


def sending(*frames: str, code: int | None = 1001, reason: str = "the server stops") -> Serve:
    """Send these frames, then say goodbye so, or be gone without a word."""

    async def act(connection: ServerConnection) -> None:
        for each in frames:
            await connection.send(each)
        if code is None:
            connection.transport.abort()
        else:
            await connection.close(code, reason)

    return act


async def silent(connection: ServerConnection) -> None:
    await connection.send(SNAPSHOT[1])
    await connection.wait_closed()


def answer(status: int, detail: str) -> Response:
    body = json.dumps({"title": "no", "status": status, "detail": detail}).encode()
    return Response(status, HTTPStatus(status).phrase, Headers({"Content-Length": str(len(body))}), body)


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[str]:
    """Run the server; yields its address."""
    async with serve(script.serve, "127.0.0.1", 0, process_request=script.process) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"http://{host}:{port}/fleet"
