"""The lease loop over random interleavings: never two owners at one moment, and everything is owned in the end.

Several processes run against one table of leases. What they ask of it is sent, carried out and answered in steps of
their own; answers get lost, the table is away, processes are paused, killed, stopped and started, and time passes.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from exporter.cluster.held import LeaseTiming
from exporter.cluster.keeper import Keeper
from exporter.cluster.members import Membership
from exporter.errors import TroubleKind
from exporter.stats import ClusterStats
from exporter.storage.leases import Claimed, Me, Seen
from exporter.storage.trouble import StorageTrouble
from tests.clock import ManualClock
from tests.cluster.table import ModelTable, Tables

TIMING = LeaseTiming(sticky_s=20.0)
STOP_S = TIMING.margin_s - 0.5
BOTS = tuple(f"bot-{number}" for number in range(7))
NAMES = ("a", "b", "c")
_T = TypeVar("_T")


class Bots:
    """The bots of one process. One that is cut off may need `STOP_S` until its sockets are closed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.running: set[str] = set()
        self.closing: dict[str, float] = {}
        self.stuck: frozenset[str] = frozenset()
        self.abandoned: set[str] = set()
        self.dead = False
        self.moves = 0

    @property
    def bots(self) -> Collection[str]:
        return self.running

    @property
    def connected(self) -> set[str]:
        return self.running | {bot for bot, until in self.closing.items() if self._now() < until}

    async def take(self, claimed: Collection[Claimed]) -> None:
        self.running |= {each.bot for each in claimed}
        self.moves += len(claimed)

    def cut(self, bots: Collection[str]) -> None:
        for bot in self.running & set(bots):
            self.closing[bot] = self._now() + STOP_S
        self.running -= set(bots)

    async def drop(self, bots: Collection[str]) -> None:
        self.cut(bots)
        until = max((self.closing.get(bot, 0.0) for bot in bots), default=0.0)
        while self._now() < until and not self.dead:  # noqa: ASYNC110  (time is moved by hand)
            await asyncio.sleep(0)

    def busy(self, _: Collection[str]) -> Collection[str]:
        return ()

    def idle(self, _: Collection[str]) -> Collection[str]:
        return ()

    def movable(self, connected: Collection[str]) -> Collection[str]:
        return connected

    async def looked(self, seen: Seen, gone: Collection[str]) -> None:
        pass

    def abandon(self, bots: Collection[str]) -> None:
        self.abandoned |= set(bots)


@dataclass
class Asked:
    """A statement on its way: sent, then carried out, then answered. The answer may be a thread's, not the loop's."""

    work: Callable[[], Any]
    answer: "asyncio.Future[Any] | Callable[[Any], None]"
    result: Any = None
    done: bool = False


@dataclass
class Process:
    """One process of the fleet, with its own idea of time."""

    keeper: Keeper
    table: ModelTable
    bots: Bots
    clock: ManualClock
    asked: list[Asked] = field(default_factory=list)
    looking: "asyncio.Task[bool] | None" = None
    paused: bool = False


