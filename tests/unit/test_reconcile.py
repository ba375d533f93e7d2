"""From the fleet that runs to the one that is wanted."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.model import events as ev
from exporter.model import record
from exporter.model.states import BotStatus, DisconnectReason
from exporter.model.status import Maintenance
from exporter.platforms.base import BotContext
from exporter.reconcile import Plan, plan, reconcile
from exporter.runner import RetryPolicy
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor
from tests.clock import ManualClock
from tests.fleet import TRAITS, race_view
from tests.web.fleet import lobby

ELSEWHERE = record.replace(TRAITS, name="elsewhere")


@dataclass(frozen=True)
class Options:
    subject: str
    secret: int = 1


def spec(name: str, subject: str = "", secret: int = 1, *, active: bool = True) -> BotSpec:
    return BotSpec(name, TRAITS, Options(subject or name, secret), active)


# --- the plan ---

SPECS = st.builds(
    BotSpec,
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.sampled_from([TRAITS, ELSEWHERE]),
    st.builds(Options, st.sampled_from(["x", "y"]), st.integers(1, 2)),
    st.booleans(),
)
FLEETS = st.lists(SPECS, unique_by=lambda each: each.name)


def by_name(fleet: Sequence[BotSpec]) -> dict[str, BotSpec]:
    return {each.name: each for each in fleet}


def carried_out(steps: Plan, running: Mapping[str, BotSpec]) -> dict[str, BotSpec]:
    """Return the fleet after the plan, as far as specs go."""
    fleet = {name: each for name, each in running.items() if name not in steps.removed}
    return fleet | by_name([*steps.replaced, *steps.changed, *steps.switched, *steps.added])


@given(FLEETS, FLEETS)
def test_a_plan_leads_to_what_is_wanted_and_touches_nothing_else(old: list[BotSpec], new: list[BotSpec]) -> None:
    running, wanted = by_name(old), by_name(new)
    steps = plan(running, new)
    assert carried_out(steps, running) == wanted
    groups = (steps.replaced, steps.changed, steps.switched, steps.added)
    named = [*steps.removed, *steps.unchanged, *(each.name for group in groups for each in group)]
    assert sorted(named) == sorted(running.keys() | wanted.keys())  # each once
    assert all(running[name] == wanted[name] for name in steps.unchanged)
    assert all(running[each.name].options == each.options for each in steps.switched)
    assert running == by_name(old)
    assert steps == plan(running, new)


@given(FLEETS)
def test_the_same_again_changes_nothing(fleet: list[BotSpec]) -> None:
    assert plan(by_name(fleet), fleet) == Plan(unchanged=tuple(each.name for each in fleet))


@pytest.mark.parametrize(
    ("now", "fate"),
    [
        (spec("a"), "unchanged"),
        (spec("a", active=False), "switched"),
        (spec("a", secret=2), "changed"),
        (spec("a", secret=2, active=False), "changed"),
        (spec("a", "another account"), "replaced"),
        (replace(spec("a"), traits=ELSEWHERE), "replaced"),
        (spec("renamed", "a"), "added"),
    ],
)
def test_what_happens_to_a_bot(now: BotSpec, fate: str) -> None:
    steps = plan({"a": spec("a")}, [now])
    assert getattr(steps, fate) == ((now.name,) if fate == "unchanged" else (now,))
    assert steps.removed == (("a",) if fate == "added" else ())


# --- the execution ---


@dataclass
class World:
    """Which bots run just now, by what they stand for; `stubborn` ones do not stop before they are let go."""

    clock: ManualClock
    running: dict[str, str] = field(default_factory=dict)
    begun: list[tuple[str, float]] = field(default_factory=list)
    stubborn: set[str] = field(default_factory=set)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    clashes: int = 0


class AccountBot:
    """A bot on an account that only one of them can use at a time."""

    def __init__(self, options: Options, context: BotContext, world: World) -> None:
        self.options, self.context, self.world = options, context, world

    async def run(self) -> None:
        context, world, account = self.context, self.world, self.options.subject
        world.clashes += account in world.running
        world.running[account] = context.name
        world.begun.append((context.name, world.clock.monotonic()))
        context.report(ev.StateEntered(context.name, world.clock.now(), "online"))
        context.report(ev.HealthProved(context.name, world.clock.now(), 1e6))
        context.report(ev.RaceUpdated(context.name, world.clock.now(), race_view(category=context.name)))
        try:
            await asyncio.Event().wait()
        finally:
            while context.name in world.stubborn and not world.let_go.is_set():
                try:
                    await world.let_go.wait()
                except asyncio.CancelledError:
                    continue
            context.report(ev.RaceUpdated(context.name, world.clock.now(), race_view("late", category=context.name)))
            await asyncio.sleep(0)
            del world.running[account]

    def credentials(self) -> object:
        return None


class Bench:
    """A supervisor whose fleet is reconciled."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.world = World(self.clock)
        self.odd = list[ev.Change]()
        self.store = StatusStore(on_unexpected=self.odd.append)
        self.lost = list[tuple[str, DisconnectReason]]()
        self.store.subscribe(self._note)
        self.supervisor = Supervisor(
            self.store,
            {"testing": self, "elsewhere": self},
            clock=self.clock,
            rng=random.Random(3),
            policy=RetryPolicy(),
            hide=lambda *_: None,
            draining=lambda: False,
            stop_limit_s=0.05,
        )

    logons = None
    queue = None

    def bot(self, options: Options, context: BotContext) -> AccountBot:
        return AccountBot(options, context, self.world)

    def _note(self, change: ev.Change) -> None:
        if isinstance(change.event, ev.Disconnected):
            self.lost.append((change.name, change.event.lost))

    async def become(self, *wanted: BotSpec, stagger_s: float = 0.0) -> Plan:
        steps = plan(self.supervisor.specs, wanted)
        await reconcile(steps, self.supervisor, self.store, clock=self.clock, stagger_s=stagger_s)
        await self.clock.settle()
        return steps

    def accounts(self) -> dict[str, str]:
        return {name: account for account, name in self.world.running.items()}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.become(spec("a"), spec("b"), spec("c"))
    await bench.clock.advance(10)
    yield bench
    bench.world.let_go.set()
    await bench.supervisor.shutdown()
    assert bench.odd == []
    assert bench.world.clashes == 0


