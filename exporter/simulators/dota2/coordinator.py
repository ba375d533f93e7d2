"""The Dota 2 coordinator that the simulated Steam hands messages to.

    ClientToGC -> Coordinator.receive -> (faults) -> an order -> World -> notices -> objects
                                                                       -> the answer

Assumptions: without a session every message but a hello is answered with "no session"; each order gets its answer
in 7055 (a refused creation in 7113, see `Style`), joining in 7113, destroying in 8247, with the job of the question.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Proto

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import (
    DOTA2_APPID,
    DestroyResult,
    GcMsg,
    JoinResult,
    ObjectType,
    SessionStatus,
)
from exporter.platforms.steam.framing import NO_JOB, Header
from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import wire
from exporter.simulators.dota2.faults import Deed, Fault, Faults
from exporter.simulators.dota2.policy import Policy, Style
from exporter.simulators.dota2.records import (
    STEAMID_BASE,
    Admitted,
    Changed,
    Dismissed,
    Invited,
    Lobby,
    Notice,
    Refused,
    Settings,
)
from exporter.simulators.dota2.sessions import Sessions
from exporter.simulators.dota2.wire import Message
from exporter.simulators.dota2.world import World
from exporter.simulators.steam.games import SendToPlayer

_ANSWERED_BY: Final[dict[int, GcMsg]] = {
    GcMsg.LOBBY_JOIN: GcMsg.LOBBY_JOIN_RESPONSE,
    GcMsg.LOBBY_DESTROY: GcMsg.LOBBY_DESTROY_RESPONSE,
}
_EMPTY: Final = pb.CMsgGCClientPing


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
    """What clients sent that cannot be read."""


@dataclass(frozen=True, slots=True)
class Order:
    """One message of a player."""

    steamid: int
    number: int
    job: int
    body: bytes


class Coordinator:
    """One game coordinator: a `Game` of the simulated Steam. `world` is what it knows, `faults` what goes wrong."""

    def __init__(self, *, policy: Policy | None = None, style: Style | None = None, seed: int = 1) -> None:
        self.world = World(policy=policy, seed=seed)
        self.faults = Faults()
        self.stats = Stats()
        self.sessions = Sessions(self.world, self._put)
        self.style = style or Style()
        self._send: SendToPlayer | None = None
        self._version = 1
        self._held: list[tuple[int, Message]] | None = None
        self._next_ping: float | None = None
        self.world.subscribe(self._hear)
        self._orders: dict[int, tuple[type[Proto], Callable[[int, Proto, float], list[Message] | None]]] = {
            GcMsg.LOBBY_CREATE: (pb.CMsgPracticeLobbyCreate, self._create),
            GcMsg.LOBBY_SET_DETAILS: (pb.CMsgPracticeLobbySetDetails, self._set_details),
            GcMsg.LOBBY_JOIN: (pb.CMsgPracticeLobbyJoin, self._join),
            GcMsg.LOBBY_INVITE_RESPONSE: (pb.CMsgLobbyInviteResponse, self._invite_response),
            GcMsg.LOBBY_SET_TEAM_SLOT: (pb.CMsgPracticeLobbySetTeamSlot, self._seat),
            GcMsg.LOBBY_KICK: (pb.CMsgPracticeLobbyKick, self._kick),
            GcMsg.LOBBY_KICK_FROM_TEAM: (pb.CMsgPracticeLobbyKickFromTeam, self._kick_from_team),
            GcMsg.LOBBY_SHUFFLE: (_EMPTY, lambda who, _, now: self.world.shuffle(who, now)),
            GcMsg.LOBBY_FLIP: (_EMPTY, lambda who, _, now: self.world.flip(who, now)),
            GcMsg.LOBBY_LAUNCH: (_EMPTY, lambda who, _, now: self.world.launch(who, now)),
            GcMsg.LOBBY_LEAVE: (_EMPTY, lambda who, _, now: self.world.leave(who, now)),
            GcMsg.ABANDON_GAME: (_EMPTY, lambda who, _, now: self.world.abandon(who, now)),
            GcMsg.LOBBY_DESTROY: (_EMPTY, lambda who, _, now: self.world.destroy(who, now)),
            GcMsg.INVITE_TO_LOBBY: (pb.CMsgInviteToLobby, self._invite),
        }

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
        order = Order(steamid, msgtype, header.jobid_source, body)
        fault = self.faults.take(msgtype, steamid)
        match fault:
            case None:
                self._carry_out(order, now)
            case Fault(deed=Deed.SILENCE):
                pass
            case Fault(deed=Deed.REFUSE):
                self._answer(order, [self._no(msgtype, fault.result)])
            case Fault(deed=Deed.PRETEND):
                self._answer(order, [self._fine(msgtype)])
            case Fault(deed=Deed.INSTEAD, message=message) if message is not None:
                self._answer(order, [message])
            case Fault(deed=Deed.MUTE):
                self._carry_out(order, now, mute=True)
            case Fault(deed=Deed.DELAY):
                self.world.timetable.at(now + fault.delay_s, lambda due: self._carry_out(order, due))

    def advance(self, now: float) -> None:
        if self._next_ping is None:
            self._next_ping = now + self.world.policy.ping_interval_s
        elif now >= self._next_ping:
            self._next_ping = now + self.world.policy.ping_interval_s
            self.sessions.ping(self.sessions.open)
        self.world.advance(now)

    # what tests and scripts do to the whole

    def go_down(self, status: SessionStatus = SessionStatus.GOING_DOWN) -> None:
        """Stop serving: all sessions end with this status, a hello is answered with "no session". Lobbies stay."""
        self.sessions.go_down(status)

    def come_back(self) -> None:
        """Serve again; whoever says hello gets a welcome, with its lobby."""
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

    # orders

    def _carry_out(self, order: Order, now: float, *, mute: bool = False) -> None:
        steamid, number = order.steamid, order.number
        if steamid not in self.sessions.players:
            return  # it went while the order waited
        if number == GcMsg.HELLO:
            hello = self._read(order, pb.CMsgClientHello)
            if isinstance(hello, pb.CMsgClientHello):
                self.sessions.hello(steamid, hello, now)
        elif not self.sessions.has(steamid):
            self._put(steamid, [wire.connection_status(SessionStatus.NO_SESSION)])
        elif number == GcMsg.PING_REQUEST:
            self._answer(order, [Message(GcMsg.PING_RESPONSE, b"")])
        elif number == GcMsg.PING_RESPONSE:
            self.sessions.players[steamid].pongs += 1
        elif number in self._orders:
            self._obey(order, now, mute=mute)
        else:
            self.stats.ignored[number] += 1

    def _obey(self, order: Order, now: float, *, mute: bool) -> None:
        kind, do = self._orders[order.number]
        body = self._read(order, kind)
        if body is None:
            return
        held: list[tuple[int, Message]] = []
        self._held = held
        try:
            answers = do(order.steamid, body, now)
            if answers is None:
                answers = [self._fine(order.number)]
        except Refused as refused:
            self.stats.refused.append((order.steamid, order.number, str(refused)))
            answers = [self._no(order.number, refused.result)]
        finally:
            self._held = None
        if self.style.answer_first and not mute:
            self._answer(order, answers)
        for steamid, message in held:
            self._put(steamid, [message])
        if not self.style.answer_first and not mute:
            self._answer(order, answers)

    def _create(self, steamid: int, body: Proto, now: float) -> None:
        assert isinstance(body, pb.CMsgPracticeLobbyCreate)  # noqa: S101  (the table says so)
        self.world.create(steamid, wire.settings_of(body.lobby_details, Settings(), pass_key=body.pass_key), now)

    def _set_details(self, steamid: int, body: Proto, now: float) -> None:
        assert isinstance(body, pb.CMsgPracticeLobbySetDetails)  # noqa: S101
        lobby = self.world.hosted_by(steamid)
        if body.lobby_id not in {0, lobby.lobby_id}:
            raise Refused(JoinResult.INVALID_LOBBY, "that is not its lobby")
        self.world.set_details(steamid, wire.settings_of(body, lobby.settings), now)

    def _join(self, steamid: int, body: Proto, now: float) -> None:
        assert isinstance(body, pb.CMsgPracticeLobbyJoin)  # noqa: S101
        self.world.join(self._lobby(body.lobby_id), steamid, now, body.pass_key)

    def _invite_response(self, steamid: int, body: Proto, now: float) -> list[Message]:
        assert isinstance(body, pb.CMsgLobbyInviteResponse)  # noqa: S101
        lobby = self._lobby(body.lobby_id)
        owner, data = (wire.OWNER_PLAYER, steamid), wire.invite_object(lobby, lobby.leader_id, "")
        self._put(steamid, [wire.single(GcMsg.OBJECT_DESTROYED, owner, self._next(), ObjectType.LOBBY_INVITE, data)])
        if not body.accept:
            return []
        # Assumption: who was invited needs no password.
        self.world.join(lobby, steamid, now, lobby.settings.pass_key)
        return [self._fine(GcMsg.LOBBY_JOIN)]

    def _invite(self, steamid: int, body: Proto, now: float) -> list[Message]:
        assert isinstance(body, pb.CMsgInviteToLobby)  # noqa: S101
        lobby = self.world.invite(steamid, body.steam_id, now)
        # Assumption: offline is who has no session here and is nobody of the simulated people.
        known = self.sessions.has(body.steam_id) or body.steam_id in self.world.names
        return [wire.invitation_created(lobby, body.steam_id, offline=not known)]

    def _seat(self, steamid: int, body: Proto, now: float) -> None:
        assert isinstance(body, pb.CMsgPracticeLobbySetTeamSlot)  # noqa: S101
        self.world.seat(steamid, body.team, body.slot, now)

    def _kick(self, steamid: int, body: Proto, now: float) -> None:
        assert isinstance(body, pb.CMsgPracticeLobbyKick)  # noqa: S101
        self.world.kick(steamid, STEAMID_BASE + body.account_id, now)

    def _kick_from_team(self, steamid: int, body: Proto, now: float) -> None:
        assert isinstance(body, pb.CMsgPracticeLobbyKickFromTeam)  # noqa: S101
        self.world.kick_from_team(steamid, STEAMID_BASE + body.account_id, now)

    def _lobby(self, lobby_id: int) -> Lobby:
        lobby = self.world.lobbies.get(lobby_id)
        if lobby is None:
            raise Refused(JoinResult.INVALID_LOBBY, "there is no such lobby")
        return lobby

    def _read(self, order: Order, kind: type[Proto]) -> Proto | None:
        body = kind()
        try:
            body.ParseFromString(order.body)
        except DecodeError:
            # Assumption: what cannot be read is dropped without a word.
            self.stats.violations.append(f"{order.number} from {order.steamid} cannot be read as {kind.__name__}")
            return None
        return body

    # answers

    def _fine(self, number: int) -> Message:
        if self.style.generic_results and number not in _ANSWERED_BY:
            return wire.result(GcMsg.LOBBY_RESPONSE, Result.OK)
        return wire.result(_ANSWERED_BY.get(number, GcMsg.LOBBY_RESPONSE), JoinResult.SUCCESS)

    def _no(self, number: int, result: int) -> Message:
        if number == GcMsg.LOBBY_DESTROY:
            return wire.result(GcMsg.LOBBY_DESTROY_RESPONSE, DestroyResult.ACCESS_DENIED)
        if number == GcMsg.LOBBY_JOIN or (number == GcMsg.LOBBY_CREATE and self.style.generic_results):
            return wire.result(GcMsg.LOBBY_JOIN_RESPONSE, result)
        return wire.result(GcMsg.LOBBY_RESPONSE, Result.FAIL if self.style.generic_results else result)

    def _answer(self, order: Order, messages: Iterable[Message]) -> None:
        header = Header(jobid_target=order.job) if order.job != NO_JOB else Header()
        for message in messages:
            self._deliver(order.steamid, message, header)

    # objects

    def _hear(self, notice: Notice) -> None:
        match notice:
            case Admitted(lobby=lobby, steamid=steamid):
                if self.sessions.has(steamid):
                    self._put(steamid, wire.opened(lobby, self._next(), self.style))
            case Changed(lobby=lobby, people=people):
                self._update(lobby, people=people)
            case Dismissed(lobby=lobby, steamid=steamid):
                if self.sessions.has(steamid):
                    self._put(steamid, [wire.unsubscribed(wire.lobby_owner(lobby))])
            case Invited(lobby=lobby, sender=sender, steamid=steamid):
                if self.sessions.has(steamid):
                    owner = wire.OWNER_PLAYER, steamid
                    data = wire.invite_object(lobby, sender, self.world.name_of(sender))
                    made = wire.single(GcMsg.OBJECT_CREATED, owner, self._next(), ObjectType.LOBBY_INVITE, data)
                    self._put(steamid, [made])

    def _update(self, lobby: Lobby, *, people: bool) -> None:
        listeners = [each.steamid for each in lobby.members if self.sessions.has(each.steamid)]
        if listeners:
            objects = wire.lobby_objects(lobby, self.style, people=people)
            messages = wire.updated(wire.lobby_owner(lobby), self._next(), objects, self.style)
            for steamid in listeners:
                self._put(steamid, messages)

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
