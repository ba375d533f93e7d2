"""The simulated Steam as a raw client sees it: every message of the protocol notes, section 1, in its order."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.framing import Header, decode_frame, encode_frame
from exporter.platforms.steam.messages import Confirmation, Emsg, Result, decode_body, encode_body
from exporter.simulators.steam import LogonKind, SendToPlayer, SteamSimulator, World
from tests.clock import ManualClock
from tests.eventually import eventually
from tests.protocol.steam_raw_client import (
    RawClient,
    ServiceRefused,
    client_tls,
    connected,
    game_frame,
    logged_on,
    server_tls,
)
from tests.unit.simulators.steam.scene import claims

SECRET = b"twenty bytes of this"
APP = 570


class Echo:
    """A coordinator that sends back whatever it gets, and writes down who came and went, and when."""

    appid = APP

    def __init__(self) -> None:
        self.diary: list[tuple[str, int, float]] = []

    def attach(self, send: SendToPlayer) -> None:
        self._send = send

    def enter(self, steamid: int, now: float) -> None:
        self.diary.append(("enter", steamid, now))

    def leave(self, steamid: int, now: float) -> None:
        self.diary.append(("leave", steamid, now))

    def receive(self, steamid: int, msgtype: int, header: Header, body: bytes, now: float) -> None:
        self.diary.append((str(msgtype), steamid, now))
        self._send(steamid, msgtype + 1, Header(jobid_target=header.jobid_source), body[::-1])

    def advance(self, now: float) -> None:
        """Nothing happens by itself."""


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def world() -> World:
    world = World()
    world.add_account("plain", "open sesame")
    world.add_account("totp", "wörd", shared_secret=SECRET)
    world.add_account("mailed", "letter", email_code="ABC23")
    return world


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def simulator(world: World, clock: ManualClock, echo: Echo) -> AsyncIterator[SteamSimulator]:
    simulator = SteamSimulator(world, clock=clock, games=[echo], tls=server_tls())
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def client(simulator: SteamSimulator) -> AsyncIterator[RawClient]:
    async with connected(simulator.cm_urls[0]) as client:
        yield client


async def test_the_directory_lists_the_connection_managers(simulator: SteamSimulator) -> None:
    query = {"cellid": "0", "cmtype": "websockets"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(
            f"{simulator.directory_url}/ISteamDirectory/GetCMListForConnect/v1/", params=query, ssl=client_tls()
        ) as answer,
    ):
        rows = (await answer.json())["response"]["serverlist"]
    assert [f"wss://{row['endpoint']}/cmsocket/" for row in rows] == simulator.cm_urls
    assert {(row["type"], row["realm"]) for row in rows} == {("websockets", "steamglobal")}
    assert [row["wtd_load"] for row in rows] == sorted(row["wtd_load"] for row in rows)


async def test_a_logon_by_password_then_by_token(
    simulator: SteamSimulator, world: World, clock: ManualClock, client: RawClient
) -> None:
    begun = await client.begin("totp", "wörd")
    kinds = [each.confirmation_type for each in begun.allowed_confirmations]
    assert kinds == [Confirmation.DEVICE_CONFIRMATION, Confirmation.DEVICE_CODE]
    assert (await client.poll(begun)).refresh_token == ""
    with pytest.raises(ServiceRefused) as refused:
        await client.submit(begun, "XXXXX", Confirmation.DEVICE_CODE)
    assert refused.value.result == Result.TWO_FACTOR_CODE_MISMATCH
    await client.submit(begun, world.totp_code(world.accounts["totp"], clock.now()), Confirmation.DEVICE_CODE)
    polled = await client.poll(begun)
    assert polled.account_name == "totp"
    told = claims(polled.refresh_token)
    assert (told["iss"], told["sub"]) == ("steam", str(begun.steamid))
    assert "client" in told["aud"]

    response = await client.log_on(polled.refresh_token)
    assert (response.eresult, response.heartbeat_seconds) == (Result.OK, world.policy.heartbeat_s)
    assert client.multis == 1
    assert client.steamid == begun.steamid
    assert client.session_id != 0
    assert decode_body(m.AccountInfo, (await client.expect(Emsg.CLIENT_ACCOUNT_INFO)).body).persona_name == "totp"
    await client.beat()
    numbers = {frame.number for frame in client.inbox}
    assert {780, 59_999} <= numbers
    assert [frame.number for frame in client.inbox if not frame.protobuf] == [782]
    assert world.logged_on() == ["totp"]

    async with connected(simulator.cm_urls[1]) as second:
        assert (await second.log_on(polled.refresh_token, login_id=8)).eresult == Result.OK
    assert world.logons(LogonKind.PASSWORD) == {"totp": 1}
    assert world.logons(LogonKind.TOKEN) == {"totp": 1}
    assert simulator.stats.violations == []


async def test_an_email_code_and_the_machine_token_that_saves_the_next_one(client: RawClient) -> None:
    begun = await client.begin("mailed", "letter")
    assert [each.confirmation_type for each in begun.allowed_confirmations] == [Confirmation.EMAIL_CODE]
    with pytest.raises(ServiceRefused) as refused:
        await client.submit(begun, "WRONG", Confirmation.EMAIL_CODE)
    assert refused.value.result == Result.INVALID_LOGIN_AUTH_CODE
    await client.submit(begun, "ABC23", Confirmation.EMAIL_CODE)
    machine_token = (await client.poll(begun)).new_guard_data
    assert claims(machine_token)["aud"] == ["machine"]

    again = await client.begin("mailed", "letter", machine_token)
    assert [each.confirmation_type for each in again.allowed_confirmations] == [Confirmation.NONE]
    assert (await client.poll(again)).refresh_token


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(client: RawClient) -> None:
    for username in ("plain", "nobody"):
        with pytest.raises(ServiceRefused) as refused:
            await client.begin(username, "wrong")
        assert refused.value.result == Result.INVALID_PASSWORD


async def test_a_refused_logon_is_answered_then_closed(world: World, clock: ManualClock, client: RawClient) -> None:
    token = world.issue_token(world.accounts["plain"], clock.now())
    world.revoke_tokens(world.accounts["plain"])
    assert (await client.log_on(token.value)).eresult == Result.REVOKED
    assert await client.rest() == []
    assert client.ws.close_code == 1000


async def test_a_renewal_invalidates_the_old_token(simulator: SteamSimulator, world: World, clock: ManualClock) -> None:
    account = world.accounts["plain"]
    async with logged_on(simulator.cm_urls[0], world, account, clock.now()) as client:
        (old,) = world.valid_tokens(account, clock.now())
        kept = await client.call(m.RENEW_TOKEN, m.RenewRequest(old.value, account.steamid))
        assert (bool(kept.access_token), kept.refresh_token) == (True, "")
        renewed = await client.call(m.RENEW_TOKEN, m.RenewRequest(old.value, account.steamid, 1))
        assert [each.value for each in world.valid_tokens(account, clock.now())] == [renewed.refresh_token]
    async with connected(simulator.cm_urls[0]) as client:
        assert (await client.log_on(old.value)).eresult == Result.ACCESS_DENIED
    async with connected(simulator.cm_urls[0]) as client:
        assert (await client.log_on(renewed.refresh_token)).eresult == Result.OK


async def test_steams_own_clock_can_be_asked(world: World, clock: ManualClock, client: RawClient) -> None:
    world.clock_offset_s = 95.0
    answer = await client.call(m.QUERY_TIME, m.TimeRequest(int(clock.now())))
    assert answer.server_time == int(clock.now()) + 95


async def test_without_hello_the_connection_is_dropped(simulator: SteamSimulator) -> None:
    async with connected(simulator.cm_urls[0], hello=False) as client:
        with pytest.raises(ConnectionClosed):
            await client.call(m.GET_RSA_KEY, m.RsaKeyRequest("plain"))
    assert simulator.stats.violations == [f"{m.GET_RSA_KEY.name} from plain before ClientHello"]


async def test_what_cannot_be_read_ends_the_connection(simulator: SteamSimulator, client: RawClient) -> None:
    await client.ws.send(b"\x01")
    assert await client.rest() == []
    assert "cannot be read" in simulator.stats.violations[0]


async def test_an_unknown_message_is_ignored(simulator: SteamSimulator, world: World, clock: ManualClock) -> None:
    async with logged_on(simulator.cm_urls[0], world, world.accounts["plain"], clock.now()) as client:
        await client.send(716, header=None)
        await client.beat()
    assert simulator.stats.ignored == {716: 1}


async def test_messages_before_logon_and_under_foreign_headers_are_violations(
    simulator: SteamSimulator, world: World, clock: ManualClock, client: RawClient
) -> None:
    await client.play(APP)
    await client.log_on(world.issue_token(world.accounts["plain"], clock.now()).value)
    await client.send(Emsg.CLIENT_GAMES_PLAYED, m.GamesPlayed(), header=Header())
    await client.beat()
    assert simulator.stats.violations == [
        "742 from 127.0.0.1 before logon",
        "742 from plain with the wrong Steam id or session in its header",
    ]


async def test_the_same_login_id_replaces_the_session(
    simulator: SteamSimulator, world: World, clock: ManualClock
) -> None:
    account = world.accounts["plain"]
    async with (
        logged_on(simulator.cm_urls[0], world, account, clock.now()) as first,
        logged_on(simulator.cm_urls[1], world, account, clock.now()),
    ):
        frames = await first.rest()
        assert decode_body(m.LoggedOff, frames[-1].body).eresult == Result.LOGON_SESSION_REPLACED
        assert len(world.sessions_of(account)) == 1
    await eventually(lambda: not world.sessions)


async def test_playing_elsewhere_blocks_and_taking_over_kicks(
    simulator: SteamSimulator, world: World, clock: ManualClock, echo: Echo
) -> None:
    account = world.accounts["plain"]

    def blocked(client: RawClient) -> list[tuple[bool, int]]:
        frames = [each for each in client.inbox if each.number == Emsg.CLIENT_PLAYING_SESSION_STATE]
        states = [decode_body(m.PlayingSessionState, each.body) for each in frames]
        return [(each.playing_blocked, each.playing_app) for each in states]

    async with logged_on(simulator.cm_urls[0], world, account, clock.now()) as first:
        await first.play(APP)
        await first.beat()
        assert blocked(first) == [(False, 0), (False, APP)]
        async with logged_on(simulator.cm_urls[1], world, account, clock.now(), login_id=8) as second:
            await second.play(APP)
            await second.beat()
            assert blocked(second) == [(True, APP), (True, APP)]
            await second.send(9601)
            frames = await first.rest()
            assert decode_body(m.LoggedOff, frames[-1].body).eresult == Result.LOGGED_IN_ELSEWHERE
            await second.play(APP)
            await second.beat()
            assert blocked(second)[2:] == [(False, 0), (False, APP)]
            await second.send(Emsg.CLIENT_LOG_OFF, m.LogOff())
            await second.rest()
    assert [what for what, *_ in echo.diary] == ["enter", "leave", "enter", "leave"]
    assert {(steamid, at) for _, steamid, at in echo.diary} == {(account.steamid, clock.now())}


async def test_a_coordinator_is_reached_by_whoever_plays(
    simulator: SteamSimulator, world: World, clock: ManualClock
) -> None:
    message = m.GameMessage(APP, 4006 | 0x80000000, game_frame(4006, b"hello", job=5))
    async with logged_on(simulator.cm_urls[0], world, world.accounts["plain"], clock.now()) as client:
        header = Header(steamid=client.steamid, client_sessionid=client.session_id, routing_appid=APP)
        await client.send(Emsg.CLIENT_TO_GC, message, header=header)
        await client.play(APP)
        await client.send(Emsg.CLIENT_TO_GC, message, header=header)
        frame = await client.expect(Emsg.CLIENT_FROM_GC)
        assert frame.header.routing_appid == APP
        answer = decode_body(m.GameMessage, frame.body)
        assert (answer.appid, answer.msgtype) == (APP, 4007 | 0x80000000)
        inner = decode_frame(answer.payload)
        assert (inner.number, inner.header.jobid_target, inner.body) == (4007, 5, b"olleh")
    assert simulator.stats.ignored == {Emsg.CLIENT_TO_GC: 1}


async def test_a_silent_client_is_dropped_and_one_that_beats_is_not(
    simulator: SteamSimulator, world: World, clock: ManualClock
) -> None:
    url, now = simulator.cm_urls[0], clock.now()
    async with (
        logged_on(url, world, world.accounts["plain"], now) as beating,
        logged_on(url, world, world.accounts["totp"], now) as silent,
    ):
        for _ in range(4):
            await clock.advance(world.policy.heartbeat_s)
            await beating.beat()
        await silent.rest()
        await beating.beat()
    assert simulator.stats.dropped_silent == 1
    assert simulator.stats.heartbeats == {"plain": 5}


async def test_plain_websockets_without_tls(world: World, clock: ManualClock) -> None:
    simulator = SteamSimulator(world, clock=clock, cms=1)
    await simulator.start()
    assert simulator.directory_url.startswith("http://127.0.0.1:")
    assert simulator.cm_urls[0].startswith("ws://127.0.0.1:")
    async with logged_on(simulator.cm_urls[0], world, world.accounts["plain"], clock.now()) as client:
        await client.beat()
    await simulator.stop()


async def test_a_call_that_is_not_known_or_on_the_wrong_side_is_refused(
    simulator: SteamSimulator, client: RawClient
) -> None:
    unknown = m.Method("Player.GetGameBadgeLevels#1", m.TimeRequest, m.ServerTime)
    with pytest.raises(ServiceRefused) as refused:
        await client.call(unknown, m.TimeRequest())
    assert refused.value.result == Result.ACCESS_DENIED
    header = Header(jobid_source=9, target_job_name=m.QUERY_TIME.name)
    await client.ws.send(encode_frame(Emsg.SERVICE_METHOD_CALL, header, encode_body(m.TimeRequest())))
    answer = await client.expect(Emsg.SERVICE_METHOD_RESPONSE)
    assert (answer.header.jobid_target, answer.header.eresult) == (9, Result.ACCESS_DENIED)
    assert simulator.stats.violations == [f"{m.QUERY_TIME.name} from 127.0.0.1 on the wrong side of the logon"]
