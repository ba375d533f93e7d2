"""botctl as it is installed: the README's script, a terminal, a pipe, and names that would like to be obeyed."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from exporter.platforms.dota2.wire import Outcome
from exporter.simulators.dota2 import SCENARIOS, Plan
from exporter.simulators.steam import SteamSimulator
from exporter.simulators.steam import demo as demo_accounts
from exporter.timing import SystemClock
from tests.e2e.command import LIMIT_S, ROOT, Ended, exporter, run_to_end
from tests.unit.ctl.answers import HOSTILE

BOTCTL = Path(sys.executable).with_name("botctl")
CONFIG = """
steam: {{logon_interval: 100ms, cm_list: {cms}}}
bots:
  - {{name: mine, platform: dota2, username: demo-bot-2, password: demo-password-2, active: false}}
"""
OFF = """
bots:
  - {{name: {name}, platform: dota2, username: some-account, password: p, active: false}}
"""
COMPLETE = """
eval "$(_BOTCTL_COMPLETE=bash_source botctl)"
COMP_WORDS=(botctl --data.dir={data} stop b) COMP_CWORD=3
_botctl_completion botctl b stop
echo "${{COMPREPLY[@]}}"
"""


async def botctl(*arguments: str, **environ: str) -> Ended:
    return await run(str(BOTCTL), *arguments, **environ)


async def run(*command: str, **environ: str) -> Ended:
    """Run a command with this environment, and what it needs of ours."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, "LANG": "C.UTF-8", "PYTHONWARNINGS": "error", **environ},
        cwd=ROOT,
    )
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def league(folder: Path, player: str | None = None) -> AsyncIterator[dict[str, str]]:
    """Run an exporter with one bot on a Steam where players come and games last a second; yield where it is."""
    clock = SystemClock()
    steam = demo_accounts(clock.now())
    scenario = SCENARIOS["demo"](steam.world.accounts)
    scenario.coordinator.faults.clear()
    scenario.coordinator.world.plan = lambda _: Plan(duration_s=1.0, outcome=Outcome.DIRE)
    if player is not None:
        names = scenario.coordinator.world.names
        names |= dict.fromkeys(names, player)
    simulator = SteamSimulator(steam.world, clock=clock, scenario=steam, games=[scenario.coordinator], tick_s=0.1)
    await simulator.start()
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(cms=list(simulator.cm_urls)))
    try:
        async with exporter(config, folder / "data") as running:
            yield {"BOTCTL_URL": running.url, "BOTCTL_KEY_FILE": str(folder / "data" / "admin.key")}
    finally:
        await simulator.stop()
    assert scenario.coordinator.stats.violations == []


def script() -> str:
    """Return the README's commands with botctl."""
    section = (ROOT / "README.md").read_text().partition("## Steer it")[2].partition("\n## ")[0]
    commands: str
    (commands,) = [block for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) if "botctl lobby" in block]
    return commands


async def test_the_readmes_script_with_botctl(tmp_path: Path) -> None:
    async with league(tmp_path) as where:
        ended = await run("bash", "-euo", "pipefail", "-c", script(), **where)
    assert (ended.code, ended.err) == (0, ""), ended
    assert re.search(r"^state +finished, dire$", ended.out, re.MULTILINE), ended.out
    assert re.search(r"^\d\d:\d\d:\d\d +order +mine +done +launch: Tonight", ended.out, re.MULTILINE), ended.out


async def test_a_hostile_name_on_a_terminal_and_in_json(tmp_path: Path) -> None:
    async with league(tmp_path, player=HOSTILE) as where:
        assert (await botctl("start", "mine", "--wait", **where)).code == 0
        lobby = (
            await botctl("lobby", "create", "[red]x", "--region=EUW", "--mode=CM", "--players=2", "-q", **where)
        ).out
        show = ("lobby", "show", lobby.strip())
        await botctl(*show, "--wait-for=ready", **where)
        for colours in ({"FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, {}):
            shown = await botctl(*show, **colours, **where)
            styles, bare = re.findall(r"\x1b\[[0-9;]*m", shown.out), re.sub(r"\x1b\[[0-9;]*m", "", shown.out)
            assert "[red]x" in bare
            assert "[bold red]x[/]" in bare
            assert not set(bare) & set("\x1b\x07\u009b\u202e\r")
            assert bool(styles) == bool(colours)
            assert any(re.search(r"3[0-7]m", each) for each in styles) == (list(colours) == ["FORCE_COLOR"])
        kept = await botctl(*show, "-o", "json", **where)
        assert HOSTILE in [each["name"] for each in json.loads(kept.out)["players"]]
        assert not set(kept.out) & set("\x1b\x07\u009b\u202e\r")


async def test_output_in_a_pipe_is_whole_and_plain(tmp_path: Path) -> None:
    name = "b" * 60
    (tmp_path / "config.yaml").write_text(OFF.format(name=name))
    async with exporter(tmp_path / "config.yaml", tmp_path / "data"):
        data = f"--data.dir={tmp_path / 'data'}"
        whole = await botctl(data, "bots")
        assert f"{name}  dota2     some-account  - disconnected" in whole.out
        assert not re.search(r"\x1b| $", whole.out, re.MULTILINE)
        narrow = await botctl(data, "bots", COLUMNS="80")
        assert max(map(len, narrow.out.splitlines())) <= 80
        cut = await run("bash", "-c", f"set -o pipefail; {BOTCTL} {data} status -o json | true")
        assert (cut.code, cut.err) == (0, "")
        ascii_only = await botctl(data, "history", PYTHONIOENCODING="ascii")
        assert "unknown -> - disconnected" in ascii_only.out or "- disconnected" in ascii_only.out
        assert ascii_only.out.isascii()
        path = f"{BOTCTL.parent}:{os.environ['PATH']}"
        completed = await run("bash", "-c", COMPLETE.format(data=tmp_path / "data"), PATH=path)
        assert (completed.out, completed.err) == (f"{name}\n", "")


async def test_a_configuration_is_checked_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("bots: []\npots: []\n")
    (tmp_path / "web.yml").write_text("http_server_config: {http3: true}\n")
    bad, web = tmp_path / "bad.yaml", f"--web.config.file={tmp_path / 'web.yml'}"
    fine = await botctl("check-config", "config.yaml", "-o", "json")
    assert (fine.code, json.loads(fine.out)) == (0, {"file": "config.yaml", "ok": True, "problems": []})
    wrong = await botctl("check-config", str(bad), web)
    same = await run_to_end("--config.check", f"--config.file={bad}", web)
    assert (wrong.code, wrong.out, wrong.err) == (2, "", same.err.replace("bot-exporter: ", "botctl: "))
    assert (same.code, "bad.yaml:2: pots" in wrong.err) == (2, True)
