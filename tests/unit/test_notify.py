"""The service manager hears what it has to, over a real datagram socket, and a loop that hangs says nothing."""

import asyncio
import os
from pathlib import Path

import pytest

from exporter.errors import StartError
from exporter.notify import ServiceManager
from exporter.timing import SystemClock
from tests.clock import ManualClock
from tests.listener import Listener


def test_it_says_what_sd_notify_says(tmp_path: Path) -> None:
    with Listener.at(str(tmp_path / "notify")) as heard:
        manager = ServiceManager(heard.address, None)
        manager.ready("serving at 127.0.0.1:9977")
        manager.reloading()
        manager.reloaded(True)
        manager.reloaded(False)
        manager.stopping("draining", 75.5)
        assert heard.next() == {"READY": "1", "STATUS": "serving at 127.0.0.1:9977"}
        reloading = heard.next()
        assert set(reloading) == {"RELOADING", "MONOTONIC_USEC"}
        assert int(reloading["MONOTONIC_USEC"]) > 0
        assert heard.next() == {"READY": "1", "STATUS": "serving at 127.0.0.1:9977"}
        assert heard.next() == {"READY": "1", "STATUS": "the last reload failed: see the log"}
        assert heard.next() == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "75500000", "STATUS": "draining"}


def test_an_abstract_name() -> None:
    with Listener.at(f"@bot-exporter-test-{os.getpid()}") as heard:
        ServiceManager(heard.address, None).ready("")
        assert heard.next()["READY"] == "1"


def test_without_a_manager_nothing_is_sent() -> None:
    manager = ServiceManager.of_environment({"WATCHDOG_USEC": "1000"})
    manager.ready("nobody listens")
    assert manager.watchdog_s is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "78"}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_is_named(environment: dict[str, str], expected: float | None) -> None:
    manager = ServiceManager.of_environment({"NOTIFY_SOCKET": "/run/notify", **environment}, pid=77)
    assert manager.watchdog_s == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"NOTIFY_SOCKET": "notify"},
        {"NOTIFY_SOCKET": "/"},
        {"NOTIFY_SOCKET": "@"},
        {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "-1"},
    ],
)
def test_what_no_manager_writes_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(StartError, match="under systemd"):
        ServiceManager.of_environment(environment)


async def test_signs_of_life_come_three_times_in_the_time_that_is_given(tmp_path: Path) -> None:
    clock = ManualClock()
    with Listener.at(str(tmp_path / "notify")) as heard:
        async with ServiceManager(heard.address, 30.0).kept_informed(clock):
            await clock.advance(29.9)
            assert [heard.next() for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
            assert heard.waiting() == []
            await clock.advance(0.1)
            assert heard.next() == {"WATCHDOG": "1"}
        await clock.advance(60)
        assert heard.waiting() == []


async def test_a_loop_that_hangs_gives_no_sign(tmp_path: Path) -> None:
    with Listener.at(str(tmp_path / "notify")) as heard:
        async with ServiceManager(heard.address, 0.03).kept_informed(SystemClock()):
            await asyncio.sleep(0)
            heard.waiting()
            with pytest.raises(TimeoutError):
                heard.next(limit_s=0.3)  # the loop hangs here, in this call
            assert await asyncio.to_thread(heard.next) == {"WATCHDOG": "1"}


def test_a_manager_that_is_gone_is_told_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manager = ServiceManager(str(tmp_path / "gone"), None)
    manager.ready("")
    manager.ready("")
    with Listener.at(str(tmp_path / "gone")):
        manager.ready("")
    manager.reloading()
    told = capsys.readouterr().out
    assert told.count("the service manager cannot be told") == 2
    assert "READY=1" in told


def test_a_manager_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    with Listener.at(str(tmp_path / "notify")) as heard:
        manager = ServiceManager(heard.address, None)
        for _ in range(10_000):  # more than any socket holds
            manager.reloading()
        assert 0 < len(heard.waiting()) < 10_000
