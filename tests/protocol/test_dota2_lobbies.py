"""A bot's lobbies against the simulated coordinator: their life, each order, each refusal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import structlog

from exporter.errors import OrderInDoubt, OrderRefused
from exporter.model import events as ev
from exporter.platforms.dota2.bot import Dota2Bot
from exporter.platforms.dota2.playing import Dota2Timing
from exporter.platforms.dota2.settings import LobbySettings
from exporter.platforms.dota2.wire import GcMsg, JoinResult, Team
from exporter.simulators.dota2 import Plan, Policy, Style
from tests.eventually import eventually
from tests.protocol.dota2_rig import ANN, BASE, BEN, CID, NAME, PASSWORD, SETTINGS, LobbyRig, lobby_rig

STYLES = {
    "full caches": Style(),
    "object by object": Style(single_updates=True, created_as_object=True),
    "unpacked, answers first": Style(packed=False, answer_first=True),
    "results of the notes": Style(generic_results=False, answer_first=True),
}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[LobbyRig]:
    async with lobby_rig(tmp_path) as rig:
        await rig.connected()
        yield rig


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
async def test_the_life_of_a_lobby(tmp_path: Path, style: Style) -> None:
    async with lobby_rig(tmp_path, style=style) as rig:
        rig.gc.world.plan = lambda _: Plan(duration_s=400.0, outcome=2)
        await rig.connected()
        created = await rig.bot().create_lobby(SETTINGS, expected_players=2, invite=[ANN, BEN])
        assert (created.name, str(created.state), created.has_password) == (NAME, "waiting", True)
        assert created.lobby_id == rig.truth.lobby_id
        await eventually(lambda: rig.lobby.bot_team == "unassigned")
        await eventually(lambda: len(rig.gc.world.invites) == 2)
        for who in (ANN, BEN):
            rig.gc.world.answer_invite(rig.truth, who, rig.now, accept=True)
        await eventually(lambda: [each.name for each in rig.lobby.players] == ["Ann", "Ben"])
        assert {(each.team, each.slot) for each in rig.lobby.players} == {("unassigned", None)}
        rig.gc.world.seat(ANN, Team.RADIANT, 1, rig.now)
        rig.gc.world.seat(BEN, Team.DIRE, 3, rig.now)
        ready = await rig.in_state("ready")
        assert [(each.name, each.team, each.slot) for each in ready.players] == [
            ("Ann", "radiant", 1),
            ("Ben", "dire", 3),
        ]
        launched = await rig.bot().launch()
        assert (str(launched.state), launched.match_id) == ("ready", rig.truth.match_id)
        await rig.pass_time(2)
        await rig.in_state("in_game")
        assert rig.record().state == "in_game"
        await rig.pass_time(401)
        over = await rig.in_state("finished")
        assert (over.match_outcome, over.match_id) == ("radiant", launched.match_id)
        await eventually(lambda: rig.record().state == "gc_connected")
        assert rig.record().current_lobby_id is None
        # Whether it is seen in the lobby of a game that is over depends on how fast the coordinator dissolves it.
        assert [each for each, _ in groupby(rig.states)][:4] == ["steam_online", "gc_connected", "in_lobby", "in_game"]
        assert rig.states[-1] == "gc_connected"
        assert rig.count("bot_lobbies_created_total") == 1
        assert rig.count("bot_lobbies_finished_total", "radiant") == 1
        await rig.clock.advance(600)
        await eventually(lambda: rig.lobbies == [])
        await rig.bot().create_lobby(SETTINGS)


async def test_players_who_fail_to_load_take_it_back_to_the_lobby(rig: LobbyRig) -> None:
    rig.gc.world.plan = lambda _: Plan(loads=False)
    await rig.host(ANN, expected_players=2)
    await rig.run_game()
    await rig.pass_time(31)
    back = await rig.in_state("waiting")
    assert (back.match_id, rig.record().state) == (None, "in_lobby")


async def test_a_coordinator_that_leaves_the_bot_on_a_team_is_shown(tmp_path: Path) -> None:
    async with lobby_rig(tmp_path, policy=Policy(obeys_pool_order=False)) as rig:
        await rig.connected()
        with structlog.testing.capture_logs() as log:
            await rig.bot().create_lobby(SETTINGS)
            await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_SET_TEAM_SLOT] == 1)
            await rig.clock.advance(5)
        assert rig.lobby.bot_team == "radiant"
        assert rig.lobby.players == ()
        assert any("the game will wait for it" in each["event"] for each in log)


# orders


async def test_details_are_changed_and_the_rest_is_left(rig: LobbyRig) -> None:
    await rig.host()
    changed = await rig.bot().set_details({"name": "the finals", "game_mode": "CM", "server_region": "EUW"})
    assert (changed.name, changed.game_mode_name, changed.server_region_name) == ("the finals", "CM", "EUW")
    assert rig.truth.settings.pass_key == PASSWORD


async def test_inviting(rig: LobbyRig) -> None:
    await rig.host()
    await rig.bot().invite(CID)
    assert rig.gc.world.invites == {(rig.truth.lobby_id, CID): rig.steamid}


async def test_kicking_from_the_team_and_out(rig: LobbyRig) -> None:
    await rig.host(ANN, BEN)
    await rig.bot().kick_from_team(ANN - BASE)
    assert [(each.name, each.team) for each in rig.lobby.players] == [("Ann", "unassigned"), ("Ben", "dire")]
    await rig.bot().kick(ANN - BASE)
    assert [each.name for each in rig.lobby.players] == ["Ben"]
    with pytest.raises(OrderRefused, match="nobody in the lobby has the account id 11"):
        await rig.bot().kick(ANN - BASE)


async def test_shuffling_and_flipping(rig: LobbyRig) -> None:
    await rig.host(ANN, BEN)
    before = {each.name: each.team for each in rig.lobby.players}
    flipped = await rig.bot().flip_teams()
    assert {each.name: each.team for each in flipped.players} == {"Ann": before["Ben"], "Ben": before["Ann"]}
    await rig.bot().shuffle_teams()
    assert sorted(each.team for each in rig.lobby.players) == ["dire", "radiant"]


@pytest.mark.parametrize("order", [Dota2Bot.leave_lobby, Dota2Bot.close_lobby])
async def test_leaving_and_destroying(rig: LobbyRig, order: Callable[[Dota2Bot], Awaitable[None]]) -> None:
    await rig.host()
    await order(rig.bot())
    (over,) = rig.lobbies
    assert (str(over.state), over.match_outcome) == ("finished", "no_match")
    await eventually(lambda: rig.record().state == "gc_connected")
    assert rig.gc.world.lobbies == {}


async def test_abandoning_a_game_that_runs(rig: LobbyRig) -> None:
    await rig.host(ANN)
    await rig.run_game()
    with pytest.raises(OrderRefused, match=r"leave: the coordinator refused it: not possible now \(2\)"):
        await rig.bot().leave_lobby()
    with pytest.raises(OrderRefused, match="a game runs in this lobby: wait for its end"):
        await rig.bot().close_lobby()
    await rig.bot().close_lobby(abandon=True)
    (over,) = rig.lobbies
    assert (str(over.state), over.match_outcome) == ("finished", "unknown")


async def test_what_waits_for_its_turn_is_judged_when_the_turn_comes(rig: LobbyRig) -> None:
    """The order before it has launched the game, or ended the lobby."""
    await rig.host(ANN)
    sent = rig.gc.stats.received

    async def behind(first: Coroutine[Any, Any, object], *others: Coroutine[Any, Any, object]) -> list[str]:
        one = asyncio.create_task(first)
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(each) for each in others]
        await one
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(each, OrderRefused) for each in found), found
        return list(map(str, found))

    again, closed = await behind(rig.bot().launch(), rig.bot().launch(), rig.bot().close_lobby())
    assert "has begun already" in again
    assert "leave it with abandon=true" in closed
    gone = await behind(rig.bot().close_lobby(abandon=True), rig.bot().kick(ANN - BASE), rig.bot().flip_teams())
    assert ["in no lobby" in each for each in gone] == [True, True]
    assert (sent[GcMsg.LOBBY_LAUNCH], sent[GcMsg.LOBBY_DESTROY]) == (1, 0)
    assert (sent[GcMsg.LOBBY_KICK], sent[GcMsg.LOBBY_FLIP]) == (0, 0)


async def test_a_launch_with_a_player_in_the_pool_is_refused(rig: LobbyRig) -> None:
    await rig.host(ANN)
    rig.join(BEN)
    await eventually(lambda: len(rig.lobby.players) == 2)
    with pytest.raises(OrderRefused, match="launch: the coordinator refused it"):
        await rig.bot().launch()
    assert str(rig.lobby.state) == "waiting"


async def test_orders_without_a_lobby_or_with_one_already(rig: LobbyRig) -> None:
    with pytest.raises(OrderRefused, match="bot alice is in no lobby"):
        await rig.bot().launch()
    await rig.host()
    with pytest.raises(OrderRefused, match="in a lobby already: one at a time"):
        await rig.bot().create_lobby(SETTINGS)
    assert rig.gc.stats.received[GcMsg.LOBBY_CREATE] == 1


async def test_no_lobby_while_the_process_is_draining(rig: LobbyRig) -> None:
    rig.draining = True
    with pytest.raises(OrderRefused, match="draining"):
        await rig.bot().create_lobby(SETTINGS)
    assert rig.gc.stats.received[GcMsg.LOBBY_CREATE] == 0


# creations that come to nothing


@pytest.mark.parametrize("generic", [True, False])
async def test_every_refusal_of_a_creation(tmp_path: Path, *, generic: bool) -> None:
    refusals = [each for each in JoinResult if each is not JoinResult.SUCCESS]
    async with lobby_rig(tmp_path, style=Style(generic_results=generic)) as rig:
        await rig.connected()
        for number, result in enumerate(refusals, start=1):
            rig.gc.faults.refuse(GcMsg.LOBBY_CREATE, result, times=1)
            creating = asyncio.create_task(rig.bot().create_lobby(SETTINGS))
            await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_CREATE] == number)  # noqa: B023
            already = result is JoinResult.ALREADY_IN_GAME
            if already and not generic:
                await eventually(lambda: min(rig.clock.sleeping, default=99) <= 3)
                assert [str(each.state) for each in rig.lobbies] == ["creating"]
                await rig.clock.advance(3)  # such an answer may also mean that the lobby is about to come
            with pytest.raises(OrderRefused, match="in a game already" if already else rf"refused it: .* \({result}\)"):
                await creating
            assert rig.lobbies == []
            assert rig.record().ready
        assert rig.count("bot_lobby_create_failures_total", "already_in_game") == 1
        assert rig.count("bot_lobby_create_failures_total", "refused") == len(refusals) - 1


async def test_a_creation_that_is_confirmed_too_late_is_destroyed(rig: LobbyRig) -> None:
    rig.gc.faults.delay(GcMsg.LOBBY_CREATE, 60.0)
    creating = asyncio.create_task(rig.bot().create_lobby(SETTINGS))
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_CREATE])
    assert not rig.record().ready
    await rig.clock.advance(20)
    with pytest.raises(OrderInDoubt, match="no confirmation within 20s: a lobby that appears later is destroyed"):
        await creating
    assert rig.lobbies == []
    assert rig.count("bot_lobby_create_failures_total", "timeout") == 1
    rig.gc.faults.clear()
    await rig.pass_time(61)
    over = await rig.in_state("finished")
    assert (over.name, over.match_outcome) == (NAME, "no_match")
    assert rig.gc.world.lobbies == {}
    assert rig.count("bot_lobbies_created_total") == 0
    await rig.host()


async def test_a_late_lobby_is_told_from_the_one_that_is_wanted(rig: LobbyRig) -> None:
    rig.gc.faults.delay(GcMsg.LOBBY_CREATE, 60.0, times=1)
    creating = asyncio.create_task(rig.bot().create_lobby(SETTINGS))
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_CREATE])
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert rig.count("bot_lobby_create_failures_total", "other") == 1
    wanted = await rig.bot().create_lobby(LobbySettings("another"))
    assert wanted.name == "another"
    await rig.pass_time(61)
    assert rig.lobby.name == "another"


async def test_an_order_that_nobody_answers_is_in_doubt(rig: LobbyRig) -> None:
    await rig.host(ANN)
    rig.gc.faults.silence(GcMsg.LOBBY_LAUNCH)
    launching = asyncio.create_task(rig.bot().launch())
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_LAUNCH])
    await rig.clock.advance(10)
    with pytest.raises(OrderInDoubt, match="launch: no confirmation within 10s"):
        await launching
    rig.gc.faults.clear()
    await rig.bot().launch()


async def test_an_order_that_is_only_said_to_be_done_is_in_doubt(rig: LobbyRig) -> None:
    await rig.host(ANN)
    rig.gc.faults.pretend(GcMsg.LOBBY_LAUNCH)
    launching = asyncio.create_task(rig.bot().launch())
    await eventually(lambda: rig.gc.stats.received[GcMsg.LOBBY_LAUNCH])
    await rig.clock.advance(10)
    with pytest.raises(OrderInDoubt, match="accepted it, but the lobby does not show it"):
        await launching


async def test_orders_whose_answer_is_lost_are_confirmed_by_the_lobby(rig: LobbyRig) -> None:
    for number in (GcMsg.LOBBY_CREATE, GcMsg.LOBBY_LAUNCH, GcMsg.LOBBY_FLIP, GcMsg.LOBBY_SET_DETAILS):
        rig.gc.faults.mute(number)
    await rig.host(ANN)
    await rig.bot().set_details({"name": "the finals"})
    await rig.bot().flip_teams()
    await rig.bot().launch()


async def test_orders_of_two_tasks_go_one_after_the_other(rig: LobbyRig) -> None:
    await rig.host(ANN, BEN)
    await asyncio.gather(rig.bot().flip_teams(), rig.bot().flip_teams(), rig.bot().set_details({"name": "x"}))
    assert {each.name: each.team for each in rig.lobby.players} == {"Ann": "radiant", "Ben": "dire"}


async def test_a_bot_that_is_not_connected_takes_no_orders(rig: LobbyRig) -> None:
    bot = rig.bot()
    await rig.supervisor.stop("alice")
    with pytest.raises(OrderRefused, match="no session with the Dota 2 coordinator: it is not connected"):
        await bot.create_lobby(SETTINGS)


async def test_a_stopped_bot_leaves_its_lobby_alone_and_finds_it_again(rig: LobbyRig) -> None:
    hosted = await rig.host(ANN)
    await rig.supervisor.stop("alice")
    assert rig.lobbies == []
    assert rig.truth.lobby_id == hosted.lobby_id
    await rig.supervisor.start("alice")
    await eventually(lambda: rig.lobbies and rig.lobby.watched)
    assert (rig.lobby.lobby_id, rig.record().state) == (hosted.lobby_id, "in_lobby")
    assert Dota2Timing().hosting.linger_s == 600.0
    assert isinstance(rig.events[-1], ev.StateEntered)


async def test_the_password_shows_nowhere_but_at_the_coordinator(rig: LobbyRig) -> None:
    with structlog.testing.capture_logs() as log:
        await rig.host(ANN, expected_players=1)
        await rig.bot().set_details({"password": "another secret"})
        assert rig.truth.settings.pass_key == "another secret"
        with pytest.raises(OrderRefused) as refused:
            await rig.bot().set_details({"password": "x" * 51})
        await rig.run_game()
    shown = repr((log, rig.events, rig.store.lobbies, rig.store.bots, vars(rig.bot()), str(refused.value)))
    assert PASSWORD not in shown
    assert "another secret" not in shown
    assert "xxxxx" not in shown
    assert {PASSWORD, "another secret"} <= rig.hidden
