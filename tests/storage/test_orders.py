"""Orders are written down before they are sent, and answered once, whatever happens in between."""

import asyncio

import pytest

from exporter.errors import OrderConflict, OrderInDoubt
from exporter.model.history import HistoryKind
from exporter.storage.engine import Target
from exporter.storage.order_rows import OrderState
from exporter.storage.orders import KEY_LIFE_S, order_digest
from exporter.storage.writer import Limits
from tests.storage.rig import AT, QuickClock, Rig, running

DIGEST = order_digest("POST /api/v1/lobbies", b'{"name": "x"}', "ann")
OTHER = order_digest("POST /api/v1/lobbies", b'{"name": "y"}', "ann")


class SettableClock(QuickClock):
    def __init__(self) -> None:
        self.at = AT

    def now(self) -> float:
        return self.at


async def begin(
    rig: Rig, key: str | None = "key-1", digest: str = DIGEST, **more: bool
) -> tuple[str, OrderState, bool]:
    begun = await rig.storage.orders.begin(
        key, digest, actor="ann", action="create lobby", target="inhouse", bot="alpha", platform="dota2", **more
    )
    return begun.order.id, begun.order.state, begun.repeated


def test_the_digest_tells_route_body_and_key_name_apart() -> None:
    digests = {
        order_digest(route, body, name)
        for route in ("a", "ab")
        for body in (b"", b"b", b"bc")
        for name in (None, "c", "bc")
    }
    assert len(digests) == 18


async def test_a_key_is_recalled_without_a_new_intent(where: Target) -> None:
    clock = SettableClock()
    async with running(where, clock=clock) as rig:
        orders = rig.storage.orders
        assert await orders.recall("key-1", DIGEST) is None
        order_id, _, _ = await begin(rig)
        running_still = await orders.recall("key-1", DIGEST)
        assert running_still is not None
        assert (running_still.order.id, running_still.order.state) == (order_id, "begun")
        await orders.finish(order_id, code=200, result="{}", outcome="done")
        with pytest.raises(OrderConflict):
            await orders.recall("key-1", OTHER)
        left, _, _ = await begin(rig, "key-2")
    async with running(where, clock=clock) as rig:
        orders = rig.storage.orders
        done = await orders.recall("key-1", DIGEST)
        assert done is not None
        assert (done.order.id, done.order.code) == (order_id, 200)
        with pytest.raises(OrderInDoubt, match=left):
            await orders.recall("key-2", DIGEST)
        clock.at += KEY_LIFE_S
        assert await orders.recall("key-1", DIGEST) is None


async def test_the_answer_of_the_first_time_is_the_answer(where: Target) -> None:
    async with running(where) as rig:
        order_id, state, repeated = await begin(rig)
        assert (state, repeated) == ("begun", False)
        assert await begin(rig) == (order_id, "begun", True)  # it is being carried out
        await rig.storage.orders.finish(order_id, code=201, result='{"lobby_id": "7"}', outcome="created")
        for _ in range(2):
            again = await rig.storage.orders.begin("key-1", DIGEST, actor="ann", action="create lobby")
            assert (again.repeated, again.order.code, again.order.result) == (True, 201, '{"lobby_id": "7"}')
        with pytest.raises(OrderConflict, match="another order"):
            await begin(rig, digest=OTHER)
        with pytest.raises(KeyError):
            await rig.storage.orders.finish(order_id, code=201, result=None, outcome="created")
    async with running(where) as rig:
        again = await rig.storage.orders.begin("key-1", DIGEST, actor="ann", action="create lobby")
        assert (again.repeated, again.order.state, again.order.code) == (True, "done", 201)
        found = await rig.storage.orders.find(order_id)
        assert found == again.order
        assert await rig.storage.orders.find("nothing") is None
        (item,) = await rig.history(kinds=frozenset({HistoryKind.ORDER}))
        assert (item.actor, item.bot, item.reason, item.message, item.after) == (
            "ann",
            "alpha",
            "create lobby",
            "inhouse",
            "created",
        )


async def test_an_order_of_an_earlier_run_without_a_result_is_in_doubt(where: Target) -> None:
    async with running(where) as rig:
        order_id, _, _ = await begin(rig)
        done_id, _, _ = await begin(rig, "key-2")
        await rig.storage.orders.finish(done_id, code=200, result=None, outcome="done")
    for _ in range(2):
        async with running(where) as rig:
            with pytest.raises(OrderInDoubt, match=f"{order_id}.*not sent again"):
                await begin(rig)
            assert (await begin(rig, "key-2"))[1:] == ("done", True)
            found = await rig.storage.orders.find(order_id)
            assert found is not None
            assert found.state is OrderState.IN_DOUBT
            told = [item.after for item in await rig.history(kinds=frozenset({HistoryKind.ORDER}))]
            assert told == ["in_doubt", "done"]


async def test_keys_live_for_a_day(where: Target) -> None:
    clock = SettableClock()
    async with running(where, clock=clock) as rig:
        first, _, _ = await begin(rig)
        await rig.storage.orders.finish(first, code=200, result=None, outcome="done")
        clock.at += KEY_LIFE_S - 1
        assert (await begin(rig))[0] == first
        clock.at += 2
        second, _, repeated = await begin(rig, digest=OTHER)
        assert (second != first, repeated) == (True, False)
        assert await rig.storage.orders.find(first) is not None
    async with running(where, clock=clock, limits=Limits(age_s=1.0)) as rig:
        clock.at += 3 * KEY_LIFE_S  # retention never takes an order whose key still counts
        rig.add("alpha", at=clock.at)
        await rig.written()
        while await rig.storage.orders.find(first) is not None:
            rig.connect("alpha", clock.at)
            await rig.written()


async def test_orders_without_a_key_are_never_repeated(where: Target) -> None:
    async with running(where) as rig:
        first, second = await begin(rig, None), await begin(rig, None)
        assert first[0] != second[0]
        assert not first[2]
        assert not second[2]


async def test_many_at_once_with_one_key_are_one_order(where: Target) -> None:
    async with running(where) as rig:
        answers = await asyncio.gather(*(begin(rig) for _ in range(20)))
        assert len({order_id for order_id, _, _ in answers}) == 1
        assert sorted(repeated for _, _, repeated in answers) == [False] + [True] * 19


async def test_an_order_that_ends_while_its_key_is_looked_up_is_answered(where: Target) -> None:
    async with running(where) as rig:
        orders = rig.storage.orders

        async def give() -> bool:
            order_id, _, repeated = await begin(rig)
            if not repeated:
                await orders.finish(order_id, code=201, result="{}", outcome="created")
            return repeated

        assert sorted(await asyncio.gather(*(give() for _ in range(5)))) == [False, True, True, True, True]


async def test_what_a_bot_became_by_an_order_is_written_with_it(where: Target) -> None:
    async with running(where) as rig:
        rig.add("alpha")
        order_id, _, _ = await begin(rig)
        rig.fail("alpha")
        await rig.storage.orders.finish(order_id, code=200, result=None, outcome="done")
        assert rig.storage.idle
