"""One Dota 2 bot: logs its account on and stays online."""

from exporter.model import events as ev
from exporter.platforms.base import BotContext
from exporter.platforms.dota2.options import STEAM_ONLINE, Dota2Options
from exporter.platforms.steam.account import SteamAccount
from exporter.platforms.steam.network import SteamNetwork
from exporter.platforms.steam.online import SteamOnline
from exporter.platforms.steam.session import HeartBeatAnswered


class Dota2Bot:
    """A bot on a Steam account of its own. An answered heartbeat is the proof that it works."""

    def __init__(self, options: Dota2Options, context: BotContext, network: SteamNetwork) -> None:
        self._context = context
        self._account = SteamAccount(options.account, context, network)

    def credentials(self) -> object:
        """Return a value that changes with the account or its secrets' files."""
        return self._account.fingerprint()

    def submit_guard_code(self, code: str) -> None:
        """Hand in the Steam Guard code that the logon waits for; raises OrderRefused when it waits for none."""
        self._account.submit_guard_code(code)

    async def run(self) -> None:
        """Stay online until cancelled; raises TransientError or AuthError. The socket is closed then."""
        async with self._account.online() as steam:
            self._context.report(ev.StateEntered(self._context.name, self._context.clock.now(), STEAM_ONLINE))
            self._proved(steam)
            while True:
                if isinstance(await steam.next_event(), HeartBeatAnswered):
                    self._proved(steam)

    def _proved(self, steam: SteamOnline) -> None:
        self._context.report(ev.HealthProved(self._context.name, self._context.clock.now(), steam.proof_valid_s))
