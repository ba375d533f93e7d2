"""When the configuration is read again, and what comes of it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.config import Config, load
from exporter.errors import ConfigError, Problem
from exporter.process import ProcessState
from exporter.reload import Fleet, Reloaded, Reloader, Stopping, needs_restart
from exporter.runner import RetryPolicy
from exporter.secrets import SecretError
from exporter.sources import Sources
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor
from exporter.timing import SystemClock
from tests.eventually import eventually
from tests.fleet import TRAITS
from tests.unit.test_supervisor import EagerService, Options

LOOK_S, SETTLE_S = 0.01, 0.02
PROBLEMS = [Problem("config.yaml", 3, "bots[0].name", "is missing"), Problem("config.yaml", 9, "pots", "unknown key")]


class WatchedClock(SystemClock):
    """The machine's clock, which counts the looks and does something while a file should settle."""

    def __init__(self) -> None:
        self.looks = 0
        self.while_settling: list[Callable[[], None]] = []

    async def sleep(self, seconds: float) -> None:
        if seconds == SETTLE_S and self.while_settling:
            self.while_settling.pop(0)()
        self.looks += seconds == LOOK_S
        await super().sleep(seconds)


class Bench:
    """A reloader whose configuration is `text`; a reading waits for `go`, and raises `error` if there is one."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "config.yaml"
        self.write("bots: []")
        self.store = StatusStore()
        self.clock = WatchedClock()
        self.process = ProcessState("1", 0.0, config_loaded_at=1.0)
        self.readings = 0
        self.error: Exception | None = None
        self.keys_error: Exception | None = None
        self.names: tuple[str, ...] = ()
        self.keys = list[Config]()
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()
        self.supervisor = Supervisor(
            self.store,
            {"testing": EagerService()},
            clock=SystemClock(),
            rng=random.Random(3),
            policy=RetryPolicy(),
            hide=lambda *_: None,
            draining=lambda: False,
        )
        sources = Sources()
        self.reloader = Reloader(
            Fleet(load(self.file, sources=sources), (), sources),
            self.read,
            self.supervisor,
            self.store,
            self.process,
            prepare=self.prepare,
            clock=self.clock,
            stagger=lambda _: 0.0,
            asked=self.asked,
        )

    def write(self, text: str) -> None:
        self.file.with_name("new").write_text(text)
        self.file.with_name("new").replace(self.file)

    def read(self, sources: Sources) -> Fleet:
        """Read as the program does, in a thread."""
        self.readings += 1
        self.loop.call_soon_threadsafe(self.begun.set)
        if not self.go.is_set():
            asyncio.run_coroutine_threadsafe(self.go.wait(), self.loop).result(10)
        config = load(self.file, sources=sources)
        if self.error is not None:
            raise self.error
        specs = tuple(BotSpec(name, TRAITS, Options(name), active=True) for name in self.names)
        return Fleet(config, specs, sources)

    def prepare(self, config: Config) -> Callable[[], None]:
        if self.keys_error is not None:
            raise self.keys_error
        return lambda: self.keys.append(config)

    async def some_looks_until(self, readings: int) -> None:
        """Wait for so many readings, and then until the watch had time to find more."""
        await eventually(lambda: self.readings >= readings)
        looks = self.clock.looks
        await eventually(lambda: self.clock.looks > looks + 5)

    @asynccontextmanager
    async def running(self, *more: Any) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each) for each in (self.reloader.run(), *more)]
        try:
            yield
        finally:
            self.go.set()
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await self.supervisor.shutdown()
        assert all(isinstance(each, asyncio.CancelledError) for each in outcomes), outcomes


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_good_configuration_is_used(bench: Bench) -> None:
    bench.names = ("a", "b")
    async with bench.running():
        with capture_logs() as logs:
            done = await bench.reloader.ask("a test")
        assert (set(bench.store.bots), len(bench.keys)) == ({"a", "b"}, 1)
        assert [spec.name for spec in done.plan.added] == ["a", "b"]
        assert bench.process.config_ok
        loaded_at = bench.process.config_loaded_at
        assert loaded_at is not None
        assert loaded_at > 1.0
    (told,) = (each for each in logs if each["event"] == "configuration reloaded")
    assert (told["by"], told["added"], told["unchanged"]) == ("a test", 2, 0)


async def test_a_bad_configuration_changes_nothing_and_shows_every_problem(bench: Bench) -> None:
    bench.names = ("a",)
    async with bench.running():
        await bench.reloader.ask("a test")
        before, loaded_at = dict(bench.supervisor.specs), bench.process.config_loaded_at
        bench.names, bench.error = (), ConfigError(PROBLEMS)
        with capture_logs() as logs, pytest.raises(ConfigError, match="unknown key"):
            await bench.reloader.ask("a test")
        assert (bench.supervisor.specs, len(bench.keys)) == (before, 1)
        assert (bench.process.config_ok, bench.process.config_loaded_at) == (False, loaded_at)
        assert [each["problem"] for each in logs if "problem" in each] == [str(each) for each in PROBLEMS]
        bench.error = None
        await bench.reloader.ask("a test")
        assert bench.process.config_ok
        assert not bench.store.bots


async def test_a_key_file_that_is_gone_at_the_last_moment_is_a_problem(bench: Bench) -> None:
    bench.names, bench.keys_error = ("a",), SecretError("secret file eye.key cannot be read")
    async with bench.running():
        with pytest.raises(ConfigError, match=r"web\.keys: secret file eye\.key cannot be read"):
            await bench.reloader.ask("a test")
        assert not bench.store.bots


async def test_reloads_never_overlap_and_many_are_one(bench: Bench) -> None:
    async with bench.running():
        bench.go.clear()
        first = asyncio.create_task(bench.reloader.ask("first"))
        await bench.begun.wait()
        with capture_logs() as logs:
            others = [asyncio.create_task(bench.reloader.ask(by)) for by in ("x", "y", "x")]
            bench.asked.set()
            await asyncio.sleep(0)
            assert bench.readings == 1
            bench.go.set()
            outcomes = await asyncio.gather(first, *others)
        assert bench.readings == 2
        assert outcomes[1] is outcomes[2] is outcomes[3] is not outcomes[0]
    assert [each["by"] for each in logs if each["event"] == "configuration reloaded"] == ["first", "x, y"]


async def test_sighup_before_the_start_counts(bench: Bench) -> None:
    bench.asked.set()
    bench.names = ("a",)
    with capture_logs() as logs:
        async with bench.running():
            await eventually(lambda: bench.process.config_loaded_at != 1.0)
    assert "a" in bench.store.bots
    assert [each["by"] for each in logs if each["event"] == "configuration reloaded"] == ["SIGHUP"]


async def test_whoever_asks_may_go_away(bench: Bench) -> None:
    bench.names = ("a",)
    async with bench.running():
        bench.go.clear()
        impatient = asyncio.create_task(bench.reloader.ask("impatient"))
        await bench.begun.wait()
        impatient.cancel()
        await asyncio.wait({impatient})
        bench.go.set()
        await eventually(lambda: "a" in bench.store.bots)
        assert isinstance(await bench.reloader.ask("patient"), Reloaded)


async def test_at_the_end_nobody_is_left_waiting(bench: Bench) -> None:
    async with bench.running():
        bench.go.clear()
        served = asyncio.create_task(bench.reloader.ask("served"))
        await bench.begun.wait()
        waiting = asyncio.create_task(bench.reloader.ask("waiting"))
        await asyncio.sleep(0)
    for each in (served, waiting, asyncio.create_task(bench.reloader.ask("late"))):
        with pytest.raises(Stopping, match="about to end"):
            await each
    assert not bench.store.bots


async def test_a_bug_is_not_the_end_of_reloading(bench: Bench) -> None:
    bench.error = RuntimeError("bug")
    async with bench.running():
        with pytest.raises(RuntimeError, match="bug"):
            await bench.reloader.ask("a test")
        assert not bench.process.config_ok
        bench.error = None
        await bench.reloader.ask("a test")
        assert bench.process.config_ok


# --- watching the files ---


async def test_each_change_is_read_once_whether_good_or_bad(bench: Bench) -> None:
    texts = [("bots: [] # 1", True), ("pots: []", False), ("pots: [1]", False), ("bots: [] # 1", True)]
    async with bench.running(bench.reloader.watch(LOOK_S, SETTLE_S)):
        for readings, (text, good) in enumerate(texts, start=1):
            with capture_logs() as logs:
                bench.write(text)
                await bench.some_looks_until(readings)
            assert bench.readings == readings
            assert bench.process.config_ok is good
            assert [each["by"] for each in logs if "by" in each] == ["a changed file"]
            problems = [each["problem"] for each in logs if "problem" in each]
            assert problems == ([] if good else [f"{bench.file}:1: pots: unknown key: did you mean bots?"])


async def test_a_file_that_is_being_written_is_left_alone(bench: Bench) -> None:
    bench.clock.while_settling = [lambda text=f"bots: [{n}": bench.write(text) for n in range(3)]  # type: ignore[misc]
    bench.clock.while_settling.append(lambda: bench.write("bots: [] # whole"))
    async with bench.running(bench.reloader.watch(LOOK_S, SETTLE_S)):
        bench.write("bots:")
        await bench.some_looks_until(1)
        assert bench.clock.while_settling == []
        assert (bench.readings, bench.process.config_ok) == (1, True)


async def test_a_change_that_is_taken_back_is_none(bench: Bench) -> None:
    original = bench.file.read_text()
    bench.clock.while_settling = [lambda: bench.write(original)]
    async with bench.running(bench.reloader.watch(LOOK_S, SETTLE_S)):
        bench.write("pots: []")
        await bench.some_looks_until(0)
        assert bench.clock.while_settling == []
        assert bench.readings == 0


async def test_what_was_reloaded_by_order_is_no_news_for_the_watch(bench: Bench) -> None:
    async with bench.running():
        bench.write("bots: [] # another")
        await bench.reloader.ask("a test")
        watch = asyncio.create_task(bench.reloader.watch(LOOK_S, SETTLE_S))
        await bench.some_looks_until(1)
        watch.cancel()
        await asyncio.wait({watch})
        assert bench.readings == 1


async def test_a_bug_does_not_end_the_watch(bench: Bench) -> None:
    bench.error = RuntimeError("bug")
    async with bench.running(bench.reloader.watch(LOOK_S, SETTLE_S)):
        bench.write("bots: [] # 1")
        await bench.some_looks_until(1)
        bench.error = None
        bench.write("bots: [] # 2")
        await bench.some_looks_until(2)
        assert bench.process.config_ok


# --- what needs a restart ---


def config(folder: Path, text: str) -> Config:
    (folder / "key").write_text("k")
    (folder / "config.yaml").write_text(text)
    return load(folder / "config.yaml")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("bots: [{name: a, platform: x}]", ()),
        ("web: {open_reads: true, keys: [{name: a, role: read, key_file: key}]}", ()),
        ("racetime: {poll_interval: 30s}", ()),
        ("racetime: {poll_interval: 31s, user_agent: me}", ("racetime.poll_interval", "racetime.user_agent")),
        ("steam: {logon_interval: 9s, cm_list: ['cm.example.org:443']}", ("steam.logon_interval", "steam.cm_list")),
        ("simulators: {steam: {enabled: true}}", ("simulators.steam.enabled",)),
    ],
)
def test_what_needs_a_restart(tmp_path: Path, text: str, keys: tuple[str, ...]) -> None:
    before, now = config(tmp_path, "bots: []"), config(tmp_path, text)
    assert needs_restart(before, now) == needs_restart(now, before) == keys


async def test_what_needs_a_restart_is_told_until_it_is_as_it_was(bench: Bench) -> None:
    async with bench.running():
        for text, keys in (
            ("racetime: {user_agent: me}", ("racetime.user_agent",)),
            ("racetime: {user_agent: me} # still", ("racetime.user_agent",)),
            ("racetime: {user_agent: bot-exporter}", ()),
        ):
            bench.write(text)
            with capture_logs() as logs:
                done = await bench.reloader.ask("a test")
            assert done.needs_restart == keys
            assert bench.process.config_ok
            assert [each["keys"] for each in logs if each["log_level"] == "warning"] == [", ".join(keys)] * len(keys)
