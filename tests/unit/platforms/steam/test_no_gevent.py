"""The library's gevent half stays out: it would change sockets in the whole process."""

import subprocess
import sys

_USE = """
import sys
from exporter.platforms import dota2
from exporter.platforms.steam import account, crypto, messages, network, online
from exporter.platforms.steam.session import SteamSession
from exporter.stats import BotStats
session = SteamSession(BotStats(), 0.0)
session.call(messages.BEGIN_AUTH, messages.BeginAuthRequest("a"))
session.receive(next(iter(session.data_to_send())), 0.0)
crypto.guard_code(b"0" * 20, 0)
bad = ("gevent", "steam.client", "steam.core.cm", "steam.core.connection", "steam.monkey")
print([name for name in sys.modules if name in bad or name.startswith("gevent.")])
"""


def test_gevent_is_never_imported() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", _USE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
