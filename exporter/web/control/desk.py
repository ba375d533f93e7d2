"""Where orders are carried out: each in a task of its own, which goes on when whoever gave the order has left.

    intent kept -> carried out -> counted -> result kept -> answered

A key that is used again gets the answer of the first time, or waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import orjson
import structlog

from exporter.errors import OrderError, OrderInDoubt, StorageAway
from exporter.model.orders import OrderAction, OrderOutcome
from exporter.model.status import BotRecord
from exporter.stats import OrderStats
from exporter.web.answers import encoded
from exporter.web.control.outcomes import Answer, answer_to, frees_key, outcome_of
from exporter.web.encode import Json

_LOOK_S: Final = 0.25
LIMIT_S: Final = 120.0  # every order has a shorter limit of its own: this one is for what hangs all the same

_log = structlog.get_logger(component="orders")


class KeptOrder(Protocol):
    """An order as the storage keeps it."""

    @property
    def id(self) -> str: ...
    @property
    def actor(self) -> str | None: ...
    @property
    def action(self) -> str: ...
    @property
    def target(self) -> str | None: ...
    @property
    def bot(self) -> str | None: ...
    @property
    def platform(self) -> str | None: ...
    @property
    def created_at(self) -> float: ...
    @property
    def finished_at(self) -> float | None: ...
    @property
    def state(self) -> str: ...
    @property
    def code(self) -> int | None: ...
    @property
    def result(self) -> str | None: ...


class Begun(Protocol):
    """An intent that was kept, or (`repeated`) found again by its key."""

    @property
    def order(self) -> KeptOrder: ...
    @property
    def repeated(self) -> bool: ...


class OrderKeeper(Protocol):
    """What the desk needs of a storage: see `exporter.storage.orders.Orders`."""

    async def begin(
        self,
        key: str | None,
        digest: str,
        *,
        actor: str | None,
        action: str,
        target: str | None = None,
        bot: str | None = None,
        platform: str | None = None,
        even_unwritten: bool = False,
    ) -> Begun:
        """Keep an intent before anything is sent. Raises OrderConflict, OrderInDoubt, StorageAway."""

    async def recall(self, key: str, digest: str) -> Begun | None:
        """Find the order that was given with this key before. Raises OrderConflict, OrderInDoubt, StorageAway."""

    async def finish(
        self,
        order_id: str,
        *,
        code: int,
        result: str | None,
        outcome: str,
        bot: str | None = None,
        platform: str | None = None,
        target: str | None = None,
        frees_key: bool = False,
    ) -> KeptOrder:
        """Keep what became of it before anybody is answered. Raises StorageAway."""

    async def find(self, order_id: str) -> KeptOrder | None:
        """Return an order. Raises StorageAway."""


@dataclass(slots=True)
class Errand:
    """An order on its way. Whoever carries it out may name the bot and the target that it turns out to be about."""

    action: OrderAction
    target: str | None = None
    bot: BotRecord | None = None


Work = Callable[[Errand], Awaitable[Answer]]
"""Carries an order out. Raises OrderError; anything else is a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Who gave an order, and what makes it the same one when it is given again."""

    route: str
    body: bytes
    actor: str | None
    key: str | None = None


@dataclass(slots=True)
class _Running:
    """`begun` is settled once the intent is kept, `answer` once the result is."""

    begun: "asyncio.Future[Begun]"
    answer: "asyncio.Future[Answer]"


@dataclass(frozen=True, slots=True)
class Handled:
    """What is known of an order when its giver is answered; `answer` is None while it is still carried out."""

    order_id: str
    answer: Answer | None


class OrderDesk:
    """Owns the tasks of all orders. `digest` is the keeper's own: what tells orders with one key apart."""

    def __init__(
        self,
        keeper: OrderKeeper,
        digest: Callable[[str, bytes, str | None], str],
        stats: OrderStats,
        *,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._keeper = keeper
        self._digest = digest
        self._stats = stats
        self._limit_s = limit_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_id: dict[str, asyncio.Future[Answer]] = {}

    @property
    def running(self) -> int:
        """How many orders are being carried out, their intents kept."""
        return len(self._by_id)

    async def give(self, ask: Ask, errand: Errand, work: Work, wait_s: float) -> Handled:
        """Have an order carried out, and wait at most `wait_s` seconds for the end of it.

        Raises OrderConflict, OrderInDoubt and StorageAway when it was not begun.
        """
        loop = asyncio.get_running_loop()
        running = _Running(loop.create_future(), loop.create_future())
        until = loop.time() + wait_s
        task = asyncio.create_task(self._carry_out(ask, errand, work, running), name=f"order: {errand.action}")
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, running))
        begun = await asyncio.shield(running.begun)
        if begun.repeated:
            return await self._known(begun.order, until)
        return await self._waited(begun.order.id, running.answer, until)

    async def recall(self, ask: Ask, wait_s: float) -> Handled | None:
        """Return what is known of the order that was given with this key before; if it still runs, wait for its end.

        That holds whatever has become of what the order is about. Raises OrderConflict, OrderInDoubt and StorageAway.
        """
        if ask.key is None:
            return None
        until = asyncio.get_running_loop().time() + wait_s
        begun = await self._keeper.recall(ask.key, self._digest(ask.route, ask.body, ask.actor))
        return await self._known(begun.order, until) if begun is not None else None

    async def _known(self, order: KeptOrder, until: float) -> Handled:
        if order.result is not None and order.code is not None:
            return Handled(order.id, _stored(order))
        running = self._by_id.get(order.id)
        if running is not None:
            return await self._waited(order.id, running, until)
        return Handled(order.id, await self._looked_for(order.id, until))

    async def _looked_for(self, order_id: str, until: float) -> Answer | None:
        """Look again and again, until then, what came of an order that another process carries out."""
        now = asyncio.get_running_loop().time
        while (left_s := until - now()) > 0:
            await asyncio.sleep(min(_LOOK_S, left_s))
            order = await self._keeper.find(order_id)
            if order is not None and order.result is not None:
                return _stored(order)
        return None

    async def _waited(self, order_id: str, running: "asyncio.Future[Answer]", until: float) -> Handled:
        """Wait for the end of an order, but not longer than `until`."""
        await asyncio.wait({running}, timeout=max(0.0, until - asyncio.get_running_loop().time()))
        return Handled(order_id, running.result() if running.done() and not running.cancelled() else None)

    async def find(self, order_id: str) -> tuple[KeptOrder, Answer | None] | None:
        """Return an order and, if it has ended, what came of it. Raises StorageAway."""
        order = await self._keeper.find(order_id)
        if order is None:
            return None
        return order, _stored(order) if order.result is not None else None

    async def close(self, limit_s: float) -> None:
        """Wait for the orders that are being carried out, then give them up: a later run finds them in doubt."""
        if self._tasks:
            _, left = await asyncio.wait(set(self._tasks), timeout=limit_s)
            for task in left:
                task.cancel()
            if left:
                _log.warning("orders were given up at the end of the process: they are in doubt", orders=len(left))
                await asyncio.wait(left)

    async def _carry_out(self, ask: Ask, errand: Errand, work: Work, running: _Running) -> None:
        try:
            begun = await self._begin(ask, errand)
        except OrderError as error:
            running.begun.set_exception(error)
            running.begun.exception()  # whoever gave the order may have left
            return
        if begun.repeated:
            running.begun.set_result(begun)
            return
        order_id = begun.order.id
        self._by_id[order_id] = running.answer
        running.begun.set_result(begun)
        try:
            answer = await self._answer(order_id, errand, work)
            outcome = outcome_of(answer)
            self._stats.counts[errand.action, outcome] += 1
            _log.info(
                "order",
                action=str(errand.action),
                target=errand.target,
                by=ask.actor,
                outcome=str(outcome),
                id=order_id,
            )
            await self._finish(order_id, errand, answer, outcome)
            running.answer.set_result(answer)
        finally:
            del self._by_id[order_id]
            running.answer.cancel()  # nothing, unless the desk was closed before the end of the order

    def _ended(self, task: "asyncio.Task[None]", running: _Running) -> None:
        """Let nobody wait for an order whose task ended without a word."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.critical("the task of an order failed: this is a bug", exc_info=error)
        if not running.begun.done():
            running.begun.set_exception(error or StorageAway("the process is stopping: nothing was done"))

    async def _begin(self, ask: Ask, errand: Errand) -> Begun:
        return await self._keeper.begin(
            ask.key,
            self._digest(ask.route, ask.body, ask.actor),
            actor=ask.actor,
            action=str(errand.action),
            target=errand.target,
            bot=errand.bot.name if errand.bot is not None else None,
            platform=errand.bot.platform if errand.bot is not None else None,
            even_unwritten=not errand.action.creates,
        )

    async def _answer(self, order_id: str, errand: Errand, work: Work) -> Answer:
        try:
            async with asyncio.timeout(self._limit_s) as scope:
                return await work(errand)
        except OrderError as error:
            return answer_to(error, order_id)
        except TimeoutError:
            if scope.expired():
                late = OrderInDoubt(f"{errand.action}: no end within {self._limit_s:g} s: it may have happened")
                return answer_to(late, order_id)
            _log.exception("an order failed: this is a bug", action=str(errand.action), id=order_id)
        except Exception:  # noqa: BLE001  (a mistake in one order: its giver gets an answer, and its key is used up)
            _log.exception("an order failed: this is a bug", action=str(errand.action), id=order_id)
        detail = "this is a mistake in bot-exporter, and the order may have been carried out: its log has the details"
        return Answer(500, {"detail": detail, "order_id": order_id})

    async def _finish(self, order_id: str, errand: Errand, answer: Answer, outcome: OrderOutcome) -> None:
        bot = errand.bot
        try:
            await self._keeper.finish(
                order_id,
                code=answer.code,
                result=encoded({"location": answer.location, "body": answer.body}).decode(),
                outcome=str(outcome),
                bot=bot.name if bot is not None else None,
                platform=bot.platform if bot is not None else None,
                target=errand.target,
                frees_key=frees_key(answer),
            )
        except StorageAway as error:
            # It has happened, and whoever gave it must know. The result waits in memory until it can be written.
            _log.warning("the end of an order cannot be written down yet", id=order_id, reason=str(error))


def _stored(order: KeptOrder) -> Answer:
    assert order.result is not None  # noqa: S101  (asked only of orders that ended)
    kept: Json = orjson.loads(order.result)
    return Answer(order.code or 500, kept["body"], kept["location"])
