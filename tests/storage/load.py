"""A storage under load in a process of its own, to be killed: `python -m tests.storage.load URL FOLDER START`.

It makes about 1,000 changes and some orders a second, and says on stdout what it has done: `e NUMBER TIME`
for a change, `o KEY` for an order once it is acknowledged.
"""

import asyncio
import random
import sys
from pathlib import Path

from exporter.errors import FailureReason
from exporter.model import events as ev
from exporter.stats import StorageStats
from exporter.storage.engine import target
from exporter.storage.orders import order_digest
from exporter.storage.service import Storage, storage
from exporter.storage.writer import Limits
from exporter.store import StatusStore
from exporter.timing import SystemClock
from tests.fleet import TRAITS

TICK_S = 0.005
A_TICK = 5
ORDER_S = 0.15


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def changes(store: StatusStore, clock: SystemClock, number: int) -> None:
    while True:
        for _ in range(A_TICK):
            now = clock.now()
            store.apply(ev.CheckFailed("alpha", now, FailureReason.TIMEOUT, f"check {number}"))
            say("e", number, now)
            number += 1
        await asyncio.sleep(TICK_S)


async def orders(kept: Storage, start: int) -> None:
    number = start
    while True:
        key = f"key-{number}"
        digest = order_digest("POST /x", key.encode(), "ann")
        begun = await kept.orders.begin(key, digest, actor="ann", action="create lobby", bot="alpha")
        await kept.orders.finish(begun.order.id, code=201, result=key, outcome="done")
        say("o", key)
        number += 1
        await asyncio.sleep(ORDER_S)  # each order brings what waits to the disk: batches must have their turn too


async def main(url: str | None, folder: Path, start: int) -> None:
    clock, store = SystemClock(), StatusStore()
    where = target(url, folder)
    async with storage(where, StorageStats(), clock=clock, rng=random.Random(1), limits=Limits()) as kept:
        store.subscribe(kept.on_change)
        known = kept.recall("alpha", True, "alpha")
        store.apply(ev.BotAdded("alpha", clock.now(), TRAITS, "alpha", known.active, known.memory))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(changes(store, clock, start))
            tasks.create_task(orders(kept, start))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] or None, Path(sys.argv[2]), int(sys.argv[3])))
