"""A tiny client of a connection manager, written straight from the protocol notes: it keeps everything it gets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import trustme
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.framing import Frame, Header, decode_frame, decode_multi, encode_frame
from exporter.platforms.steam.messages import Emsg, Result, decode_body, encode_body
from exporter.simulators.steam import Account, World
from tests.unit.simulators.steam.scene import claims, encrypted

_T = TypeVar("_T")

AUTHORITY = trustme.CA()


def server_tls(name: str = "127.0.0.1", *, expired: bool = False) -> ssl.SSLContext:
    """Return the server's side of TLS, with a certificate for this name, which may be one of long ago."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
    AUTHORITY.issue_cert(name, not_after=end).configure_cert(context)
    return context


def client_tls() -> ssl.SSLContext:
    """Return the client's side."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


class ServiceRefused(Exception):
    """A service call was answered with another result than OK."""

    def __init__(self, header: Header) -> None:
        self.result = header.eresult
        super().__init__(str(header))


@dataclass
class RawClient:
    """One connection. Frames inside Multis are taken out; `inbox` keeps what nobody waited for."""

    ws: ClientConnection
    steamid: int = 0
    session_id: int = 0
    inbox: list[Frame] = field(default_factory=list)
    multis: int = 0
    _job: int = 0

    async def send(self, number: int, body: object = None, *, header: Header | None = None) -> None:
        header = header or Header(steamid=self.steamid, client_sessionid=self.session_id)
        await self.ws.send(encode_frame(number, header, encode_body(body) if body is not None else b""))

    async def expect(self, number: int) -> Frame:
        """Return the next frame with this number; everything else stays in the inbox."""
        return await self._first(lambda frame: frame.number == number)

    async def hello(self) -> None:
        await self.send(Emsg.CLIENT_HELLO, m.Hello(m.PROTOCOL_VERSION), header=Header())

    async def call(self, method: m.Method[Any, _T], question: object) -> _T:
        """Ask and return the answer; raises ServiceRefused."""
        self._job += 1
        job = self._job
        logged_on = self.session_id != 0
        header = Header(
            steamid=self.steamid,
            client_sessionid=self.session_id,
            jobid_source=job,
            target_job_name=method.name,
            realm=m.STEAM_REALM,
        )
        await self.send(
            Emsg.SERVICE_METHOD_CALL if logged_on else Emsg.SERVICE_METHOD_CALL_NON_AUTHED, question, header=header
        )
        frame = await self._first(
            lambda each: each.number == Emsg.SERVICE_METHOD_RESPONSE and each.header.jobid_target == job
        )
        if frame.header.eresult != Result.OK:
            raise ServiceRefused(frame.header)
        return decode_body(method.response, frame.body)

    async def begin(self, username: str, password: str, guard_data: str = "") -> m.AuthBegun:
        key = await self.call(m.GET_RSA_KEY, m.RsaKeyRequest(username))
        question = m.BeginAuthRequest(
            account_name=username,
            encrypted_password=encrypted(key.publickey_mod, key.publickey_exp, password),
            encryption_timestamp=key.timestamp,
            remember_login=True,
            website_id="Unknown",
            device_details=m.DeviceDetails("a test", 1, 16, 1, b"machine"),
            guard_data=guard_data,
        )
        return await self.call(m.BEGIN_AUTH, question)

    async def submit(self, begun: m.AuthBegun, code: str, kind: int) -> None:
        await self.call(m.SEND_CODE, m.GuardCodeRequest(begun.client_id, begun.steamid, code, kind))

    async def poll(self, begun: m.AuthBegun) -> m.Polled:
        return await self.call(m.POLL_AUTH, m.PollRequest(begun.client_id, begun.request_id))

    async def log_on(self, token: str, *, login_id: int = 7, steamid: int | None = None) -> m.LogonResponse:
        """Log on with a refresh token; the session's ids go into every header after that."""
        logon = m.Logon(
            protocol_version=m.PROTOCOL_VERSION,
            client_os_type=16,
            should_remember_password=True,
            obfuscated_private_ip=m.IpAddress(login_id),
            machine_id=b"machine",
            chat_mode=2,
            supports_rate_limit_response=True,
            access_token=token,
        )
        header = Header(steamid=int(claims(token)["sub"]) if steamid is None else steamid)
        await self.send(Emsg.CLIENT_LOGON, logon, header=header)
        frame = await self.expect(Emsg.CLIENT_LOG_ON_RESPONSE)
        response = decode_body(m.LogonResponse, frame.body)
        if response.eresult == Result.OK:
            self.steamid, self.session_id = frame.header.steamid, frame.header.client_sessionid
        return response

    async def play(self, *apps: int) -> None:
        await self.send(Emsg.CLIENT_GAMES_PLAYED, m.GamesPlayed(tuple(m.GamePlayed(app) for app in apps)))

    async def beat(self) -> None:
        """Send a heartbeat and wait for its echo: everything sent before has been dealt with then."""
        await self.send(Emsg.CLIENT_HEART_BEAT, m.HeartBeat(send_reply=True))
        await self.expect(Emsg.CLIENT_HEART_BEAT)

    async def rest(self) -> list[Frame]:
        """Return all frames that come until the connection ends."""
        try:
            while True:
                await self._receive()
        except ConnectionClosed:
            return self.inbox

    async def _first(self, wanted: Callable[[Frame], bool]) -> Frame:
        async with asyncio.timeout(60):
            while True:
                for place, frame in enumerate(self.inbox):
                    if wanted(frame):
                        return self.inbox.pop(place)
                await self._receive()

    async def _receive(self) -> None:
        data = await self.ws.recv()
        assert isinstance(data, bytes)
        self.inbox.extend(self._unpack(data))

    def _unpack(self, data: bytes) -> list[Frame]:
        frame = decode_frame(data)
        if frame.number != Emsg.MULTI:
            return [frame]
        self.multis += 1
        return [inner for each in decode_multi(frame.body) for inner in self._unpack(each)]


@asynccontextmanager
async def connected(url: str, *, hello: bool = True) -> AsyncIterator[RawClient]:
    """Connect to a connection manager, and say hello unless told otherwise."""
    tls = client_tls() if url.startswith("wss") else None
    async with connect(url, ssl=tls, max_size=None, ping_interval=None, close_timeout=0.5) as ws:
        client = RawClient(ws)
        if hello:
            await client.hello()
        yield client


@asynccontextmanager
async def logged_on(url: str, world: World, account: Account, now: float, **how: Any) -> AsyncIterator[RawClient]:
    """Connect and log on with a token that the world hands out."""
    token = world.issue_token(account, now)
    async with connected(url) as client:
        response = await client.log_on(token.value, **how)
        assert response.eresult == Result.OK
        yield client


def game_frame(msgtype: int, body: bytes, *, job: int | None = None) -> bytes:
    """Return a coordinator's message as it travels inside GameMessage."""
    header = Header() if job is None else replace(Header(), jobid_source=job)
    return encode_frame(msgtype, header, body)