async def test_only_what_changed_is_touched(bench: Bench) -> None:
    untouched, since = bench.store.bots["b"], bench.clock.now()
    with capture_logs() as logs:
        await bench.become(spec("a", secret=2), spec("b"), spec("d"))
    assert bench.store.bots["b"] is untouched
    changed = bench.supervisor.bot("a")
    assert isinstance(changed, AccountBot)
    assert changed.options == Options("a", 2)
    assert (bench.store.bots["a"].connected_since, bench.store.bots["a"].reconnects) == (since, 1)
    assert bench.lost == [("c", DisconnectReason.RELOAD), ("a", DisconnectReason.RELOAD)]
    assert bench.accounts() == {"a": "a", "b": "b", "d": "d"}
    assert set(bench.supervisor.stats) == set(bench.store.bots) == {"a", "b", "d"}
    told = [(each["event"], each["bot"]) for each in logs if each["component"] == "reload"]
    assert told == [("bot removed", "c"), ("bot changed", "a"), ("bot added", "d")]


async def test_a_changed_bot_keeps_its_figures_and_forgets_its_races(bench: Bench) -> None:
    figures = bench.supervisor.stats["a"]
    bench.store.apply(ev.RaceUpdated("a", bench.clock.now(), race_view("only-the-old-bot-knew-1", category="a")))
    await bench.become(spec("a", secret=2), spec("b"), spec("c"))
    assert bench.supervisor.stats["a"] is figures
    assert bench.store.bots["a"].races == ("a/big-race-1",)


async def test_accounts_can_change_hands(bench: Bench) -> None:
    await bench.become(spec("a", "b"), spec("b", "c"), spec("c", "a"))
    assert bench.accounts() == {"a": "b", "b": "c", "c": "a"}
    assert [bench.store.bots[name].subject for name in "abc"] == ["b", "c", "a"]
    await bench.become(spec("x", "b"), spec("b", "c"), spec("c", "a"))
    assert bench.accounts() == {"x": "b", "b": "c", "c": "a"}


async def test_a_removed_bot_leaves_nothing(bench: Bench) -> None:
    bench.store.apply(ev.LobbyUpdated("a", bench.clock.now(), lobby("a")))
    await bench.become(spec("b"), spec("c"))
    assert set(bench.store.bots) == {"b", "c"}
    assert set(bench.store.races) == {"b/big-race-1", "c/big-race-1"}
    assert not bench.store.lobbies
    assert bench.supervisor.has_platform("testing")
    await bench.become()
    assert not bench.supervisor.has_platform("testing")
    assert bench.world.running == {}


