"""A bot's session with the simulated coordinator: going down, queue, silence, restarts, and what becomes of lobbies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exporter.errors import OrderInDoubt, OrderRefused
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import BotStatus
from exporter.platforms.dota2.wire import GcMsg, JoinResult, SessionStatus
from exporter.platforms.steam.framing import Header, encode_frame
from exporter.platforms.steam.messages import Emsg, HeartBeat, PlayingSessionState, Result, encode_body
from exporter.simulators.dota2 import Lobby, Message, Policy, Settings, Style, hostile
from exporter.simulators.steam import Phase
from tests.eventually import eventually
from tests.protocol.dota2_rig import ANN, BEN, NAME, PASSWORD, SETTINGS, LobbyRig, lobby_rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[LobbyRig]:
    async with lobby_rig(tmp_path) as rig:
        await rig.connected()
        yield rig


async def lost(rig: LobbyRig) -> None:
    await eventually(lambda: rig.record().state == "steam_online")


async def test_a_coordinator_that_goes_down_and_comes_back(rig: LobbyRig) -> None:
    hosted = await rig.host(ANN)
    rig.gc.go_down()
    await lost(rig)
    assert (rig.record().healthy, rig.lobby.watched, rig.lobby.state) == (True, False, hosted.state)
    await rig.clock.advance(29.9)
    assert rig.record().healthy
    await rig.clock.advance(0.1)
    await eventually(lambda: not rig.record().healthy)
    record = rig.record()
    assert (record.status, record.status_reason) == (BotStatus.CONNECTION_ERROR, "gc_down")
    assert "Dota 2 coordinator" in str(record.status_message)
    assert record.state == "steam_online"
    assert rig.count("bot_connection_failures_total", "gc_down") == 1
    assert [each.lobby_id for each in rig.lobbies] == [hosted.lobby_id]
    assert record.current_lobby_id == hosted.lobby_id
    rig.gc.come_back()
    await rig.clock.advance(5)
    await eventually(lambda: rig.record().healthy and rig.lobby.watched)
    assert (rig.record().state, rig.record().status_reason) == ("in_lobby", None)
    assert replace(rig.lobby, state_since=0) == replace(hosted, state_since=0)
    assert rig.seen(ev.ConnectionFailed) == []
    await rig.bot().flip_teams()


async def test_a_blink_of_the_coordinator_is_no_error(rig: LobbyRig) -> None:
    await rig.host(ANN)
    rig.gc.restart()
    await lost(rig)
    await rig.clock.advance(5)
    await eventually(lambda: rig.record().state == "in_lobby")
    await rig.clock.advance(60)
    assert rig.record().healthy
    assert rig.seen(ev.ServiceLost) == []


async def test_steam_is_told_again_that_the_account_plays_when_there_is_no_session_for_long(tmp_path: Path) -> None:
    """A coordinator that was not told hears no hello: without this the bot would greet it for ever."""
    async with lobby_rig(tmp_path) as rig:
        lost = rig.simulator.faults.hang(Phase.PLAY, times=2)
        rig.account()
        await rig.add()
        await eventually(lambda: rig.record().state == "steam_online" and lost.seen == 1)
        await eventually(lambda: rig.clock.sleeping)
        await rig.clock.advance(30)
        await eventually(lambda: lost.seen == 2)  # and it is lost once more
        assert (rig.record().status, rig.record().status_reason) == (BotStatus.CONNECTION_ERROR, "gc_down")
        await rig.clock.advance(35)
        await rig.online()
        assert rig.states == ["steam_online", "gc_connected"]


@pytest.mark.parametrize("status", [each for each in SessionStatus if each is not SessionStatus.HAVE_SESSION])
async def test_every_way_to_lose_the_session(rig: LobbyRig, status: SessionStatus) -> None:
    rig.gc.go_down(status)
    await lost(rig)
    rig.gc.come_back()
    await rig.clock.advance(5)
    await eventually(lambda: rig.record().state == "gc_connected")


async def test_until_the_coordinator_welcomes_it_a_bot_is_unknown(tmp_path: Path) -> None:
    async with lobby_rig(tmp_path) as rig:
        rig.gc.faults.silence(GcMsg.HELLO)
        rig.account()
        await rig.add()
        await eventually(lambda: rig.gc.stats.received[GcMsg.HELLO])
        await rig.clock.advance(29)
        assert (rig.record().status, rig.record().state) == (BotStatus.UNKNOWN, "steam_online")
        with pytest.raises(OrderRefused, match=r"no session with the Dota 2 coordinator: .* does not answer"):
            await rig.bot().create_lobby(SETTINGS)
        await rig.clock.advance(1)
        await eventually(lambda: rig.record().status_reason)
        assert (rig.record().status_reason, rig.record().state) == ("gc_down", "steam_online")
        rig.gc.faults.clear()
        await rig.clock.advance(5)
        await rig.online()
        assert rig.record().state == "gc_connected"


async def test_the_queue_of_the_coordinator(tmp_path: Path) -> None:
    async with lobby_rig(tmp_path, policy=Policy(queue_wait_s=60.0)) as rig:
        rig.account()
        await rig.add()
        await eventually(lambda: rig.gc.sessions.queue)
        await rig.clock.advance(30)
        await eventually(lambda: rig.record().status_reason)
        assert rig.record().status_reason == "gc_down"
        assert rig.record().status_message == "the Dota 2 coordinator has put this bot in its queue, position 1 of 1"
        await rig.pass_time(60.5)
        await rig.online()
        assert rig.record().state == "gc_connected"


async def heartbeat(rig: LobbyRig) -> int:
    """Have Steam answer a heartbeat; returns how many proofs there have been after it was read."""
    stats = rig.supervisor.stats["alice"]
    before = stats.messages_received
    rig.simulator.broadcast(encode_frame(Emsg.CLIENT_HEART_BEAT, Header(), encode_body(HeartBeat())))
    await eventually(lambda: stats.messages_received > before)
    await rig.clock.settle()
    return sum(isinstance(each, ev.HealthProved) for each in rig.events)


async def test_an_answered_heartbeat_proves_a_bot_with_a_session_only(rig: LobbyRig) -> None:
    assert await heartbeat(rig) == 2  # the first proof was the welcome
    rig.gc.go_down()
    await lost(rig)
    assert await heartbeat(rig) == 3  # it may be a blink
    await rig.clock.advance(30)
    await eventually(lambda: not rig.record().healthy)
    assert await heartbeat(rig) == 3
    assert not rig.record().healthy


async def test_before_the_first_session_a_heartbeat_proves_nothing(tmp_path: Path) -> None:
    async with lobby_rig(tmp_path) as rig:
        rig.gc.faults.silence(GcMsg.HELLO)
        rig.account()
        await rig.add()
        await eventually(lambda: rig.gc.stats.received[GcMsg.HELLO])
        assert await heartbeat(rig) == 0


@pytest.mark.parametrize("in_welcome", [True, False])
async def test_a_bot_that_was_killed_adopts_its_lobby(tmp_path: Path, *, in_welcome: bool) -> None:
    async with lobby_rig(tmp_path, style=Style(lobby_in_welcome=in_welcome)) as rig:
        await rig.connected()
        hosted = await rig.host(ANN, BEN)
        await rig.run_game()
        await rig.simulator.crash()
        await rig.supervisor.shutdown()
        await rig.simulator.start()
        async with AsyncExitStack() as stack:
            again = LobbyRig(stack, tmp_path)
            again.world, again.coordinator, again.simulator = rig.world, rig.coordinator, rig.simulator
            await again.open()
            await again.add()
            await again.online()
            await eventually(lambda: again.record().state == "in_game")
            adopted = again.lobby
            assert (adopted.lobby_id, str(adopted.state), adopted.watched) == (hosted.lobby_id, "in_game", True)
            assert [(each.name, each.team) for each in adopted.players] == [("Ann", "radiant"), ("Ben", "dire")]
            assert again.record().current_lobby_id == hosted.lobby_id
            assert again.count("bot_lobbies_created_total") == 0
            with pytest.raises(OrderRefused, match="in a lobby already"):
                await again.bot().create_lobby(SETTINGS)
            await again.bot().close_lobby(abandon=True)
            await again.bot().create_lobby(SETTINGS)
            assert again.unexpected == []
            await again.supervisor.shutdown()


async def test_an_adopted_bot_that_sits_on_a_team_moves_to_the_pool(rig: LobbyRig) -> None:
    rig.gc.faults.silence(GcMsg.LOBBY_SET_TEAM_SLOT)
    await rig.bot().create_lobby(SETTINGS)
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_SET_TEAM_SLOT] == 1)
    rig.gc.faults.clear()
    rig.gc.restart()
    await lost(rig)
    await rig.clock.advance(5)
    await eventually(lambda: rig.lobby.bot_team == "unassigned")


async def test_a_lobby_that_the_coordinator_lost_is_gone(rig: LobbyRig) -> None:
    await rig.host(ANN)
    await rig.run_game()
    rig.gc.restart(lose_lobbies=True)
    await lost(rig)
    await rig.clock.advance(5)
    await eventually(lambda: rig.record().state == "gc_connected")
    await eventually(lambda: rig.gc.stats.received[GcMsg.CACHE_REFRESH] == 1)
    assert rig.lobby.watched is False
    await rig.clock.advance(5)
    over = await rig.in_state("finished")
    assert (over.match_outcome, rig.record().current_lobby_id) == ("unknown", None)
    await rig.bot().create_lobby(SETTINGS)


async def test_a_connection_that_is_lost_leaves_the_lobby_shown_and_finds_it_again(rig: LobbyRig) -> None:
    hosted = await rig.host(ANN)
    rig.simulator.kick_all(Result.SERVICE_UNAVAILABLE)
    await rig.failed()
    assert (rig.lobby.lobby_id, rig.lobby.watched, rig.record().current_lobby_id) == (
        hosted.lobby_id,
        False,
        hosted.lobby_id,
    )
    await rig.retry()
    await eventually(lambda: rig.record().state == "in_lobby")
    assert rig.lobby.watched


# orders while the session or the connection goes


async def going_down(rig: LobbyRig) -> None:
    rig.gc.go_down()


async def kicked(rig: LobbyRig) -> None:
    rig.simulator.kick_all(Result.SERVICE_UNAVAILABLE)


async def stopped(rig: LobbyRig) -> None:
    await rig.supervisor.stop("alice")


@pytest.mark.parametrize("trouble", [going_down, kicked, stopped])
async def test_an_order_ends_in_doubt_when_its_session_does(
    rig: LobbyRig, trouble: Callable[[LobbyRig], Awaitable[None]]
) -> None:
    rig.gc.faults.silence(GcMsg.LOBBY_CREATE)
    creating = asyncio.create_task(rig.bot().create_lobby(SETTINGS))
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_CREATE])
    await trouble(rig)
    with pytest.raises(OrderInDoubt, match=r"create: .*, before an answer came: it may have happened"):
        await creating
    assert rig.lobbies == []
    assert rig.count("bot_lobby_create_failures_total", "bot_lost") == 1


async def test_a_lobby_whose_order_was_lost_with_the_session_is_destroyed_when_it_shows(rig: LobbyRig) -> None:
    rig.gc.faults.delay(GcMsg.LOBBY_CREATE, 1.0)
    creating = asyncio.create_task(rig.bot().create_lobby(SETTINGS))
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_CREATE])
    rig.simulator.kick_all(Result.SERVICE_UNAVAILABLE)
    with pytest.raises(OrderInDoubt):
        await creating
    rig.gc.faults.clear()
    rig.gc.world.create(rig.steamid, Settings(game_name=NAME, pass_key=PASSWORD), rig.now)
    await rig.retry()
    await rig.in_state("finished")
    assert rig.gc.world.lobbies == {}


async def test_a_lobby_that_only_the_coordinator_knows_is_asked_for(rig: LobbyRig) -> None:
    """ "Already in game" says that there is one: a hello brings a welcome, and with it the lobby."""
    rig.gc.faults.refuse(GcMsg.LOBBY_CREATE, JoinResult.ALREADY_IN_GAME)
    hellos = rig.gc.stats.received[GcMsg.HELLO]
    with pytest.raises(OrderRefused, match="in a game already"):
        await rig.bot().create_lobby(SETTINGS)
    await rig.clock.advance(0)
    await eventually(lambda: rig.gc.stats.received[GcMsg.HELLO] == hellos + 1)
    assert rig.record().ready


# another session of the account plays


async def test_a_bot_waits_while_another_session_of_its_account_plays(rig: LobbyRig) -> None:
    await rig.host(ANN)
    played = rig.gc.stats.received[GcMsg.HELLO]
    rig.simulator.broadcast(_playing(blocked=True))
    await lost(rig)
    await rig.clock.advance(30)
    await eventually(lambda: not rig.record().healthy)
    assert rig.record().status_reason == "service_unavailable"
    assert "another session of this account plays" in str(rig.record().status_message)
    assert rig.gc.stats.received[GcMsg.HELLO] == played
    rig.simulator.broadcast(_playing(blocked=False))
    await eventually(lambda: rig.record().healthy and rig.record().state == "in_lobby")


def _playing(*, blocked: bool) -> bytes:
    state = encode_body(PlayingSessionState(playing_blocked=blocked))
    return encode_frame(Emsg.CLIENT_PLAYING_SESSION_STATE, Header(), state)


# nonsense


NONSENSE: dict[str, Callable[[Lobby], list[Message]]] = {
    "garbage": lambda _: hostile.garbage(),
    "unknown message": lambda _: hostile.unknown_message(),
    "unknown object": hostile.unknown_object,
    "broken lobby": hostile.broken_lobby,
    "foreign lobby": hostile.foreign_lobby,
    "indices beyond": hostile.indices_beyond,
}


async def test_nonsense_is_counted_and_changes_nothing(rig: LobbyRig) -> None:
    hosted = await rig.host(ANN)
    stats = rig.supervisor.stats["alice"]
    for name, make in NONSENSE.items():
        before = stats.unknown_messages + sum(stats.protocol_errors.values())
        rig.gc.say(rig.steamid, *make(rig.truth))
        await eventually(lambda: stats.unknown_messages + sum(stats.protocol_errors.values()) > before)  # noqa: B023
        assert rig.record().state == "in_lobby", name
        assert rig.lobby.lobby_id == hosted.lobby_id, name
        assert [each.name for each in rig.lobby.players] == ["Ann"], name
    await rig.bot().flip_teams()


async def test_values_that_nobody_knows_are_shown_as_such(rig: LobbyRig) -> None:
    await rig.host(ANN)
    rig.gc.say(rig.steamid, *hostile.lobby_in_unknown_state(rig.truth, 42))
    rig.gc.say(rig.steamid, *hostile.lobby_with_unknown_values(rig.truth, 4711))
    await eventually(lambda: rig.lobby.game_mode == 4711)
    assert (rig.lobby.game_mode_name, rig.lobby.server_region_name, str(rig.lobby.state)) == ("4711", "4711", "waiting")
    assert [each.team for each in rig.lobby.players] == ["radiant", "unassigned"]


async def test_pings_are_answered(rig: LobbyRig) -> None:
    await rig.pass_time(61)
    player = rig.gc.sessions.players[rig.steamid]
    await eventually(lambda: player.pings and player.pongs == player.pings)


async def test_a_coordinator_that_falls_silent_within_a_session_is_told_once_an_order_is_in_doubt(
    rig: LobbyRig,
) -> None:
    await rig.host(ANN, BEN)
    for number in (GcMsg.LOBBY_LAUNCH, GcMsg.HELLO):
        rig.gc.faults.silence(number)
    with pytest.raises(OrderInDoubt):
        await order_that_waits(rig, 10)
    assert rig.record().state == "in_lobby"
    await rig.clock.advance(30)
    await lost(rig)
    assert not rig.lobby.watched
    await rig.clock.advance(30)
    assert (rig.record().status, rig.record().status_reason) == (BotStatus.CONNECTION_ERROR, "gc_down")
    rig.gc.faults.clear()
    await rig.clock.advance(5)
    await rig.online()
    await eventually(lambda: rig.lobby.watched)


async def test_a_coordinator_that_only_lost_an_order_keeps_its_session(rig: LobbyRig) -> None:
    await rig.host(ANN, BEN)
    rig.gc.faults.silence(GcMsg.LOBBY_LAUNCH)
    hellos = rig.gc.stats.received[GcMsg.HELLO]
    with pytest.raises(OrderInDoubt):
        await order_that_waits(rig, 10)
    await eventually(lambda: rig.gc.stats.received[GcMsg.HELLO] == hellos + 1)
    await rig.clock.advance(60)
    record = rig.record()
    assert (record.state, record.healthy, rig.lobby.watched) == ("in_lobby", True, True)
    assert rig.gc.stats.received[GcMsg.HELLO] == hellos + 1


async def order_that_waits(rig: LobbyRig, seconds: float) -> None:
    """Order a launch, and let the time of that order pass."""
    asked = rig.gc.stats.received[GcMsg.LOBBY_LAUNCH]
    ordering = asyncio.create_task(rig.bot().launch())
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_LAUNCH] == asked + 1)
    await rig.clock.advance(seconds)
    await ordering
