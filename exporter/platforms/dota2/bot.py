"""One Dota 2 bot: its session with the game coordinator, the lobby that it is in, and the orders that it takes.

    Steam online -> plays Dota 2 -> hello, until the coordinator's welcome -> lobby by lobby

It works while its heartbeats are answered and the coordinator has welcomed it. A coordinator that is gone for less than
`lost_s` is a blink; for longer it is a connection error, though Steam is there, and it goes on asking.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from exporter.errors import FailureReason, NotNow, Occupied, OrderInDoubt, OrderRefused
from exporter.model import events as ev
from exporter.model.states import CreateFailure, LobbyState
from exporter.model.status import LobbyRecord
from exporter.platforms.base import BotContext
from exporter.platforms.dota2 import requests
from exporter.platforms.dota2.alarm import Alarm, soonest
from exporter.platforms.dota2.coordinator import (
    GREET_S,
    HELLO_S,
    Answered,
    CacheCurrent,
    Coordinator,
    Event,
    SessionBegan,
    SessionDelayed,
    SessionLost,
)
from exporter.platforms.dota2.hosting import Hosting, HostingTiming
from exporter.platforms.dota2.objects import InviteSeen, LobbyGone, LobbySeen
from exporter.platforms.dota2.options import STEAM_ONLINE, Dota2Options
from exporter.platforms.dota2.orders import AlreadyInGame, BotLost, Order, OrderDesk, PendingOrder
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.requests import Request
from exporter.platforms.dota2.settings import (
    Expected,
    LobbySettings,
    check_account_id,
    check_expected,
    check_steam_id,
)
from exporter.platforms.dota2.wire import DOTA2_APPID, GcMsg
from exporter.platforms.steam.account import SteamAccount
from exporter.platforms.steam.messages import GameMessage
from exporter.platforms.steam.network import SteamNetwork
from exporter.platforms.steam.online import SteamOnline
from exporter.platforms.steam.session import HeartBeatAnswered, PlayingBlocked

_BLOCKED = "another session of this account plays a game: the bot waits until it ends"


@dataclass(frozen=True, slots=True)
class Dota2Timing:
    """Waiting times in seconds.

    `greet_s` lies between telling Steam and greeting the coordinator, `hello_s` between two greetings. `lost_s` is how
    long there may be no coordinator before that is an error; then, and again after as long, Steam is told once more
    that the account plays: a coordinator that was not told hears no hello. `order_s` and `create_s` are the time limits
    of orders, `settle_s` how long a lobby may come later than an answer about it.
    """

    greet_s: float = GREET_S
    hello_s: float = HELLO_S
    lost_s: float = 30.0
    order_s: float = 10.0
    create_s: float = 20.0
    settle_s: float = 3.0
    hosting: HostingTiming = field(default_factory=HostingTiming)


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
        self._create_began = 0.0
        # Of the present connection:
        self._steam: SteamOnline | None = None
        self._gc = self._coordinator(0)
        self._alarm: Alarm | None = None
        self._state: str | None = None
        self._had_session = False
        self._error_at: float | None = None
        self._play_at: float | None = None
        self._in_error = False
        self._blocked = False
        self._disposals: set[int] = set()

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
            try:
                self._begin(steam, group)
                await steam.play(DOTA2_APPID)
                await self._wake()
                await self._keep_reading(steam)
            finally:
                self._end()

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
        self._check_session()
        if self._hosting.creating or self._hosting.record is not None:
            raise Occupied(f"bot {self._context.name} is in a lobby already: one at a time")
        self._create_began = self._context.clock.monotonic()
        self._hosting.create_began(settings, expected)
        try:
            message = requests.creation(settings, self._gc.version)
            async with self._ordering:
                self._check_session()
                await self._send(Request(requests.CREATE, GcMsg.LOBBY_CREATE, message), self._timing.create_s)
        except BaseException as error:
            self._not_created(settings, error)
            raise
        for each in invited:
            self._gc.request(GcMsg.INVITE_TO_LOBBY, requests.invitation(each, self._gc.version))
        await self._flush()
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
        asked = requests.invitation(steam_id, self._gc.version)
        await self._order_of_lobby(lambda _: Request(order, GcMsg.INVITE_TO_LOBBY, asked))

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
        asked = pb.CMsgPracticeLobbyLaunch(client_version=self._gc.version)
        await self._order_of_lobby(lambda lobby: Request(requests.launch(lobby), GcMsg.LOBBY_LAUNCH, asked))
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
        due = self._context.clock.monotonic() + limit_s
        settled = asyncio.get_running_loop().create_future()
        pending = PendingOrder(request.order, self._gc.request(request.number, request.message), settled, limit_s, due)
        if request.followed_by is not None:
            self._gc.request(*request.followed_by)
        self._desk.sent(pending)
        try:
            self._set_alarm()
            await self._flush()
            await settled
        except OrderInDoubt as error:
            if not isinstance(error, BotLost):
                self._gc.doubt(self._context.clock.monotonic())
                await self._flush()
            raise
        finally:
            self._desk.dropped(pending)
            self._set_alarm()

    def _check_session(self) -> None:
        if self._steam is None or not self._gc.welcomed:
            raise OrderRefused(f"bot {self._context.name} has no session with the Dota 2 coordinator: {self._why()}")

    def _why(self) -> str:
        return self._gc.trouble if self._steam is not None else "it is not connected"

    def _present_lobby(self) -> pb.CSODOTALobby:
        self._check_session()
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
            if self._hosting.record is not None and self._alarm is not None:
                self._dispose()
                self._alarm.set(now)
            return
        self._hosting.not_created(settings, now, unwanted=not isinstance(error, OrderRefused))
        reason = _create_failure(error)
        if reason is CreateFailure.ALREADY_IN_GAME and self._alarm is not None:
            self._gc.greet()  # there is a lobby that the bot does not know: the welcome brings it
            self._alarm.set(now)
        text = str(error) or "the order was cancelled"
        context.report(ev.LobbyCreateFailed(context.name, context.clock.now(), reason, text))
        # Whoever gave the order is told why; what is in doubt is also the operator's business.
        log = context.log.warning if isinstance(error, OrderInDoubt) else context.log.info
        log("no lobby was created", reason=str(reason), error=text)

    # the connection

    def _coordinator(self, steamid: int) -> Coordinator:
        timing = self._timing
        return Coordinator(self._context.stats, steamid, greet_s=timing.greet_s, hello_s=timing.hello_s)

    def _begin(self, steam: SteamOnline, group: asyncio.TaskGroup) -> None:
        now = self._context.clock.monotonic()
        self._steam = steam
        self._gc = self._coordinator(steam.steamid)
        self._alarm = Alarm(self._context.clock, group, self._wake)
        self._state, self._had_session, self._in_error, self._blocked = None, False, False, False
        self._error_at, self._play_at = now + self._timing.lost_s, None
        self._disposals.clear()
        self._enter(STEAM_ONLINE)
        self._gc.start(now)

    def _end(self) -> None:
        """The connection is over, and with it whatever waits for an answer."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._steam = self._alarm = None
        self._desk.lost("the connection to Steam ended")
        self._hosting.out_of_sight()

    async def _keep_reading(self, steam: SteamOnline) -> NoReturn:
        while True:
            event = await steam.next_event()
            now = self._context.clock.monotonic()
            match event:
                case HeartBeatAnswered():
                    self._heard(steam)
                case PlayingBlocked(blocked=blocked):
                    await self._block(steam, now, blocked=blocked)
                case GameMessage(appid=appid, msgtype=msgtype, payload=payload) if appid == DOTA2_APPID:
                    self._take(steam, self._gc.receive(msgtype, payload, now), now)
            await self._flush()
            self._set_alarm()

    async def _wake(self) -> None:
        """Do what is due."""
        now = self._context.clock.monotonic()
        events = self._gc.tick(now)
        if self._steam is not None:
            self._take(self._steam, events, now)
        self._desk.tick(now)
        self._hosting.tick(now)
        if self._error_at is not None and now >= self._error_at:
            self._lost_for_long(now)
        if self._play_at is not None and now >= self._play_at:
            await self._play_again(now)
        self._tell_state()
        await self._flush()
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.set(
                soonest(
                    self._gc.next_deadline,
                    self._desk.next_deadline,
                    self._hosting.next_deadline,
                    self._error_at,
                    self._play_at,
                )
            )

    async def _flush(self) -> None:
        if self._steam is not None:
            for msgtype, payload in self._gc.data_to_send():
                await self._steam.send_to_game(DOTA2_APPID, msgtype, payload)

    async def _block(self, steam: SteamOnline, now: float, *, blocked: bool) -> None:
        """Wait while another session of the account plays: Steam would end one of the two."""
        if blocked == self._blocked:
            return
        self._blocked = blocked
        if blocked:
            self._take(steam, self._gc.stop(_BLOCKED), now)
        else:
            self._context.log.info("the other session of the account plays no more")
            await steam.play(DOTA2_APPID)
            self._gc.start(now)

    # what is heard

    def _take(self, steam: SteamOnline, events: Iterable[Event], now: float) -> None:
        for event in events:
            match event:
                case SessionBegan(with_lobby=with_lobby):
                    self._session_began(steam, now, with_lobby=with_lobby)
                case SessionLost(trouble=trouble):
                    self._session_lost(trouble, now)
                case SessionDelayed(trouble=trouble):
                    self._session_delayed(trouble)
                case LobbySeen(lobby=lobby, static=static):
                    self._lobby_seen(steam, lobby, static, now)
                case LobbyGone():
                    self._hosting.gone(now)
                case CacheCurrent(owner_id=owner_id):
                    self._hosting.current(owner_id)
                case InviteSeen(sender_id=sender):
                    self._context.log.info("the bot was invited to a lobby: it only hosts its own", by=sender)
                case Answered(job=job) if job in self._disposals:
                    self._disposals.discard(job)
                    if event.result:
                        self._gc.request(GcMsg.LOBBY_LEAVE, pb.CMsgPracticeLobbyLeave())
                    continue
            if not self._desk.received(event, now):
                self._context.log.debug("an answer of the coordinator belongs to no order")
        self._tell_state()

    def _session_began(self, steam: SteamOnline, now: float, *, with_lobby: bool) -> None:
        again = self._had_session or self._in_error
        self._had_session, self._in_error, self._error_at, self._play_at = True, False, None, None
        (self._context.log.info if again else self._context.log.debug)("the Dota 2 coordinator welcomed the bot")
        asked = self._hosting.session_began(now, with_lobby=with_lobby)
        if asked is not None:
            self._gc.refresh(asked)
        self._proved(steam)

    def _session_lost(self, trouble: str, now: float) -> None:
        self._context.log.info("the session with the Dota 2 coordinator is over", reason=trouble)
        self._desk.lost(trouble)
        self._hosting.out_of_sight()
        self._error_at = now + self._timing.lost_s

    def _session_delayed(self, trouble: str) -> None:
        if self._in_error:
            self._context.report(ev.CheckFailed(self._context.name, self._context.clock.now(), self._reason(), trouble))

    async def _play_again(self, now: float) -> None:
        """Tell Steam once more that the account plays; while another session of it does, that must wait."""
        self._play_at = now + self._timing.lost_s
        if self._steam is not None and not self._blocked:
            await self._steam.play(DOTA2_APPID)

    def _lost_for_long(self, now: float) -> None:
        self._error_at, self._play_at, self._in_error = None, now, True
        self._context.log.warning("no session with the Dota 2 coordinator", reason=self._gc.trouble)
        self._context.report(
            ev.ServiceLost(self._context.name, self._context.clock.now(), self._reason(), self._gc.trouble)
        )

    def _reason(self) -> FailureReason:
        return FailureReason.SERVICE_UNAVAILABLE if self._blocked else FailureReason.GC_DOWN

    def _lobby_seen(
        self, steam: SteamOnline, lobby: pb.CSODOTALobby, static: pb.CSODOTAStaticLobby | None, now: float
    ) -> None:
        known = self._hosting.record
        fresh = known is None or known.lobby_id != lobby.lobby_id
        unwanted = fresh and self._hosting.unwanted(lobby, now)
        if fresh and self._desk.creating and not unwanted:
            self._created(lobby, now)
        elif fresh and not unwanted:
            self._context.log.info("lobby found again", lobby=lobby.lobby_id)
        self._hosting.seen(lobby, static, steam.steamid, now)
        if unwanted:
            self._context.log.warning("a lobby came later than its order waited: destroying it", lobby=lobby.lobby_id)
            self._dispose()
        elif self._hosting.must_move(now):
            self._gc.request(GcMsg.LOBBY_SET_TEAM_SLOT, requests.TO_THE_POOL)

    def _created(self, lobby: pb.CSODOTALobby, now: float) -> None:
        self._desk.created()
        self._hosting.created(lobby.lobby_id, max(0.0, now - self._create_began))
        self._context.log.info("lobby created", lobby=lobby.lobby_id)

    def _dispose(self) -> None:
        """Destroy the lobby that nobody wants; if that is refused, leave it."""
        self._disposals.add(self._gc.request(GcMsg.LOBBY_DESTROY, pb.CMsgDestroyLobbyRequest()))

    def _leave_finished(self) -> None:
        self._context.log.info("the game is over and the lobby still there: leaving it")
        self._gc.request(GcMsg.LOBBY_LEAVE, pb.CMsgPracticeLobbyLeave())

    # what is told

    def _heard(self, steam: SteamOnline) -> None:
        """A heartbeat was answered. While the coordinator blinks, the session that there was still counts."""
        if self._gc.welcomed or (self._had_session and not self._in_error):
            self._proved(steam)

    def _proved(self, steam: SteamOnline) -> None:
        self._context.report(ev.HealthProved(self._context.name, self._context.clock.now(), steam.proof_valid_s))

    def _tell_state(self) -> None:
        if self._steam is not None:
            self._enter(self._hosting.state if self._gc.welcomed else STEAM_ONLINE)

    def _enter(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._context.report(ev.StateEntered(self._context.name, self._context.clock.now(), state))


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
