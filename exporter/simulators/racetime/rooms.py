"""The WebSocket side of the site: /ws/o/bot/{slug} (racetime protocol notes, section 6)."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from aiohttp import WSMsgType, web

from exporter.simulators.racetime import wire
from exporter.simulators.racetime.bot_actions import BOT_ACTIONS, ServerCrash
from exporter.simulators.racetime.records import Race
from exporter.simulators.racetime.registry import Broadcast, Refused
from exporter.simulators.racetime.world import World
from exporter.timing import Clock

_GARBLED = "Unable to process that message (encountered invalid or possibly corrupted data). Sorry about that."
_UNKNOWN = "Action is missing or not recognised. Check your input and try again."
_DENIED = "Permission denied. Check your authorization token."


class Close(NamedTuple):
    """The end of a socket, after the frames before it."""

    code: int
    reason: str = ""


class Ping(NamedTuple):
    """A ping of the WebSocket protocol."""


Outgoing = str | bytes | Ping | Close


class RoomSocket:
    """One bot in one room. Its token is fixed at connect; whether the token is good is asked at each action.

    Outgoing frames wait in a queue that one writer empties, so that whoever changes the world never waits.
    """

    def __init__(self, race: Race, request: web.Request, ws: web.WebSocketResponse) -> None:
        self.race = race
        self.token = token_of(request)
        self.request = request
        self.ws = ws
        self.seen: dict[str, Mapping[str, Any]] = {}
        self.unanswered = 0
        self.ending = False
        self.last_frame_at = 0.0
        self._outbox: asyncio.Queue[Outgoing] = asyncio.Queue()

    def put(self, outgoing: Outgoing) -> None:
        """Queue a text or binary frame, a ping, or the end; it comes after what was put before."""
        self._outbox.put_nowait(outgoing)

    def close(self, code: int, reason: str = "") -> None:
        """Queue the end."""
        self.put(Close(code, reason))

    async def next_outgoing(self) -> Outgoing:
        """Return what is to be sent next."""
        return await self._outbox.get()

    async def drop(self, code: int) -> None:
        """Close now, whatever is still queued."""
        with contextlib.suppress(ConnectionError):
            await self.ws.close(code=code)

    def abort(self) -> None:
        """Drop the TCP connection without a close frame."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Rooms:
    """The open sockets by room, and what they hear and say."""

    def __init__(self, world: World, clock: Clock, actions: Counter[str]) -> None:
        self.sockets: dict[str, set[RoomSocket]] = {}
        self._world = world
        self._clock = clock
        self._actions = actions

    def enter(self, socket: RoomSocket) -> None:
        """Give a new socket the present state of its room, fresh, and everything from now on."""
        now = self._clock.now()
        socket.seen = {"race.data": wire.race_data(socket.race, now), "race.renders": wire.race_renders(socket.race)}
        self.sockets.setdefault(str(socket.race), set()).add(socket)
        self._send_race(socket)

    def leave(self, socket: RoomSocket) -> None:
        """Forget a socket."""
        room = self.sockets.get(str(socket.race), set())
        room.discard(socket)
        if not room:
            self.sockets.pop(str(socket.race), None)

    def hear(self, news: Broadcast) -> None:
        """Pass a broadcast to everybody in the room; encoded once."""
        room = self.sockets.get(str(news.race))
        if not room:
            return
        frame = _frame(news.type, news.at, news.body)
        for socket in room:
            if news.type in socket.seen:
                socket.seen[news.type] = news.body
            socket.put(frame)

    def receive(self, socket: RoomSocket, kind: WSMsgType, text: Any, *, denied: bool = False) -> None:
        """Answer one frame. Input that the real server does not survive ends the socket with 1011.

        `denied` is for a site that refuses a token although it is good.
        """
        try:
            if kind is not WSMsgType.TEXT:
                raise ServerCrash
            self._handle(socket, text, denied=denied)
        except ServerCrash:
            socket.close(1011)
        except Refused as refused:
            self._error(socket, *refused.errors)

    def _handle(self, socket: RoomSocket, text: str, *, denied: bool) -> None:
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError as garbled:
            raise Refused(_GARBLED) from garbled
        if not isinstance(request, dict) or isinstance(request.get("action"), list | dict):
            raise ServerCrash
        action = request.get("action")
        self._actions[str(action)] += 1
        match action:
            case "ping":
                self._answer(socket, "pong", {})
            case "getrace":
                self._send_race(socket)
            case "gethistory":
                data = request.get("data", {})
                if not isinstance(data, dict):
                    raise ServerCrash
                self._answer(socket, "chat.history", {"messages": wire.history(socket.race, data.get("last_message"))})
            case _:
                self._act(socket, action, request.get("data"), denied=denied)

    def _act(self, socket: RoomSocket, action: object, data: object, *, denied: bool) -> None:
        # The real server looks for the action first: an unknown one is told so even without authorisation.
        if not isinstance(action, str) or action not in BOT_ACTIONS:
            raise Refused(_UNKNOWN)
        now = self._clock.now()
        bot = self._world.bot_for(self._world.live_token(socket.token, now), socket.race.category)
        if bot is None or denied:
            raise Refused(_DENIED)
        self._world.act(socket.race, bot, action, data, now)

    def _send_race(self, socket: RoomSocket) -> None:
        for kind, body in socket.seen.items():
            self._answer(socket, kind, body)

    def _error(self, socket: RoomSocket, *errors: str) -> None:
        self._answer(socket, "error", {"errors": errors})

    def _answer(self, socket: RoomSocket, kind: str, body: Mapping[str, Any]) -> None:
        socket.put(_frame(kind, self._clock.now(), body))


def token_of(request: web.Request) -> str | None:
    """Return the token a client shows: header with the exact word `Bearer`, or ?token=."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme == "Bearer" else request.query.get("token")


def _frame(kind: str, at: float, body: Mapping[str, Any]) -> str:
    return orjson.dumps({"type": kind, "date": wire.exact_time(at), **body}).decode()
