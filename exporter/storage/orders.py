"""Orders and their keys: the intent is on the disk before anything is sent, the result before anybody is answered.

    begin -> intent committed -> (the order is carried out) -> finish -> result committed -> answer

Whoever repeats a key gets the answer of the first time. An intent without a result after a restart is in doubt: the
order may have been carried out, and is never sent again. Keys live 24 hours.
Where several processes share the table, a key is good for one order among all of them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from exporter.errors import OrderConflict, OrderInDoubt, StorageAway
from exporter.model.history import HistoryItem, HistoryKind
from exporter.storage.backlog import Backlog, Batch
from exporter.storage.database import Database
from exporter.storage.order_rows import OrderRow, OrderState
from exporter.storage.texts import clean
from exporter.storage.trouble import StorageTrouble
from exporter.storage.writer import Writer
from exporter.timing import Clock

KEY_LIFE_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Begun:
    """What `begin` found: an order to carry out now, or (`repeated`) one that was given before with the same key.

    A repeated one with the state `done` has its answer in `code` and `result`; one with the state `begun` is being
    carried out right now.
    """

    order: OrderRow
    repeated: bool


def order_digest(route: str, body: bytes, key_name: str | None) -> str:
    """Return what tells an order from another one with the same key: its route, its body and who gave it."""
    digest = hashlib.sha256()
    for part in (route.encode(), body, (key_name or "").encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


class Orders:
    """Keeps orders. `remember` shows a history item to readers."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        backlog: Backlog,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        remember: Callable[[HistoryItem], None],
    ) -> None:
        self._writer = writer
        self._database = database
        self._backlog = backlog
        self._clock = clock
        self._new_id = new_id
        self._remember = remember
        self._boot: str | None = None
        self._is_alive: Callable[[str], bool] = lambda _: False
        self._running: dict[str, OrderRow] = {}  # by id: begun by this process and not finished
        self._waiting: dict[str, OrderRow] = {}  # by id: not written as they are now

    def share(self, boot: str, is_alive: Callable[[str], bool]) -> None:
        """Share the table with other processes: `boot` is this run of ours, `is_alive` knows the runs of all.

        An order that was begun and not finished is in doubt only once its process has ended.
        """
        self._boot, self._is_alive = boot, is_alive

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
        """Keep an intent, or find the order that was given with this key before.

        `even_unwritten` is for orders that must be possible without a database: the intent then waits in memory.
        Raises OrderConflict (the key was used for another order), OrderInDoubt, StorageAway.
        """
        order = OrderRow(
            id=self._new_id(),
            idempotency_key=key,
            digest=digest,
            actor=actor,
            action=action,
            target=clean(target),
            bot=bot,
            platform=platform,
            created_at=self._clock.now(),
        )
        known = self._in_memory(key) if key is not None else None
        if known is None:
            try:
                known = await self._writer.call_now(lambda: self._database.begin_order(order, KEY_LIFE_S))
            except StorageTrouble as trouble:
                if not even_unwritten:
                    raise StorageAway(
                        f"orders cannot be written down now: {trouble.kind}; try again later"
                    ) from trouble
                self._wait(order, None)
        if known is None:
            self._running[order.id] = order
            return Begun(order, repeated=False)
        return self._repeated(known, digest)

    async def recall(self, key: str, digest: str) -> Begun | None:
        """Find the order that was given with this key before. Raises OrderConflict, OrderInDoubt, StorageAway."""
        known, now = self._in_memory(key), self._clock.now()
        if known is None:
            try:
                known = await self._writer.call_now(lambda: self._database.find_order_by_key(key, now, KEY_LIFE_S))
            except StorageTrouble as trouble:
                raise StorageAway(f"orders cannot be read now: {trouble.kind}; try again later") from trouble
        return self._repeated(known, digest) if known is not None else None

    def _repeated(self, known: OrderRow, digest: str) -> Begun:
        # It may have ended while the database was asked: memory is newer than what came back.
        known = self._waiting.get(known.id) or self._running.get(known.id) or known
        if known.digest != digest:
            raise OrderConflict("this Idempotency-Key was used for another order: take a new one for a new order")
        if known.state is OrderState.IN_DOUBT or (known.state is OrderState.BEGUN and not self._runs(known)):
            raise OrderInDoubt(
                f"the order {known.id} ({known.action}) was begun and its end is not known: look whether it was "
                "carried out; it is not sent again"
            )
        return Begun(known, repeated=True)

    def _runs(self, order: OrderRow) -> bool:
        """Say whether an order is being carried out now: by this process, or by another one that is alive."""
        return order.id in self._running or (order.boot not in (None, self._boot) and self._is_alive(order.boot or ""))

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
    ) -> OrderRow:
        """Keep what became of an order, before anybody is answered; `outcome` is a word for the history.

        `bot`, `platform` and `target` are those that it turned out to be about. With `frees_key` nothing was done, and
        the key may be used again.

        When it cannot be written now it waits in memory, is written as soon as it can be, and StorageAway is raised:
        the order was carried out. Raises KeyError for an order that is not running.
        """
        order = self._running[order_id]
        now = self._clock.now()
        done = replace(
            order,
            state=OrderState.DONE,
            code=code,
            result=result,
            finished_at=now,
            bot=bot or order.bot,
            platform=platform or order.platform,
            target=clean(target) or order.target,
            idempotency_key=None if frees_key else order.idempotency_key,
        )
        item = self._backlog.number(_item(done, now, outcome))
        self._wait(done, item)
        del self._running[order_id]
        self._remember(item)
        try:
            await self._writer.write_now()
        except StorageTrouble as trouble:
            raise StorageAway(
                f"the order {order_id} was carried out ({outcome}), but that cannot be written down now: {trouble.kind}"
            ) from trouble
        return done

    async def find(self, order_id: str) -> OrderRow | None:
        """Return an order by its id. Raises StorageAway."""
        known = self._waiting.get(order_id) or self._running.get(order_id)
        if known is not None:
            return known
        try:
            return await self._writer.call_now(lambda: self._database.find_order(order_id))
        except StorageTrouble as trouble:
            raise StorageAway(f"orders cannot be read now: {trouble.kind}; try again later") from trouble

    def _wait(self, order: OrderRow, item: HistoryItem | None) -> None:
        self._waiting[order.id] = order
        self._backlog.put_order(order, item)
        self._writer.wake()

    def written(self, batch: Batch) -> None:
        """Note what is written: the database knows it from now on."""
        for order, _ in batch.orders.values():
            if self._waiting.get(order.id) is order:
                del self._waiting[order.id]

    def _in_memory(self, key: str) -> OrderRow | None:
        now = self._clock.now()
        for order in (*self._waiting.values(), *self._running.values()):
            if order.idempotency_key == key and now - order.created_at < KEY_LIFE_S:
                return order
        return None


def doubt_item(order: OrderRow, at: float) -> HistoryItem:
    """Return the history item of an order whose end nobody knows."""
    return _item(order, at, str(OrderState.IN_DOUBT))


def _item(order: OrderRow, at: float, outcome: str) -> HistoryItem:
    return HistoryItem(
        id=0,
        at=at,
        kind=HistoryKind.ORDER,
        bot=order.bot,
        platform=order.platform,
        before=None,
        after=clean(outcome),
        reason=clean(order.action),
        message=clean(order.target),
        actor=clean(order.actor),
    )
