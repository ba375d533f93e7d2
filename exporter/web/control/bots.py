"""Orders on one bot: start, stop, restart, a guard code, maintenance."""

from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field, WithJsonSchema

from exporter.errors import OrderRefused, UnknownTarget
from exporter.model.orders import OrderAction
from exporter.model.status import BotRecord, Maintenance
from exporter.platforms.base import TakesGuardCode
from exporter.store import StatusStore
from exporter.supervisor import Supervisor
from exporter.timing import Clock
from exporter.web.answers import HttpProblem
from exporter.web.control.desk import Errand
from exporter.web.control.giving import OrderWindow, order
from exporter.web.control.outcomes import Answer
from exporter.web.control.requests import Body, body_of, example, invalid, no_query
from exporter.web.request import NAMES
from exporter.web.shown import Shown
from exporter.web.status import find_bot


class NoBody(Body):
    """An order that needs no body."""


class GuardCode(Body):
    """The Steam Guard code that a logon waits for."""

    model_config = example(code="ABC12")

    code: Annotated[str, Field(max_length=20)]


class MaintenanceNote(Body):
    """Why a bot may misbehave for now, and until when: RFC 3339, or null for until it is taken back."""

    model_config = example(reason="new cables", until="2030-01-02T03:00:00Z")

    reason: Annotated[str, Field(min_length=1, max_length=200)]
    until: Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})] | None = None


class BotOrders:
    """The handlers. A bot is found by its name or its Steam username."""

    def __init__(
        self, window: OrderWindow, store: StatusStore, supervisor: Supervisor, shown: Shown, clock: Clock
    ) -> None:
        self._window = window
        self._store = store
        self._supervisor = supervisor
        self._shown = shown
        self._clock = clock

    @order
    async def start(self, request: web.Request) -> web.Response:
        """Switch a bot on, also over restarts of the process; one that is on is left alone."""
        record = await self._plain(request)

        async def work(_: Errand) -> Answer:
            await self._supervisor.start(record.name)
            return self._bot(record.name)

        return await self._window.give(request, Errand(OrderAction.START, record.name, record), work)

    @order
    async def stop(self, request: web.Request) -> web.Response:
        """Switch a bot off, also over restarts of the process, and answer once its sockets are closed."""
        record = await self._plain(request)

        async def work(_: Errand) -> Answer:
            await self._supervisor.stop(record.name)
            return self._bot(record.name)

        return await self._window.give(request, Errand(OrderAction.STOP, record.name, record), work)

    @order
    async def restart(self, request: web.Request) -> web.Response:
        """End a bot's connection and begin anew at once, without waiting for a retry; a stopped bot is started."""
        record = await self._plain(request)

        async def work(_: Errand) -> Answer:
            await self._supervisor.restart(record.name)
            return self._bot(record.name)

        return await self._window.give(request, Errand(OrderAction.RESTART, record.name, record), work)

    @order
    async def guard_code(self, request: web.Request) -> web.Response:
        """Hand in the Steam Guard code that the bot's logon waits for."""
        record = self._known(request)
        no_query(request)
        given = await body_of(request, GuardCode)

        async def work(_: Errand) -> Answer:
            bot = self._supervisor.bot(record.name)
            if not isinstance(bot, TakesGuardCode):
                raise OrderRefused(f"bot {record.name} is on {record.platform}, which has no guard codes")
            bot.submit_guard_code(given.code)
            return self._bot(record.name)

        return await self._window.give(request, Errand(OrderAction.GUARD_CODE, record.name, record), work)

    @order
    async def begin_maintenance(self, request: web.Request) -> web.Response:
        """Announce maintenance: the bot runs on, takes no new work, and is left out by alerts and by /health."""
        record = self._known(request)
        no_query(request)
        given = await body_of(request, MaintenanceNote)
        until = self._time(given.until)

        async def work(_: Errand) -> Answer:
            note = Maintenance(until, given.reason, self._window.actor(request))
            self._supervisor.begin_maintenance(record.name, note)
            return self._bot(record.name)

        return await self._window.give(request, Errand(OrderAction.BEGIN_MAINTENANCE, record.name, record), work)

    @order
    async def end_maintenance(self, request: web.Request) -> web.Response:
        """Say that maintenance is over; without any nothing happens."""
        record = await self._plain(request)

        async def work(_: Errand) -> Answer:
            self._supervisor.end_maintenance(record.name)
            return self._bot(record.name)

        return await self._window.give(request, Errand(OrderAction.END_MAINTENANCE, record.name, record), work)

    async def _plain(self, request: web.Request) -> BotRecord:
        record = self._known(request)
        no_query(request)
        await body_of(request, NoBody)
        return record

    def _known(self, request: web.Request) -> BotRecord:
        name = request[NAMES]["name"]
        record = find_bot(self._store, name)
        if record is None:
            raise HttpProblem(404, f"there is no bot with the name or username {name!r}: /status/bots lists them")
        return record

    def _bot(self, name: str) -> Answer:
        record = self._store.bots.get(name)
        if record is None:
            raise UnknownTarget(f"bot {name} has left the fleet meanwhile")
        return Answer(200, self._shown.bot(record))

    def _time(self, text: str | None) -> float | None:
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise invalid(["until: give a time with a zone such as 2026-01-02T03:04:05Z, or null"])
        if at.timestamp() <= self._clock.now():
            raise invalid(["until: this time is past, give one that is to come, or null"])
        return at.timestamp()
