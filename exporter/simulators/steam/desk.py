"""What a connection manager makes of a message: which phase it belongs to, and what it answers.

    frame -> Desk.read -> Request(phase, username, ...) -> Desk.answer -> frames put on the link

Between the two the rules for faults are asked; a rule's verdict reaches the world as the server's own would.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.framing import Frame, Header, Malformed, decode_frame, encode_frame, encode_multi
from exporter.platforms.steam.messages import Emsg, Result, decode_body, encode_body
from exporter.simulators.steam.books import Refused
from exporter.simulators.steam.faults import Phase
from exporter.simulators.steam.games import Game
from exporter.simulators.steam.link import Link
from exporter.simulators.steam.noise import after_logon
from exporter.simulators.steam.services import SERVICES
from exporter.simulators.steam.stats import Stats
from exporter.simulators.steam.world import World

KICK_PLAYING_SESSION: Final = 9601
_CALLS: Final = {Emsg.SERVICE_METHOD_CALL_NON_AUTHED: False, Emsg.SERVICE_METHOD_CALL: True}
_CELL: Final = 5


@dataclass(frozen=True, slots=True)
class Request:
    """A message understood: its phase, whom it is about, and its body, decoded."""

    frame: Frame
    phase: Phase | None
    username: str
    body: Any


class Desk:
    """Answers the messages of all connection managers; the links do the sending."""

    def __init__(self, world: World, games: Mapping[int, Game], stats: Stats) -> None:
        self._world = world
        self._games = games
        self._stats = stats
        self._handlers: dict[int, tuple[Phase, Callable[[Link, Request, float, int], None]]] = {
            Emsg.CLIENT_HELLO: (Phase.HELLO, self._hello),
            Emsg.CLIENT_LOGON: (Phase.LOGON, self._logon),
            Emsg.CLIENT_HEART_BEAT: (Phase.HEARTBEAT, self._heartbeat),
            Emsg.CLIENT_GAMES_PLAYED: (Phase.PLAY, self._play),
            Emsg.CLIENT_GAMES_PLAYED_WITH_DATA_BLOB: (Phase.PLAY, self._play),
            Emsg.CLIENT_TO_GC: (Phase.GAME, self._to_game),
        }

    def read(self, link: Link, data: bytes) -> Request:
        """Return what the frame asks; raises Malformed."""
        frame = decode_frame(data)
        self._stats.received[frame.number] += 1
        username = link.session.account.username if link.session else ""
        if frame.number in _CALLS:
            self._stats.methods[frame.header.target_job_name] += 1
            service = SERVICES.get(frame.header.target_job_name)
            if service is None:
                return Request(frame, None, username, None)
            body = decode_body(service.method.request, frame.body)
            return Request(frame, service.phase, service.username(self._world, body) or username, body)
        phase = self._handlers[frame.number][0] if frame.number in self._handlers else None
        kind = m.MESSAGES.get(frame.number)
        content = decode_body(kind, frame.body) if kind is not None else None
        if isinstance(content, m.Logon):
            token = self._world.tokens.get(content.access_token)
            username = token.account.username if token else ""
        return Request(frame, phase, username, content)

    def answer(self, link: Link, request: Request, now: float, verdict: int = Result.OK) -> None:
        """Carry out a request and put the answer on the link; a `verdict` that is not OK is the answer."""
        number = request.frame.number
        if number != Emsg.CLIENT_HELLO and not link.said_hello and self._world.policy.needs_hello:
            self._violation(link, request, "before ClientHello")
            link.abort()
        elif number in _CALLS:
            self._call(link, request, now, verdict)
        elif number in {Emsg.CLIENT_HELLO, Emsg.CLIENT_LOGON}:
            self._handlers[number][1](link, request, now, verdict)
        elif link.session is None:
            self._violation(link, request, "before logon")
        elif not self._is_ours(link, request):
            # Assumption: a message under a foreign Steam id or session is not looked at.
            self._violation(link, request, "with the wrong Steam id or session in its header")
        elif number in self._handlers:
            self._handlers[number][1](link, request, now, verdict)
        elif number == Emsg.CLIENT_LOG_OFF:
            self._world.leave(link.session)
            link.session = None
            link.close()
        elif number == KICK_PLAYING_SESSION:
            self._world.take_over(link.session)
        else:
            self._stats.ignored[number] += 1

    # before logon

    def _hello(self, link: Link, request: Request, now: float, verdict: int) -> None:  # noqa: ARG002
        link.said_hello = True
        if request.body.protocol_version != m.PROTOCOL_VERSION:
            self._violation(link, request, f"with protocol version {request.body.protocol_version}")

    def _call(self, link: Link, request: Request, now: float, verdict: int) -> None:
        """Answer a service call; the job id of the question comes back in the answer (row 3)."""
        asked = request.frame.header
        header = replace(
            link.header, jobid_target=asked.jobid_source, target_job_name=asked.target_job_name, eresult=Result.OK
        )
        service = SERVICES.get(asked.target_job_name)
        body: object = None
        try:
            if _CALLS[Emsg(request.frame.number)] != (link.session is not None):
                self._violation(link, request, "on the wrong side of the logon")
                raise Refused(Result.ACCESS_DENIED)
            if service is None:
                # Assumption: a method that is not known, or not open to everyone, is answered so.
                raise Refused(Result.ACCESS_DENIED if link.session is None else Result.INVALID_PARAM)
            body = service.answer(self._world, link, request.body, now, verdict)
        except Refused as refused:
            header = replace(header, eresult=refused.result, error_message=refused.text)
        content = b"" if body is None else encode_body(body)
        link.put([encode_frame(Emsg.SERVICE_METHOD_RESPONSE, header, content)])

    def _logon(self, link: Link, request: Request, now: float, verdict: int) -> None:
        """Log on (rows 8 and 9): the answer comes within a gzipped Multi, with messages nobody asked for."""
        logon, world = request.body, self._world
        if link.session is not None:
            self._violation(link, request, "twice on one connection")
            return
        try:
            session = world.log_on(
                request.frame.header.steamid,
                logon.access_token,
                logon.obfuscated_private_ip.v4,
                now,
                address=link.address,
                verdict=verdict,
            )
        except Refused as refused:
            answer = encode_body(m.LogonResponse(eresult=refused.result))
            header = Header(
                steamid=request.frame.header.steamid, client_sessionid=request.frame.header.client_sessionid
            )
            link.put([encode_frame(Emsg.CLIENT_LOG_ON_RESPONSE, header, answer)])
            if world.policy.closes_after_refusal:
                link.close(abruptly=not world.policy.says_goodbye)
            return
        link.session = session
        response = m.LogonResponse(
            eresult=Result.OK,
            heartbeat_seconds=world.policy.heartbeat_s,
            cell_id=_CELL,
            client_instance_id=session.session_id << 20 | _CELL,
        )
        account = m.AccountInfo(persona_name=session.account.username, ip_country="XX")
        app = world.playing_blocked(session)
        playing = m.PlayingSessionState(playing_blocked=bool(app), playing_app=app)
        inner = [
            encode_frame(Emsg.CLIENT_LOG_ON_RESPONSE, link.header, encode_body(response)),
            encode_frame(Emsg.CLIENT_ACCOUNT_INFO, link.header, encode_body(account)),
            encode_frame(Emsg.CLIENT_PLAYING_SESSION_STATE, link.header, encode_body(playing)),
        ]
        link.put([encode_frame(Emsg.MULTI, Header(), encode_multi(inner))])
        if world.policy.logon_noise:
            link.put(after_logon(link.header))

    # after logon

    def _heartbeat(self, link: Link, request: Request, now: float, verdict: int) -> None:  # noqa: ARG002
        self._stats.heartbeats[request.username] += 1
        if request.body.send_reply:
            link.send(Emsg.CLIENT_HEART_BEAT, b"")

    def _play(self, link: Link, request: Request, now: float, verdict: int) -> None:  # noqa: ARG002
        if link.session is not None:
            # The lower 24 bits of a game id are the app; the rest tells mods and shortcuts apart.
            games = tuple(each.game_id & 0xFFFFFF for each in request.body.games_played)
            self._world.play(link.session, tuple(app for app in games if app))

    def _to_game(self, link: Link, request: Request, now: float, verdict: int) -> None:  # noqa: ARG002
        message: m.GameMessage = request.body
        session, game = link.session, self._games.get(message.appid)
        if request.frame.header.routing_appid != message.appid:
            self._violation(link, request, f"with routing_appid {request.frame.header.routing_appid}")
        if session is None or game is None or message.appid not in session.games:
            # Assumption: what is for a game that the session does not play is lost.
            self._stats.ignored[Emsg.CLIENT_TO_GC] += 1
            return
        try:
            inner = decode_frame(message.payload)
        except Malformed as error:
            self._violation(link, request, f"with a bad payload: {error}")
            return
        game.receive(session.account.steamid, inner.number, inner.header, inner.body, now)

    def _is_ours(self, link: Link, request: Request) -> bool:
        told = request.frame.header
        return (told.steamid, told.client_sessionid) == (link.header.steamid, link.header.client_sessionid)

    def _violation(self, link: Link, request: Request, what: str) -> None:
        name = request.frame.header.target_job_name or str(request.frame.number)
        self._stats.violations.append(f"{name} from {request.username or link.address} {what}")
