"""The whole program with a Steam bot: the configuration in, /status and /metrics out."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from exporter.app import application, load_fleet
from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import Coordinator
from exporter.simulators.steam import Phase, Policy, SteamSimulator, World
from exporter.timing import SystemClock
from exporter.web.settings import WebSettings
from tests.eventually import eventually

HERE = WebSettings(listen=(("127.0.0.1", 0),))


async def test_a_steam_bot_from_the_configuration_to_the_pages(tmp_path: Path) -> None:
    world = World(policy=Policy(poll_interval_s=0.05))
    world.add_account("gaben", "hunter2")
    world.add_account("other", "hunter2")
    simulator = SteamSimulator(world, clock=SystemClock(), games=[Coordinator()])
    await simulator.start()
    simulator.faults.refuse(Phase.BEGIN, Result.RATE_LIMIT_EXCEEDED, username="other")
    file = tmp_path / "config.yaml"
    file.write_text(
        f"steam: {{logon_interval: 0s, cm_list: {json.dumps(simulator.cm_urls)}}}\n"
        "bots:\n"
        "  - {name: lobby-1, platform: dota2, username: gaben, password: hunter2}\n"
        "  - {name: lobby-2, platform: dota2, username: other, password: hunter2}\n"
    )
    async with application(load_fleet(file), HERE, tmp_path / "data", stagger_s=0.2) as program:
        await eventually(lambda: program.store.bots["lobby-1"].healthy and program.store.bots["lobby-2"].last_error)
        host, port = program.web.addresses[0]
        async with aiohttp.ClientSession(f"http://{host}:{port}") as client:
            status = await (await client.get("/status")).json()
            metrics = await (await client.get("/metrics")).text()
    await simulator.stop()
    bots = {bot["name"]: bot for bot in status["bots"]}
    assert bots["lobby-1"]["state"] == "gc_connected"
    assert bots["lobby-1"]["username"] == "gaben"
    assert (bots["lobby-1"]["steam_connected"], bots["lobby-1"]["gc_connected"]) == (True, True)
    assert (bots["lobby-2"]["status_name"], bots["lobby-2"]["status_reason"]) == ("auth_failed", "rate_limited")
    assert status["system"]["steam"]["logon_queue_length"] == 0
    pause_ends, retries = status["system"]["steam"]["logon_cooldown_until"], bots["lobby-2"]["next_retry_at"]
    assert abs(datetime.fromisoformat(pause_ends) - datetime.fromisoformat(retries)) < timedelta(seconds=1)
    assert "bot_steam_logon_queue_length 0.0" in metrics
    assert "bot_steam_logon_cooldown_until_timestamp_seconds " in metrics
    assert "bot_steam_outage 0.0" in metrics
    assert 'bot_state{bot="lobby-1",platform="dota2",state="gc_connected"} 1.0' in metrics
    assert 'bot_auth_failures_total{bot="lobby-2",platform="dota2",reason="rate_limited"} 1.0' in metrics
    assert "hunter2" not in metrics + json.dumps(status)


async def test_the_token_of_a_removed_bot_is_kept_for_its_return(tmp_path: Path) -> None:
    world = World(policy=Policy(poll_interval_s=0.05))
    for account in ("gaben", "other"):
        world.add_account(account, "hunter2")
    simulator = SteamSimulator(world, clock=SystemClock(), games=[Coordinator()])
    await simulator.start()
    file = tmp_path / "config.yaml"
    whole = (
        f"steam: {{logon_interval: 0s, cm_list: {json.dumps(simulator.cm_urls)}}}\n"
        "bots:\n"
        "  - {name: lobby-1, platform: dota2, username: gaben, password: hunter2}\n"
        "  - {name: lobby-2, platform: dota2, username: other, password: hunter2}\n"
    )
    file.write_text(whole)
    async with application(load_fleet(file), HERE, tmp_path / "data", stagger_s=0) as program:
        bots = program.store.bots
        await eventually(lambda: all(bot.healthy for bot in bots.values()))
        since, by_password = bots["lobby-2"].connected_since, dict(simulator.stats.methods)
        file.write_text("".join(line for line in whole.splitlines(keepends=True) if "lobby-1" not in line))
        await program.reloader.ask("a test")
        assert set(bots) == {"lobby-2"}
        assert (tmp_path / "data" / "tokens" / "lobby-1.json").exists()
        await eventually(lambda: len(simulator.links) == 1)
        file.write_text(whole)
        await program.reloader.ask("a test")
        await eventually(lambda: all(bot.healthy for bot in bots.values()) and len(bots) == 2)
        assert bots["lobby-2"].connected_since == since
        begin = "Authentication.BeginAuthSessionViaCredentials#1"
        assert simulator.stats.methods[begin] == by_password[begin] == 2
    await simulator.stop()
