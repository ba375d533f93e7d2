"""Several processes that write to one database: nothing of one undoes what another has written since."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.errors import OrderInDoubt
from exporter.model import events as ev
from exporter.model.history import HistoryItem, HistoryQuery
from exporter.model.states import LobbyState
from exporter.model.status import Maintenance
from exporter.stats import StorageStats
from exporter.storage.engine import Target, target
from exporter.storage.leases import MOST_INSTANCES, Leases, Me
from exporter.storage.service import Storage
from exporter.storage.writer import Limits
from exporter.store import StatusStore
from tests.fleet import TRAITS
from tests.postgresql import PostgreSQL
from tests.storage.rig import AT, QuickClock, lobby


@dataclass
class Writer:
    """One process' storage, with a store in front of it."""

    storage: Storage
    store: StatusStore
    leases: Leases

    def claim(self, name: str) -> None:
        """Have a bot come here by a lease, as the lease loop does it."""
        (claimed,) = self.leases.claim([name])
        self.storage.learn(name, claimed.generation, claimed.stored)
        known = self.storage.recall(name, True, f"{name}-subject")
        self.store.apply(
            ev.BotAdded(name, AT, TRAITS, f"{name}-subject", known.active, known.memory, "two runs it now")
        )

    def release(self, name: str) -> None:
        for key in [key for key, each in self.store.lobbies.items() if each.bot == name]:
            self.store.apply(ev.LobbyForgotten(name, AT + 5, key, elsewhere=True))
        self.store.apply(ev.BotRemoved(name, AT + 5, elsewhere=True))

    async def history(self, **query: object) -> list[HistoryItem]:
        return list((await self.storage.page(HistoryQuery(**query))).items)  # type: ignore[arg-type]


@asynccontextmanager
async def process(where: Target, name: str) -> AsyncIterator[Writer]:
    boot, store = f"{name}-boot", StatusStore()
    storage = Storage(where, StorageStats(), clock=QuickClock(), rng=random.Random(1), limits=Limits(), boot=boot)
    store.subscribe(storage.on_change)
    await storage.start(0.0)
    leases = Leases(where, Me(name, boot, "", "", "0.1"), 20.0)
    seen = leases.beat(draining=False)
    me = next(each for each in seen.instances if each.name == name)
    storage.take_part(me.slot, MOST_INSTANCES, prunes=me.slot == 0)
    writing = asyncio.create_task(storage.run())
    try:
        yield Writer(storage, store, leases)
    finally:
        writing.cancel()
        await asyncio.wait({writing})
        await storage.stop(30.0)
        leases.close()


@pytest.fixture
def where(postgresql: PostgreSQL, tmp_path: Path) -> Target:
    return target(postgresql.new_database(), tmp_path)


