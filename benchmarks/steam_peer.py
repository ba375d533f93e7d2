"""Helper process: steam-next's own gevent client, one for each account, all in one process.

Arguments: a file with the accounts as JSON, `token` or `password`, and the addresses of the connection managers. It
uses nothing else of this project than the line protocol, and no event loop but gevent's.

Overridden is only what loopback needs: where the connection managers are; a plain WebSocket where they speak no TLS;
more patience than 5 s for the answer to a logon; and the web session after it, which would ask the real Steam. All of
it is to the peer's favour.
"""

import steam.monkey

steam.monkey.patch_minimal()

import base64  # noqa: E402  (after the patches)
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import gevent.event  # type: ignore[import-untyped]  # noqa: E402
import websocket  # noqa: E402
from steam.client import SteamClient  # noqa: E402
from steam.client.gc import GameCoordinator  # noqa: E402
from steam.core.msg import GCMsgHdrProto  # noqa: E402
from steam.enums import EResult  # noqa: E402
from steam.guard import generate_twofactor_code_for_time  # noqa: E402

from benchmarks.lines import Json, answer_questions  # noqa: E402

_LOOK_S = 0.1
_PATIENCE_S = 60
_DOTA2 = 570
_HELLO, _WELCOME = 4006, 4004
_HELLO_BODY = b"\x18\x68\x38\x01"  # client_session_need 104, engine 1
_GREET_S, _HELLO_S = 0.5, 5.0


class LoopbackClient(SteamClient):  # type: ignore[misc]
    auto_discovery = False
    LOGON_TIMEOUT = _PATIENCE_S

    def _post_logon(self) -> None:
        return


def allow_plain() -> None:
    """Let the client connect without TLS: it only knows wss."""
    connect: Callable[..., Any] = websocket.create_connection

    def plain(url: str, **options: Any) -> Any:
        return connect(url.replace("wss://", "ws://", 1), **options)

    websocket.create_connection = plain  # type: ignore[assignment]


class Fleet:
    """All clients."""

    def __init__(self, accounts: list[Json], urls: list[str], *, by_token: bool) -> None:
        self._accounts, self._by_token = accounts, by_token
        places = [urlsplit(url) for url in urls]
        self._servers = [(place.hostname, place.port) for place in places]
        self._clients: list[Any] = []
        self._online = self._again = self._welcomed = 0
        self._welcomed_cpu_s = self._welcomed_at_s = 0.0
        self._cpu_s = self._at_s = self._began_cpu_s = self._began_s = 0.0
        self.wanted = self.ended = False

    def begin(self) -> Json:
        """Have the clients made and logged on, all at once."""
        self._began_cpu_s, self._began_s = time.process_time(), time.monotonic()
        self.wanted = True
        return {}

    def online(self) -> Json:
        """Tell how many are online, and what it has cost until the last of them was."""
        return {
            "online": self._online,
            "again": self._again,
            "cpu_s": self._cpu_s - self._began_cpu_s,
            "wall_s": self._at_s - self._began_s,
            "welcomed": self._welcomed,
            "welcomed_cpu_s": self._welcomed_cpu_s - self._began_cpu_s,
            "welcomed_s": self._welcomed_at_s - self._began_s,
        }

    def run(self) -> None:
        """Run until the input ends."""
        while not self.ended:
            if self.wanted and not self._clients:
                self._clients = [self._client() for _ in self._accounts]
                for client, account in zip(self._clients, self._accounts, strict=True):
                    gevent.spawn(self._log_on, client, account)
            gevent.sleep(_LOOK_S)

    def _client(self) -> Any:
        client = LoopbackClient()
        client.cm_servers.merge_list(self._servers)
        client.on(client.EVENT_LOGGED_ON, self._logged_on)
        return client

    def _logged_on(self) -> None:
        self._online += 1
        if self._online == len(self._accounts):
            self._cpu_s, self._at_s = time.process_time(), time.monotonic()

    def _log_on(self, client: Any, account: Json) -> None:
        while self._once(client, account) != EResult.OK:
            self._again += 1
            gevent.sleep(1)
        self._greet(client)

    def _greet(self, client: Any) -> None:
        """Play Dota 2 and greet its coordinator until it answers, as bots do."""
        game, welcomed = GameCoordinator(client, _DOTA2), gevent.event.Event()
        game.once(_WELCOME, lambda *_: welcomed.set())
        client.games_played([_DOTA2])
        gevent.sleep(_GREET_S)
        while not welcomed.is_set():
            game.send(GCMsgHdrProto(_HELLO), _HELLO_BODY)
            welcomed.wait(_HELLO_S)
        self._welcomed += 1
        if self._welcomed == len(self._accounts):
            self._welcomed_cpu_s, self._welcomed_at_s = time.process_time(), time.monotonic()

    def _once(self, client: Any, account: Json) -> Any:
        if self._by_token:
            return client.login(account["account"], access_token=account["token"])
        code = generate_twofactor_code_for_time(base64.b64decode(account["secret"]), int(time.time()))
        return client.login(account["account"], account["password"], two_factor_code=code)


def main() -> None:
    """Run the fleet until the input ends."""
    accounts, mode, urls = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2], sys.argv[3:]
    if urls[0].startswith("ws:"):
        allow_plain()
    fleet = Fleet(accounts, urls, by_token=mode == "token")
    hello = {
        "cpu_s": time.process_time(),
        "versions": {name: version(name) for name in ("steam-next", "gevent", "websocket-client", "protobuf")},
    }

    def end() -> None:
        fleet.ended = True

    answer_questions(
        {
            "hello": lambda _: hello,
            "go": lambda _: fleet.begin(),
            "online": lambda _: fleet.online(),
            "cpu": lambda _: {"cpu_s": time.process_time()},
        },
        ended=end,
    )
    fleet.run()
    os._exit(0)  # without a goodbye of each client


if __name__ == "__main__":
    main()
