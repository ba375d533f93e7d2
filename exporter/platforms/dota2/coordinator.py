"""One session with the Dota 2 coordinator, without sockets: game messages in, events out, and messages to send.

    games played -> 0.5 s -> hello, again every few seconds, until welcome -> lobby messages -> going down -> hello ...

Whoever uses it has told Steam that the account plays Dota 2. Nothing that comes in makes it raise: what cannot be read
is counted by kind, unknown messages are skipped and counted (steam-dota2 protocol notes, section 2).

A request has a job number, which its answer carries if the coordinator answers by job at all.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from exporter.platforms.dota2.alarm import soonest
from exporter.platforms.dota2.objects import InviteSeen, LobbyCache, LobbyGone, LobbySeen
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import (
    CLIENT_SESSION_NEED,
    ENGINE_SOURCE_2,
    OWNER_LOBBY,
    GcMsg,
    SessionStatus,
)
from exporter.platforms.steam.framing import NO_JOB, PROTOBUF_BIT, Frame, Header, Malformed, decode_frame, encode_frame
from exporter.stats import BotStats

ODDITIES: Final = (
    "gc_frame",
    "gc_body",
    "session_status",
    "lobby_object",
    "lobby_foreign",
    "lobby_value",
    "lobby_member",
)
GREET_S: Final = 0.5
HELLO_S: Final = 5.0
SILENT_S: Final = 30.0

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """The coordinator welcomed the bot. `with_lobby` says whether a lobby came with the welcome."""

    with_lobby: bool


@dataclass(frozen=True, slots=True)
class SessionLost:
    """The session that there was is over; hellos go on until there is a new one."""

    trouble: str


@dataclass(frozen=True, slots=True)
class SessionDelayed:
    """There is still no session, for another reason than before."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An order was answered. `job` is the request's, None if the coordinator did not say which one it means."""

    number: GcMsg
    job: int | None
    result: int


@dataclass(frozen=True, slots=True)
class InvitationCreated:
    """An invitation is on its way to this player."""

    steam_id: int


@dataclass(frozen=True, slots=True)
class CacheCurrent:
    """What is known of the cache of this owner is what there is."""

    owner_id: int


Event = (
    SessionBegan
    | SessionLost
    | SessionDelayed
    | Answered
    | InvitationCreated
    | CacheCurrent
    | LobbySeen
    | LobbyGone
    | InviteSeen
)

_TROUBLE: Final = {
    SessionStatus.GOING_DOWN: "the Dota 2 coordinator is going down",
    SessionStatus.NO_SESSION: "the Dota 2 coordinator has no session for this bot",
    SessionStatus.IN_QUEUE: "the Dota 2 coordinator has put this bot in its queue",
    SessionStatus.NO_STEAM: "the Dota 2 coordinator has lost Steam",
    SessionStatus.SUSPENDED: "the Dota 2 coordinator is suspended",
    SessionStatus.STEAM_GOING_DOWN: "Steam is going down, and the Dota 2 coordinator with it",
}
_SILENT: Final = "the Dota 2 coordinator does not answer"


