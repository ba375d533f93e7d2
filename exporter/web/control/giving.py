"""How every handler gives an order and answers: the one way from a request to the desk and back."""

from aiohttp import web

from exporter.errors import OrderConflict, OrderInDoubt, StorageAway
from exporter.web.answers import HttpProblem, json_answer
from exporter.web.control.desk import Errand, OrderDesk, Work
from exporter.web.control.outcomes import Answer
from exporter.web.control.requests import ask_of, wait_s
from exporter.web.keys import KEY

_RETRY_S = 5


class OrderWindow:
    """Where orders are handed over. `base` is what paths begin with for a client."""

    def __init__(self, desk: OrderDesk, base: str) -> None:
        self._desk = desk
        self._base = base

    async def give(self, request: web.Request, errand: Errand, work: Work) -> web.Response:
        """Have the order carried out, and answer with its end, or 202 when that takes too long."""
        ask = ask_of(request, await request.read())
        wait = wait_s(request)
        try:
            handled = await self._desk.give(ask, errand, work, wait)
        except OrderConflict as error:
            raise HttpProblem(422, f"Idempotency-Key: {error}") from None
        except OrderInDoubt as error:
            raise HttpProblem(409, str(error)) from None
        except StorageAway as error:
            raise HttpProblem(503, str(error), {"Retry-After": str(_RETRY_S)}) from None
        return self.answer(handled.order_id, handled.answer)

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
