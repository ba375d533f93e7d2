"""The Dota 2 coordinator that the simulated Steam hands messages to.

ClientToGC -> Coordinator.receive -> (faults) -> Orders -> World -> notices -> objects
                                                    `-> the answer
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import DOTA2_APPID, GcMsg, ObjectType, SessionStatus
from exporter.platforms.steam.framing import NO_JOB, Header
from exporter.simulators.dota2 import wire
from exporter.simulators.dota2.faults import Deed, Fault, Faults
from exporter.simulators.dota2.orders import Orders, fine, no
from exporter.simulators.dota2.policy import Policy, Style
from exporter.simulators.dota2.records import (
    Admitted,
    Changed,
    Dismissed,
    InviteAnswered,
    Invited,
    Lobby,
    Notice,
    Refused,
)
from exporter.simulators.dota2.sessions import Sessions
from exporter.simulators.dota2.wire import Message
from exporter.simulators.dota2.world import World
from exporter.simulators.steam.games import SendToPlayer


@dataclass(slots=True)
class Stats:
    """What reached the coordinator, for tests."""

    received: Counter[int] = field(default_factory=Counter)
    """Messages by number."""
    ignored: Counter[int] = field(default_factory=Counter)
    """Messages that this coordinator has no use for, by number."""
    refused: list[tuple[int, int, str]] = field(default_factory=list)
    """Steam id, message and reason of each order that the world refused."""
    violations: list[str] = field(default_factory=list)
    """What clients sent that cannot be read. A good client leaves this empty."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One message of a player."""

    steamid: int
    number: int
    job: int
    body: bytes


