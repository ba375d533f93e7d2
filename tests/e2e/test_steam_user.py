"""A client that we did not write, steam-user for Node.js, logs on to the simulated Steam over TLS and stays."""

import asyncio
import base64
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.platforms.steam.framing import Header
from exporter.platforms.steam.messages import RENEW_TOKEN, Emsg
from exporter.simulators.steam import LogonKind, Policy, SendToPlayer, SteamSimulator, TokenState, World
from exporter.timing import SystemClock
from tests.e2e.command import LIMIT_S
from tests.eventually import eventually
from tests.node import require_node
from tests.protocol.steam_raw_client import AUTHORITY, server_tls

FOLDER = Path(__file__).with_name("steam_user")
SECRET = b"twenty bytes of this"
APP = 570


class Mirror:
    """A coordinator that sends each text back in reverse, as the answer to the job that it came with."""

    appid = APP

    def __init__(self) -> None:
        self.players: list[int] = []

    def attach(self, send: SendToPlayer) -> None:
        self._send = send

    def enter(self, steamid: int, now: float) -> None:  # noqa: ARG002
        self.players.append(steamid)

    def leave(self, steamid: int, now: float) -> None:  # noqa: ARG002
        self.players.remove(steamid)

    def receive(self, steamid: int, msgtype: int, header: Header, body: bytes, now: float) -> None:  # noqa: ARG002
        self._send(steamid, msgtype + 1, Header(jobid_target=header.jobid_source), body[::-1])

    def advance(self, now: float) -> None:
        """Nothing happens by itself."""


@dataclass
class Client:
    """The running program: orders go in, what it saw comes out."""

    process: asyncio.subprocess.Process

    def order(self, order: str, **facts: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"order": order, **facts}).encode() + b"\n")

    async def sees(self, what: str, **facts: Any) -> dict[str, Any]:
        """Return the next thing of this kind with these facts; anything else but an error is passed over."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            while line := await self.process.stdout.readline():
                seen: dict[str, Any] = json.loads(line)
                kind = seen.pop("what")
                assert kind not in {"error", "code wanted"}, seen
                if kind == what and facts.items() <= seen.items():
                    return seen
        raise AssertionError(f"it ended before: {what} {facts}")


@asynccontextmanager
async def steam_user(node: str, directory_url: str, authority: Path) -> AsyncIterator[Client]:
    """Run the program until the block ends; it must then end by itself when its orders do. Its stderr is ours."""
    process = await asyncio.create_subprocess_exec(
        node,
        str(FOLDER / "client.cjs"),
        directory_url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority)},
    )
    try:
        yield Client(process)
        async with asyncio.timeout(LIMIT_S):
            await process.communicate(b"")  # closes its stdin
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_steam_user_logs_on_plays_and_comes_back(tmp_path: Path) -> None:
    node = require_node(FOLDER)
    # Its logon by token says no hello; the password logon does.
    world = World(policy=Policy(heartbeat_s=1, poll_interval_s=0.1, needs_hello=False))
    account = world.add_account("player", "pass wörd", shared_secret=SECRET)
    mirror = Mirror()
    simulator = SteamSimulator(world, clock=SystemClock(), games=[mirror], cms=2, tls=server_tls())
    authority = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    await simulator.start()
    try:
        async with steam_user(node, simulator.directory_url, authority) as client:
            secret = base64.b64encode(SECRET).decode()
            client.order("log_on", accountName="player", password="pass wörd", secret=secret)
            token = (await client.sees("token"))["token"]
            await client.sees("logged on", steamid=str(account.steamid), heartbeat_s=1)
            await client.sees("account", name="player")
            await client.sees("web session")
            assert world.logged_on() == ["player"]
            assert world.logons(LogonKind.PASSWORD) == Counter(player=1)

            client.order("play", apps=[APP])
            await client.sees("playing", blocked=False, app=APP)
            assert mirror.players == [account.steamid]
            client.order("to_game", app=APP, number=4006, text="hello")
            await client.sees("from game", app=APP, number=4007, text="olleh")

            await eventually(lambda: simulator.stats.heartbeats["player"] >= 3, LIMIT_S)
            assert world.logged_on() == ["player"]
            client.order("log_off")
            await client.sees("logged off")
            assert simulator.stats.received[Emsg.CLIENT_LOG_OFF] == 1
            assert (world.logged_on(), mirror.players) == ([], [])

            client.order("log_on", refreshToken=token)
            await client.sees("logged on", steamid=str(account.steamid))
            renewed = world.tokens[(await client.sees("token"))["token"]]
            assert renewed.renewed_from is world.tokens[token]
            assert world.tokens[token].state is TokenState.REPLACED
            await client.sees("web session")
            assert world.logged_on() == ["player"]
            client.order("log_off")
            await client.sees("logged off")

        assert world.logged_on() == []
        assert world.logons(LogonKind.PASSWORD) == Counter(player=1)
        assert world.logons(LogonKind.TOKEN) == Counter(player=1)
        assert len(world.begins) == 1
        # An access token after each logon, and one renewal of the refresh token.
        assert simulator.stats.methods[RENEW_TOKEN.name] >= 2
        assert simulator.stats.dropped_silent == 0
        assert simulator.stats.violations == []
    finally:
        await simulator.stop()


def test_the_lock_file_pins_everything_and_names_no_registry() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["dependencies"] == wanted
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
