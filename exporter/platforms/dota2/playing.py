"""One connection to Steam that plays Dota 2: its session with the game coordinator, and what is heard in it.

    Steam online -> plays Dota 2 -> hello, until the coordinator's welcome -> lobby by lobby

It works while its heartbeats are answered and the coordinator has welcomed it. A coordinator that is gone for less than
`lost_s` is a blink; for longer it is a connection error, though Steam is there, and it goes on asking.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from exporter.errors import FailureReason
from exporter.model import events as ev
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
from exporter.platforms.dota2.options import STEAM_ONLINE
from exporter.platforms.dota2.orders import OrderDesk
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import DOTA2_APPID, GcMsg
from exporter.platforms.steam.messages import GameMessage
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


class Playing:
    """Plays from `run` to `end`; the bot's lobbies and orders, which outlive it, are told what is heard.

    Alarms are rung in the task `group`.
    """

    def __init__(  # noqa: PLR0917  (parts, each of its own type)
        self,
        context: BotContext,
        timing: Dota2Timing,
        hosting: Hosting,
        desk: OrderDesk,
        steam: SteamOnline,
        group: asyncio.TaskGroup,
    ) -> None:
        self._context = context
        self._timing = timing
        self._hosting = hosting
        self._desk = desk
        self._steam = steam
        self.coordinator = Coordinator(context.stats, steam.steamid, greet_s=timing.greet_s, hello_s=timing.hello_s)
        self._alarm = Alarm(context.clock, group, self._wake)
        self._state: str | None = None
        self._had_session = False
        self._error_at: float | None = None
        self._play_at: float | None = None
        self._in_error = False
        self._blocked = False
        self._disposals: set[int] = set()

    async def run(self) -> NoReturn:
        """Play until the connection is lost, or cancelled."""
        now = self._context.clock.monotonic()
        self._error_at = now + self._timing.lost_s
        self._enter(STEAM_ONLINE)
        self.coordinator.start(now)
        await self._steam.play(DOTA2_APPID)
        await self._wake()
        await self._keep_reading()

    def end(self) -> None:
        """The connection is over, and with it whatever waits for an answer."""
        self._alarm.cancel()
        self._desk.lost("the connection to Steam ended")
        self._hosting.out_of_sight()

    # what the bot has done

    async def flush(self) -> None:
        """Send what waits to be sent."""
        for msgtype, payload in self.coordinator.data_to_send():
            await self._steam.send_to_game(DOTA2_APPID, msgtype, payload)

    def set_alarm(self) -> None:
        """Be woken when the first thing is due."""
        self._alarm.set(
            soonest(
                self.coordinator.next_deadline,
                self._desk.next_deadline,
                self._hosting.next_deadline,
                self._error_at,
                self._play_at,
            )
        )

    def greet(self) -> None:
        """Greet the coordinator anew, at once."""
        self.coordinator.greet()
        self._alarm.set(self._context.clock.monotonic())

    def dispose(self) -> None:
        """Destroy the lobby that nobody wants, at once; if that is refused, leave it."""
        self._dispose()
        self._alarm.set(self._context.clock.monotonic())

    def leave_finished(self) -> None:
        """Leave a lobby whose game is over."""
        self._context.log.info("the game is over and the lobby still there: leaving it")
        self.coordinator.request(GcMsg.LOBBY_LEAVE, pb.CMsgPracticeLobbyLeave())

    # the connection

    async def _keep_reading(self) -> NoReturn:
        while True:
            event = await self._steam.next_event()
            now = self._context.clock.monotonic()
            match event:
                case HeartBeatAnswered():
                    self._heard()
                case PlayingBlocked(blocked=blocked):
                    await self._block(now, blocked=blocked)
                case GameMessage(appid=appid, msgtype=msgtype, payload=payload) if appid == DOTA2_APPID:
                    self._take(self.coordinator.receive(msgtype, payload, now), now)
            await self.flush()
            self.set_alarm()

    async def _wake(self) -> None:
        """Do what is due."""
        now = self._context.clock.monotonic()
        self._take(self.coordinator.tick(now), now)
        self._desk.tick(now)
        self._hosting.tick(now)
        if self._error_at is not None and now >= self._error_at:
            self._lost_for_long(now)
        if self._play_at is not None and now >= self._play_at:
            await self._play_again(now)
        self._tell_state()
        await self.flush()
        self.set_alarm()

    async def _block(self, now: float, *, blocked: bool) -> None:
        """Wait while another session of the account plays: Steam would end one of the two."""
        if blocked == self._blocked:
            return
        self._blocked = blocked
        if blocked:
            self._take(self.coordinator.stop(_BLOCKED), now)
        else:
            self._context.log.info("the other session of the account plays no more")
            await self._steam.play(DOTA2_APPID)
            self.coordinator.start(now)

    # what is heard

    def _take(self, events: Iterable[Event], now: float) -> None:
        for event in events:
            match event:
                case SessionBegan(with_lobby=with_lobby):
                    self._session_began(now, with_lobby=with_lobby)
                case SessionLost(trouble=trouble):
                    self._session_lost(trouble, now)
                case SessionDelayed(trouble=trouble):
                    self._session_delayed(trouble)
                case LobbySeen(lobby=lobby, static=static):
                    self._lobby_seen(lobby, static, now)
                case LobbyGone():
                    self._hosting.gone(now)
                case CacheCurrent(owner_id=owner_id):
                    self._hosting.current(owner_id)
                case InviteSeen(sender_id=sender):
                    self._context.log.info("the bot was invited to a lobby: it only hosts its own", by=sender)
                case Answered(job=job) if job in self._disposals:
                    self._disposals.discard(job)
                    if event.result:
                        self.coordinator.request(GcMsg.LOBBY_LEAVE, pb.CMsgPracticeLobbyLeave())
                    continue
            if not self._desk.received(event, now):
                self._context.log.debug("an answer of the coordinator belongs to no order")
        self._tell_state()

    def _session_began(self, now: float, *, with_lobby: bool) -> None:
        again = self._had_session or self._in_error
        self._had_session, self._in_error, self._error_at, self._play_at = True, False, None, None
        (self._context.log.info if again else self._context.log.debug)("the Dota 2 coordinator welcomed the bot")
        asked = self._hosting.session_began(now, with_lobby=with_lobby)
        if asked is not None:
            self.coordinator.refresh(asked)
        self._proved()

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
        if not self._blocked:
            await self._steam.play(DOTA2_APPID)

    def _lost_for_long(self, now: float) -> None:
        self._error_at, self._play_at, self._in_error = None, now, True
        self._context.log.warning("no session with the Dota 2 coordinator", reason=self.coordinator.trouble)
        self._context.report(
            ev.ServiceLost(self._context.name, self._context.clock.now(), self._reason(), self.coordinator.trouble)
        )

    def _reason(self) -> FailureReason:
        return FailureReason.SERVICE_UNAVAILABLE if self._blocked else FailureReason.GC_DOWN

    def _lobby_seen(self, lobby: pb.CSODOTALobby, static: pb.CSODOTAStaticLobby | None, now: float) -> None:
        known = self._hosting.record
        fresh = known is None or known.lobby_id != lobby.lobby_id
        unwanted = fresh and self._hosting.unwanted(lobby, now)
        if fresh and self._desk.creating and not unwanted:
            self._created(lobby, now)
        elif fresh and not unwanted:
            self._context.log.info("lobby found again", lobby=lobby.lobby_id)
        self._hosting.seen(lobby, static, self._steam.steamid, now)
        if unwanted:
            self._context.log.warning("a lobby came later than its order waited: destroying it", lobby=lobby.lobby_id)
            self._dispose()
        elif self._hosting.must_move(now):
            self.coordinator.request(GcMsg.LOBBY_SET_TEAM_SLOT, requests.TO_THE_POOL)

    def _created(self, lobby: pb.CSODOTALobby, now: float) -> None:
        self._desk.created()
        self._hosting.created(lobby.lobby_id, now)
        self._context.log.info("lobby created", lobby=lobby.lobby_id)

    def _dispose(self) -> None:
        """Destroy the lobby that nobody wants; if that is refused, leave it."""
        self._disposals.add(self.coordinator.request(GcMsg.LOBBY_DESTROY, pb.CMsgDestroyLobbyRequest()))

    # what is told

    def _heard(self) -> None:
        """A heartbeat was answered. While the coordinator blinks, the session that there was still counts."""
        if self.coordinator.welcomed or (self._had_session and not self._in_error):
            self._proved()

    def _proved(self) -> None:
        self._context.report(ev.HealthProved(self._context.name, self._context.clock.now(), self._steam.proof_valid_s))

    def _tell_state(self) -> None:
        self._enter(self._hosting.state if self.coordinator.welcomed else STEAM_ONLINE)

    def _enter(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._context.report(ev.StateEntered(self._context.name, self._context.clock.now(), state))
