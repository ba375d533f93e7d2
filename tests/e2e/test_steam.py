"""Dota 2 bots on Steam with the installed command: unattended, also over a restart."""

import asyncio
import base64
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import Coordinator
from exporter.simulators.steam import Phase, Policy, SteamSimulator, World, demo
from exporter.simulators.steam.script import demo_password, demo_secret
from exporter.timing import SystemClock
from tests.e2e.command import Running, exporter

BOTS = (1, 2, 3)


def config(simulator: SteamSimulator, folder: Path) -> Path:
    """Write a configuration of three bots, of which those with odd numbers have a shared secret."""
    lines = ["steam:", "  logon_interval: 100ms", f"  cm_list: {list(simulator.cm_urls)}", "bots:"]
    for number in BOTS:
        (folder / f"password-{number}").write_text(demo_password(number))
        lines += [
            f"  - name: bot{number}",
            "    platform: dota2",
            f"    username: demo-bot-{number}",
            f"    password_file: password-{number}",
        ]
        if number % 2:
            lines.append(f"    shared_secret: {base64.b64encode(demo_secret(number)).decode()}")
    path = folder / "config.yaml"
    path.write_text("\n".join(lines))
    return path


async def bots(running: Running, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the bots until each of them is as it should be."""
    end = time.monotonic() + 20
    async with aiohttp.ClientSession(running.url) as session:
        while True:
            async with session.get("/status/bots") as response:
                answer: dict[str, Any] = await response.json()
            if all(good(bot) for bot in answer["bots"]):
                return answer
            assert time.monotonic() < end, (answer, running.log)
            await asyncio.sleep(0.05)


def online(bot: dict[str, Any]) -> bool:
    return bool(bot["state"] == "gc_connected" and bot["steam_connected"] and bot["healthy"])


async def test_a_restart_needs_neither_password_nor_code(tmp_path: Path) -> None:
    clock = SystemClock()
    simulator = SteamSimulator(demo(clock.now()).world, clock=clock, games=[Coordinator()])
    await simulator.start()
    world, data = simulator.world, tmp_path / "data"
    written = config(simulator, tmp_path)
    try:
        async with exporter(written, data) as running:
            await bots(running, online)
            assert len(world.logged_on()) == len(BOTS)
        begins = list(world.begins)
        assert sorted(each.username for each in begins) == [f"demo-bot-{number}" for number in BOTS]
        for number in BOTS:
            (tmp_path / f"password-{number}").write_text("this password is never used")
        async with exporter(written, data) as running:
            await bots(running, online)
        assert world.begins == begins
        assert simulator.stats.violations == []
        for secret in ("this password", demo_password(1), base64.b64encode(demo_secret(1)).decode(), "eyJ"):
            assert not any(secret in line for line in running.log)
        assert {path.stat().st_mode & 0o777 for path in (data / "tokens").iterdir()} == {0o600}
    finally:
        await simulator.stop()


async def metric(running: Running, name: str, **labels: str) -> float | None:
    """Return one sample of /metrics."""
    async with aiohttp.ClientSession(running.url) as session, session.get("/metrics") as response:
        text = await response.text()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


async def test_each_trouble_of_an_account_shows_as_itself(tmp_path: Path) -> None:
    """What curl shows for a wrong password, a code that is wanted, a kick and a rate limit, all at once."""
    world = World(policy=Policy(poll_interval_s=0.1))
    for name in ("wrong", "kicked", "limited"):
        world.add_account(f"user-{name}", "the-password")
    world.add_account("user-mailed", "the-password", email_code="R7PQK")
    simulator = SteamSimulator(world, clock=SystemClock(), games=[Coordinator()])
    await simulator.start()
    simulator.faults.refuse(Phase.BEGIN, Result.RATE_LIMIT_EXCEEDED, username="user-limited")
    lines = ["steam:", "  logon_interval: 100ms", f"  cm_list: {list(simulator.cm_urls)}", "bots:"]
    for name in ("kicked", "wrong", "mailed", "limited"):
        password = "not-the-password" if name == "wrong" else "the-password"
        lines.append(f"  - {{name: {name}, platform: dota2, username: user-{name}, password: {password}}}")
    file = tmp_path / "config.yaml"
    file.write_text("\n".join(lines))
    expected = {
        "wrong": ("auth_failed", "invalid_credentials", "user name or the password is wrong", 480, 720),
        "mailed": ("auth_failed", "guard_code_required", "code", None, None),
        "kicked": ("connection_error", "service_unavailable", "used elsewhere", 200, 400),
        "limited": ("auth_failed", "rate_limited", "too many logons", 1400, 1700),
    }
    try:
        async with exporter(file, tmp_path / "data") as running:
            await bots(running, lambda bot: bot["name"] != "kicked" or bot["healthy"])
            (session,) = [each for each in world.logged_on() if each == "user-kicked"]
            simulator.kick_all(Result.LOGGED_IN_ELSEWHERE)
            answer = await bots(running, lambda bot: bot["status_name"] == expected[bot["name"]][0])
            assert session not in world.logged_on()
            now = time.time()
            for bot in answer["bots"]:
                _, reason, words, least, most = expected[bot["name"]]
                assert bot["status_reason"] == reason, bot
                assert words in bot["status_message"], bot
                own = {"bot": bot["name"], "platform": "dota2"}
                assert await metric(running, "bot_status_reason", reason=reason, **own) == 1
                assert await metric(running, "bot_guard_code_waiting", **own) == (bot["name"] == "mailed")
                if least is None or most is None:
                    assert bot["next_retry_at"] is None
                else:
                    retry = datetime.fromisoformat(bot["next_retry_at"]).timestamp()
                    assert least < retry - now < most, bot
                    shown = await metric(running, "bot_next_retry_timestamp_seconds", **own)
                    assert shown == pytest.approx(retry, abs=0.01)
            assert await metric(running, "bot_disconnects_total", bot="kicked", platform="dota2", reason="kicked") == 1
            assert await metric(
                running, "bot_auth_failures_total", bot="limited", platform="dota2", reason="rate_limited"
            )
            cooldown = await metric(running, "bot_steam_logon_cooldown_until_timestamp_seconds")
            assert cooldown is not None
            assert 1400 < cooldown - now < 1700
    finally:
        await simulator.stop()


async def test_a_killed_process_logs_on_again_without_a_password_and_a_dead_token_costs_one(tmp_path: Path) -> None:
    clock = SystemClock()
    simulator = SteamSimulator(demo(clock.now()).world, clock=clock, games=[Coordinator()])
    await simulator.start()
    world, data = simulator.world, tmp_path / "data"
    written = config(simulator, tmp_path)
    try:
        async with exporter(written, data) as running:
            await bots(running, online)
            running.process.kill()
            assert await running.exit_code() == -9
        leftover = data / "tokens" / ".bot1.json.half"
        leftover.write_text("what it was killed over")
        world.revoke_tokens(world.accounts["demo-bot-2"])
        begins = len(world.begins)
        async with exporter(written, data) as running:
            answer = await bots(running, online)
            assert [each.username for each in world.begins[begins:]] == ["demo-bot-2"]
            (revived,) = [bot for bot in answer["bots"] if bot["name"] == "bot2"]
            assert "logon by token: Steam answered" in revived["last_error"]
            counted = {"bot": "bot2", "platform": "dota2", "reason": "token_revoked"}
            assert await metric(running, "bot_auth_failures_total", **counted) == 1
            assert not leftover.exists()
    finally:
        await simulator.stop()
