"""Orders on the whole process: drain, and what became of an order."""

from aiohttp import web

from exporter.drain import Drain
from exporter.errors import StorageAway
from exporter.model.orders import OrderAction
from exporter.web.answers import HttpProblem, json_answer
from exporter.web.control.bots import NoBody
from exporter.web.control.desk import Errand, OrderDesk
from exporter.web.control.giving import OrderWindow, order
from exporter.web.control.outcomes import Answer
from exporter.web.control.requests import body_of, no_query
from exporter.web.encode import timestamp
from exporter.web.request import NAMES


class ProcessOrders:
    """The handlers."""

    def __init__(self, window: OrderWindow, desk: OrderDesk, drain: Drain) -> None:
        self._window = window
        self._desk = desk
        self._drain = drain

    @order
    async def begin_drain(self, request: web.Request) -> web.Response:
        """Take on no new lobbies and races, and be not ready; the answer lists what still has to end."""
        no_query(request)
        await body_of(request, NoBody)

        async def work(_: Errand) -> Answer:
            self._drain.begin()
            return self._answer()

        return await self._window.give(request, Errand(OrderAction.BEGIN_DRAIN), work)

    @order
    async def end_drain(self, request: web.Request) -> web.Response:
        """Take on new work again."""
        no_query(request)
        await body_of(request, NoBody)

        async def work(_: Errand) -> Answer:
            self._drain.end()
            return self._answer()

        return await self._window.give(request, Errand(OrderAction.END_DRAIN), work)

    async def order(self, request: web.Request) -> web.Response:
        """Return an order: who gave it, what it is about, how far it is, and the answer that it got."""
        order_id = request[NAMES]["order_id"]
        try:
            found = await self._desk.find(order_id)
        except StorageAway as error:
            raise HttpProblem(503, str(error), {"Retry-After": "5"}) from None
        if found is None:
            raise HttpProblem(404, f"there is no order {order_id!r}: the answer to an order names its id")
        order, answer = found
        return json_answer(
            {
                "id": order.id,
                "action": order.action,
                "target": order.target,
                "bot": order.bot,
                "platform": order.platform,
                "actor": order.actor,
                "state": str(order.state),
                "created_at": timestamp(order.created_at),
                "finished_at": timestamp(order.finished_at),
                "code": order.code,
                "location": self._window.path(answer.location) if answer is not None else None,
                "result": answer.body if answer is not None else None,
            }
        )

    def _answer(self) -> Answer:
        waits_for = self._drain.waits_for if self._drain.active else []
        return Answer(200, {"draining": self._drain.active, "draining_waits_for": waits_for})
