"""The handlers of the live feed: a stream from its first byte to its last, and the making of tickets."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiohttp import hdrs, web

from exporter.model.states import PlatformTraits
from exporter.process import ProcessState
from exporter.stats import StreamStats
from exporter.store import Records
from exporter.timing import Clock
from exporter.web import encode
from exporter.web.answers import HttpProblem, json_answer
from exporter.web.clients import Clients
from exporter.web.connection import Connection
from exporter.web.encode import Json
from exporter.web.keys import KEY, Gate
from exporter.web.stream import filters
from exporter.web.stream.filters import BadParameter, Filter
from exporter.web.stream.frames import EVENTS, OLD_EVENTS, WEBSOCKET, close_message
from exporter.web.stream.hub import Hub
from exporter.web.stream.objects import Objects
from exporter.web.stream.outlet import TransportOutlet
from exporter.web.stream.subscriber import Ending, Subscriber
from exporter.web.tickets import LIFE_S, Admission, Tickets

EVENT_STREAM: Final = "text/event-stream"
BEGUN: Final = web.RequestKey("stream begun", tuple[int, float])
"""The status with which a stream has begun, and when, on the monotonic clock."""
ADMISSION: Final = web.RequestKey("admission", Admission)
"""Where a request keeps what its ticket was made with."""

_GOODBYE_S: Final = 1.0
_MESSAGE_BYTES: Final = 4096
_RETRY_S: Final = 5
_RECONNECT: Final = b"retry: 2000\n\n"
_PARAMETERS: Final = ("kind", "platform", "bot", "since", "ticket")
_CODES: Final[Mapping[Ending, int]] = {Ending.STOPPED: 1001, Ending.SLOW: 1013, Ending.REVOKED: 1008}


def is_websocket(request: web.BaseRequest) -> bool:
    """Say whether the client wants to go on with a WebSocket."""
    return request.headers.get(hdrs.UPGRADE, "").strip().lower() == "websocket"


def takes_events(request: web.BaseRequest) -> bool:
    """Say whether the client names Server-Sent Events as what it takes: `*/*` does not ask for an endless answer."""
    for each in ",".join(request.headers.getall(hdrs.ACCEPT, [])).split(","):
        kind, *parameters = (part.strip().lower() for part in each.split(";"))
        if kind == EVENT_STREAM:
            return not any(part.startswith("q=") and not part[2:].strip("0.") for part in parameters)
    return False


class StreamFeed:
    """The handlers of the feed, with at most `most` streams. `boot` stands for this run of the server."""

    def __init__(
        self,
        store: Records,
        process: ProcessState,
        traits: Sequence[PlatformTraits],
        clock: Clock,
        *,
        figures: Callable[[], Json],
        stats: StreamStats,
        gate: Gate,
        clients: Clients,
        tickets: Tickets,
        most: int,
        boot: str,
    ) -> None:
        self._store = store
        self._process = process
        self._platforms = [each.name for each in traits]
        self._clock = clock
        self._gate = gate
        self._clients = clients
        self._tickets = tickets
        self._most = most
        self.open: set[web.RequestHandler] = set()
        """The connections that carry a stream now."""
        self._none_open = asyncio.Event()
        self._none_open.set()
        self.hub = Hub(store, process, Objects(store, process, figures), boot=boot, clock=clock, stats=stats)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send the present state and then each change, over a WebSocket or as Server-Sent Events (`docs/feed.md`)."""
        websocket = is_websocket(request)
        if not websocket and not takes_events(request):
            raise HttpProblem(406, f"open a WebSocket here, or send the header Accept: {EVENT_STREAM}")
        wanted, position = self._filter(request), self._position(request)
        if len(self.hub) >= self._most:
            detail = f"{self._most} streams are open, which is the limit: close some, or try again later"
            raise HttpProblem(503, detail, {"Retry-After": str(_RETRY_S)})
        if request.method == hdrs.METH_HEAD:
            return web.Response(content_type=EVENT_STREAM)
        self.open.add(request.protocol)
        self._none_open.clear()
        try:
            begin = self._websocket if websocket else self._events
            return await begin(request, wanted, position)
        finally:
            self.open.discard(request.protocol)
            if not self.open:
                self._none_open.set()

    async def stop(self) -> None:
        """End all streams, and leave the clients a moment to say goodbye, for which their connections must be read."""
        await self.hub.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._none_open.wait()

    async def ticket(self, request: web.Request) -> web.Response:
        """Make a ticket, good for 30 seconds and one stream: `/status/stream?ticket=...`."""
        issued = self._tickets.issue(self._admission(request))
        if issued is None:
            detail = "too many tickets wait to be used: try again later"
            raise HttpProblem(503, detail, {"Retry-After": str(int(LIFE_S))})
        text, until = issued
        return json_answer({"ticket": text, "expires_at": encode.timestamp(until)}, 201)

    def _admission(self, request: web.Request) -> Admission:
        by_ticket = request.get(ADMISSION)
        return by_ticket or self._gate.admission(request.get(KEY), self._clients.of(request))

    def _filter(self, request: web.Request) -> Filter:
        for key in request.query:
            if key not in _PARAMETERS:
                raise HttpProblem(422, f"there is no parameter {key!r}: use {', '.join(_PARAMETERS)}")
        names = {each.subject: name for name, each in self._store.bots.items() if each.traits.subject == "username"}
        names |= {name: name for name in self._store.bots}
        given = {key: request.query.getall(key, []) for key in _PARAMETERS}
        try:
            return filters.parse(given, self._platforms, names, complete=self._process.ready)
        except BadParameter as error:
            raise HttpProblem(422, str(error)) from error

    def _position(self, request: web.Request) -> int:
        """Return where the client stands: what a browser says by itself is newer than its address."""
        told = request.headers.get("Last-Event-ID")
        if told is not None:
            return self.hub.frames.position(told) or 0
        since = request.query.get("since", "")
        position = self.hub.frames.position(since) if since else 0
        if position is None:
            raise HttpProblem(422, f"since cannot be {since!r}: give the cursor of a frame, or leave it out")
        return position

    async def _websocket(self, request: web.Request, wanted: Filter, position: int) -> web.StreamResponse:
        response = web.WebSocketResponse(timeout=_GOODBYE_S, compress=False, max_msg_size=_MESSAGE_BYTES)
        if hdrs.SEC_WEBSOCKET_PROTOCOL in request.headers or not response.can_prepare(request):
            detail = (
                "this is no WebSocket handshake of version 13: it needs Connection: Upgrade, Sec-WebSocket-Version "
                "and Sec-WebSocket-Key, and no Sec-WebSocket-Protocol"
            )
            raise HttpProblem(400, detail)
        outlet = await self._begin(request, response)
        subscriber = Subscriber(wanted, WEBSOCKET, outlet, position, self._admission(request).holds)
        ending = await self._fed(subscriber, _listen(response))
        if ending is Ending.SLOW:  # it would not take part in a closing handshake either
            outlet.write(close_message(_CODES[ending], ending.value))
        elif ending is not None:
            await response.close(code=_CODES[ending], message=ending.value.encode(), drain=False)
        if outlet.waiting:
            await self._cut_off(outlet)
        return response

    async def _events(self, request: web.Request, wanted: Filter, position: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"})
        response.force_close()
        outlet = await self._begin(request, response)
        dialect = EVENTS if request.version >= (1, 1) else OLD_EVENTS
        outlet.write(dialect.written(_RECONNECT))
        await self._fed(Subscriber(wanted, dialect, outlet, position, self._admission(request).holds))
        if outlet.waiting:
            await self._cut_off(outlet)
        return response

    async def _begin(self, request: web.Request, response: web.StreamResponse) -> TransportOutlet:
        """Send the head of a stream. Raises ConnectionError when the client has left."""
        writer = await response.prepare(request)
        request[BEGUN] = (response.status, self._clock.monotonic())
        if writer is None or request.transport is None:
            raise ConnectionResetError("the client has left")
        if isinstance(request.protocol, Connection):
            request.protocol.feed()
        return TransportOutlet(request.transport, writer)

    async def _fed(
        self, subscriber: Subscriber, listening: Coroutine[object, object, None] | None = None
    ) -> Ending | None:
        """Feed until the server wants to end the stream, and return why, or until the client has left."""
        with self.hub.subscribed(subscriber):
            feeding: Coroutine[object, object, None] = self.hub.feed(subscriber)
            tasks = [asyncio.create_task(feeding, name="feed a stream")]
            if listening is not None:
                tasks.append(asyncio.create_task(listening, name="listen to a stream's client"))
            try:
                waited: list[asyncio.Future[Any]] = [*tasks, subscriber.ended]
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, ConnectionError):
                raise error
        return subscriber.ended.result() if subscriber.ended.done() else None

    async def _cut_off(self, outlet: TransportOutlet) -> None:
        """Close the connection of a client that does not read; what waits is thrown away if it is not taken soon."""
        outlet.close()
        await self._clock.sleep(_GOODBYE_S)
        outlet.abort()


async def _listen(response: web.WebSocketResponse) -> None:
    """Read what a client sends, and answer its pings, until it leaves."""
    async for _ in response:
        pass
