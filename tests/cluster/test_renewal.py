"""Leases are renewed beside an event loop that is late, and of one that hangs they are not."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from exporter.cluster.held import Held
from exporter.cluster.renewal import Renewal
from exporter.errors import TroubleKind
from exporter.storage.leases import Me
from exporter.storage.trouble import StorageTrouble
from tests.clock import ManualClock
from tests.cluster.table import ModelTable, Tables
from tests.cluster.test_keeper import TIMING
from tests.eventually import eventually

LATE_S = TIMING.beat_s * 1.2


class SlowTable(ModelTable):
    """It needs `needs_s` for an answer, or has none."""

    def __init__(self, tables: Tables, clock: ManualClock) -> None:
        super().__init__(tables, Me("a", "a-1", "", "", ""), TIMING.life_s)
        self._clock = clock
        self.needs_s = 0.0
        self.away = False
        self.renewals = 0

    def renew(self, *, draining: bool) -> Collection[str]:
        self.renewals += 1
        renewed = super().renew(draining=draining)
        self._clock.skip(self.needs_s)
        if self.away:
            raise StorageTrouble(TroubleKind.AWAY, "the database is away")
        return renewed


class Bench:
    """One bot that is held, by a beat that was just sent."""

    def __init__(self, retry_s: float = TIMING.retry_s) -> None:
        self.tables, self.clock = Tables(), ManualClock()
        self.table, self.held = SlowTable(self.tables, self.clock), Held(TIMING)
        self.renewal = Renewal(
            self.table,
            self.held,
            clock=self.clock,
            timing=replace(TIMING, retry_s=retry_s),
            draining=lambda: False,
        )
        self.table.beat(draining=False)
        self.table.claim(["x"])
        self.held.claimed(["x"], self.clock.monotonic())
        self.held.renewed(["x"], self.clock.monotonic())

    def pass_time(self, seconds: float, *, turns: bool = True) -> None:
        """Time passes, and at the end of it the event loop `turns`."""
        self.tables.now += seconds
        self.clock.skip(seconds)
        if turns:
            vouching = self.renewal.vouch()
            try:
                vouching.send(None)
            finally:
                vouching.close()

    @property
    def left_s(self) -> float:
        """For how long the bot may go on."""
        left_s = self.held.left_s(self.clock.monotonic())
        assert left_s is not None
        return round(left_s, 6)


async def test_a_thread_renews_for_a_loop_that_is_late_and_only_then() -> None:
    bench = Bench()
    bench.pass_time(LATE_S - 0.1)
    bench.renewal.renew()
    assert bench.table.renewals == 0, "the loop's own beat is not late yet"
    for _ in range(5):  # far longer than a lease lives
        bench.pass_time(LATE_S)
        bench.renewal.renew()
        assert bench.left_s == TIMING.life_s - TIMING.margin_s
    assert bench.tables.leases["x"].until == bench.tables.now + TIMING.life_s


async def test_a_loop_that_hangs_loses_its_bots() -> None:
    bench = Bench()
    bench.pass_time(TIMING.silence_s + 0.1, turns=False)
    bench.renewal.renew()
    assert bench.table.renewals == 0
    bench.pass_time(0.0)
    bench.renewal.renew()
    assert bench.table.renewals == 1, "it turns again"


async def test_a_renewal_counts_from_when_it_was_sent() -> None:
    bench = Bench()
    bench.table.needs_s = 4.0
    bench.pass_time(LATE_S)
    bench.renewal.renew()
    assert bench.left_s == TIMING.life_s - TIMING.margin_s - 4.0


async def test_what_is_given_back_meanwhile_stays_so() -> None:
    bench = Bench()
    bench.held.forget(["x"])
    bench.held.renewed(["x"], bench.clock.monotonic())
    assert "x" not in bench.held


async def test_without_an_answer_nothing_is_renewed_and_it_is_tried_again() -> None:
    bench = Bench()
    bench.table.away = True
    bench.pass_time(LATE_S)
    for tries in (1, 2):
        bench.renewal.renew()
        assert bench.table.renewals == tries
    assert bench.left_s == TIMING.life_s - TIMING.margin_s - LATE_S


async def test_who_leaves_renews_nothing_any_more() -> None:
    """Not even what its thread is just about to do: others would take it for alive."""
    bench = Bench()
    bench.pass_time(LATE_S)
    bench.renewal.end()
    bench.renewal.renew()
    assert bench.table.renewals == 0


async def test_before_the_first_beat_there_is_nothing_to_renew() -> None:
    bench = Bench()
    bench.held.renewed_at = None
    bench.pass_time(LATE_S)
    bench.renewal.renew()
    assert bench.table.renewals == 0


async def test_the_watch_has_the_thread_of_the_leases_do_it() -> None:
    bench = Bench(retry_s=0.001)
    threads: set[str] = set()
    with ThreadPoolExecutor(1, thread_name_prefix="leases") as executor:

        def in_thread(work: Callable[[], None]) -> "Future[None]":
            threads.add(threading.current_thread().name)
            return executor.submit(work)

        watch = threading.Thread(target=bench.renewal.watch, args=(in_thread,), name="watch")
        watch.start()
        try:
            bench.pass_time(LATE_S)
            await eventually(lambda: bench.table.renewals == 1)
        finally:
            bench.renewal.end()
            watch.join()
    assert threads == {"watch"}
    assert bench.left_s == TIMING.life_s - TIMING.margin_s
