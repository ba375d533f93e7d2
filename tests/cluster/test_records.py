"""The table through which processes tell each other: who may write, and who reads what, statement by statement."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from exporter.storage.cluster_records import ClusterRecords, ForeignRow, OwnRow
from exporter.storage.database import Database
from exporter.storage.engine import target
from exporter.storage.leases import Leases, Me
from exporter.storage.trouble import StorageTrouble


class Process:
    """One instance's leases and records, without the loops."""

    def __init__(self, database: str, name: str, boot: str = "first") -> None:
        where = target(database, Path())
        self.name = name
        self.leases = Leases(where, Me(name, f"{name}-{boot}", f"http://{name}", "default", "1"), 60.0)
        self.records = ClusterRecords(where, name, f"{name}-{boot}")
        self.leases.beat(draining=False)

    def claim(self, bot: str) -> int:
        (claimed,) = self.leases.claim([bot])
        return claimed.generation

    def tell(self, key: str, generation: int, data: str = "{}", *, kind: str = "bot", bot: str = "ann") -> None:
        self.records.exchange([OwnRow(kind, key, bot, generation, data)], [], [], thorough=False)

    def drop(self, key: str, kind: str = "bot") -> None:
        self.records.exchange([], [(kind, key)], [], thorough=False)

    def hear(self, *instances: str, thorough: bool = False) -> tuple[ForeignRow, ...]:
        return self.records.exchange([], [], instances, thorough=thorough).rows


Join = Callable[..., Process]


@pytest.fixture
def join(shared: str) -> Iterator[Join]:
    """Makes processes, and closes what they opened."""
    with ExitStack() as stack:

        def make(name: str, boot: str = "first") -> Process:
            process = Process(shared, name, boot)
            stack.callback(process.leases.close)
            stack.callback(process.records.close)
            return process

        yield make


@pytest.fixture
def shared(database: str) -> str:
    opened = Database(target(database, Path()), "a-boot")
    opened.open()
    opened.close()
    return database


def told(database: str) -> list[tuple[str, str, int, str]]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT key, instance, generation, data FROM cluster_records ORDER BY key")
        return rows.fetchall()


def test_only_who_holds_the_lease_writes(shared: str, join: Join) -> None:
    one, two = join("one"), join("two")
    first = one.claim("ann")
    one.tell("ann", first, '"one"')
    one.leases.give(["ann"])
    second = two.claim("ann")
    one.tell("ann", first, '"late"')
    assert told(shared) == [("ann", "one", first, '"one"')]
    two.tell("ann", second, '"two"')
    one.tell("ann", first, '"later"')
    one.drop("ann")  # nor does it take away what is another's by now
    assert told(shared) == [("ann", "two", second, '"two"')]


def test_an_older_lease_of_the_same_process_writes_nothing(shared: str, join: Join) -> None:
    """It lost the bot and got it back: what it still wanted to tell from before is not true any more."""
    one, two = join("one"), join("two")
    first = one.claim("ann")
    one.leases.give(["ann"])
    two.claim("ann")
    two.leases.give(["ann"])
    third = one.claim("ann")
    one.tell("ann", first, '"old"')
    assert told(shared) == []
    one.tell("ann", third, '"new"')
    assert told(shared) == [("ann", "one", third, '"new"')]


def test_an_earlier_run_of_the_same_name_writes_nothing(shared: str, join: Join) -> None:
    before = join("one", "first")
    first = before.claim("ann")
    before.tell("ann", first)
    before.leases.leave()
    after = join("one", "second")
    second = after.claim("ann")
    after.hear()  # it clears what was left
    assert told(shared) == [("ann", "one", first, "null")]
    after.tell("ann", second, '"new"')
    before.tell("ann", second, '"old"')
    assert told(shared) == [("ann", "one", second, '"new"')]


def test_an_older_generation_never_replaces_a_newer_one(shared: str, join: Join) -> None:
    """Not even when the statement saw the lease before it changed hands: that is made by hand here."""
    one = join("one")
    one.claim("ann")
    with psycopg.connect(shared, autocommit=True) as connection:
        connection.execute("UPDATE cluster_leases SET generation = 9")
        one.tell("ann", 9, '"newer"')
        connection.execute("UPDATE cluster_leases SET generation = 8")
    one.tell("ann", 8, '"older"')
    assert told(shared) == [("ann", "one", 9, '"newer"')]


def test_readers_get_what_is_new_and_what_is_gone(shared: str, join: Join) -> None:
    one, two, three = (join(name) for name in ("one", "two", "three"))
    generations = {process: process.claim(bot) for process, bot in ((one, "ann"), (two, "ben"))}
    one.tell("ann", generations[one])
    two.tell("ben", generations[two], bot="ben")
    assert {row.key for row in three.hear()} == {"ann", "ben"}  # at first all there is
    assert three.hear("one", "two") == ()
    one.tell("77", generations[one], kind="lobby")
    two.tell("ben", generations[two], '"again"', bot="ben")
    assert [(row.key, row.instance) for row in three.hear("one")] == [("77", "one")]
    assert [(row.key, row.data) for row in three.hear(thorough=True)] == [("ben", '"again"')]
    one.drop("77", "lobby")
    assert [(row.kind, row.key, row.data) for row in three.hear("one")] == [("lobby", "77", None)]
    assert three.hear("one", thorough=True) == ()


def test_after_a_lost_connection_everything_is_read_again(shared: str, join: Join) -> None:
    one, two = join("one"), join("two")
    one.tell("ann", one.claim("ann"))
    assert len(two.hear()) == 1
    with psycopg.connect(shared, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    for each in (one, two):
        with pytest.raises(StorageTrouble):
            each.hear("one", "two")
    news = two.records.exchange([], [], [], thorough=False)
    assert (len(news.rows), news.all_there_is) == (1, True)


def test_what_is_long_gone_is_deleted(shared: str, join: Join) -> None:
    one = join("one")
    one.tell("ann", one.claim("ann"))
    one.drop("ann")
    one.hear(thorough=True)
    assert len(told(shared)) == 1
    with psycopg.connect(shared, autocommit=True) as connection:
        connection.execute("UPDATE cluster_records SET changed_at = changed_at - 301")
    one.hear(thorough=True)
    assert told(shared) == []
