"""Lobbies without sockets: who may do what, where people sit, and what a launch makes of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from exporter.platforms.dota2.wire import JoinResult, Outcome, Phase, Team
from exporter.simulators.dota2 import Lobby, Plan, Policy, Refused, Settings, World
from exporter.simulators.dota2.records import LEFT_GAME, NOT_IN_GAME, PLAYED
from tests.unit.simulators.dota2.scene import ANN, BEN, BOT, CID, NOW, OTHER_BOT, Scene


@contextmanager
def refused(result: JoinResult) -> Iterator[None]:
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.result == result


def seats(lobby: Lobby) -> dict[int, tuple[int, int | None]]:
    return {each.steamid: (each.team, each.slot) for each in lobby.members}


def shown(lobby: Lobby) -> tuple[int, bool, bool]:
    """Return the phase, and whether there is a server, and one to connect to."""
    return lobby.phase, bool(lobby.server_id), bool(lobby.connect)


def test_a_host_begins_on_a_team_or_in_the_pool() -> None:
    world = World()
    without = world.create(BOT, Settings(), NOW)
    with_league = world.create(OTHER_BOT, Settings(leagueid=5), NOW)
    assert seats(without) == {BOT: (Team.RADIANT, 1)}
    assert seats(with_league) == {OTHER_BOT: (Team.POOL, 0)}
    assert without.lobby_id != with_league.lobby_id > 2**53


def test_who_may_join() -> None:
    scene = Scene(Policy(most_members=3))
    lobby, world = scene.hosting(ANN), scene.world
    with refused(JoinResult.WRONG_PASSWORD):
        world.join(lobby, BEN, NOW, "wrong")
    scene.join(BEN)
    assert seats(lobby)[BEN] == (Team.POOL, None)
    with refused(JoinResult.FULL):
        scene.join(CID)
    with refused(JoinResult.ALREADY_IN_GAME):
        scene.join(ANN)
    with refused(JoinResult.ALREADY_IN_GAME):
        world.create(ANN, Settings(), NOW)
    world.leave(BEN, NOW)
    scene.launch()
    with refused(JoinResult.ACCESS_DENIED):
        scene.join(CID)
    scene.advance(1.0)
    world.finish(lobby, Outcome.DIRE, scene.now)
    scene.advance(1.0)
    with refused(JoinResult.INVALID_LOBBY):
        world.join(lobby, CID, NOW, "secret")


def test_places_of_teams() -> None:
    scene = Scene()
    lobby, world = scene.hosting(ANN), scene.world
    scene.join(BEN)
    with refused(JoinResult.INVALID_LOBBY):
        world.seat(BEN, Team.RADIANT, 1, NOW)  # Ann's
    with refused(JoinResult.INVALID_LOBBY):
        world.seat(BEN, Team.RADIANT, 6, NOW)
    with refused(JoinResult.INVALID_LOBBY):
        world.seat(BEN, Team.NO_TEAM, 1, NOW)
    world.seat(BEN, Team.RADIANT, 5, NOW)  # slots may have gaps
    world.seat(ANN, Team.SPECTATOR, 0, NOW)
    assert seats(lobby) == {BOT: (Team.POOL, 0), ANN: (Team.SPECTATOR, 1), BEN: (Team.RADIANT, 5)}
    world.seat(ANN, Team.RADIANT, 0, NOW)  # the first free one
    assert seats(lobby)[ANN] == (Team.RADIANT, 1)
    world.kick_from_team(BOT, BEN, NOW)
    assert seats(lobby)[BEN] == (Team.POOL, None)


def test_a_host_may_be_left_on_its_place() -> None:
    for obeys, place in ((True, (Team.POOL, 0)), (False, (Team.RADIANT, 1))):
        world = World(policy=Policy(obeys_pool_order=obeys))
        lobby = world.create(BOT, Settings(), NOW)
        world.seat(BOT, Team.POOL, 0, NOW)
        assert seats(lobby)[BOT] == place


def test_a_place_that_was_given_up_is_not_entered_again() -> None:
    scene = Scene()
    lobby = scene.hosting(ANN, BEN)
    scene.world.leave(ANN, NOW)
    scene.join(CID)
    assert [each.steamid if each else None for each in lobby.places] == [BOT, None, BEN, CID]
    assert lobby.free == [1]


def test_only_the_host_gives_orders_and_only_before_the_game() -> None:
    scene = Scene()
    lobby, world = scene.hosting(ANN, BEN), scene.world
    orders: tuple[Callable[[int], object], ...] = (
        lambda who: world.shuffle(who, NOW),
        lambda who: world.flip(who, NOW),
        lambda who: world.kick(who, BEN, NOW),
        lambda who: world.kick_from_team(who, BEN, NOW),
        lambda who: world.set_details(who, Settings(), NOW),
        lambda who: world.launch(who, NOW),
        lambda who: world.destroy(who, NOW),
    )
    before = seats(lobby)
    for order in orders:
        with refused(JoinResult.ACCESS_DENIED):
            order(ANN)
        with refused(JoinResult.INVALID_LOBBY):
            order(CID)  # in no lobby
    scene.launch()
    for order in orders:
        with refused(JoinResult.INVALID_LOBBY):
            order(BOT)
    assert seats(lobby) == before


def test_kicking() -> None:
    scene = Scene()
    lobby, world = scene.hosting(ANN, BEN), scene.world
    world.kick(BOT, ANN, NOW)
    assert set(seats(lobby)) == {BOT, BEN}
    assert world.lobby_of(ANN) is None
    with refused(JoinResult.INVALID_LOBBY):
        world.kick(BOT, ANN, NOW)
    with refused(JoinResult.ACCESS_DENIED):
        world.kick(BOT, BOT, NOW)


def test_shuffling_keeps_teams_even_and_flipping_exchanges_them() -> None:
    scene = Scene()
    people = [BOT + 100 + number for number in range(7)]
    lobby, world = scene.hosting(*people), scene.world
    before = seats(lobby)
    world.flip(BOT, NOW)
    flipped = {who: (1 - team, slot) for who, (team, slot) in before.items() if who != BOT}
    assert seats(lobby) == flipped | {BOT: (Team.POOL, 0)}
    world.shuffle(BOT, NOW)
    after = seats(lobby)
    assert after != flipped | {BOT: (Team.POOL, 0)}
    assert after[BOT] == (Team.POOL, 0)
    assert sorted(place for who, place in after.items() if who != BOT) == [
        (0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3)
    ]  # fmt: skip


def test_who_leads_when_the_host_goes() -> None:
    scene = Scene()
    lobby, world = scene.hosting(ANN), scene.world
    world.leave(BOT, NOW)
    assert lobby.leader_id == ANN
    assert list(world.lobbies.values()) == [lobby]
    world.leave(ANN, NOW)
    assert lobby.over
    assert world.lobbies == {}


def test_a_launch_needs_everybody_at_a_place() -> None:
    scene = Scene()
    lobby, world = scene.hosting(), scene.world
    with refused(JoinResult.INVALID_LOBBY):
        world.launch(BOT, NOW)  # nobody would play
    scene.join(ANN)
    with refused(JoinResult.INVALID_LOBBY):
        world.launch(BOT, NOW)  # Ann is in the pool
    world.seat(ANN, Team.RADIANT, 1, NOW)
    world.launch(BOT, NOW)
    assert lobby.phase == Phase.SERVER_SETUP
    assert lobby.match_id


def test_the_life_of_a_game() -> None:
    scene = Scene()
    scene.world.plan = lambda _: Plan(duration_s=60.0, outcome=Outcome.DIRE, leaver=BEN)
    lobby = scene.hosting(ANN, BEN)
    scene.launch()
    assert shown(lobby) == (Phase.SERVER_SETUP, False, False)
    with refused(JoinResult.INVALID_LOBBY):
        scene.world.leave(ANN, NOW)
    scene.advance(0.5)
    assert shown(lobby) == (Phase.SERVER_SETUP, True, False)
    scene.advance(0.5)
    assert shown(lobby) == (Phase.RUN, True, True)
    assert {each.leaver_status for each in lobby.members} == {NOT_IN_GAME}
    with refused(JoinResult.INVALID_LOBBY):
        scene.world.leave(BOT, NOW)
    scene.advance(58.8)
    ben = lobby.places[2]
    assert ben is not None
    assert (lobby.phase, lobby.left, ben.leaver_status) == (Phase.RUN, {2}, LEFT_GAME)
    assert scene.world.lobby_of(BEN) is None
    match = lobby.match_id
    scene.advance(1.2)
    assert (lobby.phase, lobby.outcome, lobby.match_id) == (Phase.POST_GAME, Outcome.DIRE, match)
    assert {each.steamid: each.leaver_status for each in lobby.members} == {BOT: NOT_IN_GAME, ANN: PLAYED}
    scene.advance(0.1)
    assert lobby.over
    assert scene.world.lobby_of(BOT) is scene.world.lobby_of(ANN) is None


def test_players_who_fail_to_load_take_the_game_back() -> None:
    scene = Scene()
    scene.world.plan = lambda lobby: Plan(loads=lobby.times_launched > 1, duration_s=10.0)
    lobby = scene.playing(ANN, BEN)
    first = lobby.match_id
    scene.advance(30.4)
    assert lobby.phase == Phase.RUN
    scene.advance(0.2)
    assert (lobby.phase, lobby.match_id, lobby.server_id, lobby.connect) == (Phase.UI, 0, 0, "")
    assert len(lobby.players) == 2
    scene.launch()
    assert lobby.match_id != first
    scene.advance(1.0 + 10.0 + 0.1)
    assert lobby.over
    assert lobby.outcome == Outcome.RADIANT


def test_a_game_waits_for_a_host_who_sits_on_a_team() -> None:
    scene = Scene()
    scene.world.plan = lambda _: Plan(duration_s=5.0)
    scene.online()
    scene.create()
    scene.join(ANN)
    scene.world.seat(ANN, Team.DIRE, 1, NOW)
    scene.launch()
    scene.advance(31.4)
    assert scene.lobby.phase == Phase.RUN
    scene.advance(0.2)
    assert scene.lobby.phase == Phase.UI


def test_abandoning_lets_the_host_leave_a_running_game() -> None:
    scene = Scene()
    lobby, world = scene.hosting(ANN, BEN), scene.world
    with refused(JoinResult.INVALID_LOBBY):
        world.abandon(BOT, NOW)
    scene.launch()
    scene.advance(1.0)
    world.abandon(BOT, NOW)
    world.leave(BOT, NOW)
    assert world.lobby_of(BOT) is None
    assert lobby.phase == Phase.RUN
    assert lobby.left == {0}


def test_steps_of_a_lobby_that_is_no_more_do_nothing() -> None:
    scene = Scene()
    lobby = scene.hosting(ANN)
    scene.launch()
    scene.heard()
    scene.world.forget(lobby)
    scene.advance(50.0)
    assert lobby.phase == Phase.SERVER_SETUP
    assert scene.heard() == []
