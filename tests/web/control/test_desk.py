"""The desk: an order is kept, carried out once, counted and answered, whoever leaves and whatever fails."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.errors import (
    NotNow,
    Occupied,
    OrderConflict,
    OrderInDoubt,
    OrderInvalid,
    OrderRefused,
    ServiceRefused,
    StorageAway,
    UnknownTarget,
)
from exporter.model.history import HistoryKind, HistoryQuery
from exporter.model.orders import OrderAction
from exporter.stats import OrderStats, StorageStats
from exporter.storage.engine import target
from exporter.storage.orders import order_digest
from exporter.storage.service import Storage
from exporter.storage.writer import Limits
from exporter.timing import SystemClock
from exporter.web.control.desk import Ask, Errand, Handled, OrderDesk, Work
from exporter.web.control.outcomes import Answer
from tests.eventually import eventually


class Scene:
    """A desk over a real database; `folder` that cannot be is a database that is away."""

    def __init__(self, folder: Path, limit_s: float = 60.0) -> None:
        self.storage = Storage(
            target(None, folder), StorageStats(), clock=SystemClock(), rng=random.Random(1), limits=Limits()
        )
        self.stats = OrderStats()
        self.desk = OrderDesk(self.storage.orders, order_digest, self.stats, limit_s=limit_s)
        self.go = asyncio.Event()
        self.done = 0

    async def work(self, _: Errand) -> Answer:
        """Wait until it may go on, and count."""
        await self.go.wait()
        self.done += 1
        return Answer(201, {"number": self.done}, "/somewhere")

    async def give(
        self,
        work: Work | None = None,
        *,
        key: str | None = None,
        body: bytes = b"{}",
        action: OrderAction = OrderAction.CREATE_LOBBY,
        wait_s: float = 10.0,
    ) -> Handled:
        ask = Ask("POST /api/v1/lobbies", body, "boss", key)
        return await self.desk.give(ask, Errand(action, "inhouse"), work or self.work, wait_s)

    def outcomes(self) -> dict[str, int]:
        return {outcome: count for (_, outcome), count in self.stats.counts.items()}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    await scene.desk.close(1)
    await scene.storage.stop()


async def test_an_order_that_takes_long_is_asked_for_later(scene: Scene) -> None:
    slow = await scene.give(wait_s=0)
    assert slow.answer is None
    found = await scene.desk.find(slow.order_id)
    assert found is not None
    assert (found[0].state, found[1]) == ("begun", None)
    scene.go.set()
    await scene.desk.close(1)
    found = await scene.desk.find(slow.order_id)
    assert found is not None
    assert (found[0].state, found[0].actor, found[1]) == ("done", "boss", Answer(201, {"number": 1}, "/somewhere"))
    assert await scene.desk.find("nothing") is None


async def test_a_key_is_one_order(scene: Scene) -> None:
    first = asyncio.create_task(scene.give(key="k"))
    again = asyncio.create_task(scene.give(key="k"))
    await eventually(lambda: scene.desk.running)
    assert (await scene.give(key="k", wait_s=0)).answer is None
    scene.go.set()
    answers = [await first, await again, await scene.give(key="k")]
    assert len({each.order_id for each in answers}) == 1
    assert [each.answer for each in answers] == [Answer(201, {"number": 1}, "/somewhere")] * 3
    assert scene.done == 1
    with pytest.raises(OrderConflict):
        await scene.give(key="k", body=b'{"other": 1}')
    await scene.give()
    assert scene.done == 2
    assert scene.outcomes() == {"done": 2}


async def test_who_leaves_does_not_take_the_order_along(scene: Scene) -> None:
    giver = asyncio.create_task(scene.give(key="k"))
    await eventually(lambda: scene.desk.running)
    giver.cancel()
    await asyncio.wait({giver})
    scene.go.set()
    assert (await scene.give(key="k")).answer == Answer(201, {"number": 1}, "/somewhere")


@pytest.mark.parametrize(
    ("error", "code", "outcome", "key_is_free"),
    [
        (OrderInvalid("name: is missing", ["name: is missing"]), 422, "refused", True),
        (UnknownTarget("there is no bot x"), 404, "refused", True),
        (NotNow("no bot is free", 7), 503, "refused", True),
        (Occupied("in a lobby already"), 409, "refused", True),
        (OrderRefused("the game has begun"), 409, "refused", True),
        (ServiceRefused("the coordinator says no", ["no"]), 502, "refused", False),
        (OrderInDoubt("no confirmation"), 504, "in_doubt", False),
        (ZeroDivisionError("a mistake"), 500, "failed", False),
        (TimeoutError("a mistake"), 500, "failed", False),
    ],
)
async def test_what_can_come_of_it(scene: Scene, error: Exception, code: int, outcome: str, key_is_free: bool) -> None:
    tries = 0

    async def work(_: Errand) -> Answer:
        nonlocal tries
        tries += 1
        raise error

    for _ in range(2):
        handled = await scene.give(work, key="k")
        assert handled.answer is not None
        assert handled.answer.code == code
        assert "ZeroDivision" not in str(handled.answer.body)
        assert handled.answer.body["order_id"] == handled.order_id
        if isinstance(error, OrderRefused) and error.errors:
            assert handled.answer.body["errors"] == list(error.errors)
    assert tries == (2 if key_is_free else 1)
    assert scene.outcomes() == {outcome: tries}


async def test_an_order_without_an_end_is_in_doubt(tmp_path: Path) -> None:
    scene = Scene(tmp_path, limit_s=0.01)
    handled = await scene.give()
    await scene.storage.stop()
    assert handled.answer is not None
    assert handled.answer.code == 504
    assert handled.order_id in handled.answer.body["detail"]


async def test_the_history_names_who_did_what(scene: Scene) -> None:
    scene.go.set()
    await scene.give()
    (item,) = (await scene.storage.page(HistoryQuery(kinds=frozenset({HistoryKind.ORDER})))).items
    assert (item.actor, item.reason, item.message, item.after) == ("boss", "create_lobby", "inhouse", "done")


async def test_an_order_that_a_process_left_unfinished_is_never_sent_again(tmp_path: Path) -> None:
    before = Scene(tmp_path)
    slow = await before.give(key="k", wait_s=0)
    await before.desk.close(0)
    await before.storage.stop()
    after = Scene(tmp_path)
    after.go.set()
    with pytest.raises(OrderInDoubt, match=slow.order_id):
        await after.give(key="k")
    assert after.done == 0
    assert before.done == 0
    await after.storage.stop()


async def test_without_a_database_nothing_is_created_and_the_rest_works() -> None:
    scene = Scene(Path("/dev/null/nowhere"))
    scene.go.set()
    with pytest.raises(StorageAway):
        await scene.give()
    assert scene.done == 0
    for number in (1, 1):  # a key counts without a database, too
        handled = await scene.give(key="k", action=OrderAction.STOP)
        assert handled.answer is not None
        assert handled.answer.body == {"number": number}
    await scene.storage.stop(0.1)