async def test_the_configuration_switches_bots_and_an_order_lasts_until_then(bench: Bench) -> None:
    everyone = (spec("a"), spec("b"), spec("c"))

    def active() -> dict[str, bool]:
        return {name: bot.is_active for name, bot in bench.store.bots.items()}

    await bench.supervisor.stop("a")
    await bench.become(*everyone)
    assert active() == {"a": False, "b": True, "c": True}  # nothing changed in the file
    await bench.become(spec("a", secret=2), spec("b", active=False), spec("c"))
    assert active() == {"a": False, "b": False, "c": True}  # a has other options, but `active` is as it was
    assert bench.store.bots["b"].status is BotStatus.DISCONNECTED
    assert ("b", DisconnectReason.RELOAD) in bench.lost
    await bench.become(spec("a", secret=2, active=False), spec("b", active=False), spec("c"))
    await bench.supervisor.start("b")
    await bench.become(spec("a", secret=3), spec("b", active=False), spec("c"))
    assert active() == {"a": True, "b": True, "c": True}  # a's own value changed, b's order stands
    await bench.clock.settle()
    assert bench.accounts() == {"a": "a", "b": "b", "c": "c"}
    await bench.become(spec("a", secret=4, active=False), spec("b", active=False), spec("c"))
    assert active() == {"a": False, "b": True, "c": True}
    assert bench.accounts() == {"b": "b", "c": "c"}


async def test_a_replaced_bot_keeps_what_an_operator_said_of_it(bench: Bench) -> None:
    maintenance = Maintenance(None, "moving", "boss")
    bench.store.apply(ev.MaintenanceBegan("a", bench.clock.now(), maintenance))
    await bench.supervisor.stop("a")
    await bench.become(spec("a", "another"), spec("b"), spec("c", "third", active=False))
    assert [bench.store.bots[name].is_active for name in "abc"] == [False, True, False]
    assert bench.store.bots["a"].maintenance == maintenance
    assert bench.store.bots["a"].subject == "another"
    await bench.supervisor.start("a")
    await bench.clock.settle()
    assert bench.accounts() == {"a": "another", "b": "b"}


async def test_bots_start_apart(bench: Bench) -> None:
    bench.world.begun.clear()
    began = bench.clock.monotonic()
    fleet = [spec("a", secret=2), spec("b", active=False), spec("c", "third"), *(spec(f"d{n}") for n in range(3))]
    await bench.become(*fleet, stagger_s=2.0)
    await bench.clock.advance(60)
    ordered = [(name, at - began) for name, at in bench.world.begun]
    assert ordered == [("a", 0), ("c", 4), ("d0", 6), ("d1", 8), ("d2", 10)]


CHANGE: dict[str, Callable[[], list[BotSpec]]] = {
    "changed": lambda: [spec("a", secret=2), spec("b"), spec("c")],
    "removed": lambda: [spec("b"), spec("c")],
    "switched": lambda: [spec("a", active=False), spec("b"), spec("c")],
}


@pytest.mark.parametrize("what", CHANGE)
async def test_a_bot_that_hangs_does_not_hold_up_the_others(bench: Bench, what: str) -> None:
    bench.world.stubborn.add("a")
    bench.world.clashes = -1 if what == "changed" else 0  # the price of going on
    with capture_logs() as logs:
        await bench.become(*CHANGE[what](), spec("d"))
    assert any("does not stop" in each["event"] for each in logs if each["log_level"] == "critical")
    assert bench.store.bots["d"].healthy
    before = dict(bench.store.bots)
    bench.world.running.setdefault("a", "a")
    bench.world.let_go.set()
    await bench.clock.settle()
    assert dict(bench.store.bots) == before  # its last words count no more
    assert all("late" not in name for name in bench.store.races)


@settings(max_examples=30, deadline=None)
@given(st.lists(FLEETS, max_size=4), st.randoms(use_true_random=False))
def test_any_number_of_reloads_and_orders_end_with_the_fleet_that_is_wanted(
    fleets: list[list[BotSpec]], chance: random.Random
) -> None:
    async def live() -> None:
        bench = Bench()
        for fleet in fleets:
            unlike = {each.options.subject: each for each in fleet}.values()  # one bot for each account
            await bench.become(*unlike)
            wanted = by_name(list(unlike))
            assert bench.supervisor.specs == wanted
            assert set(bench.store.bots) == set(wanted) == set(bench.supervisor.stats)
            assert all(bot.subject == wanted[name].options.subject for name, bot in bench.store.bots.items())
            assert bench.accounts() == {name: bot.subject for name, bot in bench.store.bots.items() if bot.is_active}
            assert all(bot.healthy == bot.is_active for bot in bench.store.bots.values())
            for name in wanted:
                await chance.choice([bench.supervisor.stop, bench.supervisor.start, bench.supervisor.restart])(name)
            await bench.clock.settle()
        await bench.supervisor.shutdown()
        assert (bench.odd, bench.world.clashes) == ([], 0)

    asyncio.run(live())
