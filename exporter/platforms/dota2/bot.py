"""One Dota 2 bot: logs its account on and stays online."""

from collections.abc import Collection, Mapping

from exporter.errors import OrderRefused
from exporter.model import events as ev
from exporter.model.status import LobbyRecord
from exporter.platforms.base import BotContext
from exporter.platforms.dota2.options import STEAM_ONLINE, Dota2Options
from exporter.platforms.dota2.settings import Expected, LobbySettings
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

    # orders: each returns once the coordinator has confirmed it, and raises OrderRefused or OrderInDoubt

    @property
    def lobby(self) -> LobbyRecord | None:
        """The lobby that the bot is in, as last seen."""
        return None

    async def create_lobby(
        self, settings: LobbySettings, *, expected_players: Expected = None, invite: Collection[int] = ()
    ) -> LobbyRecord:
        """Create a lobby, move to its player pool and invite these Steam ids; returns the lobby."""
        raise self._no_session()

    async def set_details(self, changes: Mapping[str, object]) -> LobbyRecord:
        """Change some settings of the lobby and leave the others as they are; returns the lobby."""
        raise self._no_session()

    async def invite(self, steam_id: int) -> None:
        """Invite a player by 64-bit Steam id."""
        raise self._no_session()

    async def kick(self, account_id: int) -> None:
        """Remove a player from the lobby, by the 32-bit account id."""
        raise self._no_session()

    async def kick_from_team(self, account_id: int) -> None:
        """Move a player from a team to the pool, by the 32-bit account id."""
        raise self._no_session()

    async def shuffle_teams(self) -> LobbyRecord:
        """Shuffle the seated players into balanced teams; returns the lobby."""
        raise self._no_session()

    async def flip_teams(self) -> LobbyRecord:
        """Let radiant and dire change places; returns the lobby."""
        raise self._no_session()

    async def launch(self) -> LobbyRecord:
        """Start the game; returns the lobby once its server is being set up."""
        raise self._no_session()

    async def leave_lobby(self) -> None:
        """Leave the lobby. The coordinator refuses that while a game runs: see `abandon_game`."""
        raise self._no_session()

    async def destroy_lobby(self) -> None:
        """End the lobby for everybody in it."""
        raise self._no_session()

    async def abandon_game(self) -> None:
        """Leave a lobby whose game runs."""
        raise self._no_session()

    def _no_session(self) -> OrderRefused:
        return OrderRefused(f"bot {self._context.name} has no session with the Dota 2 coordinator")

    def _proved(self, steam: SteamOnline) -> None:
        self._context.report(ev.HealthProved(self._context.name, self._context.clock.now(), steam.proof_valid_s))
