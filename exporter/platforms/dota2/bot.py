"""One Dota 2 bot: its account, what it knows of its lobbies, and the orders that it takes.

What goes on while it is connected is in playing.py.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

from exporter.errors import NotNow, Occupied, OrderInDoubt, OrderRefused
from exporter.model import events as ev
from exporter.model.states import CreateFailure, LobbyState
from exporter.model.status import LobbyRecord
from exporter.platforms.base import BotContext
from exporter.platforms.dota2 import requests
from exporter.platforms.dota2.hosting import Hosting
from exporter.platforms.dota2.options import Dota2Options
from exporter.platforms.dota2.orders import AlreadyInGame, BotLost, Order, OrderDesk, PendingOrder
from exporter.platforms.dota2.playing import Dota2Timing, Playing
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.requests import Request
from exporter.platforms.dota2.settings import (
    Expected,
    LobbySettings,
    check_account_id,
    check_expected,
    check_steam_id,
)
from exporter.platforms.dota2.wire import GcMsg
from exporter.platforms.steam.account import SteamAccount
from exporter.platforms.steam.network import SteamNetwork

_PASSWORD_HIDDEN_S: Final = 7 * 86400.0  # far longer than any lobby is open


class Dota2Bot:
    """A bot on a Steam account of its own. What it knows of its lobbies stays between runs."""

    def __init__(
        self,
        options: Dota2Options,
        context: BotContext,
        network: SteamNetwork,
        timing: Dota2Timing | None = None,
    ) -> None:
        self._context = context
        self._timing = timing or Dota2Timing()
        self._account = SteamAccount(options.account, context, network)
        self._hosting = Hosting(context, self._timing.hosting, self._leave_finished)
        self._desk = OrderDesk(self._timing.settle_s)
        self._ordering = asyncio.Lock()
        self._playing: Playing | None = None

    def credentials(self) -> object:
        """Return a value that changes with the account or its secrets' files."""
        return self._account.fingerprint()

    def submit_guard_code(self, code: str) -> None:
        """Hand in the Steam Guard code that the logon waits for; raises OrderRefused when it waits for none."""
        self._account.submit_guard_code(code)

    async def run(self) -> None:
        """Host lobbies until cancelled; raises TransientError or AuthError. The socket is closed then.

        The lobby lives on at the coordinator, and a bot that comes back is in it again.
        """
        self._hosting.tick(self._context.clock.monotonic())
        async with self._account.online() as steam, asyncio.TaskGroup() as group:
            playing = Playing(self._context, self._timing, self._hosting, self._desk, steam, group)
            self._playing = playing
            try:
                await playing.run()
            finally:
                self._playing = None
                playing.end()

    # orders: each returns once the coordinator has confirmed it, and raises OrderRefused or OrderInDoubt

    @property
    def lobby(self) -> LobbyRecord | None:
        """The lobby that the bot is in, as last seen."""
        return self._hosting.record

    async def create_lobby(
        self, settings: LobbySettings, *, expected_players: Expected = None, invite: Collection[int] = ()
    ) -> LobbyRecord:
        """Create a lobby and return it once it is there; it is `ready` when the expected players sit on a team.

        The bot moves itself to the player pool, and these Steam ids are invited, right after that. A lobby that is not
        confirmed in time is destroyed when it comes.
        """
        expected = check_expected(expected_players)
        invited = [check_steam_id("invite", each) for each in invite]
        if settings.password:
            self._context.hide(settings.password, _PASSWORD_HIDDEN_S)
        if self._context.draining():
            raise NotNow("the process is draining: it opens no new lobbies")
        self._session()
        if self._hosting.creating or self._hosting.record is not None:
            raise Occupied(f"bot {self._context.name} is in a lobby already: one at a time")
        self._hosting.create_began(settings, expected)
        try:
            async with self._ordering:
                message = requests.creation(settings, self._session().coordinator.version)
                await self._send(Request(requests.CREATE, GcMsg.LOBBY_CREATE, message), self._timing.create_s)
        except BaseException as error:
            self._not_created(settings, error)
            raise
        if invited and (playing := self._playing) is not None:
            for each in invited:
                asked = requests.invitation(each, playing.coordinator.version)
                playing.coordinator.request(GcMsg.INVITE_TO_LOBBY, asked)
            await playing.flush()
        return self._present()

    async def set_details(self, changes: Mapping[str, object]) -> LobbyRecord:
        """Change some settings of the lobby and leave the others as they are; returns the lobby."""

        def request(lobby: pb.CSODOTALobby) -> Request:
            settings = requests.settings_of(lobby).changed(changes)
            if settings.password:
                self._context.hide(settings.password, _PASSWORD_HIDDEN_S)
            order = Order("set details", shown=settings.shown_by, by_answer=True)
            return Request(order, GcMsg.LOBBY_SET_DETAILS, settings.details(lobby.lobby_id))

        await self._order_of_lobby(request)
        return self._present()

    async def invite(self, steam_id: int) -> None:
        """Invite a player by 64-bit Steam id."""
        order = Order("invite", invited=check_steam_id("steam_id", steam_id))

        def request(_: pb.CSODOTALobby) -> Request:
            asked = requests.invitation(steam_id, self._session().coordinator.version)
            return Request(order, GcMsg.INVITE_TO_LOBBY, asked)

        await self._order_of_lobby(request)

    async def kick(self, account_id: int) -> None:
        """Remove a player from the lobby, by the 32-bit account id."""
        account = check_account_id(account_id)
        asked = pb.CMsgPracticeLobbyKick(account_id=account)
        await self._order_of_lobby(lambda lobby: Request(requests.kick(lobby, account), GcMsg.LOBBY_KICK, asked))

    async def kick_from_team(self, account_id: int) -> None:
        """Move a player from a team to the pool, by the 32-bit account id."""
        account = check_account_id(account_id)
        asked = pb.CMsgPracticeLobbyKickFromTeam(account_id=account)
        await self._order_of_lobby(
            lambda lobby: Request(requests.kick_from_team(lobby, account), GcMsg.LOBBY_KICK_FROM_TEAM, asked)
        )

    async def shuffle_teams(self) -> LobbyRecord:
        """Shuffle the seated players into balanced teams; returns the lobby."""
        asked = pb.CMsgBalancedShuffleLobby()
        await self._order_of_lobby(
            lambda lobby: Request(requests.rearrangement("shuffle", lobby), GcMsg.LOBBY_SHUFFLE, asked)
        )
        return self._present()

    async def flip_teams(self) -> LobbyRecord:
        """Let radiant and dire change places; returns the lobby."""
        asked = pb.CMsgFlipLobbyTeams()
        await self._order_of_lobby(
            lambda lobby: Request(requests.rearrangement("flip", lobby), GcMsg.LOBBY_FLIP, asked)
        )
        return self._present()

    async def launch(self) -> LobbyRecord:
        """Start the game; returns the lobby once its server is being set up."""

        def request(lobby: pb.CSODOTALobby) -> Request:
            asked = pb.CMsgPracticeLobbyLaunch(client_version=self._session().coordinator.version)
            return Request(requests.launch(lobby), GcMsg.LOBBY_LAUNCH, asked)

        await self._order_of_lobby(request)
        return self._present()

    async def leave_lobby(self) -> None:
        """Leave the lobby. The coordinator refuses that while a game runs: see `close_lobby`."""
        order = Order("leave", by_end=True)
        await self._order_of_lobby(lambda _: Request(order, GcMsg.LOBBY_LEAVE, pb.CMsgPracticeLobbyLeave()))

    async def close_lobby(self, *, abandon: bool = False) -> None:
        """End the lobby for everybody in it; the bot leaves a game that runs, if it may `abandon` it."""
        await self._order_of_lobby(lambda lobby: requests.closing(lobby, abandon=abandon))

    async def _order_of_lobby(self, request: Callable[[pb.CSODOTALobby], Request]) -> None:
        """Order something of the lobby that the bot is in now.

        Orders go one at a time. When its turn comes it must be the same lobby still, and `request` judges it as it is
        then: an order before this one may have launched the game, or ended it. Raises OrderRefused.
        """
        asked_of = self._present_lobby().lobby_id
        async with self._ordering:
            lobby = self._present_lobby()
            if lobby.lobby_id != asked_of:
                raise OrderRefused(f"lobby {asked_of} is gone meanwhile: nothing can be ordered of it")
            made = request(lobby)
            if self._present().state is LobbyState.FINISHED and not made.order.by_end:
                raise OrderRefused(f"lobby {asked_of} is finished meanwhile: nothing can be ordered of it")
            await self._send(made, self._timing.order_s)

    async def _send(self, request: Request, limit_s: float) -> None:
        """Send an order, whose turn it is, and wait until it is settled."""
        self._context.check_allowed()
        playing = self._session()
        due = self._context.clock.monotonic() + limit_s
        settled = asyncio.get_running_loop().create_future()
        job = playing.coordinator.request(request.number, request.message)
        pending = PendingOrder(request.order, job, settled, limit_s, due)
        if request.followed_by is not None:
            playing.coordinator.request(*request.followed_by)
        self._desk.sent(pending)
        try:
            playing.set_alarm()
            await playing.flush()
            await settled
        except OrderInDoubt as error:
            if not isinstance(error, BotLost) and playing is self._playing:
                playing.coordinator.doubt(self._context.clock.monotonic())
                await playing.flush()
            raise
        finally:
            self._desk.dropped(pending)
            if self._playing is not None:
                self._playing.set_alarm()

    def _session(self) -> Playing:
        """Return the present connection, in which there must be a session. Raises OrderRefused."""
        playing = self._playing
        if playing is None or not playing.coordinator.welcomed:
            why = playing.coordinator.trouble if playing is not None else "it is not connected"
            raise OrderRefused(f"bot {self._context.name} has no session with the Dota 2 coordinator: {why}")
        return playing

    def _present_lobby(self) -> pb.CSODOTALobby:
        self._session()
        if self._hosting.lobby is None:
            raise OrderRefused(f"bot {self._context.name} is in no lobby")
        return self._hosting.lobby

    def _present(self) -> LobbyRecord:
        if self._hosting.record is None:
            raise OrderInDoubt("the lobby is gone since the coordinator confirmed the order")
        return self._hosting.record

    def _not_created(self, settings: LobbySettings, error: BaseException) -> None:
        """Tell that a creation failed. Whatever it still becomes is unwanted, unless the coordinator refused it."""
        context, now = self._context, self._context.clock.monotonic()
        if not self._hosting.creating:  # confirmed in the moment in which its giver lost patience
            if self._hosting.record is not None and self._playing is not None:
                self._playing.dispose()
            return
        self._hosting.not_created(settings, now, unwanted=not isinstance(error, OrderRefused))
        reason = _create_failure(error)
        if reason is CreateFailure.ALREADY_IN_GAME and self._playing is not None:
            self._playing.greet()  # there is a lobby that the bot does not know: the welcome brings it
        text = str(error) or "the order was cancelled"
        context.report(ev.LobbyCreateFailed(context.name, context.clock.now(), reason, text))
        # Whoever gave the order is told why; what is in doubt is also the operator's business.
        log = context.log.warning if isinstance(error, OrderInDoubt) else context.log.info
        log("no lobby was created", reason=str(reason), error=text)

    def _leave_finished(self) -> None:
        if self._playing is not None:
            self._playing.leave_finished()


def _create_failure(error: BaseException) -> CreateFailure:
    match error:
        case AlreadyInGame():
            return CreateFailure.ALREADY_IN_GAME
        case OrderRefused():
            return CreateFailure.REFUSED
        case BotLost():
            return CreateFailure.BOT_LOST
        case OrderInDoubt():
            return CreateFailure.TIMEOUT
    return CreateFailure.OTHER
