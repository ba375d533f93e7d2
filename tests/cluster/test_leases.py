"""The statements of the leases, and the model that the property test trusts: both do the same."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from exporter.cluster.runs import Table
from exporter.storage.database import Database, DatabaseInUse
from exporter.storage.engine import Target, target
from exporter.storage.leases import Leases, Me, NameTaken
from exporter.storage.trouble import StorageTrouble
from tests.cluster.table import ModelTable, Tables
from tests.postgresql import PostgreSQL

LIFE_S = 20.0


def me(name: str, boot: str | None = None) -> Me:
    return Me(name, boot or f"{name}-1", f"http://{name}.example:1", "out", "0.1")


@dataclass
class Bench:
    """Instances at one table, and a way to let time pass for the table."""

    join: Callable[[Me], Table]
    pass_time: Callable[[float], None]


@pytest.fixture
def where(postgresql: PostgreSQL, tmp_path: Path) -> Target:
    place = target(postgresql.new_database(), tmp_path)
    with closing(Database(place)) as database:
        database.open()
    return place


@pytest.fixture(params=["model", "postgresql"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "model":
        tables = Tables()

        def pass_time(seconds: float) -> None:
            tables.now += seconds

        yield Bench(lambda who: ModelTable(tables, who, LIFE_S), pass_time)
        return
    where: Target = request.getfixturevalue("where")
    opened: list[Leases] = []

    def join(who: Me) -> Table:
        opened.append(Leases(where, who, LIFE_S))
        return opened[-1]

    yield Bench(join, lambda seconds: age(where, seconds))
    for each in opened:
        each.close()


def age(where: Target, seconds: float) -> None:
    """Have everything be older by so much: the clock of the database itself cannot be moved."""
    assert where.url is not None
    with psycopg.connect(where.url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        connection.execute("UPDATE cluster_leases SET until = until - %s", (seconds,))
        connection.execute("UPDATE cluster_instances SET until = until - %s, seen_at = seen_at - %s", (seconds,) * 2)


def owners(table: Table) -> dict[str, str]:
    return {each.bot: each.owner for each in table.beat(draining=False).leases}


def test_a_free_bot_is_whose_claims_it_first(bench: Bench) -> None:
    a, b = bench.join(me("a")), bench.join(me("b"))
    assert [each.name for each in a.beat(draining=False).instances] == ["a"]
    assert [(each.name, each.draining) for each in b.beat(draining=True).instances] == [("a", False), ("b", True)]
    assert [(each.bot, each.generation, each.before) for each in a.claim(["x", "y"])] == [
        ("x", 1, None),
        ("y", 1, None),
    ]
    assert [each.bot for each in b.claim(["x", "y", "z"])] == ["z"]
    assert owners(a) == owners(b) == {"x": "a", "y": "a", "z": "b"}


def test_a_beat_renews_all_that_has_not_run_out(bench: Bench) -> None:
    a, b = bench.join(me("a")), bench.join(me("b"))
    a.beat(draining=False)
    a.claim(["x"])
    for _ in range(3):
        bench.pass_time(15.0)
        assert owners(a) == {"x": "a"}
    b.beat(draining=False)
    assert b.claim(["x"]) == []


def test_renewing_without_looking_does_as_a_beat_and_tells_what_it_has_renewed(bench: Bench) -> None:
    a, b = bench.join(me("a")), bench.join(me("b"))
    assert list(a.renew(draining=False)) == [], "who is no member has to join by a beat"
    assert b.beat(draining=False).instances[0].name == "b"
    a.beat(draining=False)
    a.claim(["x", "y"])
    bench.pass_time(15.0)
    assert set(a.renew(draining=True)) == {"x", "y"}
    a.give(["y"])
    bench.pass_time(15.0)
    assert list(a.renew(draining=True)) == ["x"]
    seen = b.beat(draining=False)
    assert {(each.name, each.draining) for each in seen.instances} == {("a", True), ("b", False)}
    assert [each.bot for each in b.claim(["x", "y"])] == ["y"]
    bench.pass_time(21.0)
    assert list(a.renew(draining=False)) == [], "what has run out may be another's"


def test_what_has_run_out_is_not_renewed_and_goes_with_a_new_generation(bench: Bench) -> None:
    a, b = bench.join(me("a")), bench.join(me("b"))
    a.beat(draining=False)
    b.beat(draining=False)
    a.claim(["x"])
    bench.pass_time(21.0)
    assert owners(a) == {}
    assert [each.name for each in a.beat(draining=False).instances] == ["a"], "b has not been heard of"
    b.beat(draining=False)
    assert [(each.bot, each.generation, each.before) for each in b.claim(["x"])] == [("x", 2, "a")]
    assert owners(a) == {"x": "b"}
    a.give(["x"])
    assert owners(a) == {"x": "b"}, "only who has it can give it"


def test_whoever_has_been_away_too_long_claims_nothing_before_it_was_heard_of(bench: Bench) -> None:
    a = bench.join(me("a"))
    a.beat(draining=False)
    bench.pass_time(21.0)
    assert a.claim(["x"]) == []
    a.beat(draining=False)
    assert len(a.claim(["x"])) == 1


def test_what_is_given_back_is_free_at_once(bench: Bench) -> None:
    a, b = bench.join(me("a")), bench.join(me("b"))
    a.beat(draining=False)
    b.beat(draining=False)
    a.claim(["x", "y"])
    a.give(["x"])
    assert [(each.bot, each.generation, each.before) for each in b.claim(["x", "y"])] == [("x", 2, None)]
    a.leave()
    seen = b.beat(draining=False)
    assert [each.name for each in seen.instances] == ["b"]
    assert [each.bot for each in b.claim(["y"])] == ["y"]


def test_a_name_belongs_to_one_process_until_that_is_dead_for_certain(bench: Bench) -> None:
    first, second = bench.join(me("a")), bench.join(me("a", "a-2"))
    slot = first.beat(draining=False).instances[0].slot
    first.claim(["x"])
    with pytest.raises(NameTaken, match=r"another process runs as instance a.*cluster\.instance"):
        second.beat(draining=False)
    bench.pass_time(21.0)
    seen = second.beat(draining=False)
    assert [(each.boot, each.slot) for each in seen.instances] == [("a-2", slot)]
    with pytest.raises(NameTaken):
        first.beat(draining=False)
    assert [each.generation for each in second.claim(["x"])] == [2], "the leases of its earlier run are another one's"


def test_many_that_claim_at_once_never_get_the_same_bot(where: Target) -> None:
    bots = [f"bot-{number:03}" for number in range(200)]
    tables = [Leases(where, me(f"i{number}"), LIFE_S) for number in range(5)]
    for table in tables:
        table.beat(draining=False)
    barrier = threading.Barrier(len(tables))

    def claim(table: Leases) -> list[str]:
        barrier.wait(30)
        return [each.bot for each in table.claim(bots)]

    with ThreadPoolExecutor(len(tables)) as pool:
        got = list(pool.map(claim, tables))
    taken = [bot for each in got for bot in each]
    assert len(taken) == len(set(taken))
    # Those that were locked at that moment are passed over: the next look takes them.
    rest = tables[0].claim(bots)
    assert sorted([*taken, *(each.bot for each in rest)]) == bots
    for table in tables:
        table.close()


def test_a_process_that_is_paused_in_mid_transaction_holds_nobody_up(where: Target) -> None:
    with closing(Leases(where, me("a"), LIFE_S)) as a, closing(Leases(where, me("b"), LIFE_S)) as b:
        a.beat(draining=False)
        a.claim(["x"])
        b.beat(draining=False)
        age(where, 21.0)
        b.beat(draining=False)
        paused = a._engine.connect()
        paused.execute(text("UPDATE cluster_leases SET until = until WHERE bot = 'x'"))
        assert [each.bot for each in b.claim(["x", "new"])] == ["new"], "what is locked is passed over, not waited for"
        end = time.monotonic() + 60
        while not (got := b.claim(["x"])):
            assert time.monotonic() < end, "the database does not end the transaction"
            time.sleep(0.1)
        assert [each.bot for each in got] == ["x"]
        paused.invalidate()
        paused.close()


def test_a_pause_holds_for_all_of_one_egress_and_only_grows(where: Target) -> None:
    first, second = Leases(where, me("a"), LIFE_S), Leases(where, me("b"), LIFE_S)
    other = Leases(where, Me("c", "c-1", "http://c", "another", "0.1"), LIFE_S)
    first.pause(100.0)
    second.pause(10.0)
    assert 90.0 < second.beat(draining=False).pause_s <= 100.0
    assert other.beat(draining=False).pause_s == 0.0
    for each in (first, second, other):
        each.close()


def test_a_lease_that_is_new_goes_on_where_the_bot_was_written_last(where: Target) -> None:
    assert where.url is not None
    with psycopg.connect(where.url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        connection.execute(
            "INSERT INTO bots (name, platform, subject, is_active, configured_active, state, status, in_maintenance, "
            "lobbies_created, generation) VALUES ('x', 'dota2', 'u', true, true, 'disconnected', 4, false, 3, 7)"
        )
    with closing(Leases(where, me("a"), LIFE_S)) as table:
        table.beat(draining=False)
        (claimed,) = table.claim(["x"])
    assert claimed.generation == 8
    assert claimed.stored is not None
    assert (claimed.stored.lobbies_created, claimed.stored.is_active) == (3, True)


def test_all_slots_taken_is_said(where: Target) -> None:
    assert where.url is not None
    with psycopg.connect(where.url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        for slot in range(64):
            connection.execute(
                "INSERT INTO cluster_instances VALUES (%s, %s, %s, '', '', '', false, 0, 0, 9e12)",
                (f"i{slot}", f"b{slot}", slot),
            )
    with closing(Leases(where, me("a"), LIFE_S)) as table, pytest.raises(StorageTrouble, match="at most 64 instances"):
        table.beat(draining=False)


def test_a_process_alone_and_a_cluster_exclude_each_other(where: Target) -> None:
    with closing(Database(where, boot="one")) as first, closing(Database(where, boot="two")) as second:
        first.open()
        second.open()
        with closing(Database(where)) as alone, pytest.raises(DatabaseInUse, match=r"cluster\.enabled"):
            alone.open()