class Coordinator:
    """One game coordinator: a `Game` of the simulated Steam.

    `world` is what it knows, `sessions` who is connected, `faults` what goes wrong, `stats` what reached it. All of it
    outlives stop, crash and start of the Steam simulator.
    """

    def __init__(self, *, policy: Policy | None = None, style: Style | None = None, seed: int = 1) -> None:
        self.world = World(policy=policy, seed=seed)
        self.sessions = Sessions(self.world, style or Style(), self._put)
        self.faults = Faults()
        self.stats = Stats()
        # Assumption: offline is who has no session here and is nobody of the simulated people.
        self._orders = Orders(self.world, lambda who: self.sessions.has(who) or who in self.world.names)
        self._send: SendToPlayer | None = None
        self._held: list[tuple[int, Message]] | None = None
        self._version = 1
        self._next_ping: float | None = None
        self.world.subscribe(self._hear)

    @property
    def style(self) -> Style:
        """How messages are dressed; may be changed at any time."""
        return self.sessions.style

    @style.setter
    def style(self, style: Style) -> None:
        self.sessions.style = style

    # what Steam calls

    @property
    def appid(self) -> int:
        return DOTA2_APPID

    def attach(self, send: SendToPlayer) -> None:
        self._send = send

    def enter(self, steamid: int, now: float) -> None:  # noqa: ARG002
        self.sessions.enter(steamid)

    def leave(self, steamid: int, now: float) -> None:  # noqa: ARG002
        self.sessions.leave(steamid)

    def receive(self, steamid: int, msgtype: int, header: Header, body: bytes, now: float) -> None:
        self.stats.received[msgtype] += 1
        asked = Asked(steamid, msgtype, header.jobid_source, body)
        match self.faults.take(msgtype, steamid):
            case None:
                self._handle(asked, now)
            case Fault(deed=Deed.REFUSE, result=result):
                self._answer(asked, [no(msgtype, result, self.style)])
            case Fault(deed=Deed.PRETEND):
                self._answer(asked, [fine(msgtype, self.style)])
            case Fault(deed=Deed.INSTEAD, message=message) if message is not None:
                self._answer(asked, [message])
            case Fault(deed=Deed.MUTE):
                self._handle(asked, now, mute=True)
            case Fault(deed=Deed.DELAY, delay_s=delay_s):
                self.world.timetable.at(now + delay_s, lambda due: self._handle(asked, due))
            case _:
                pass  # silence

    def advance(self, now: float) -> None:
        if self._next_ping is None or now >= self._next_ping:
            if self._next_ping is not None:
                self.sessions.ping(self.sessions.open)
            self._next_ping = now + self.world.policy.ping_interval_s
        self.world.advance(now)

    # what tests and scripts do to the whole

    def go_down(self, status: SessionStatus = SessionStatus.GOING_DOWN) -> None:
        """Stop serving: all sessions end with this status, a hello is answered with "no session". Lobbies stay."""
        self.sessions.go_down(status)

    def come_back(self) -> None:
        """Serve again: whoever says hello gets a welcome, with its lobby."""
        self.sessions.down = False

    def restart(self, *, lose_lobbies: bool = False) -> None:
        """End all sessions and serve at once again. Lobbies that are lost are lost in silence."""
        if lose_lobbies:
            for lobby in tuple(self.world.lobbies.values()):
                self.world.forget(lobby)
        self.sessions.restart()

    def say(self, steamid: int, *messages: Message) -> None:
        """Send a player whatever it is."""
        self._put(steamid, messages)

    # messages

    def _handle(self, asked: Asked, now: float, *, mute: bool = False) -> None:
        steamid, number = asked.steamid, asked.number
        player = self.sessions.players.get(steamid)
        if player is None:
            return  # it went while its message waited
        try:
            if number == GcMsg.HELLO:
                self.sessions.hello(player, pb.CMsgClientHello.FromString(asked.body), now)
            elif not player.welcomed:
                # Assumption: whatever else comes without a session is answered so.
                self._put(steamid, [wire.connection_status(SessionStatus.NO_SESSION)])
            elif number == GcMsg.PING_REQUEST:
                self._answer(asked, [Message(GcMsg.PING_RESPONSE, b"")])
            elif number == GcMsg.PING_RESPONSE:
                player.pongs += 1
            elif number == GcMsg.CACHE_REFRESH:
                self._refresh(asked)
            elif number in self._orders:
                self._order(asked, now, mute=mute)
            else:
                self.stats.ignored[number] += 1
        except DecodeError:
            # Assumption: what cannot be read is dropped without a word.
            self.stats.violations.append(f"message {number} from {steamid} cannot be read")

    def _order(self, asked: Asked, now: float, *, mute: bool) -> None:
        """Carry an order out; what it changed is held back until it is clear whether the answer goes first."""
        held: list[tuple[int, Message]] = []
        self._held = held
        try:
            answers = self._orders.carry_out(asked.steamid, asked.number, asked.body, now, self.style)
        except Refused as refused:
            self.stats.refused.append((asked.steamid, asked.number, str(refused)))
            answers = [no(asked.number, refused.result, self.style)]
        finally:
            self._held = None
        if mute:
            answers = []
        if self.style.answer_first:
            self._answer(asked, answers)
        for steamid, message in held:
            self._put(steamid, [message])
        if not self.style.answer_first:
            self._answer(asked, answers)

    def _refresh(self, asked: Asked) -> None:
        """Give somebody its lobby again, whole (28)."""
        wanted = pb.CMsgSOCacheSubscriptionRefresh.FromString(asked.body).owner_soid.id
        lobby = self.world.lobby_of(asked.steamid)
        if lobby is not None and wanted == lobby.lobby_id:
            objects = wire.lobby_objects(lobby, self.style)
            self._answer(asked, [wire.subscribed(wire.lobby_owner(lobby), self._next(), objects)])

    def _answer(self, asked: Asked, messages: Iterable[Message]) -> None:
        header = Header(jobid_target=asked.job) if asked.job != NO_JOB else Header()
        for message in messages:
            self._deliver(asked.steamid, message, header)

    # objects

    def _hear(self, notice: Notice) -> None:
        match notice:
            case Admitted(lobby=lobby, steamid=steamid):
                self._tell(steamid, lambda: wire.opened(lobby, self._next(), self.style))
            case Dismissed(lobby=lobby, steamid=steamid):
                self._tell(steamid, lambda: [wire.unsubscribed(wire.lobby_owner(lobby))])
            case Changed(lobby=lobby, people=people):
                self._update(lobby, people=people)
            case Invited(steamid=steamid) | InviteAnswered(steamid=steamid):
                self._tell(steamid, lambda: [self._invite(notice)])

    def _update(self, lobby: Lobby, *, people: bool) -> None:
        listeners = [each.steamid for each in lobby.members if self.sessions.has(each.steamid)]
        if listeners:
            objects = wire.lobby_objects(lobby, self.style, people=people)
            messages = wire.updated(wire.lobby_owner(lobby), self._next(), objects, self.style)
            for steamid in listeners:
                self._put(steamid, messages)

    def _invite(self, notice: Invited | InviteAnswered) -> Message:
        number = GcMsg.OBJECT_CREATED if isinstance(notice, Invited) else GcMsg.OBJECT_DESTROYED
        data = wire.invite_object(notice.lobby, notice.sender, self.world.name_of(notice.sender))
        return wire.single(number, (wire.OWNER_PLAYER, notice.steamid), self._next(), ObjectType.LOBBY_INVITE, data)

    def _tell(self, steamid: int, messages: Callable[[], Iterable[Message]]) -> None:
        if self.sessions.has(steamid):
            self._put(steamid, messages())

    def _next(self) -> int:
        self._version += 1
        return self._version

    def _put(self, steamid: int, messages: Iterable[Message]) -> None:
        for message in messages:
            if self._held is not None:
                self._held.append((steamid, message))
            else:
                self._deliver(steamid, message, Header())

    def _deliver(self, steamid: int, message: Message, header: Header) -> None:
        if self._send is None:
            raise RuntimeError("the coordinator is attached to no Steam")
        self._send(steamid, message.number, header, message.body)
