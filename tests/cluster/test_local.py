"""The bots of this process in the hands of the lease loop: taken by what is remembered, moved with care."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.cluster.local import LocalBots
from exporter.cluster.members import Membership
from exporter.model import events as ev
from exporter.model.cluster import Instance
from exporter.model.states import BotStatus, LobbyState
from exporter.model.status import BotMemory
from exporter.platforms.base import BotContext
from exporter.platforms.steam.limiter import LogonLimiter
from exporter.runner import RetryPolicy
from exporter.storage.engine import target
from exporter.storage.leases import Claimed, Seen
from exporter.storage.remembered import Standing, StoredBot
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor
from tests.clock import ManualClock
from tests.fleet import TRAITS
from tests.storage.rig import Rig, lobby, running
from tests.unit.test_supervisor import EagerBot, Options

AT = 1_700_000_000.0
NAMES = ("alpha", "beta", "gamma")


class QueuedService:
    """Bots of a service that limits logons."""

    logons = None

    def __init__(self, queue: LogonLimiter) -> None:
        self.queue = queue

    def bot(self, options: object, context: BotContext) -> EagerBot:  # noqa: ARG002  (the seam's signature)
        return EagerBot(context)


@dataclass
class Bench:
    local: LocalBots
    supervisor: Supervisor
    store: StatusStore
    clock: ManualClock
    queue: LogonLimiter
    rig: Rig


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    clock = ManualClock()
    queue = LogonLimiter(10.0, clock, random.Random(1))
    async with running(target(None, folder)) as rig:
        services = {TRAITS.name: QueuedService(queue)}
        supervisor = Supervisor(
            rig.store,
            services,
            clock=clock,
            rng=random.Random(1),
            policy=RetryPolicy(),
            hide=lambda *_: None,
            draining=lambda: False,
            recall=rig.storage.recall,
        )
        members = Membership("one", "boot")
        local = LocalBots(supervisor, rig.storage, rig.store, services, members, clock=clock, stagger=lambda _: 0.0)
        local.specs = {name: BotSpec(name, TRAITS, Options(name), active=True) for name in NAMES}
        yield Bench(local, supervisor, rig.store, clock, queue, rig)
        await supervisor.shutdown()


def stored(name: str, *, ordered: bool | None = None) -> StoredBot:
    memory = BotMemory(BotStatus.CONNECTED, last_connected_at=AT)
    standing = Standing(configured=True, ordered=ordered)
    return StoredBot(
        name, TRAITS.name, name, True, standing, "online", BotStatus.CONNECTED, None, None, memory, 5, None
    )


async def test_what_the_database_knows_of_a_bot_holds_here_too(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        claims = [
            Claimed("alpha", 2, "two", stored("alpha", ordered=False)),
            Claimed("beta", 3, None, stored("beta")),
            Claimed("unknown", 1, None, None),
        ]
        await made.local.take(claims)
        await made.clock.settle()
        assert set(made.local.bots) == {"alpha", "beta"}, "a bot that has left the configuration does not come"
        assert not made.store.bots["alpha"].is_active, "an operator had stopped it where it ran before"
        assert made.store.bots["beta"].healthy
        assert made.rig.storage.lobbies_created == 10
        told = [item.message for item in await made.rig.history(bots=frozenset({"alpha"}))]
        assert told[-1] in ("Bot stopped manually", "one took it over from two: nothing is proved yet")
        await made.local.take([Claimed("beta", 4, None, stored("beta"))])  # it was lost and has come back
        await made.clock.settle()
        assert made.store.bots["beta"].healthy


async def test_bots_with_work_are_busy_and_connected_ones_move_as_fast_as_they_can_log_on(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await made.local.take([Claimed(name, 1, None, None) for name in NAMES])
        await made.clock.settle()
        assert not made.local.idle(NAMES)
        assert set(made.local.busy(NAMES)) == set(NAMES), "each has a race"
        for name in NAMES:
            made.store.apply(ev.RaceForgotten(name, AT, made.store.bots[name].races[0]))
        assert not made.local.busy(NAMES)
        made.store.apply(ev.LobbyUpdated("alpha", AT, lobby(LobbyState.WAITING)))
        assert made.local.busy(NAMES) == ["alpha"]
        assert len(made.local.movable(NAMES)) == 1
        assert not made.local.movable(NAMES)
        await made.clock.advance(10.0)
        assert len(made.local.movable(NAMES)) == 1
        made.queue.interval_s = 0.0
        assert set(made.local.movable(NAMES)) == set(NAMES)
        await made.local.drop(["alpha", "beta"])
        assert set(made.local.bots) == {"gamma"}
        assert made.rig.storage.idle, "what is known of them is written down before anybody else has them"
        assert set(made.local.idle(NAMES)) == {"alpha", "beta"}


async def test_a_pause_of_logons_and_the_pace_are_those_of_all_behind_one_address(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        here = Instance("one", "boot", 3, "", "nat", "0.1", False, AT, AT)
        there = Instance("two", "other", 4, "", "nat", "0.1", False, AT, AT)
        away = Instance("three", "third", 5, "", "another", "0.1", False, AT, AT)
        await made.local.looked(Seen(AT, (here, there, away), (), 60.0), ())
        assert made.queue.sharers == 2
        assert made.queue.stats.cooldown_until == made.clock.now() + 60.0
