"""Who gets what of the feed: whatever happens, and whoever comes, goes and sleeps, a client has what /status says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import RaceState
from exporter.process import ProcessState
from exporter.stats import StreamStats
from exporter.store import StatusStore
from exporter.web import encode
from exporter.web.stream.filters import Filter
from exporter.web.stream.frames import WEBSOCKET
from exporter.web.stream.hub import HEARTBEAT_S, LOOK_S, PATIENCE_S, TICK_S, Hub
from exporter.web.stream.log import ChangeLog
from exporter.web.stream.objects import Objects
from exporter.web.stream.subscriber import MOST_WAITING, WRITE, Ending, Subscriber
from tests.clock import ManualClock
from tests.replica import Replica, messages
from tests.web.fleet import DOTA2, RACETIME, lobby, race_view

TRAITS = {"dota2": DOTA2, "racetime": RACETIME}
EVERYTHING = Filter()
ONLY_BOTS = Filter(kinds=frozenset({"bot"}))


class Pipe:
    """A way to a client that takes all at once, or nothing while it is `stuck`. `most` is the most that ever waited,
    `longest` the longest write."""

    def __init__(self) -> None:
        self.taken = b""
        self.stuck = False
        self.most = 0
        self.longest = 0
        self.writes = 0
        self._buffer = b""
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        return len(self._buffer)

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.longest = max(self.longest, len(data))
        if not self.stuck:
            self.taken += data
            return
        self._buffer += data
        self.most = max(self.most, len(self._buffer))
        if len(self._buffer) > MOST_WAITING:
            self._empty.clear()

    async def drained(self) -> None:
        await self._empty.wait()

    def flow(self) -> None:
        self.stuck = False
        self.taken, self._buffer = self.taken + self._buffer, b""
        self._empty.set()


class Client:
    """A client that may come back: each `attach` is another connection, with what it remembers of the one before."""

    def __init__(self, hub: Hub, wanted: Filter = EVERYTHING) -> None:
        self._hub = hub
        self.wanted = wanted
        self.replica = Replica()
        self.pipe = Pipe()
        self.may_stay = True
        self.subscriber: Subscriber | None = None
        self._stack = ExitStack()
        self._task: asyncio.Task[Any] | None = None

    def attach(self) -> None:
        position = self._hub.frames.position(self.replica.cursor) or 0
        self.replica.connected()
        self.pipe = Pipe()
        self.subscriber = Subscriber(self.wanted, WEBSOCKET, self.pipe, position, lambda: self.may_stay)
        self._stack.enter_context(self._hub.subscribed(self.subscriber))
        self._task = asyncio.create_task(self._hub.feed(self.subscriber))

    async def detach(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = self.subscriber = None
            self._stack.close()
        self.read()

    def read(self) -> None:
        taken, self.pipe.taken = self.pipe.taken, b""
        for message in messages(taken):
            self.replica.take(message)

    @property
    def ending(self) -> Ending | None:
        assert self.subscriber is not None
        return self.subscriber.ended.result() if self.subscriber.ended.done() else None


class World:
    """A store, the hub that follows it, and a clock."""

    def __init__(self, most_gone: int = 1000) -> None:
        self.clock = ManualClock()
        self.store = StatusStore()
        self.process = ProcessState(version="1", started_at=self.clock.now(), ready=True)
        self.stats = StreamStats()
        self.platforms: dict[str, str] = {}
        objects = Objects(self.store, self.process, self.figures)
        self.hub = Hub(
            self.store,
            self.process,
            objects,
            boot="b0",
            clock=self.clock,
            stats=self.stats,
            log=ChangeLog(most_gone),
        )

    def figures(self) -> encode.Json:
        return encode.system(
            self.store, self.process, (DOTA2, RACETIME), now=self.clock.now(), lobbies_created=0, logons=None
        )

    def status(self, wanted: Filter) -> dict[tuple[str, str | None], Any]:
        """Return what /status says now, as far as a client wants it."""

        def mine(bot: str) -> bool:
            platform = self.platforms[bot]  # also of one that has left the fleet
            return (not wanted.bots or bot in wanted.bots) and (not wanted.platforms or platform in wanted.platforms)

        found: dict[tuple[str, str | None], Any] = {}
        for name, bot in self.store.bots.items():
            if mine(name):
                found["bot", name] = encode.bot(bot, draining=self.process.draining)
        for name, each in self.store.lobbies.items():
            if mine(each.bot):
                host = self.store.bots.get(each.bot)
                found["lobby", name] = encode.lobby(each, bot_username=host.subject if host else None)
        for name, race in self.store.races.items():
            if any(mine(bot) for bot in race.bots):
                found["race", name] = encode.race(race)
        if "system" in wanted.kinds or not (wanted.bots or wanted.platforms):
            found["system", None] = self.figures()
        return {key: value for key, value in found.items() if not wanted.kinds or key[0] in wanted.kinds}

    async def pass_on(self, seconds: float = LOOK_S) -> None:
        """Let time pass, and then have everything written that has changed."""
        await self.clock.advance(seconds)
        await self.clock.advance(TICK_S)
        for _ in range(20):
            await self.clock.settle()

    def assert_same(self, client: Client) -> None:
        client.read()
        expected, found = self.status(client.wanted), dict(client.replica.objects)
        for system in (expected.get(("system", None)), found.get(("system", None))):
            if system is not None:
                system["uptime_seconds"] = 0
        assert found == expected
        assert client.replica.complete

    def add(self, bot: str, platform: str = "racetime") -> None:
        if bot not in self.store.bots:
            self.platforms[bot] = platform
            self.store.apply(ev.BotAdded(bot, self.clock.now(), TRAITS[platform], f"{bot}-user", active=True))

    def connect(self, bot: str) -> None:
        now = self.clock.now()
        ready = self.store.bots[bot].traits.ready
        self.store.apply(ev.StateEntered(bot, now, ready))
        self.store.apply(ev.HealthProved(bot, now, 30.0))


@asynccontextmanager
async def running(most_gone: int = 1000) -> AsyncIterator[World]:
    world = World(most_gone)
    world.hub.start()
    try:
        yield world
    finally:
        await world.hub.stop()


# --- any interleaving ---

FILTERS = (
    EVERYTHING,
    Filter(kinds=frozenset({"bot", "system"})),
    Filter(bots=frozenset({"a"})),
    Filter(platforms=frozenset({"racetime"})),
    Filter(kinds=frozenset({"race", "lobby", "system"}), platforms=frozenset({"dota2", "racetime"})),
    Filter(bots=frozenset({"a", "c"}), platforms=frozenset({"dota2"})),
)
BOTS = st.sampled_from("abc")
CLIENTS = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("add"), BOTS, st.sampled_from(("dota2", "racetime"))),
    st.tuples(st.just("remove"), BOTS),
    st.tuples(st.just("connect"), BOTS),
    st.tuples(
        st.just("race"), BOTS, st.sampled_from(("r1", "r2")), st.sampled_from((RaceState.OPEN, RaceState.PENDING))
    ),
    st.tuples(st.just("leave race"), BOTS, st.sampled_from(("r1", "r2"))),
    st.tuples(st.just("lobby"), BOTS, st.sampled_from((None, 7, 8)), st.sampled_from(("Puck", "Io"))),
    st.tuples(st.just("close lobby"), BOTS, st.sampled_from((None, 7, 8))),
    st.tuples(st.just("drain"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from((TICK_S, LOOK_S, HEARTBEAT_S))),
    st.tuples(st.just("turn"), st.integers(1, 4)),
    st.tuples(st.just("attach"), CLIENTS, st.sampled_from(FILTERS)),
    st.tuples(st.just("detach"), CLIENTS),
    st.tuples(st.just("stick"), CLIENTS),
    st.tuples(st.just("flow"), CLIENTS),
)


async def step(world: World, clients: dict[int, Client], what: str, *facts: Any) -> None:  # noqa: PLR0912  (one case a step)
    now = world.clock.now()
    match what:
        case "add":
            world.add(*facts)
        case "remove":
            world.store.apply(ev.BotRemoved(facts[0], now))
        case "connect" if facts[0] in world.store.bots:
            world.connect(facts[0])
        case "race":
            world.store.apply(ev.RaceUpdated(facts[0], now, race_view(facts[1], state=facts[2])))
        case "leave race":
            world.store.apply(ev.RaceForgotten(facts[0], now, f"alttpr/{facts[1]}"))
        case "lobby":
            world.store.apply(ev.LobbyUpdated(facts[0], now, lobby(facts[0], lobby_id=facts[1], player=facts[2])))
        case "close lobby":
            world.store.apply(ev.LobbyForgotten(facts[0], now, str(facts[1] or facts[0])))
        case "drain":
            world.process.draining = facts[0]
        case "wait":
            await world.clock.advance(facts[0])
        case "turn":
            for _ in range(facts[0]):
                await asyncio.sleep(0)
        case "attach" if facts[0] not in clients:
            clients[facts[0]] = Client(world.hub, facts[1])
            clients[facts[0]].attach()
        case "attach" if clients[facts[0]].subscriber is None:
            clients[facts[0]].attach()
        case "detach" if facts[0] in clients:
            await clients[facts[0]].detach()
        case "stick" if facts[0] in clients:
            clients[facts[0]].pipe.stuck = True
        case "flow" if facts[0] in clients:
            clients[facts[0]].pipe.flow()


@given(st.lists(STEPS, max_size=60))
def test_replaying_the_frames_gives_what_status_says(steps: list[tuple[Any, ...]]) -> None:
    async def scene() -> None:
        async with running(most_gone=2) as world:
            clients: dict[int, Client] = {}
            for each in steps:
                await step(world, clients, *each)
            for client in clients.values():
                client.pipe.flow()
            await world.clock.advance(2 * LOOK_S)
            for client in clients.values():
                if client.subscriber is None:
                    client.attach()
                    await world.clock.advance(2 * LOOK_S)
                world.assert_same(client)
            for client in clients.values():
                await client.detach()
            assert not +world.stats.clients
            assert not len(world.hub)

    asyncio.run(scene())


# --- one thing at a time ---


async def test_each_change_is_encoded_and_written_once_for_all() -> None:
    async with running() as world:
        clients = [Client(world.hub) for _ in range(5)]
        for client in clients:
            client.attach()
        await world.clock.settle()
        for bot in "abcde":
            world.add(bot)
            world.connect(bot)
        writes = [client.pipe.writes for client in clients]
        await world.clock.advance(TICK_S)
        assert [client.pipe.writes for client in clients] == [before + 1 for before in writes]
        for client in clients:
            client.read()
            assert [frame["id"] for frame in client.replica.frames if frame["type"] == "change"] == list("abcde")
            await client.detach()


@pytest.mark.parametrize(("changes", "at_once"), [(100, False), (600, True)])
async def test_much_does_not_wait_for_the_tick(changes: int, at_once: bool) -> None:
    async with running() as world:
        for number in range(changes):
            world.add(f"bot{number}")
        client = Client(world.hub, ONLY_BOTS)
        client.attach()
        await world.clock.settle()
        client.read()
        for number in range(changes):
            world.store.apply(ev.HealthProved(f"bot{number}", world.clock.now(), 30.0))
        for _ in range(20):
            await world.clock.settle()
        assert bool(client.pipe.taken) is at_once
        await world.clock.advance(TICK_S)
        for _ in range(20):
            await world.clock.settle()
        world.assert_same(client)
        assert [frame["id"] for frame in client.replica.frames if frame["type"] == "change"] == [
            f"bot{number}" for number in range(changes)
        ]
        await client.detach()


async def test_a_snapshot_then_changes_then_only_what_is_new() -> None:
    async with running() as world:
        world.add("a")
        client = Client(world.hub, ONLY_BOTS)
        client.attach()
        await world.clock.settle()
        client.read()
        assert [(frame["type"], frame["id"]) for frame in client.replica.frames] == [
            ("snapshot", "a"),
            ("snapshot", None),
        ]
        world.connect("a")
        await world.clock.advance(TICK_S)
        await client.detach()
        assert client.replica.types == ["snapshot", "snapshot", "change"]
        for bot in ("b", "c"):
            world.add(bot)
        world.store.apply(ev.BotRemoved("b", world.clock.now()))
        client.attach()
        await world.clock.settle()
        client.read()
        assert [(frame["type"], frame["id"]) for frame in client.replica.frames] == [("change", "c")]
        world.assert_same(client)
        await client.detach()


async def test_what_is_gone_is_in_no_snapshot() -> None:
    async with running() as world:
        for bot in "ab":
            world.add(bot)
        await world.clock.advance(TICK_S)
        world.store.apply(ev.BotRemoved("a", world.clock.now()))
        for wanted in (EVERYTHING, Filter(bots=frozenset({"a"}))):
            client = Client(world.hub, wanted)
            client.attach()
            await world.clock.settle()
            client.read()
            assert "a" not in [frame["id"] for frame in client.replica.frames]
            await client.detach()


async def test_what_leaves_a_filter_is_gone_for_it() -> None:
    async with running() as world:
        now = world.clock.now()
        for bot in "ab":
            world.add(bot)
            world.store.apply(ev.RaceUpdated(bot, now, race_view()))
        client = Client(world.hub, Filter(bots=frozenset({"b"})))
        client.attach()
        await world.clock.settle()
        client.read()
        assert ("race", "alttpr/lucky-link-1") in client.replica.objects
        world.store.apply(ev.RaceForgotten("b", now, "alttpr/lucky-link-1"))
        await world.clock.advance(TICK_S)
        client.read()
        assert ("race", "alttpr/lucky-link-1") in world.status(EVERYTHING)
        assert ("race", "alttpr/lucky-link-1") not in client.replica.objects
        world.assert_same(client)
        other = Client(world.hub, client.wanted)
        other.attach()
        await world.clock.settle()
        other.read()
        assert [frame["id"] for frame in other.replica.frames] == ["b", None]
        for each in (client, other):
            await each.detach()


async def test_what_a_bot_leaves_behind_stays_with_its_platform() -> None:
    async with running() as world:
        wanted = Filter(platforms=frozenset({"dota2"}))
        client = Client(world.hub, wanted)
        client.attach()
        world.add("a", "dota2")
        world.store.apply(ev.LobbyUpdated("a", world.clock.now(), lobby("a")))
        await world.clock.advance(TICK_S)
        world.store.apply(ev.RaceUpdated("a", world.clock.now(), race_view()))  # and leaves at once
        world.store.apply(ev.BotRemoved("a", world.clock.now()))
        await world.clock.advance(TICK_S)
        client.read()
        assert {kind for kind, _ in client.replica.objects} == {"lobby", "race"}
        world.add("a", "racetime")
        await world.clock.advance(TICK_S)
        client.read()
        assert client.replica.objects == {}
        world.assert_same(client)
        await client.detach()


async def test_more_is_gone_at_once_than_is_remembered() -> None:
    async with running(most_gone=2) as world:
        for bot in "abcdef":
            world.add(bot)
        live, slow = Client(world.hub, ONLY_BOTS), Client(world.hub, ONLY_BOTS)
        for client in (live, slow):
            client.attach()
        await world.clock.settle()
        slow.pipe.stuck = True
        slow.pipe.write(slow.subscriber.dialect.message(world.hub.frames.complete(0)) * 1000)  # type: ignore[union-attr]
        for bot in "abcde":
            world.store.apply(ev.BotRemoved(bot, world.clock.now()))
        await world.clock.advance(TICK_S)
        world.assert_same(live)
        slow.pipe.taken, slow.pipe._buffer = b"", b""
        slow.pipe.flow()
        await world.clock.settle()
        assert slow.ending is Ending.SLOW
        for client in (live, slow):
            await client.detach()


async def test_large_objects_are_bounded_too() -> None:
    async with running() as world:
        world.add("a")
        for number in range(100):
            view = replace(race_view(f"race-{number}"), info="x" * 10_000)
            world.store.apply(ev.RaceUpdated("a", world.clock.now(), view))
        live, coming = Client(world.hub), Client(world.hub)
        live.attach()
        await world.clock.settle()
        coming.attach()
        for client in (live, coming):
            client.pipe.stuck = True
        for number in range(100):
            view = replace(race_view(f"race-{number}"), info="y" * 10_000)
            world.store.apply(ev.RaceUpdated("a", world.clock.now(), view))
        await world.clock.advance(LOOK_S)
        for client in (live, coming):
            assert MOST_WAITING < client.pipe.most <= MOST_WAITING + WRITE
            assert WRITE / 2 < client.pipe.longest <= WRITE
            client.pipe.flow()
        await world.pass_on()
        for client in (live, coming):
            world.assert_same(client)
            await client.detach()


async def test_what_changes_again_while_one_catches_up_comes_once() -> None:
    async with running() as world:
        for number in range(500):
            world.add(f"bot{number}")
        client = Client(world.hub, ONLY_BOTS)
        client.attach()
        client.pipe.stuck = True
        await world.clock.settle()
        for number in range(500):
            world.connect(f"bot{number}")
        await world.clock.advance(TICK_S)
        client.pipe.flow()
        await world.pass_on(0)
        world.assert_same(client)
        assert 500 < len(client.replica.frames) < 800
        await client.detach()


async def test_the_rest_of_the_program_has_its_turns_meanwhile() -> None:
    async with running() as world:
        for number in range(1000):
            world.add(f"bot{number}")
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        client = Client(world.hub)
        beside = asyncio.create_task(others())
        client.attach()
        while not client.replica.complete:
            await asyncio.sleep(0)
            client.read()
        assert turns > 1000 / 64
        for number in range(1000):
            world.connect(f"bot{number}")
        turns = 0
        advancing = asyncio.create_task(world.clock.advance(TICK_S))
        while len(client.replica.frames) < 2000:
            await asyncio.sleep(0)
            client.read()
            world.hub._beat()  # a sign of life in between must not have a cursor that is ahead of what was told
        assert turns > 1000 / 64
        await advancing
        beside.cancel()
        await client.detach()


async def test_nobody_costs_no_ticks_and_whoever_comes_then_hears_everything() -> None:
    async with running() as world:
        await world.pass_on()
        assert world.hub.is_idle
        world.add("first")
        await world.clock.settle()
        assert min(world.clock.sleeping) > TICK_S, "it waits for nothing but the look around"
        client = Client(world.hub, ONLY_BOTS)
        client.attach()
        await world.clock.settle()
        world.assert_same(client)
        await client.detach()
        world.add("second")
        await world.pass_on()
        assert world.hub.is_idle
        client.attach()
        await world.clock.settle()
        world.assert_same(client)
        await client.detach()


async def test_who_comes_back_hears_what_has_gone_unless_that_is_forgotten() -> None:
    async with running(most_gone=2) as world:
        client = Client(world.hub, ONLY_BOTS)
        for bot in "abcdef":
            world.add(bot)
        for gone, expected in (("ab", {"change"}), ("cde", {"snapshot"})):
            client.attach()
            await world.clock.advance(TICK_S)
            await client.detach()
            for bot in gone:
                world.store.apply(ev.BotRemoved(bot, world.clock.now()))
            await world.clock.advance(TICK_S)
            client.attach()
            await world.clock.settle()
            client.read()
            assert set(client.replica.types) == expected
            world.assert_same(client)
            await client.detach()


async def test_a_snapshot_that_was_cut_off_begins_anew() -> None:
    async with running() as world:
        for number in range(300):
            world.add(f"bot{number}")
        client = Client(world.hub)
        client.attach()
        client.pipe.stuck = True
        await world.clock.settle()
        client.pipe.flow()
        await client.detach()
        assert not client.replica.complete
        assert 0 < len(client.replica.objects) < 300
        client.attach()
        await world.clock.advance(LOOK_S)
        world.assert_same(client)
        assert client.replica.types[0] == "snapshot"
        await client.detach()


async def test_a_cursor_of_another_run_or_of_nobody() -> None:
    async with running() as world:
        world.add("a")
        await world.clock.advance(TICK_S)
        for cursor in ("b1-1", "b0-0", "b0-999"):
            client = Client(world.hub)
            client.replica.cursor = cursor
            client.attach()
            await world.clock.settle()
            client.read()
            assert client.replica.types[0] == "snapshot", cursor
            world.assert_same(client)
            await client.detach()


async def test_one_who_does_not_read_is_bounded_and_delays_nobody() -> None:
    async with running() as world:
        for number in range(200):
            world.add(f"bot{number}")
        stalled, other = Client(world.hub, ONLY_BOTS), Client(world.hub, ONLY_BOTS)
        for client in (stalled, other):
            client.attach()
        await world.clock.settle()
        stalled.pipe.stuck = True
        for beat in range(int(PATIENCE_S) + 3):
            for number in range(200):
                world.store.apply(ev.HealthProved(f"bot{number}", world.clock.now() + beat, 30.0))
            await world.clock.advance(LOOK_S)
            world.assert_same(other)
        assert MOST_WAITING < stalled.pipe.most <= MOST_WAITING + WRITE
        assert stalled.ending is Ending.SLOW
        assert (stalled.may_stay, other.ending, world.stats.dropped["slow"]) == (True, None, 1)
        for client in (stalled, other):
            await client.detach()


async def test_a_slow_reader_gets_the_newest_of_each_object_and_is_not_dropped() -> None:
    async with running() as world:
        for number in range(200):
            world.add(f"bot{number}")
        client = Client(world.hub, ONLY_BOTS)
        client.attach()
        await world.clock.settle()
        for beat in range(int(PATIENCE_S) * 2):
            client.pipe.stuck = True
            for number in range(200):
                world.store.apply(ev.HealthProved(f"bot{number}", world.clock.now() + beat, 30.0))
            await world.clock.advance(LOOK_S)
            client.pipe.flow()
            await world.clock.settle()
            client.read()
        assert client.ending is None
        assert client.pipe.most <= MOST_WAITING + WRITE
        await world.clock.advance(LOOK_S)
        world.assert_same(client)
        await client.detach()


async def test_a_sign_of_life_has_the_newest_cursor() -> None:
    async with running() as world:
        world.add("a")
        client = Client(world.hub, Filter(bots=frozenset({"a"})))
        client.attach()
        await world.clock.advance(LOOK_S)
        world.add("b")  # not for this client; but once it comes back there is nothing to look for
        await world.clock.advance(HEARTBEAT_S)
        client.read()
        assert client.replica.types == ["snapshot", "snapshot", "heartbeat"]
        assert client.replica.cursor == "b0-2"
        await world.clock.advance(HEARTBEAT_S)
        client.read()
        assert client.replica.types[-2:] == ["heartbeat", "heartbeat"]
        await client.detach()


async def test_who_comes_back_when_nothing_has_happened_hears_a_sign_of_life_first() -> None:
    async with running() as world:
        world.add("a")
        client = Client(world.hub, ONLY_BOTS)
        for _ in range(2):
            client.attach()
            await world.clock.settle()
            await client.detach()
        client.attach()
        await world.clock.advance(HEARTBEAT_S)
        client.read()
        assert client.replica.types == ["heartbeat"]
        world.assert_same(client)
        await client.detach()


async def test_the_system_comes_once_a_second_and_not_for_time_alone() -> None:
    async with running() as world:
        client = Client(world.hub, Filter(kinds=frozenset({"system"})))
        client.attach()
        await world.clock.advance(5 * LOOK_S)
        client.read()
        assert client.replica.types == ["snapshot", "snapshot"]
        for number in range(20):
            world.add(f"bot{number}")
            await world.clock.advance(LOOK_S / 20)
        await world.clock.advance(LOOK_S)
        client.read()
        assert 1 <= client.replica.types.count("change") <= 2
        assert client.replica.objects["system", None]["total_bots"] == 20
        await client.detach()


async def test_draining_shows_with_the_next_change() -> None:
    async with running() as world:
        world.add("a")
        world.connect("a")
        client = Client(world.hub)
        client.attach()
        await world.clock.settle()
        world.process.draining = True
        world.add("b")
        await world.clock.advance(TICK_S)
        client.read()
        assert client.replica.objects["bot", "a"]["available"] is False
        await client.detach()


async def test_draining_shows_by_itself() -> None:
    async with running() as world:
        world.add("a")
        world.connect("a")
        client = Client(world.hub)
        client.attach()
        await world.clock.settle()
        for draining in (True, False):
            world.process.draining = draining
            await world.pass_on()
            client.read()
            assert client.replica.objects["bot", "a"]["available"] is not draining
            assert client.replica.objects["system", None]["draining"] is draining
        await client.detach()


async def test_a_lobby_whose_bot_leaves_has_no_username_any_more() -> None:
    async with running() as world:
        world.add("a", "dota2")
        world.store.apply(ev.LobbyUpdated("a", world.clock.now(), lobby("a")))
        client = Client(world.hub)
        client.attach()
        await world.clock.settle()
        world.store.apply(ev.BotRemoved("a", world.clock.now()))
        await world.pass_on()
        world.assert_same(client)
        await client.detach()


async def test_who_may_not_stay_is_ended_and_counted_once() -> None:
    async with running() as world:
        gone, stays = Client(world.hub), Client(world.hub)
        for client in (gone, stays):
            client.attach()
        gone.may_stay = False
        world.hub.check()
        world.hub.check()
        assert (gone.ending, stays.ending) == (Ending.REVOKED, None)
        assert world.stats.dropped == {"revoked": 1}
        await world.hub.stop()
        assert (gone.ending, stays.ending) == (Ending.REVOKED, Ending.STOPPED)
        late = Client(world.hub)
        late.attach()
        assert late.ending is Ending.STOPPED
        for client in (gone, stays, late):
            await client.detach()


async def test_an_event_inside_an_event_is_not_overtaken() -> None:
    """A subscriber of the store may cause another change before the hub hears of the first."""
    async with running() as world:
        world.add("a")
        client = Client(world.hub)
        client.attach()
        await world.clock.settle()

        def react(change: ev.Change) -> None:
            if isinstance(change.event, ev.RaceUpdated) and change.kind == "race":
                world.connect("a")

        world.store.subscribe(react)
        world.store.apply(ev.RaceUpdated("a", world.clock.now(), race_view()))
        await world.pass_on()
        world.assert_same(client)
        await client.detach()


@pytest.mark.parametrize("unsettled", [False, True])
async def test_a_large_fleet_in_turns(unsettled: bool) -> None:
    async with running() as world:
        for number in range(500):
            world.add(f"bot{number}", "dota2" if number % 2 else "racetime")
        clients = [Client(world.hub, wanted) for wanted in FILTERS]
        for client in clients:
            client.attach()
            if unsettled:
                await asyncio.sleep(0)
        for number in range(0, 500, 3):
            world.connect(f"bot{number}")
        for number in range(0, 500, 7):
            world.store.apply(ev.BotRemoved(f"bot{number}", world.clock.now()))
        await world.pass_on()
        for client in clients:
            world.assert_same(client)
            await client.detach()
