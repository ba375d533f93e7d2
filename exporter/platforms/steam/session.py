"""One session with a connection manager, without sockets: bytes in, events out, and bytes to send.

    Hello -> service methods (not logged on) -> Logon -> LogonResponse -> heartbeats, service methods, game messages

Nothing that comes in makes it raise: what cannot be read is counted by kind, unknown message numbers are skipped
and counted. Everything received is turned into events in order, so that a refusal is known before the close that
follows it (steam-dota2 protocol notes, section 1).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from exporter.platforms.steam.framing import (
    NO_JOB,
    Frame,
    Header,
    Malformed,
    Room,
    decode_frame,
    decode_multi,
    encode_frame,
)
from exporter.platforms.steam.messages import (
    MESSAGES,
    PROTOCOL_VERSION,
    STEAM_REALM,
    Emsg,
    GameMessage,
    GamePlayed,
    GamesPlayed,
    HeartBeat,
    Hello,
    LoggedOff,
    LogOff,
    Logon,
    LogonResponse,
    Method,
    PlayingSessionState,
    Result,
    decode_body,
    encode_body,
)
from exporter.stats import BotStats

_B = TypeVar("_B")

ODDITIES: Final = ("frame", "multi", "oversized", "body", "text")
_DEFAULT_BEAT_S: Final = 9.0
_BEAT_BOUNDS_S: Final = (1.0, 300.0)
_SILENT_BEATS: Final = 2.0
_DEEPEST_MULTI: Final = 3
MOST_BODY_BYTES: Final = 256 * 1024
"""What is decoded here is small. A body of very many empty parts would take fifty times its size in memory."""


@dataclass(frozen=True, slots=True)
class LoggedOn:
    """The logon was accepted; a heartbeat is due every `heartbeat_s` seconds."""

    steamid: int
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class LogonRefused:
    """The logon was refused with this result."""

    result: int


@dataclass(frozen=True, slots=True)
class Kicked:
    """The CM ended the session; it closes the connection next."""

    result: int


@dataclass(frozen=True, slots=True)
class HeartBeatAnswered:
    """The CM answered a heartbeat: the session is alive on both sides."""


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """Nothing came for two heartbeats: the CM, or the way to it, is dead."""

    silent_s: float


@dataclass(frozen=True, slots=True)
class PlayingBlocked:
    """Whether another session of the account plays, so that this one may not."""

    blocked: bool


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A service method was answered. `message` is Method.response, None if the result is not OK or unreadable."""

    job: int
    result: int
    message: object | None
    text: str


Event = (
    LoggedOn | LogonRefused | Kicked | HeartBeatAnswered | PeerSilent | PlayingBlocked | CallAnswered | GameMessage
) | Frame


