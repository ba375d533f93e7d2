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