class Fleet:
    """The processes, the table, and time."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.processes: dict[str, Process] = {}
        self._boots = itertools.count()

    async def start(self, name: str) -> None:
        if name in self.processes:
            return
        boot, clock = f"{name}-{next(self._boots)}", ManualClock()
        clock.skip(len(boot) * 100.0)  # monotonic clocks of different processes have nothing in common
        bots, asked = Bots(lambda: self.tables.now), list[Asked]()

        def in_thread(work: Callable[[], _T], /) -> Awaitable[_T]:
            answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
            asked.append(Asked(work, answer))
            return answer

        table = ModelTable(self.tables, Me(name, boot, "", "", ""), TIMING.life_s)
        members, stats = Membership(name, boot), ClusterStats()
        keeper = Keeper(
            table, members, bots, stats, clock=clock, in_thread=in_thread, draining=lambda: False, timing=TIMING
        )
        async with keeper.configured(dict.fromkeys(BOTS, frozenset())):
            pass
        self.processes[name] = Process(keeper, table, bots, clock, asked)

    async def begin(self, name: str) -> None:
        """Let a process look, if it does not just do so."""
        process = self.processes.get(name)
        if process is not None and not process.paused and (process.looking is None or process.looking.done()):
            process.looking = asyncio.create_task(process.keeper.look())
            await self.settle()

    async def look(self, name: str) -> None:
        """Let a process look, with a table that answers at once."""
        await self.begin(name)
        for _ in range(8):
            await self.step(name, "good")

    async def renew(self, name: str) -> None:
        """Let the thread of a process renew, as it does for a loop that is late."""
        process = self.processes.get(name)
        if process is None or process.paused:
            return
        sent = process.clock.monotonic()
        work = partial(process.table.renew, draining=False)
        process.asked.append(Asked(work, lambda renewed: process.keeper._held.renewed(renewed, sent)))

    async def step(self, name: str, how: str) -> None:
        """The oldest statement of a process goes one step further: it is carried out, answered, or gets lost."""
        process = self.processes.get(name)
        if process is None or not process.asked:
            return
        first = process.asked[0]
        if how == "lost" or not first.done:
            if how != "away" and not first.done:
                try:
                    first.result = first.work()
                except StorageTrouble as trouble:
                    first.result = trouble
                first.done = True
            if how == "good":
                return
            first.result = StorageTrouble(TroubleKind.AWAY, "the database is away")
            first.done = True
        if process.paused:
            return  # the answer waits in the socket
        del process.asked[0]
        if callable(first.answer):
            if not isinstance(first.result, Exception):
                first.answer(first.result)
        elif not first.answer.done():
            if isinstance(first.result, Exception):
                first.answer.set_exception(first.result)
            else:
                first.answer.set_result(first.result)
        await self.settle()

    async def pass_time(self, seconds: float) -> None:
        """Time passes in small steps; timers of processes that are not paused fire when they are due."""
        while seconds > 0:
            step = min(seconds, 0.5)
            seconds -= step
            self.tables.now += step
            for process in self.processes.values():
                process.clock.skip(step)
                if not process.paused:
                    process.keeper.fence()
            await self.settle(2)
            self.check()

    async def pause(self, name: str) -> None:
        """Stop a process in the middle of everything, as SIGSTOP does."""
        if (process := self.processes.get(name)) is not None:
            process.paused = True

    async def resume(self, name: str) -> None:
        """A paused process goes on: timers that are due come before anything else.

        The sockets that it still has do nothing any more, and their service has ended them: they are not counted.
        """
        if (process := self.processes.get(name)) is not None and process.paused:
            process.paused, before = False, dict(process.bots.closing)
            process.keeper.fence()
            process.bots.closing = before
            await self.settle()

    async def die(self, name: str) -> None:
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.bots.dead = True
        if process.looking is not None:
            process.looking.cancel()
            await asyncio.wait({process.looking})
        await process.keeper.rest()

    async def stop(self, name: str) -> None:
        """End a process as it should: its bots are stopped, then everything is given back."""
        process = self.processes.get(name)
        if process is None or process.paused:
            return
        if process.looking is not None:
            process.looking.cancel()
            await asyncio.wait({process.looking})
        await process.keeper.rest()
        process.bots.cut(tuple(process.bots.running))
        await self.pass_time(STOP_S + 0.5)
        stopping = asyncio.create_task(process.keeper.stop())
        await self.settle()
        for _ in range(8):
            await self.step(name, "good")
        await stopping
        del self.processes[name]

    async def settle(self, turns: int = 12) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    def check(self) -> None:
        """No bot is connected by two processes, except by one that is paused: that one does nothing."""
        owners = Counter(
            bot for process in self.processes.values() if not process.paused for bot in process.bots.connected
        )
        assert not owners or max(owners.values()) == 1, f"two owners: {owners}"

    async def do(self, deed: str, what: Any) -> None:
        """Do one thing of a schedule."""
        if deed in ("good", "lost", "away"):
            await self.step(what, deed)
        elif deed == "pass":
            await self.pass_time(what)
        else:
            deeds = (self.look, self.begin, self.pause, self.resume, self.die, self.stop, self.start, self.renew)
            await {each.__name__: each for each in deeds}[deed](what)

    async def calm(self) -> None:
        """Everybody is there, the table answers, and time passes: let it come to rest."""
        for name in NAMES:
            await self.resume(name)
            await self.start(name)
        for _ in range(16):
            for name in NAMES:
                await self.look(name)
                self.check()
            await self.pass_time(TIMING.beat_s)


_actions = st.one_of(
    st.tuples(st.just("look"), st.sampled_from(NAMES)),
    st.tuples(st.just("look"), st.sampled_from(NAMES)),
    st.tuples(st.just("begin"), st.sampled_from(NAMES)),
    st.tuples(st.just("renew"), st.sampled_from(NAMES)),
    st.tuples(st.just("good"), st.sampled_from(NAMES)),
    st.tuples(st.just("good"), st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(("lost", "away")), st.sampled_from(NAMES)),
    st.tuples(st.just("pass"), st.sampled_from((0.3, 1.0, 4.0, 9.0, 25.0))),
    st.tuples(st.sampled_from(("pause", "resume", "die", "stop", "start")), st.sampled_from(NAMES)),
)


async def _play(actions: list[tuple[str, Any]]) -> None:
    fleet = Fleet()
    for name in NAMES:
        await fleet.start(name)
    for deed, what in actions:
        await fleet.do(deed, what)
        fleet.check()
    await fleet.calm()
    owned = Counter(bot for process in fleet.processes.values() for bot in process.bots.running)
    assert owned == Counter(BOTS), "in the end every bot has one owner"
    assert not any(process.bots.abandoned for process in fleet.processes.values())
    shares = [len(process.bots.running) for process in fleet.processes.values()]
    assert max(shares) - min(shares) <= 1
    moves = [process.bots.moves for process in fleet.processes.values()]
    await fleet.calm()
    assert moves == [process.bots.moves for process in fleet.processes.values()], "a balanced fleet does not move"
    for name in NAMES:
        await fleet.die(name)


_LATE: list[tuple[str, Any]] = [("good", "a"), ("pass", 12.0), ("good", "a"), ("pass", 9.0), ("look", "b")]


@example(actions=[("look", "a"), ("begin", "a"), *_LATE])  # a renewal counts from when it was sent, not answered
@example(actions=[("look", "a"), ("renew", "a"), *_LATE])  # also one that is not the loop's
@example(actions=[("begin", "a"), ("good", "a"), ("good", "a"), *_LATE])  # and so does a claim
@example(actions=[("look", "a"), ("pass", 20.5), ("look", "b")])  # bots need time to stop
@example(actions=[("look", "a"), ("pass", 13.5), ("look", "a"), ("look", "b")])  # and are not given back meanwhile
@example(actions=[("look", "a"), ("pause", "a"), ("pass", 25.0), ("look", "b"), ("resume", "a"), ("look", "a")])
@example(actions=[("look", "a"), ("die", "a"), ("start", "a"), ("look", "a"), ("pass", 25.0), ("look", "a")])
@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.lists(_actions, min_size=10, max_size=80))
def test_never_two_owners_and_everything_is_owned_in_the_end(actions: list[tuple[str, Any]]) -> None:
    asyncio.run(_play(actions))


async def test_a_bot_that_does_not_stop_is_not_given_back_and_its_process_ends_before_another_may_run_it() -> None:
    fleet = Fleet()
    await fleet.start("a")
    await fleet.look("a")
    await fleet.start("b")
    bots = fleet.processes["a"].bots
    bots.stuck = frozenset(BOTS)  # whatever is stopped from now on hangs
    await fleet.look("b")
    await fleet.look("a")
    await fleet.pass_time(STOP_S + 0.5)
    await fleet.look("a")
    await fleet.look("b")
    assert not fleet.processes["b"].bots.running, "nothing was given back"
    assert not bots.abandoned, "while the lease can be renewed nobody else runs it: no reason to end the process"
    await fleet.pass_time(TIMING.life_s - TIMING.margin_s + STOP_S + 0.5)
    assert bots.abandoned == set(BOTS)
    await fleet.die("a")
    await fleet.die("b")


async def test_a_bot_that_leaves_the_configuration_is_given_back() -> None:
    fleet = Fleet()
    await fleet.start("a")
    await fleet.look("a")
    process = fleet.processes["a"]
    async with process.keeper.configured({"bot-0": frozenset()}):
        assert process.keeper.holds("bot-1"), "a reload is carried out first"
    await fleet.look("a")
    assert not process.keeper.holds("bot-1")
    await fleet.pass_time(STOP_S + 0.5)
    await fleet.look("a")
    assert process.bots.running == {"bot-0"}
    assert {bot for bot, row in fleet.tables.leases.items() if row.owner} == {"bot-0"}
    await fleet.die("a")


async def test_an_answer_that_comes_too_late_ends_the_bots_before_anything_else() -> None:
    fleet = Fleet()
    await fleet.start("a")
    await fleet.look("a")
    process = fleet.processes["a"]
    await fleet.begin("a")
    await fleet.step("a", "good")  # the lease is renewed, and the answer on its way
    late_s = TIMING.life_s - TIMING.margin_s
    fleet.tables.now += late_s
    process.clock.skip(late_s)  # the process had no turn, so its timer did not fire
    assert process.bots.running == set(BOTS)
    await fleet.step("a", "good")
    assert not process.bots.running
    await fleet.die("a")


async def test_a_reload_holds_up_no_beat() -> None:
    fleet = Fleet()
    await fleet.start("a")
    await fleet.look("a")
    process = fleet.processes["a"]
    async with process.keeper.configured(dict.fromkeys(BOTS, frozenset())):
        await fleet.look("a")
        assert process.looking is not None
        assert process.looking.done()
    await fleet.die("a")
