"""A client that we did not write, steam-next's own, logs on to the simulated Steam over TLS and stays."""

import asyncio
import base64
import json
import os
import sys
from collections import Counter
from pathlib import Path

from exporter.platforms.steam.messages import Emsg, Result
from exporter.simulators.steam import LogonKind, Policy, SteamSimulator, World
from exporter.timing import SystemClock
from tests.protocol.steam_raw_client import AUTHORITY, server_tls

SECRET = b"twenty bytes of this"
PROGRAM = Path(__file__).with_name("steam_next_logon.py")


async def test_steam_next_logs_on_stays_and_comes_back(tmp_path: Path) -> None:
    # Its logon by token says no hello; the password logon does.
    world = World(policy=Policy(heartbeat_s=1, poll_interval_s=0.1, needs_hello=False))
    account = world.add_account("player", "pass word", shared_secret=SECRET)
    clock = SystemClock()
    simulator = SteamSimulator(world, clock=clock, cms=1, tls=server_tls())
    await simulator.start()
    bundle = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    port = simulator.cms[0].endpoint.rpartition(":")[2]
    arguments = (port, "player", "pass word", base64.b64encode(SECRET).decode(), str(clock.now()))
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "WEBSOCKET_CLIENT_CA_BUNDLE": str(bundle), "PYTHONWARNINGS": "default"},
    )
    try:
        async with asyncio.timeout(240):
            out, err = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
        await simulator.stop()
    assert program.returncode == 0, err.decode()
    seen = {line.pop("what"): line for line in map(json.loads, out.decode().splitlines())}

    assert seen["without a code"] == {"result": Result.ACCOUNT_LOGIN_DENIED_NEED_TWO_FACTOR}
    by_password = seen["by password"]
    assert (by_password["result"], by_password["steamid"]) == (Result.OK, account.steamid)
    assert by_password["info"] == ["player"]
    assert seen["stayed"]["connected"]
    assert simulator.stats.heartbeats["player"] >= 2
    assert seen["by token"] == {"result": Result.OK}
    first, renewed = world.tokens[seen["stayed"]["token"]], world.tokens[seen["renewed"]["token"]]
    assert renewed.renewed_from is first
    assert world.valid_tokens(account, clock.now()) == [renewed]
    assert world.logons(LogonKind.PASSWORD) == Counter(player=1)
    assert world.logons(LogonKind.TOKEN) == Counter(player=1)
    assert world.sessions == {}
    assert simulator.stats.violations == []
    assert simulator.stats.received[Emsg.CLIENT_LOG_OFF] == 1
    assert "gevent" not in sys.modules
