"""Maintenance that was announced with an end is over by then."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from exporter.maintenance import MaintenanceEnds
from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.model.status import BotMemory, Maintenance
from exporter.store import StatusStore
from tests.clock import ManualClock
from tests.fleet import TRAITS


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = StatusStore()
        self.ends = MaintenanceEnds(self.store, self.clock)
        self.store.subscribe(self.ends.on_change)

    def announce(self, name: str, for_s: float | None) -> None:
        until = None if for_s is None else self.clock.now() + for_s
        self.store.apply(ev.MaintenanceBegan(name, self.clock.now(), Maintenance(until, "cables", "boss")))

    @property
    def kept(self) -> set[str]:
        return {name for name, record in self.store.bots.items() if record.maintenance is not None}


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    task = asyncio.create_task(scene.ends.run())
    for name in ("alpha", "beta", "gamma"):
        scene.store.apply(ev.BotAdded(name, scene.clock.now(), TRAITS, name, active=True))
    yield scene
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_each_ends_at_its_own_time(scene: Scene) -> None:
    scene.announce("alpha", 100.0)
    scene.announce("beta", 10.0)
    scene.announce("gamma", None)
    await scene.clock.advance(9.0)
    assert scene.kept == {"alpha", "beta", "gamma"}
    await scene.clock.advance(2.0)
    assert scene.kept == {"alpha", "gamma"}
    scene.announce("alpha", 5.0)  # sooner than was said before
    await scene.clock.advance(6.0)
    assert scene.kept == {"gamma"}
    await scene.clock.advance(100_000.0)
    assert scene.kept == {"gamma"}


async def test_what_an_earlier_run_announced_ends_too(scene: Scene) -> None:
    memory = BotMemory(BotStatus.CONNECTED, Maintenance(scene.clock.now() + 50.0, "cables", "boss"))
    scene.store.apply(ev.BotAdded("delta", scene.clock.now(), TRAITS, "delta", active=True, memory=memory))
    await scene.clock.advance(49.0)
    assert scene.kept == {"delta"}
    await scene.clock.advance(2.0)
    assert scene.kept == set()
