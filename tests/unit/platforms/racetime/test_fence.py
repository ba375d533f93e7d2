"""Which order an answer belongs to, without sockets."""

import asyncio
from collections.abc import Awaitable

import pytest

from exporter.errors import OrderInDoubt, OrderRefused
from exporter.platforms.racetime.actions import action
from exporter.platforms.racetime.fence import Fence, PendingOrder
from exporter.platforms.racetime.messages import ChatHistory, ErrorFrame, Frame, Pong, RaceData

RACE = RaceData({}, None)


def send(fence: Fence, name: str) -> PendingOrder:
    order = PendingOrder(action(name), asyncio.get_running_loop().create_future())
    fence.sent(order)
    return order


async def soon(waiting: Awaitable[Frame | None]) -> Frame | None:
    return await asyncio.wait_for(waiting, 60.0)


async def test_a_pong_alone_means_accepted() -> None:
    fence = Fence()
    order = send(fence, "begin")
    assert fence.busy
    assert fence.received(Pong())
    assert await soon(order.wait()) is None
    assert not fence.busy


async def test_an_error_before_the_pong_means_refused() -> None:
    fence = Fence()
    order = send(fence, "begin")
    fence.received(ErrorFrame(("No.", "Never.")))
    fence.received(Pong())
    with pytest.raises(OrderRefused) as caught:
        await soon(order.wait())
    assert caught.value.errors == ("No.", "Never.")


async def test_an_error_without_words_refuses_too() -> None:
    fence = Fence()
    order = send(fence, "begin")
    fence.received(ErrorFrame(()))
    fence.received(Pong())
    with pytest.raises(OrderRefused):
        await soon(order.wait())


async def test_an_answer_may_come_before_or_after_the_pong() -> None:
    fence = Fence()
    first = send(fence, "getrace")
    fence.received(RACE)
    fence.received(Pong())
    assert await soon(first.wait()) is RACE
    second = send(fence, "getrace")
    fence.received(Pong())
    assert not fence.busy
    fence.received(ChatHistory(()))
    fence.received(RACE)
    assert await soon(second.wait()) is RACE


async def test_an_order_that_was_given_up_still_owns_its_error() -> None:
    fence = Fence()
    given_up, next_one = send(fence, "begin"), send(fence, "cancel")
    fence.abandon(given_up)
    fence.received(ErrorFrame(("late words",)))
    fence.received(Pong())
    fence.received(Pong())
    assert await soon(next_one.wait()) is None


async def test_an_error_without_an_order_belongs_to_nobody() -> None:
    fence = Fence()
    assert not fence.received(ErrorFrame(("x",)))
    assert fence.received(Pong())


async def test_a_lost_socket_leaves_everything_in_doubt() -> None:
    fence = Fence()
    answering, unfenced = send(fence, "getrace"), send(fence, "begin")
    fence.received(Pong())
    fence.lost()
    for order in (answering, unfenced):
        with pytest.raises(OrderInDoubt):
            await soon(order.wait())
    assert not fence.busy
