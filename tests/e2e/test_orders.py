"""The README's script, word for word: curl asks for a lobby, invites, launches and reads the result."""

import asyncio
import re
from pathlib import Path

from exporter.platforms.dota2.wire import Outcome
from exporter.simulators.dota2 import SCENARIOS, Plan
from exporter.simulators.steam import SteamSimulator
from exporter.simulators.steam import demo as demo_accounts
from exporter.timing import SystemClock
from tests.e2e.command import LIMIT_S, ROOT, exporter
from tests.tools import require_tool

CONFIG = """
steam: {{logon_interval: 100ms, cm_list: {cms}}}
bots:
  - {{name: mine, platform: dota2, username: demo-bot-2, password: demo-password-2, active: false}}
"""


def script(url: str, key_file: Path) -> str:
    """Return the README's commands, for another address and data directory."""
    section = (ROOT / "README.md").read_text().partition("## Steer it")[2].partition("\n## ")[0]
    commands: str
    (commands,) = [block for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) if "/api/v1/" in block]
    for given, here in (("http://127.0.0.1:9977", url), ("data/admin.key", str(key_file)), ("sleep 1;", "sleep 0.1;")):
        assert given in commands
        commands = commands.replace(given, here)
    return commands


async def test_the_readmes_script_with_curl_alone(tmp_path: Path) -> None:
    require_tool("curl", "curl")
    clock = SystemClock()
    steam = demo_accounts(clock.now())
    scenario = SCENARIOS["demo"](steam.world.accounts)
    scenario.coordinator.faults.clear()
    scenario.coordinator.world.plan = lambda _: Plan(duration_s=1.0, outcome=Outcome.DIRE)
    simulator = SteamSimulator(steam.world, clock=clock, scenario=steam, games=[scenario.coordinator], tick_s=0.1)
    await simulator.start()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(cms=list(simulator.cm_urls)))
    try:
        async with exporter(config, tmp_path / "data") as running:
            process = await asyncio.create_subprocess_exec(
                "bash",
                "-euo",
                "pipefail",
                "-c",
                script(running.url, tmp_path / "data" / "admin.key"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate()
    finally:
        await simulator.stop()
    assert process.returncode == 0, out + err
    assert out.decode().splitlines()[-1].endswith('"match_outcome":"dire"')
    assert scenario.coordinator.stats.violations == []