class Coordinator:
    """The protocol state of one bot and its coordinator. `now` is in monotonic seconds wherever it appears.

    `steamid` is the bot's. Whoever uses it sends what `data_to_send` returns and calls `tick` at `next_deadline`.
    """

    def __init__(self, stats: BotStats, steamid: int, *, greet_s: float = GREET_S, hello_s: float = HELLO_S) -> None:
        self._stats = stats
        self._steamid = steamid
        self._greet_s = greet_s
        self._hello_s = hello_s
        self._out: deque[tuple[int, bytes]] = deque()
        self._next_job = 1
        self._hello_at: float | None = None
        self._greeted_at: float | None = None
        self._silent_at: float | None = None
        self._version = 0
        self._cache = self._empty_cache()
        self.welcomed = False
        self.trouble = _SILENT

    @property
    def version(self) -> int:
        """The coordinator's version, which some requests have to name."""
        return self._version

    # the session

    def start(self, now: float) -> None:
        """Steam was told that the account plays: greet the coordinator soon, and until it answers."""
        self._hello_at = now + self._greet_s
        self.trouble = _SILENT

    def stop(self, trouble: str) -> list[Event]:
        """The account plays no more: no session, and no hellos."""
        self._hello_at = None
        return self._lost(trouble)

    def doubt(self, now: float) -> None:
        """An order was not answered: is the coordinator there? One that says nothing at all to a hello is not."""
        if self.welcomed and self._silent_at is None:
            self._silent_at = now + SILENT_S
            self.greet()

    @property
    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        return soonest(self._hello_at, self._silent_at)

    def tick(self, now: float) -> list[Event]:
        """Greet, if it is time; the session is over if nothing was heard since an order was in doubt."""
        events: list[Event] = []
        if self._silent_at is not None and now >= self._silent_at:
            self._silent_at, self._hello_at = None, now
            events = self._lost(_SILENT)
        if self._hello_at is not None and now >= self._hello_at:
            self._greeted_at = now
            self._hello_at = now + self._hello_s
            self.greet()
        return events

    def greet(self) -> None:
        """Say hello once. Assumption: within a session it brings a welcome with all that the coordinator knows."""
        self.send(GcMsg.HELLO, pb.CMsgClientHello(client_session_need=CLIENT_SESSION_NEED, engine=ENGINE_SOURCE_2))

    # out

    def data_to_send(self) -> Iterator[tuple[int, bytes]]:
        """Yield message number (with the protobuf bit) and payload of what waits to be sent, each once, in order."""
        while self._out:
            yield self._out.popleft()

    def send(self, number: int, message: Message, *, answers: int = NO_JOB) -> None:
        """Send a message that is no request."""
        self._put(number, Header(jobid_target=answers), message)

    def request(self, number: int, message: Message) -> int:
        """Send a request and return the number of its job."""
        job, self._next_job = self._next_job, self._next_job + 1
        self._put(number, Header(jobid_source=job), message)
        return job

    def refresh(self, lobby_id: int) -> None:
        """Ask for a lobby's cache again."""
        owner = pb.CMsgSOIDOwner(type=OWNER_LOBBY, id=lobby_id)
        self.send(GcMsg.CACHE_REFRESH, pb.CMsgSOCacheSubscriptionRefresh(owner_soid=owner))

    def _put(self, number: int, header: Header, message: Message) -> None:
        payload = encode_frame(number, header, message.SerializeToString())
        self._out.append((number | PROTOBUF_BIT, payload))

    # in

    def receive(self, msgtype: int, payload: bytes, now: float) -> list[Event]:
        """Take one message of the coordinator and return what it says."""
        self._silent_at = None
        if not msgtype & PROTOBUF_BIT:
            self._stats.unknown_messages += 1
            return []
        try:
            frame = decode_frame(payload)
            if not frame.protobuf:
                raise Malformed("frame", "the payload is of an older kind than its message")
            return self._sorted(msgtype & ~PROTOBUF_BIT, frame, now)
        except Malformed:
            self._odd("gc_frame")
        except DecodeError:
            self._odd("gc_body")
        return []

    def _sorted(self, number: int, frame: Frame, now: float) -> list[Event]:  # noqa: PLR0912  (one case a message)
        """Return what a message says; raises DecodeError."""
        body = frame.body
        events: list[Event] = []
        match number:
            case GcMsg.WELCOME:
                events += self._welcome(_read(pb.CMsgClientWelcome, body))
            case GcMsg.CONNECTION_STATUS:
                events += self._status(_read(pb.CMsgConnectionStatus, body), now)
            case GcMsg.PING_REQUEST:
                self.send(GcMsg.PING_RESPONSE, pb.CMsgGCClientPing(), answers=frame.header.jobid_source)
            case GcMsg.OBJECT_CREATED | GcMsg.OBJECT_UPDATED:
                events += self._cache.put(_read(pb.CMsgSOSingleObject, body))
            case GcMsg.OBJECT_DESTROYED:
                events += self._cache.removed(_read(pb.CMsgSOSingleObject, body))
            case GcMsg.OBJECTS_UPDATED:
                events += self._cache.several(_read(pb.CMsgSOMultipleObjects, body))
            case GcMsg.CACHE_SUBSCRIBED:
                events += self._cache.subscribed(_read(pb.CMsgSOCacheSubscribed, body))
            case GcMsg.CACHE_UNSUBSCRIBED:
                events += self._cache.unsubscribed(_read(pb.CMsgSOCacheUnsubscribed, body))
            case GcMsg.CACHE_UP_TO_DATE:
                events.append(CacheCurrent(_read(pb.CMsgSOCacheSubscribedUpToDate, body).owner_soid.id))
            case GcMsg.CACHE_REFRESH:
                owner = _read(pb.CMsgSOCacheSubscriptionRefresh, body).owner_soid
                self.send(GcMsg.CACHE_REFRESH, pb.CMsgSOCacheSubscriptionRefresh(owner_soid=owner))
            case GcMsg.CACHE_CHECK:  # "your copy may be old": clients ask for the cache again
                owner = _read(pb.CMsgSOCacheSubscriptionCheck, body).owner_soid
                self.send(GcMsg.CACHE_REFRESH, pb.CMsgSOCacheSubscriptionRefresh(owner_soid=owner))
            case GcMsg.LOBBY_RESPONSE | GcMsg.LOBBY_JOIN_RESPONSE:
                result = _read(pb.CMsgPracticeLobbyJoinResponse, body).result
                events.append(Answered(GcMsg(number), _job(frame), result))
            case GcMsg.LOBBY_DESTROY_RESPONSE:
                result = _read(pb.CMsgDestroyLobbyResponse, body).result
                events.append(Answered(GcMsg.LOBBY_DESTROY_RESPONSE, _job(frame), result))
            case GcMsg.INVITATION_CREATED:
                events.append(InvitationCreated(_read(pb.CMsgInvitationCreated, body).steam_id))
            case _:
                self._stats.unknown_messages += 1
        return events

    def _welcome(self, welcome: pb.CMsgClientWelcome) -> list[Event]:
        """Begin a session: what was known of the objects is void, and what comes along is all that is known."""
        self._cache = self._empty_cache()
        self._version = welcome.version
        self._hello_at = None
        self.welcomed = True
        objects: list[Event] = []
        for cache in welcome.outofdate_subscribed_caches:
            objects += self._cache.subscribed(cache)
        return [SessionBegan(self._cache.lobby_id is not None), *objects]

    def _status(self, message: pb.CMsgConnectionStatus, now: float) -> list[Event]:
        if message.status == SessionStatus.HAVE_SESSION:
            return []  # the welcome is what counts
        try:
            trouble = _TROUBLE[SessionStatus(message.status)]
        except ValueError:
            self._odd("session_status")
            return []
        if message.status == SessionStatus.IN_QUEUE and message.queue_position > 0:
            size = f" of {message.queue_size}" if message.queue_size > 0 else ""
            trouble += f", position {message.queue_position}{size}"
        if self._hello_at is None and self.welcomed:
            # However fast it goes back and forth, there are no more hellos than one in a few seconds.
            earliest = self._greeted_at + self._hello_s if self._greeted_at is not None else now
            self._hello_at = max(now, earliest)
        return self._lost(trouble)

    def _lost(self, trouble: str) -> list[Event]:
        before, self.trouble = self.trouble, trouble
        if self.welcomed:
            self.welcomed = False
            self._silent_at = None
            return [SessionLost(trouble)]
        return [SessionDelayed(trouble)] if trouble != before else []

    def _empty_cache(self) -> LobbyCache:
        return LobbyCache(self._steamid, odd=self._odd, unknown=self._unknown)

    def _odd(self, kind: str) -> None:
        self._stats.protocol_errors[kind] += 1

    def _unknown(self) -> None:
        self._stats.unknown_messages += 1


def _read(kind: type[_M], body: bytes) -> _M:
    message = kind()
    message.ParseFromString(body)
    return message


def _job(frame: Frame) -> int | None:
    return None if frame.header.jobid_target == NO_JOB else frame.header.jobid_target
