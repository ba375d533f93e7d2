"""Helper process: the simulated Steam with its Dota 2 coordinator, and an account for each bot of the fleet.

Arguments: number of accounts, `token` or `password` for how they will log on, how many seconds lie between heartbeats,
and the folder for the certificate of its authority if it is to speak TLS. It knows the truth: who is logged on, how
often each tried, and what was not understood.
"""

import asyncio
import contextlib
import json
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.lines import Json, say
from exporter.simulators.dota2 import Coordinator
from exporter.simulators.steam import Policy, SteamSimulator, World
from exporter.timing import SystemClock

SECRET = b"twenty bytes of this"
PASSWORD = "benchmark-password"  # noqa: S105  (of accounts that exist in this process only)
AUTHORITY_FILE = "authority.pem"
_CMS = 3


def username(number: int) -> str:
    """Return the name of an account."""
    return f"bench-account-{number}"


def server_tls(folder: Path) -> ssl.SSLContext:
    """Return the server's side of TLS for loopback; the authority's certificate goes into the folder."""
    import trustme  # noqa: PLC0415  (a tool of the tests, needed for this variant only)

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / AUTHORITY_FILE))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


class Site:
    """The world of the benchmark."""

    def __init__(self, accounts: int, *, tokens: bool, heartbeat_s: int, tls: ssl.SSLContext | None) -> None:
        self._clock = SystemClock()
        # The peer says no hello before a logon by token.
        self._world = World(policy=Policy(needs_hello=False, heartbeat_s=heartbeat_s), seed=7)
        self._accounts: list[Json] = []
        for number in range(accounts):
            account = self._world.add_account(username(number), PASSWORD, shared_secret=SECRET)
            token = self._world.issue_token(account, self._clock.now()).value if tokens else ""
            self._accounts.append({"account": account.username, "steamid": str(account.steamid), "token": token})
        self._coordinator = Coordinator()
        self._simulator = SteamSimulator(self._world, clock=self._clock, cms=_CMS, tls=tls, games=[self._coordinator])

    async def start(self) -> Json:
        """Listen; returns the addresses and the accounts."""
        await self._simulator.start()
        return {"urls": self._simulator.cm_urls, "accounts": self._accounts}

    def truth(self) -> Json:
        """Return what came of the logons so far."""
        stats = self._simulator.stats
        return {
            "logged_on": len(self._world.logged_on()),
            "connections": sum(stats.connections.values()),
            "attempts": len(self._world.attempts),
            "heartbeats": sum(stats.heartbeats.values()),
            "sessions": len(self._coordinator.sessions.open),
            "violations": len(stats.violations) + len(self._coordinator.stats.violations),
        }


async def main() -> None:
    """Answer questions until the input ends."""
    tls = server_tls(Path(sys.argv[4])) if len(sys.argv) > 4 else None
    site = Site(int(sys.argv[1]), tokens=sys.argv[2] == "token", heartbeat_s=int(sys.argv[3]), tls=tls)
    say(await site.start())
    answers: dict[str, Callable[[], Json]] = {"truth": site.truth}
    while line := await asyncio.to_thread(sys.stdin.readline):
        question: Json = json.loads(line)
        say(answers[question["ask"]]())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
