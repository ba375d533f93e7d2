"""What can be made to go wrong on the simulated Steam, seen from its clients."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.framing import Malformed, decode_frame, decode_multi
from exporter.platforms.steam.messages import Emsg, Result, decode_body
from exporter.simulators.steam import Account, Fault, Phase, SteamSimulator, World, hostile
from exporter.simulators.steam.directory import PATH
from tests.clock import ManualClock
from tests.eventually import eventually
from tests.protocol.steam_raw_client import RawClient, ServiceRefused, client_tls, connected, logged_on, server_tls

SHORT_S = 0.05


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def account(world: World) -> Account:
    return world.add_account("plain", "open sesame")


@pytest.fixture
async def simulator(world: World, clock: ManualClock) -> AsyncIterator[SteamSimulator]:
    simulator = SteamSimulator(world, clock=clock, tls=server_tls())
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls())) as session:
        yield session


async def knock(simulator: SteamSimulator, cm: int = 0) -> None:
    async with connected(simulator.cm_urls[cm]):
        pass


async def hangs(deed: Coroutine[Any, Any, None], rule: Fault) -> None:
    """Expect that the deed reaches the rule, once, and then waits."""
    task = asyncio.create_task(deed)
    await eventually(lambda: rule.seen == 1)
    done, _ = await asyncio.wait({task}, timeout=SHORT_S)
    assert not done
    task.cancel()
    await asyncio.wait({task})


async def answers(client: RawClient) -> bool:
    """Return whether anything comes within a moment."""
    try:
        async with asyncio.timeout(SHORT_S):
            await client.ws.recv()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "result", [2, 3, 5, 10, 15, 16, 17, 18, 20, 26, 27, 43, 48, 50, 63, 65, 66, 71, 73, 84, 85, 87, 88, 105]
)
async def test_any_result_at_begin_and_at_logon(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock, result: int
) -> None:
    simulator.faults.refuse(Phase.BEGIN, result, times=1)
    simulator.faults.refuse(Phase.LOGON, result, times=1, username="plain")
    token = world.issue_token(account, clock.now()).value
    async with connected(simulator.cm_urls[0]) as client:
        with pytest.raises(ServiceRefused) as refused:
            await client.begin("plain", "open sesame")
        assert refused.value.result == result
        assert (await client.begin("plain", "open sesame")).client_id
        assert (await client.log_on(token)).eresult == result
    async with connected(simulator.cm_urls[0]) as client:
        assert (await client.log_on(token)).eresult == Result.OK
    assert [each.result for each in world.begins] == [result, Result.OK]
    assert [each.result for each in world.attempts] == [result, Result.OK]


@pytest.mark.parametrize("phase", [Phase.HELLO, Phase.KEY, Phase.BEGIN, Phase.POLL, Phase.LOGON])
async def test_a_phase_can_hang(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock, phase: Phase
) -> None:
    rule = simulator.faults.hang(phase)

    async def way_in(client: RawClient) -> None:
        begun = await client.begin("plain", "open sesame")
        await client.poll(begun)
        await client.log_on(world.issue_token(account, clock.now()).value)

    async with connected(simulator.cm_urls[0]) as client:
        await hangs(way_in(client), rule)
    simulator.faults.clear()
    async with connected(simulator.cm_urls[0]) as client:
        await way_in(client)


@pytest.mark.parametrize("phase", [Phase.ACCEPT, Phase.TLS, Phase.UPGRADE])
async def test_a_connection_can_hang_before_it_is_one(simulator: SteamSimulator, phase: Phase) -> None:
    await hangs(knock(simulator, 1), simulator.faults.hang(phase, cm=1))
    await knock(simulator, 0)
    simulator.faults.clear()
    await knock(simulator, 1)


async def test_a_connection_can_be_refused_in_many_ways(simulator: SteamSimulator) -> None:
    simulator.faults.refuse(Phase.ACCEPT, 0, times=1)
    with pytest.raises((ConnectionError, InvalidHandshake)):
        await knock(simulator)
    simulator.faults.refuse(Phase.TLS, 0, times=1)
    with pytest.raises(ssl.SSLError):
        await knock(simulator)
    simulator.faults.refuse(Phase.UPGRADE, 503, times=1)
    with pytest.raises(InvalidStatus):
        await knock(simulator)
    await simulator.cms[0].stop()
    with pytest.raises(ConnectionRefusedError):
        await knock(simulator)
    await simulator.cms[0].start()
    await knock(simulator)


async def test_dropped_before_and_after_the_answer(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock
) -> None:
    token = world.issue_token(account, clock.now()).value
    simulator.faults.drop_before(Phase.LOGON, times=1)
    async with connected(simulator.cm_urls[0]) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.log_on(token)
    assert closed.value.rcvd is None
    simulator.faults.drop_after(Phase.LOGON, times=1)
    async with connected(simulator.cm_urls[0]) as client:
        assert (await client.log_on(token)).eresult == Result.OK
        await client.rest()
        assert client.ws.close_code == 1000
    await eventually(lambda: not world.sessions)


async def test_a_slow_answer_takes_its_time(simulator: SteamSimulator, clock: ManualClock) -> None:
    simulator.faults.delay(Phase.KEY, 3.0, times=1)
    async with connected(simulator.cm_urls[0]) as client:
        asking = asyncio.create_task(client.call(m.GET_RSA_KEY, m.RsaKeyRequest("plain")))
        await eventually(lambda: 3.0 in clock.sleeping)
        await clock.advance(2.9)
        assert not asking.done()
        await clock.advance(0.1)
        assert (await asking).timestamp


async def test_a_half_open_connection_says_nothing_more(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock
) -> None:
    async with logged_on(simulator.cm_urls[0], world, account, clock.now()) as client:
        await client.beat()
        client.inbox.clear()
        simulator.faults.half_open = True
        await client.send(Emsg.CLIENT_HEART_BEAT, m.HeartBeat(send_reply=True))
        simulator.kick_all(Result.LOGGED_IN_ELSEWHERE)
        pong = asyncio.ensure_future(await client.ws.ping())
        assert not await answers(client)
        assert not pong.done()
        pong.cancel()
        client.ws.transport.abort()


async def test_heartbeats_alone_can_go_unanswered(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock
) -> None:
    async with logged_on(simulator.cm_urls[0], world, account, clock.now()) as client:
        await client.beat()
        client.inbox.clear()
        simulator.faults.hang(Phase.HEARTBEAT)
        await client.send(Emsg.CLIENT_HEART_BEAT, m.HeartBeat(send_reply=True))
        assert (await client.call(m.QUERY_TIME, m.TimeRequest())).server_time
        assert client.inbox == []


@pytest.mark.parametrize("result", [Result.LOGGED_IN_ELSEWHERE, Result.LOGON_SESSION_REPLACED])
async def test_everybody_can_be_kicked(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock, result: Result
) -> None:
    async with logged_on(simulator.cm_urls[0], world, account, clock.now()) as client:
        simulator.kick_all(result)
        last = (await client.rest())[-1]
        assert (last.number, decode_body(m.LoggedOff, last.body).eresult) == (Emsg.CLIENT_LOGGED_OFF, result)
    assert world.logged_on() == []


async def test_the_connection_managers_restart_one_after_the_other(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock
) -> None:
    urls = simulator.cm_urls
    async with logged_on(urls[0], world, account, clock.now()) as client:
        await simulator.restart_cms()
        with pytest.raises(ConnectionClosed):
            await client.beat()
    assert simulator.cm_urls == urls
    async with logged_on(urls[0], world, account, clock.now()) as client:
        await client.beat()


async def test_a_crash_resets_connections_and_the_world_survives(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock
) -> None:
    token = world.issue_token(account, clock.now()).value
    async with connected(simulator.cm_urls[0]) as client:
        assert (await client.log_on(token)).eresult == Result.OK
        await simulator.crash()
        with pytest.raises(ConnectionClosed) as closed:
            await client.beat()
    assert closed.value.rcvd is None
    assert world.sessions == {}
    assert not simulator.running
    await simulator.start()
    async with connected(simulator.cm_urls[0]) as client:
        assert (await client.log_on(token)).eresult == Result.OK


async def test_the_directory_fails_in_many_ways(simulator: SteamSimulator, http: aiohttp.ClientSession) -> None:
    url = f"{simulator.directory_url}{PATH}"
    simulator.faults.refuse(Phase.DIRECTORY, 503, times=1)
    simulator.faults.instead(Phase.DIRECTORY, b'{"response": {"serverlist": [{"endpoint": 5}', times=1)
    async with http.get(url) as answer:
        assert answer.status == 503
    async with http.get(url) as answer:
        assert (await answer.text()).endswith("5}")
    rule = simulator.faults.drop_before(Phase.DIRECTORY)
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.get(url)
    simulator.faults.clear()
    assert rule.seen == 2  # aiohttp asks once more when a connection that it used before is dropped
    simulator.faults.hang(Phase.DIRECTORY, times=1)
    with pytest.raises(TimeoutError):
        await http.get(url, timeout=aiohttp.ClientTimeout(SHORT_S))
    await simulator.directory.listener.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.get(url)
    await simulator.start()
    async with http.get(url) as answer:
        assert len((await answer.json())["response"]["serverlist"]) == 3


@pytest.mark.parametrize("frame", [hostile.garbage(), hostile.stub(), hostile.bad_body(), hostile.cut_gzip()])
async def test_garbage_in_place_of_an_answer(
    simulator: SteamSimulator, world: World, account: Account, clock: ManualClock, frame: bytes
) -> None:
    simulator.faults.instead(Phase.LOGON, frame)
    async with connected(simulator.cm_urls[0]) as client:
        with pytest.raises(Malformed):
            await client.log_on(world.issue_token(account, clock.now()).value)
    assert world.attempts == []


async def test_a_gzip_bomb_is_small_until_unpacked(simulator: SteamSimulator) -> None:
    bomb = hostile.gzip_bomb(32 * 1024 * 1024)
    assert len(bomb) < 64 * 1024
    async with connected(simulator.cm_urls[0]) as client:
        await eventually(lambda: simulator.links)
        simulator.broadcast(bomb)
        frame = decode_frame(bytes(await client.ws.recv(decode=False)))
    with pytest.raises(Malformed, match="unzips to more"):
        decode_multi(frame.body)


async def test_an_oversized_frame_hits_the_clients_limit(simulator: SteamSimulator) -> None:
    async with connect(simulator.cm_urls[0], ssl=client_tls(), max_size=1024 * 1024) as ws:
        await eventually(lambda: simulator.links)
        simulator.broadcast(hostile.oversized(2 * 1024 * 1024))
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
    assert closed.value.sent is not None
    assert closed.value.sent.code == 1009


async def test_stopping_ends_what_hangs(simulator: SteamSimulator, http: aiohttp.ClientSession) -> None:
    for phase in (Phase.DIRECTORY, Phase.UPGRADE):
        simulator.faults.hang(phase)
    simulator.faults.hang(Phase.ACCEPT, cm=2)

    async def look_up() -> None:
        await http.get(f"{simulator.directory_url}{PATH}")

    waiting = [asyncio.create_task(knock(simulator, cm)) for cm in range(3)]
    waiting.append(asyncio.create_task(look_up()))
    rules = list(simulator.faults.rules)
    await eventually(lambda: [rule.seen for rule in rules] == [1, 2, 1])
    await simulator.stop()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, (OSError, InvalidHandshake, aiohttp.ClientError)) for each in outcomes), outcomes
