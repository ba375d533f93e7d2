"""A program, not a test: steam-next's own client logs on to the connection manager named in its arguments.

Run in a process of its own, because gevent patches sockets for the whole process. It prints what it saw as JSON lines.
"""

import base64
import json
import sys
from typing import Any

import steam.monkey

steam.monkey.patch_minimal()

from steam.client import SteamClient  # noqa: E402  (after the patches)
from steam.enums.emsg import EMsg  # noqa: E402
from steam.guard import generate_twofactor_code_for_time  # noqa: E402

BEATS = 2


def tell(what: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, **facts}) + "\n")
    sys.stdout.flush()


def main(port: str, username: str, password: str, secret: str, now: str) -> None:
    client = SteamClient()
    client.auto_discovery = False
    client.cm_servers.merge_list([("127.0.0.1", int(port))])
    client.renew_refresh_tokens = True
    code = generate_twofactor_code_for_time(base64.b64decode(secret), int(float(now)))
    info: list[str] = []
    client.on(EMsg.ClientAccountInfo, lambda message: info.append(message.body.persona_name))

    result = client.login(username, password)
    tell("without a code", result=int(result))
    result = client.login(username, password, two_factor_code=code)
    tell("by password", result=int(result), steamid=int(client.steam_id), session=client.session_id, info=info)
    client.sleep(BEATS + 0.5)
    tell("stayed", connected=client.connected, token=client.refresh_token)
    client.logout()
    client.disconnect()

    result = client.relogin()
    tell("by token", result=int(result))
    client.sleep(0.5)
    tell("renewed", token=client.refresh_token)
    client.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
