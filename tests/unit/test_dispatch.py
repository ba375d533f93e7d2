"""Who gets the next piece of work: never the same bot twice, fairly, and nobody's order is lost."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.dispatch import Dispatch
from exporter.errors import NotNow, Occupied
from exporter.model import events as ev
from exporter.model.status import Maintenance
from exporter.store import StatusStore
from tests.web.fleet import DOTA2, NOW, lobby


def fleet(*names: str) -> StatusStore:
    store = StatusStore()
    for name in names:
        store.apply(ev.BotAdded(name, NOW, DOTA2, name, active=True))
        store.apply(ev.ConnectStarted(name, NOW))
        store.apply(ev.StateEntered(name, NOW, "steam_online"))
        store.apply(ev.StateEntered(name, NOW, "gc_connected"))
        store.apply(ev.HealthProved(name, NOW, 90.0))
    return store


def dispatch(store: StatusStore, *, draining: bool = False) -> Dispatch:
    return Dispatch(store, lambda: draining)


@settings(max_examples=30, deadline=None)
@given(bots=st.integers(1, 5), orders=st.integers(100, 400), seed=st.integers(0, 2**32))
def test_hundreds_of_orders_over_few_bots(bots: int, orders: int, seed: int) -> None:
    """Each order gets a bot that nobody else has, or is told at once that there is none; free bots are used."""
    store, chance = fleet(*(f"bot-{number}" for number in range(bots))), random.Random(seed)
    handing = dispatch(store)
    at_work, served, refused = set[str](), Counter[str](), 0

    async def order() -> None:
        nonlocal refused
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
        try:
            with handing.reserved(lambda _: True) as record:
                assert record.name not in at_work
                at_work.add(record.name)
                for _ in range(chance.randrange(10)):
                    await asyncio.sleep(0)
                served[record.name] += 1
                at_work.discard(record.name)
        except NotNow:
            assert len(at_work) == bots
            refused += 1

    async def everybody() -> None:
        await asyncio.gather(*(order() for _ in range(orders)))

    asyncio.run(everybody())
    assert sum(served.values()) + refused == orders
    assert set(served) == set(store.bots)


def test_the_bot_that_waited_longest_is_next() -> None:
    handing = dispatch(fleet("a", "b", "c"))
    chosen = []
    for _ in range(7):
        with handing.reserved(lambda _: True) as record:
            chosen.append(record.name)
    assert chosen == ["a", "b", "c", "a", "b", "c", "a"]
    with handing.reserved(lambda record: record.name != "b") as record:
        assert record.name == "c"
    with handing.reserved(lambda _: True, but=frozenset({"b"})) as record:
        assert record.name == "a"


def test_who_is_not_available_gets_nothing() -> None:
    store = fleet("busy", "kept")
    store.apply(ev.StateEntered("busy", NOW, "in_lobby"))
    store.apply(ev.LobbyUpdated("busy", NOW, lobby("busy")))
    store.apply(ev.MaintenanceBegan("kept", NOW, Maintenance(None, "new cables", "boss")))
    handing = dispatch(store)
    with pytest.raises(NotNow, match="no bot is free: 1 of 2 are busy") as caught, handing.reserved(lambda _: True):
        pass
    assert caught.value.retry_s > 0
    with pytest.raises(NotNow, match="no bot of this kind"), handing.reserved(lambda _: False):
        pass
    with pytest.raises(Occupied, match="busy has a lobby"), handing.reserved_one("busy"):
        pass
    with pytest.raises(NotNow, match="kept is not available: it is in maintenance"), handing.reserved_one("kept"):
        pass
    with pytest.raises(NotNow, match="in maintenance"):
        handing.check_willing(store.bots["kept"])
    handing.check_willing(store.bots["busy"])
    store.apply(ev.MaintenanceEnded("kept", NOW))
    with handing.reserved_one("kept"), pytest.raises(Occupied, match="or is getting one"), handing.reserved_one("kept"):
        pass


def test_a_process_that_drains_takes_nothing_on() -> None:
    store = fleet("a")
    handing = dispatch(store, draining=True)
    for attempt in (handing.reserved(lambda _: True), handing.reserved_one("a")):
        with pytest.raises(NotNow, match="draining"), attempt:
            pass
    with pytest.raises(NotNow, match="draining"):
        handing.check_willing(store.bots["a"])