def rows(where: Target, query: str) -> list[Any]:
    assert where.url is not None
    with psycopg.connect(where.url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        done = connection.execute(query.encode())
        return done.fetchall() if done.description else []


async def test_histories_of_the_same_moment_are_all_kept_and_in_one_order(where: Target) -> None:
    async with process(where, "one") as one, process(where, "two") as two:
        for each, name in ((one, "alpha"), (two, "beta")):
            each.claim(name)
            for _ in range(150):
                each.store.apply(ev.ConnectStarted(name, AT))
                each.store.apply(ev.BotStopped(name, AT))
                each.store.apply(ev.BotStarted(name, AT))
        await one.storage.flush()
        await two.storage.flush()
        made = one.storage._backlog.last_id, two.storage._backlog.last_id
        assert {last % MOST_INSTANCES for last in made} == {0, 1}
    ids = [row[0] for row in rows(where, "SELECT id FROM bot_events ORDER BY id")]
    assert len(ids) > 1200
    assert dict(rows(where, "SELECT bot, count(*) FROM bot_events GROUP BY bot")) == {
        "alpha": len(ids) // 2,
        "beta": len(ids) // 2,
    }
    async with process(where, "three") as three:
        first = await three.storage.page(HistoryQuery(limit=1000))
        rest = await three.storage.page(HistoryQuery(limit=1000, before=first.next))
        assert [item.id for item in (*first.items, *rest.items)] == ids[::-1], "pages follow each other as ever"


async def test_whoever_takes_a_bot_over_knows_what_the_other_one_was_told(where: Target) -> None:
    async with process(where, "one") as one, process(where, "two") as two:
        one.claim("alpha")
        one.store.apply(ev.BotStopped("alpha", AT + 1))
        one.store.apply(ev.MaintenanceBegan("alpha", AT + 2, Maintenance(AT + 1e6, "new cables", "ann")))
        one.store.apply(ev.LobbyCreated("alpha", AT + 3, 7, 1.0, expected=4))
        one.release("alpha")
        await one.storage.flush()
        one.leases.give(["alpha"])
        two.claim("alpha")
        record = two.store.bots["alpha"]
        assert not record.is_active, "an operator's order holds wherever the bot runs"
        assert record.maintenance == Maintenance(AT + 1e6, "new cables", "ann")
        assert two.storage.lobbies_created == 1
        assert two.storage.expected("alpha", 7) == 4
        await two.storage.flush()
        assert (await two.history(limit=1))[0].message in ("Bot stopped manually", "two runs it now")
        assert rows(where, "SELECT removed_at, generation FROM bots") == [(None, 2)]


async def test_what_a_process_writes_late_does_not_undo_what_the_next_owner_wrote(where: Target) -> None:
    async with process(where, "one") as one, process(where, "two") as two:
        one.claim("alpha")
        one.store.apply(ev.LobbyUpdated("alpha", AT + 1, lobby()))
        await one.storage.flush()
        rows(where, "UPDATE cluster_leases SET until = 0")
        one.store.apply(ev.MaintenanceBegan("alpha", AT + 2, Maintenance(None, "too late", None)))  # not written yet
        one.store.apply(ev.LobbyUpdated("alpha", AT + 2, lobby(LobbyState.READY)))
        two.claim("alpha")
        two.store.apply(ev.LobbyUpdated("alpha", AT + 3, lobby(LobbyState.FINISHED)))
        await two.storage.flush()
        one.release("alpha")
        await one.storage.flush()
        assert rows(where, "SELECT generation, in_maintenance FROM bots") == [(2, False)]
        assert rows(where, "SELECT state FROM lobbies") == [("finished",)]


async def test_a_lobby_that_goes_on_elsewhere_has_not_ended(where: Target) -> None:
    async with process(where, "one") as one:
        one.claim("alpha")
        one.store.apply(ev.LobbyUpdated("alpha", AT + 1, lobby()))
        one.release("alpha")
        await one.storage.flush()
        assert rows(where, "SELECT state, ended_at FROM lobbies") == [("waiting", None)]
        told = [item.message for item in await one.history(limit=10)]
        assert not any("lost sight" in (text or "") or "removed" in (text or "") for text in told)


async def test_orders_of_a_process_that_lives_go_on_and_those_of_a_dead_one_are_in_doubt(where: Target) -> None:
    async with process(where, "one") as one, process(where, "two") as two:
        begun = await one.storage.orders.begin("key", "d" * 64, actor="ann", action="stop")
        await two.storage.doubt()
        assert rows(where, "SELECT state, boot FROM orders") == [("begun", "one-boot")]
        with pytest.raises(OrderInDoubt):
            await two.storage.orders.begin("key", "d" * 64, actor="ann", action="stop")
        rows(where, "UPDATE cluster_instances SET until = 0 WHERE instance = 'one'")
        await two.storage.doubt()
        assert rows(where, "SELECT state FROM orders") == [("in_doubt",)]
        assert [item.after for item in await two.history(limit=1)] == ["in_doubt"]
        await one.storage.orders.finish(begun.order.id, code=200, result="{}", outcome="done")
        assert rows(where, "SELECT state FROM orders") == [("done",)], "it was alive after all, and knows the end"


async def test_bots_that_others_run_have_not_left_the_configuration(where: Target) -> None:
    async with process(where, "one") as one, process(where, "two") as two:
        for name in ("alpha", "gone"):
            one.claim(name)
        await one.storage.flush()
        one.leases.give(["gone"])
        two.storage.fleet_complete(["beta"])  # its configuration is another one at this moment
        await two.storage.flush()
        removed = dict(rows(where, "SELECT name, removed_at IS NOT NULL FROM bots"))
        assert removed == {"alpha": False, "gone": True}
