"""Starting and stopping bots by name."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from exporter.errors import NotNow, OrderRefused
from exporter.model import events as ev
from exporter.model.states import BotStatus, DisconnectReason
from exporter.model.status import BotMemory, Recalled
from exporter.platforms.base import BotContext
from exporter.runner import RetryPolicy
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor, UnknownBot
from tests.clock import ManualClock
from tests.fleet import TRAITS, race_view


@dataclass(frozen=True)
class Options:
    subject: str


class EagerBot:
    """A bot that is connected as soon as it runs, with one race, and that counts how often it runs at a time."""

    def __init__(self, context: BotContext) -> None:
        self.context = context
        self.running = 0
        self.most = 0
        self.closing = asyncio.Event()

    async def run(self) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            context, now = self.context, self.context.clock.now()
            context.report(ev.StateEntered(context.name, now, "online"))
            context.report(ev.HealthProved(context.name, now, 90.0))
            context.report(ev.RaceUpdated(context.name, now, race_view(category=context.name)))
            await asyncio.Event().wait()
        finally:
            self.closing.set()
            for _ in range(3):
                await asyncio.sleep(0)  # closing takes a moment
            self.running -= 1

    def credentials(self) -> object:
        return None


class EagerService:
    logons = None
    queue = None

    def bot(self, options: object, context: BotContext) -> EagerBot:  # noqa: ARG002  (the seam's signature)
        return EagerBot(context)


@pytest.fixture
def store() -> StatusStore:
    return StatusStore()


@pytest.fixture
async def supervisor(store: StatusStore) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(
        store,
        {"testing": EagerService()},
        clock=ManualClock(),
        rng=random.Random(3),
        policy=RetryPolicy(),
        hide=lambda *_: None,
        draining=lambda: False,
    )
    for name in ("alpha", "beta"):
        await supervisor.add(BotSpec(name, TRAITS, Options(name), active=True))
    await ManualClock().settle()
    yield supervisor
    await supervisor.shutdown()


async def settle() -> None:
    await ManualClock().settle()


async def test_active_bots_run_and_the_others_wait(store: StatusStore, supervisor: Supervisor) -> None:
    await supervisor.add(BotSpec("gamma", TRAITS, Options("gamma"), active=False))
    await settle()
    assert {name: bot.status for name, bot in store.bots.items()} == {
        "alpha": BotStatus.CONNECTED,
        "beta": BotStatus.CONNECTED,
        "gamma": BotStatus.DISCONNECTED,
    }


async def test_stop_and_start(store: StatusStore, supervisor: Supervisor) -> None:
    await supervisor.stop("alpha")
    stopped = store.bots["alpha"]
    assert (stopped.status, stopped.state, stopped.is_active) == (BotStatus.DISCONNECTED, "disconnected", False)
    assert list(store.races) == ["beta/big-race-1"]  # nobody watches alpha's race any more
    assert store.bots["beta"].healthy
    await supervisor.start("alpha")
    await settle()
    assert store.bots["alpha"].healthy


async def test_orders_that_change_nothing_are_no_events(store: StatusStore, supervisor: Supervisor) -> None:
    seen = list[ev.Change]()
    store.subscribe(seen.append)
    await supervisor.start("alpha")
    assert seen == []


async def test_a_restart_is_a_disconnect_and_a_new_connection(store: StatusStore, supervisor: Supervisor) -> None:
    lost = list[DisconnectReason]()

    def note(change: ev.Change) -> None:
        if isinstance(change.event, ev.Disconnected):
            lost.append(change.event.lost)

    store.subscribe(note)
    await supervisor.restart("alpha")
    await settle()
    assert lost == [DisconnectReason.OPERATOR]
    assert (store.bots["alpha"].healthy, store.bots["alpha"].reconnects) == (True, 1)


async def test_orders_on_one_bot_never_overlap(store: StatusStore, supervisor: Supervisor) -> None:
    orders = [supervisor.restart, supervisor.stop, supervisor.start, supervisor.restart, supervisor.start]
    await asyncio.gather(*(order("alpha") for order in orders * 4))
    await settle()
    bot = supervisor.bot("alpha")
    assert isinstance(bot, EagerBot)
    assert (bot.running, bot.most) == (1, 1)
    assert store.bots["alpha"].healthy


@pytest.mark.parametrize("order", ["stop", "restart", "remove"])
async def test_an_order_whose_giver_has_gone_is_carried_out(
    order: str, store: StatusStore, supervisor: Supervisor
) -> None:
    """A client that closes its connection cancels the request that waits for the order."""
    given = asyncio.create_task(getattr(supervisor, order)("alpha"))
    bot = supervisor.bot("alpha")
    assert isinstance(bot, EagerBot)
    await bot.closing.wait()
    given.cancel()
    await asyncio.wait({given})
    await settle()
    assert given.cancelled()
    match order:
        case "stop":
            assert store.bots["alpha"].status is BotStatus.DISCONNECTED
            await supervisor.start("alpha")
        case "remove":
            assert list(store.bots) == ["beta"]
            return
    await settle()
    assert store.bots["alpha"].healthy
    assert (bot.running, bot.most) == (1, 1)


async def test_no_bot_starts_while_the_process_stops(store: StatusStore, supervisor: Supervisor) -> None:
    bots = {name: supervisor.bot(name) for name in ("alpha", "beta")}
    orders = [supervisor.restart("alpha"), supervisor.restart("alpha"), supervisor.start("beta")]
    given = [asyncio.create_task(order) for order in orders]
    await asyncio.sleep(0)
    await supervisor.shutdown()
    outcomes = await asyncio.gather(*given, return_exceptions=True)
    assert any(isinstance(outcome, OrderRefused) for outcome in outcomes)
    for name, bot in bots.items():
        assert isinstance(bot, EagerBot)
        assert bot.running == 0
        assert not store.bots[name].healthy
        with pytest.raises(OrderRefused, match="stopping"):
            await supervisor.start(name)


async def test_removing_a_bot_leaves_nothing(store: StatusStore, supervisor: Supervisor) -> None:
    late = asyncio.gather(supervisor.remove("alpha"), supervisor.start("alpha"), return_exceptions=True)
    assert isinstance((await late)[1], UnknownBot)
    assert list(store.bots) == ["beta"]
    assert list(store.races) == ["beta/big-race-1"]
    assert list(supervisor.stats) == ["beta"]


async def test_unknown_and_taken_names(supervisor: Supervisor) -> None:
    with pytest.raises(UnknownBot, match="there is no bot named 'nobody'"):
        await supervisor.stop("nobody")
    with pytest.raises(ValueError, match="a bot named alpha already"):
        await supervisor.add(BotSpec("alpha", TRAITS, Options("alpha"), active=True))


async def test_shutdown_ends_every_task(store: StatusStore, supervisor: Supervisor) -> None:
    await supervisor.shutdown()
    assert {bot.status for bot in store.bots.values()} == {BotStatus.UNKNOWN}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_bot_that_misses_its_end_is_told_twice(store: StatusStore) -> None:
    class DeafBot(EagerBot):
        async def run(self) -> None:
            try:
                await super().run()
            finally:
                await asyncio.Event().wait()  # until it is cancelled again

    class DeafService(EagerService):
        def bot(self, options: object, context: BotContext) -> EagerBot:  # noqa: ARG002  (the seam's signature)
            return DeafBot(context)

    supervisor = Supervisor(
        store,
        {"testing": DeafService()},
        clock=ManualClock(),
        rng=random.Random(3),
        policy=RetryPolicy(),
        hide=lambda *_: None,
        draining=lambda: False,
        stop_limit_s=0.02,
    )
    await supervisor.add(BotSpec("deaf", TRAITS, Options("deaf"), active=True))
    await settle()
    bot = supervisor.bot("deaf")
    await supervisor.stop("deaf")
    assert (store.bots["deaf"].status, store.races) == (BotStatus.DISCONNECTED, {})
    assert supervisor.bot("deaf") is bot  # it was not given up
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_bot_can_be_started_later_so_that_a_fleet_does_not_start_at_once(store: StatusStore) -> None:
    clock = ManualClock()
    supervisor = Supervisor(
        store,
        {"testing": EagerService()},
        clock=clock,
        rng=random.Random(3),
        policy=RetryPolicy(),
        hide=lambda *_: None,
        draining=lambda: False,
    )
    await supervisor.add(BotSpec("late", TRAITS, Options("late"), active=True), delay_s=5.0)
    await clock.advance(4.9)
    assert store.bots["late"].status is BotStatus.UNKNOWN
    await clock.advance(0.2)
    assert store.bots["late"].healthy
    await supervisor.shutdown()


async def test_what_is_remembered_of_a_bot_decides_whether_it_runs(store: StatusStore) -> None:
    asked: list[tuple[str, bool]] = []

    def recall(name: str, configured: bool, subject: str) -> Recalled:
        assert subject == name
        asked.append((name, configured))
        return Recalled(not configured, BotMemory(BotStatus.CONNECTED, last_connected_at=7.0))

    supervisor = Supervisor(
        store,
        {"testing": EagerService()},
        clock=ManualClock(),
        rng=random.Random(3),
        policy=RetryPolicy(),
        hide=lambda *_: None,
        draining=lambda: False,
        recall=recall,
    )
    await supervisor.add(BotSpec("alpha", TRAITS, Options("alpha"), active=True))
    await supervisor.add(BotSpec("beta", TRAITS, Options("beta"), active=False))
    await ManualClock().settle()
    alpha, beta = store.bots["alpha"], store.bots["beta"]
    assert asked == [("alpha", True), ("beta", False)]
    assert (alpha.status, alpha.is_active, alpha.last_connected_at) == (BotStatus.DISCONNECTED, False, 7.0)
    assert (beta.status, beta.is_active) == (BotStatus.CONNECTED, True)
    await supervisor.change(BotSpec("beta", TRAITS, Options("beta"), active=True))
    assert asked[2:] == [("beta", True)]  # what the configuration says now
    await supervisor.change(BotSpec("beta", TRAITS, Options("beta"), active=True))
    assert len(asked) == 3
    await supervisor.shutdown()


async def test_a_bot_may_ask_who_is_expected_in_its_own_lobbies(store: StatusStore) -> None:
    known = {("alpha", 7): 4, ("beta", 8): 2}
    supervisor = Supervisor(
        store,
        {"testing": EagerService()},
        clock=ManualClock(),
        rng=random.Random(3),
        policy=RetryPolicy(),
        hide=lambda *_: None,
        draining=lambda: False,
        expected=lambda bot, lobby: known.get((bot, lobby)),
    )
    await supervisor.add(BotSpec("alpha", TRAITS, Options("alpha"), active=False))
    bot = supervisor.bot("alpha")
    assert isinstance(bot, EagerBot)
    assert (bot.context.expected(7), bot.context.expected(8)) == (4, None)
    await supervisor.shutdown()


async def test_a_bot_that_another_process_is_to_run_leaves_without_an_end(
    store: StatusStore, supervisor: Supervisor
) -> None:
    told: list[ev.Change] = []
    store.subscribe(told.append)
    await supervisor.release("alpha")
    assert "alpha" not in store.bots
    assert "alpha" not in supervisor.specs
    facts = [each.event for each in told]
    assert [each.elsewhere for each in facts if isinstance(each, ev.BotRemoved | ev.RaceForgotten)] == [True] * 3
    await supervisor.add(BotSpec("alpha", TRAITS, Options("alpha"), active=True), arrival="back again")
    await settle()
    assert store.bots["alpha"].healthy


async def test_a_bot_that_is_cut_does_nothing_more_and_may_close_its_sockets(
    store: StatusStore, supervisor: Supervisor
) -> None:
    bot = supervisor.bot("alpha")
    assert isinstance(bot, EagerBot)
    supervisor.cut(["alpha", "nobody"])
    await bot.closing.wait()
    await supervisor.release("alpha")  # a second cancellation would break off the closing
    assert bot.running == 0
    assert "alpha" not in store.bots
    assert store.bots["beta"].healthy


async def test_a_bot_that_may_not_run_here_is_not_begun_and_takes_no_orders(store: StatusStore) -> None:
    mine: set[str] = set()
    supervisor = Supervisor(
        store,
        {"testing": EagerService()},
        clock=ManualClock(),
        rng=random.Random(3),
        policy=RetryPolicy(),
        hide=lambda *_: None,
        draining=lambda: False,
        allowed=mine.__contains__,
    )
    await supervisor.add(BotSpec("alpha", TRAITS, Options("alpha"), active=True))
    await settle()
    bot = supervisor.bot("alpha")
    assert isinstance(bot, EagerBot)
    assert bot.running == 0
    with pytest.raises(NotNow, match="not this process' any more"):
        bot.context.check_allowed()
    mine.add("alpha")
    bot.context.check_allowed()
    await supervisor.restart("alpha")
    await settle()
    assert store.bots["alpha"].healthy
    await supervisor.shutdown()
