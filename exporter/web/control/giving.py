"""How every handler gives an order and answers: the one way from a request to the desk and back."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Protocol, TypeVar

from aiohttp import web

from exporter.errors import OrderConflict, OrderInDoubt, StorageAway
from exporter.web.answers import HttpProblem, json_answer
from exporter.web.control.desk import Errand, OrderDesk, Work
from exporter.web.control.elsewhere import Elsewhere, check_first_hand
from exporter.web.control.outcomes import Answer
from exporter.web.control.requests import ask_of, wait_s
from exporter.web.keys import KEY

_RETRY_S = 5


class _GivesOrders(Protocol):
    @property
    def _window(self) -> "OrderWindow": ...


_S = TypeVar("_S", bound=_GivesOrders)
_Handler = Callable[[_S, web.Request], Awaitable[web.Response]]


def order(handler: _Handler[_S]) -> _Handler[_S]:
    """Make a handler that gives an order: one whose key was used before is answered before anything is looked at.

    What the order was about may be gone since, and its sender must not read that as "nothing was done". So it is also
    no answer that the thing is unknown while nobody can tell whether the key is.
    """

    @wraps(handler)
    async def handle(self: _S, request: web.Request) -> web.Response:
        try:
            known = await self._window.recall(request)
        except StorageAway as away:
            try:
                return await _carried_out(self, request, handler)
            except HttpProblem as problem:
                untold = problem.status == 404 and "Order-Id" not in problem.headers
                raise (_away(away) if untold else problem) from None
        return known if known is not None else await _carried_out(self, request, handler)

    return handle


async def _carried_out(self: _S, request: web.Request, handler: _Handler[_S]) -> web.Response:
    """Have an order carried out where it belongs: here, or by another process.

    To one that has come from another process "unknown" is no answer: what it is about was here a moment ago.
    """
    answer = await self._window.passed_on(request)
    if answer is not None:
        return answer
    try:
        return await handler(self, request)
    except HttpProblem as problem:
        if problem.status == 404 and "Order-Id" not in problem.headers:
            check_first_hand(request)
        raise


def gives_order(handler: object) -> bool:
    """Return whether `order` has made this handler."""
    return hasattr(handler, "__wrapped__")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OrderConflict as error:
        raise HttpProblem(422, f"Idempotency-Key: {error}") from None
    except OrderInDoubt as error:
        raise HttpProblem(409, str(error)) from None


def _away(error: StorageAway) -> HttpProblem:
    return HttpProblem(503, str(error), {"Retry-After": str(_RETRY_S)})


class OrderWindow:
    """Where orders are handed over. `base` is what paths begin with for a client.

    `elsewhere` passes on those that are about bots of other processes; None where one process runs the fleet alone.
    """

    def __init__(self, desk: OrderDesk, base: str, elsewhere: Elsewhere | None = None) -> None:
        self._desk = desk
        self._base = base
        self.elsewhere = elsewhere

    async def passed_on(self, request: web.Request) -> web.Response | None:
        """Return another process's answer to an order whose path names something of its own; None for any other."""
        bot = await self.elsewhere.bot_of(request) if self.elsewhere is not None else None
        return await self.elsewhere.to_bot(request, bot) if self.elsewhere is not None and bot is not None else None

    async def give(self, request: web.Request, errand: Errand, work: Work) -> web.Response:
        """Have the order carried out, and answer with its end, or 202 when that takes too long."""
        ask = ask_of(request, await request.read())
        wait = wait_s(request)
        try:
            with _explained():
                handled = await self._desk.give(ask, errand, work, wait)
        except StorageAway as error:
            raise _away(error) from None
        return self.answer(handled.order_id, handled.answer)

    async def recall(self, request: web.Request) -> web.Response | None:
        """Answer an order whose key was used before, as the first time; None for any other. Raises StorageAway."""
        ask = ask_of(request, await request.read())
        wait = wait_s(request)
        with _explained():
            handled = await self._desk.recall(ask, wait)
        return self.answer(handled.order_id, handled.answer) if handled is not None else None

    def answer(self, order_id: str, answer: Answer | None) -> web.Response:
        """Return the answer to the order; raises it when it is a problem."""
        if answer is None:
            waiting = json_answer({"order_id": order_id, "state": "begun"}, 202)
            waiting.headers.update({"Location": self.order_path(order_id), "Order-Id": order_id})
            return waiting
        if answer.code >= 400:
            members = dict(answer.body)
            detail, retry_s = str(members.pop("detail")), members.pop("retry_after", None)
            wait = {"Retry-After": str(retry_s)} if retry_s else {}
            raise HttpProblem(answer.code, detail, {"Order-Id": order_id, **wait}, members)
        done = json_answer(answer.body, answer.code)
        done.headers["Order-Id"] = order_id
        if answer.location is not None:
            done.headers["Location"] = self._base + answer.location
        return done

    def path(self, location: str | None) -> str | None:
        """Return a place of ours as a client reaches it."""
        return None if location is None else self._base + location

    def actor(self, request: web.Request) -> str | None:
        """Return the name of the key that gives the order."""
        key = request.get(KEY)
        return key.name if key is not None else None

    def order_path(self, order_id: str) -> str:
        """Return where to ask for an order."""
        return f"{self._base}/api/v1/orders/{order_id}"
