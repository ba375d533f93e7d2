"""Which order an answer belongs to.

The racetime socket has no request ids and no acknowledgements: success shows only as a broadcast, failure as `error`
(racetime protocol notes, section 6). So each action is followed by a `ping`: an error before its pong means refused,
the pong alone means accepted.

Assumption: the site handles the frames of one socket in order, as its source does.
"""

import asyncio
from collections import deque

from exporter.errors import OrderError, OrderInDoubt, ServiceRefused
from exporter.platforms.racetime.actions import Action
from exporter.platforms.racetime.messages import ErrorFrame, Frame, Pong


class PendingOrder:
    """An action that was sent, and what came back so far."""

    __slots__ = ("action", "answer", "answered", "errors")

    def __init__(self, action: Action, answered: "asyncio.Future[Frame | None] | None") -> None:
        self.action = action
        self.answered = answered
        self.answer: Frame | None = None
        self.errors: list[str] = []

    async def wait(self) -> Frame | None:
        """Return the answer, or None for an accepted action without one; raises OrderRefused or OrderInDoubt."""
        return await self.answered if self.answered is not None else None

    def refuse_or_accept(self) -> None:
        if self.errors:
            self.fail(ServiceRefused(f"racetime.gg refused: {' '.join(self.errors)}", self.errors))
        elif self.answered is not None and not self.answered.done():
            self.answered.set_result(self.answer)

    def fail(self, error: OrderError) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(error)


class Fence:
    """The orders of one socket that wait for their pong or their answer, oldest first."""

    __slots__ = ("_answering", "_unfenced")

    def __init__(self) -> None:
        self._unfenced: deque[PendingOrder] = deque()
        self._answering: list[PendingOrder] = []

    @property
    def busy(self) -> bool:
        """Whether a pong is still to come."""
        return bool(self._unfenced)

    @property
    def waiting(self) -> bool:
        """Whether a frame may be the answer to an order."""
        return bool(self._unfenced or self._answering)

    def sent(self, order: PendingOrder) -> None:
        """Note that an action and its ping are being sent."""
        self._unfenced.append(order)

    def received(self, frame: Frame) -> bool:
        """Settle what this frame settles; False for an error that belongs to no order."""
        match frame:
            case ErrorFrame(errors=errors):
                if not self._unfenced:
                    return False
                self._unfenced[0].errors += errors or ("no reason given",)
            case Pong():
                if self._unfenced:
                    self._fenced(self._unfenced.popleft())
            case _:
                self._offer(frame)
        return True

    def abandon(self, order: PendingOrder) -> None:
        """Wait no longer for an order's answer; its pong is still expected, so that later ones match."""
        if order in self._answering:
            self._answering.remove(order)
        if order.answered is not None:
            order.answered.cancel()

    def lost(self) -> None:
        """The socket is gone: every order that waits is in doubt."""
        for order in (*self._unfenced, *self._answering):
            order.fail(OrderInDoubt("the connection to the room ended before an answer came"))
        self._unfenced.clear()
        self._answering.clear()

    def _fenced(self, order: PendingOrder) -> None:
        if order.action.has_answer and order.answer is None and not order.errors and order.answered is not None:
            self._answering.append(order)
        else:
            order.refuse_or_accept()

    def _offer(self, frame: Frame) -> None:
        for order in (*self._answering, *self._unfenced):
            if order.answer is None and order.action.answered_by(frame):
                order.answer = frame
                if order in self._answering:
                    self._answering.remove(order)
                    order.refuse_or_accept()
                return