class SteamSession:
    """The protocol state of one connection. `now` is in monotonic seconds wherever it appears.

    `wanted` are message numbers that come out as raw `Frame`s, for games that need more than is understood here.
    Whoever uses it sends what `data_to_send` returns, calls `tick` at `next_deadline`, and closes the connection after
    LogonRefused, Kicked and PeerSilent.
    """

    __slots__ = (
        "_beat_due",
        "_frames",
        "_heard_at",
        "_jobs",
        "_next_job",
        "_session_id",
        "_stats",
        "_wanted",
        "heartbeat_s",
        "steamid",
    )

    def __init__(self, stats: BotStats, now: float, wanted: frozenset[int] = frozenset()) -> None:
        self._stats = stats
        self._wanted = wanted
        self._frames: deque[bytes] = deque()
        self._jobs: dict[int, Method[Any, Any]] = {}
        self._next_job = 1
        self._session_id = 0
        self._heard_at = now
        self._beat_due: float | None = None
        self.heartbeat_s = 0.0
        self.steamid = 0
        self.send(Emsg.CLIENT_HELLO, Hello(PROTOCOL_VERSION))

    @property
    def logged_on(self) -> bool:
        """Whether the CM accepted a logon and has not ended it."""
        return self._beat_due is not None

    # out

    def data_to_send(self) -> Iterator[bytes]:
        """Yield the frames that wait to be sent, each once, in order."""
        while self._frames:
            yield self._frames.popleft()

    def send(self, number: int, message: object, *, appid: int = 0) -> None:
        """Send one of the messages of messages.py; `appid` routes it to a game."""
        header = Header(steamid=self.steamid, client_sessionid=self._session_id, routing_appid=appid)
        self._put(number, header, message)

    def logon(self, logon: Logon, steamid: int) -> None:
        """Log on as this account: until the answer the header names it without a session."""
        self.steamid = steamid
        self.send(Emsg.CLIENT_LOGON, logon)

    def logoff(self) -> None:
        """Say goodbye, so that the CM frees the session at once."""
        if self.logged_on:
            self._beat_due = None
            self.send(Emsg.CLIENT_LOG_OFF, LogOff())

    def call(self, method: Method[Any, Any], request: object) -> int:
        """Ask a service method and return the number of the job, which its CallAnswered has."""
        job, self._next_job = self._next_job, self._next_job + 1
        self._jobs[job] = method
        number = Emsg.SERVICE_METHOD_CALL if self.logged_on else Emsg.SERVICE_METHOD_CALL_NON_AUTHED
        header = Header(
            steamid=self.steamid,
            client_sessionid=self._session_id,
            jobid_source=job,
            target_job_name=method.name,
            realm=STEAM_REALM,
        )
        self._put(number, header, request)
        return job

    def forget(self, job: int) -> None:
        """Wait no longer for a job's answer; one that comes late is skipped."""
        self._jobs.pop(job, None)

    def play(self, appids: tuple[int, ...]) -> None:
        """Tell which games the account plays now; none ends the game."""
        self.send(Emsg.CLIENT_GAMES_PLAYED, GamesPlayed(tuple(GamePlayed(appid) for appid in appids)))

    def send_to_game(self, appid: int, msgtype: int, payload: bytes) -> None:
        """Send a message to a game's coordinator; `msgtype` with the protobuf bit if the payload is of that kind."""
        self.send(Emsg.CLIENT_TO_GC, GameMessage(appid, msgtype, payload), appid=appid)

    def _put(self, number: int, header: Header, message: object) -> None:
        self._frames.append(encode_frame(number, header, encode_body(message)))
        self._stats.messages_sent += 1

    # time

    @property
    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None before the logon."""
        if self._beat_due is None:
            return None
        return min(self._beat_due, self._heard_at + _SILENT_BEATS * self.heartbeat_s)

    def tick(self, now: float) -> list[Event]:
        """Do what is due: a heartbeat, or telling that the peer is silent."""
        if self._beat_due is None:
            return []
        silent_s = now - self._heard_at
        if silent_s >= _SILENT_BEATS * self.heartbeat_s:
            self._beat_due = None
            return [PeerSilent(silent_s)]
        if now >= self._beat_due:
            self._beat_due = now + self.heartbeat_s
            self.send(Emsg.CLIENT_HEART_BEAT, HeartBeat(send_reply=True))
        return []

    # in

    def receive(self, data: bytes | str, now: float) -> list[Event]:
        """Take one WebSocket message and return what it says."""
        self._heard_at = now
        if isinstance(data, str):
            self._stats.messages_received += 1
            self._stats.protocol_errors["text"] += 1
            return []
        events: list[Event] = []
        self._take(data, now, events, Room(), 0)
        return events

    def _take(self, data: bytes, now: float, events: list[Event], room: Room, depth: int) -> None:
        self._stats.messages_received += 1
        try:
            frame = decode_frame(data)
            if frame.protobuf and frame.number == Emsg.MULTI:
                if depth >= _DEEPEST_MULTI:
                    raise Malformed("multi", "a Multi in a Multi in a Multi")
                for inner in decode_multi(frame.body, room):
                    self._take(inner, now, events, room, depth + 1)
                return
            event = self._event(frame, now)
        except Malformed as error:
            self._stats.protocol_errors[error.kind] += 1
            return
        if event is not None:
            events.append(event)

    def _event(self, frame: Frame, now: float) -> Event | None:
        """Return what a frame says, None for nothing of interest; raises Malformed."""
        if frame.number in self._wanted:
            return frame
        if frame.protobuf and frame.number in (Emsg.SERVICE_METHOD_RESPONSE, Emsg.DEST_JOB_FAILED):
            return self._answered(frame)
        kind = MESSAGES.get(frame.number)
        if kind is None or not frame.protobuf:
            self._stats.unknown_messages += 1
            return None
        match _decoded(kind, frame.body):
            case LogonResponse() as response:
                return self._logon_answered(response, frame.header, now)
            case LoggedOff(eresult=result):
                self._beat_due = None
                return Kicked(result)
            case HeartBeat():
                return HeartBeatAnswered()
            case PlayingSessionState(playing_blocked=blocked):
                return PlayingBlocked(blocked)
            case GameMessage() as message if frame.number == Emsg.CLIENT_FROM_GC:
                return message
        return None

    def _logon_answered(self, response: LogonResponse, header: Header, now: float) -> Event:
        if response.eresult != Result.OK:
            return LogonRefused(response.eresult)
        self.steamid = header.steamid or self.steamid
        self._session_id = header.client_sessionid
        least, most = _BEAT_BOUNDS_S
        self.heartbeat_s = min(max(float(response.heartbeat_seconds) or _DEFAULT_BEAT_S, least), most)
        self._beat_due = now + self.heartbeat_s
        return LoggedOn(self.steamid, self.heartbeat_s)

    def _answered(self, frame: Frame) -> Event | None:
        header = frame.header
        method = self._jobs.pop(header.jobid_target, None) if header.jobid_target != NO_JOB else None
        if method is None:
            self._stats.unknown_messages += 1
            return None
        result, message = header.eresult, None
        if frame.number == Emsg.DEST_JOB_FAILED:
            result = Result.FAIL
        elif result == Result.OK:
            try:
                message = _decoded(method.response, frame.body)
            except Malformed as error:
                self._stats.protocol_errors[error.kind] += 1
        return CallAnswered(header.jobid_target, result, message, header.error_message)


def _decoded(kind: type[_B], body: bytes) -> _B:
    """Return the message of a body; raises Malformed. What is for a game is passed on unread, whatever its size."""
    if kind is not GameMessage and len(body) > MOST_BODY_BYTES:
        raise Malformed("oversized", f"a {kind.__name__} of {len(body)} bytes")
    return decode_body(kind, body)
