"""What the coordinator says to a bot: the session, answers, objects, faults and nonsense."""

import pytest

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import (
    CLIENT_SESSION_NEED,
    GcMsg,
    JoinResult,
    ObjectType,
    Phase,
    SessionStatus,
    Team,
)
from exporter.platforms.steam.framing import NO_JOB, Header
from exporter.simulators.dota2 import Deed, Message, Policy, Style, hostile, truth_of
from tests.unit.simulators.dota2.scene import (
    ANN,
    BASE,
    BEN,
    BOT,
    JOB,
    OTHER_BOT,
    Scene,
    Sent,
    lobbies,
    names,
    objects,
)

OK, FAIL = 1, 2
JOIN_STYLE = Style(generic_results=False)


def statuses(heard: list[Sent]) -> list[int]:
    found = (each for each in heard if each.number == GcMsg.CONNECTION_STATUS)
    return [pb.CMsgConnectionStatus.FromString(each.body).status for each in found]


# --- the session ---


def test_a_session_begins_with_a_hello_and_the_right_need() -> None:
    scene = Scene()
    scene.coordinator.enter(BOT, scene.now)
    scene.create()
    assert statuses(scene.heard()) == [SessionStatus.NO_SESSION]
    scene.say(GcMsg.HELLO, pb.CMsgClientHello(client_session_need=CLIENT_SESSION_NEED + 1), job=NO_JOB)
    assert scene.heard() == []
    scene.hello()
    heard = scene.heard()
    assert [each.number for each in heard] == [GcMsg.WELCOME, GcMsg.CONNECTION_STATUS]
    assert pb.CMsgClientWelcome.FromString(heard[0].body).version > 0
    assert statuses(heard) == [SessionStatus.HAVE_SESSION]


def test_a_queue_lets_players_in_one_after_the_other() -> None:
    scene = Scene(Policy(queue_wait_s=20.0))
    for who in (BOT, OTHER_BOT):
        scene.coordinator.enter(who, scene.now)
        scene.hello(who)
        scene.advance(5.0)
    told = [pb.CMsgConnectionStatus.FromString(each.body) for each in scene.heard(BOT) + scene.heard(OTHER_BOT)]
    assert [(each.status, each.queue_position, each.queue_size) for each in told] == [(3, 1, 1), (3, 2, 2)]
    scene.hello()
    (again,) = scene.heard()
    assert pb.CMsgConnectionStatus.FromString(again.body).estimated_wait_seconds_remaining == 10
    scene.advance(10.0)
    assert GcMsg.WELCOME in scene.numbers(BOT)
    assert not scene.coordinator.sessions.has(OTHER_BOT)
    scene.advance(5.0)
    assert GcMsg.WELCOME in scene.numbers(OTHER_BOT)


@pytest.mark.parametrize("in_welcome", [True, False])
def test_going_down_keeps_lobbies_and_coming_back_hands_them_over(in_welcome: bool) -> None:
    scene = Scene(style=Style(lobby_in_welcome=in_welcome))
    lobby = scene.playing(ANN)
    scene.coordinator.go_down()
    assert statuses(scene.heard()) == [SessionStatus.GOING_DOWN]
    scene.hello()
    assert statuses(scene.heard()) == [SessionStatus.NO_SESSION]
    scene.coordinator.come_back()
    scene.hello()
    heard = scene.heard()
    welcome = [each for each in heard if each.number == GcMsg.WELCOME]
    assert bool(lobbies(welcome)) is in_welcome
    (shown,) = lobbies(heard)
    assert (shown.lobby_id, shown.state) == (lobby.lobby_id, Phase.RUN)
    assert names(heard) == [["Player 1001", "Ann"]]


def test_a_restart_can_lose_lobbies_in_silence() -> None:
    for lose in (False, True):
        scene = Scene()
        scene.playing(ANN)
        scene.coordinator.restart(lose_lobbies=lose)
        assert statuses(scene.heard()) == [SessionStatus.NO_SESSION]
        scene.hello()
        heard = scene.heard()
        assert [each.number for each in heard if each.number == GcMsg.CACHE_UNSUBSCRIBED] == []
        assert bool(lobbies(heard)) is not lose


def test_a_bot_that_was_away_gets_its_lobby_as_it_is_now() -> None:
    scene = Scene()
    lobby = scene.hosting(ANN, BEN)
    scene.coordinator.leave(BOT, scene.now)
    scene.world.leave(ANN, scene.now)
    assert scene.heard() == []
    scene.coordinator.enter(BOT, scene.now)
    scene.hello()
    (shown,) = lobbies(scene.heard())
    assert (list(shown.member_indices), list(shown.free_member_indices)) == ([0, 2], [1])
    assert shown.all_members[1].team == Team.RADIANT  # the trap: it looks like a radiant player
    assert not shown.all_members[1].HasField("slot")
    assert truth_of(scene.coordinator, BOT).lobby is lobby


def test_pings_go_both_ways() -> None:
    scene = Scene(Policy(ping_interval_s=30.0))
    scene.online()
    scene.coordinator.advance(scene.now)
    scene.advance(30.0)
    assert scene.numbers() == [GcMsg.PING_REQUEST]
    scene.say(GcMsg.PING_RESPONSE, job=NO_JOB)
    assert scene.coordinator.sessions.players[BOT].pongs == 1
    scene.say(GcMsg.PING_REQUEST)
    assert scene.numbers() == [GcMsg.PING_RESPONSE]


# --- orders ---


def test_a_creation_gives_the_lobby_then_the_answer() -> None:
    scene = Scene()
    scene.online()
    scene.create(game_name="Cup", server_region=3, game_mode=2, pass_key="gl", visibility=2)
    cache, answer = scene.heard()
    assert (cache.number, cache.job) == (GcMsg.CACHE_SUBSCRIBED, NO_JOB)
    assert (answer.number, answer.job, answer.result) == (GcMsg.LOBBY_RESPONSE, JOB, OK)
    (shown,) = lobbies([cache])
    assert (shown.game_name, shown.server_region, shown.game_mode, shown.pass_key) == ("Cup", 3, 2, "gl")
    assert (shown.leader_id, shown.state, shown.visibility) == (BOT, Phase.UI, 2)
    assert not shown.HasField("match_id")
    owner = pb.CMsgSOCacheSubscribed.FromString(cache.body).owner_soid
    assert owner.id == shown.lobby_id


def test_a_second_creation_is_refused() -> None:
    for style, number, result in (
        (Style(), GcMsg.LOBBY_JOIN_RESPONSE, JoinResult.ALREADY_IN_GAME),
        (JOIN_STYLE, GcMsg.LOBBY_RESPONSE, JoinResult.ALREADY_IN_GAME),
    ):
        scene = Scene(style=style)
        lobby = scene.hosting()
        scene.create()
        (answer,) = scene.heard()
        assert (answer.number, answer.job, answer.result) == (number, JOB, result)
        assert scene.lobby is lobby


def test_every_order_of_a_host_is_carried_out_and_answered() -> None:
    scene = Scene()
    lobby = scene.hosting(ANN, BEN)
    account_id = ANN - BASE

    def order(number: GcMsg, body: object = None) -> tuple[list[int], int]:
        scene.say(number, body)
        heard = scene.heard()
        assert heard[-1].job == JOB
        return [each.number for each in heard], heard[-1].result

    changed = [GcMsg.OBJECTS_UPDATED, GcMsg.LOBBY_RESPONSE]
    assert order(GcMsg.LOBBY_FLIP) == (changed, OK)
    assert order(GcMsg.LOBBY_SHUFFLE) == (changed, OK)
    assert order(GcMsg.LOBBY_SET_DETAILS, pb.CMsgPracticeLobbySetDetails(game_name="new")) == (changed, OK)
    assert (lobby.settings.game_name, lobby.settings.pass_key) == ("new", "secret")
    kick_from_team = pb.CMsgPracticeLobbyKickFromTeam(account_id=account_id)
    assert order(GcMsg.LOBBY_KICK_FROM_TEAM, kick_from_team) == (changed, OK)
    assert order(GcMsg.LOBBY_LAUNCH) == ([GcMsg.LOBBY_RESPONSE], FAIL)
    assert order(GcMsg.LOBBY_KICK, pb.CMsgPracticeLobbyKick(account_id=account_id)) == (changed, OK)
    assert order(GcMsg.LOBBY_LAUNCH) == (changed, OK)
    assert order(GcMsg.LOBBY_LEAVE) == ([GcMsg.LOBBY_RESPONSE], FAIL)
    assert order(GcMsg.LOBBY_DESTROY) == ([GcMsg.LOBBY_DESTROY_RESPONSE], 1)
    assert order(GcMsg.ABANDON_GAME) == ([GcMsg.LOBBY_RESPONSE], OK)
    assert order(GcMsg.LOBBY_LEAVE) == ([GcMsg.CACHE_UNSUBSCRIBED, GcMsg.LOBBY_RESPONSE], OK)
    scene.create(leagueid=1)
    scene.heard()
    assert order(GcMsg.LOBBY_DESTROY) == ([GcMsg.CACHE_UNSUBSCRIBED, GcMsg.LOBBY_DESTROY_RESPONSE], 0)
    assert [number for _, number, _ in scene.coordinator.stats.refused] == [
        GcMsg.LOBBY_LAUNCH,
        GcMsg.LOBBY_LEAVE,
        GcMsg.LOBBY_DESTROY,
    ]
    assert scene.coordinator.stats.violations == []


def test_details_of_another_lobby_are_refused() -> None:
    scene = Scene()
    lobby = scene.hosting()
    scene.say(GcMsg.LOBBY_SET_DETAILS, pb.CMsgPracticeLobbySetDetails(lobby_id=lobby.lobby_id + 1, game_name="x"))
    assert [each.result for each in scene.heard()] == [FAIL]
    assert lobby.settings.game_name == "a lobby"


def test_another_client_joins_by_password_or_by_invitation() -> None:
    scene = Scene()
    lobby = scene.hosting()
    scene.online(OTHER_BOT)

    def join(pass_key: str) -> list[Sent]:
        body = pb.CMsgPracticeLobbyJoin(lobby_id=lobby.lobby_id, pass_key=pass_key)
        scene.say(GcMsg.LOBBY_JOIN, body, who=OTHER_BOT)
        return scene.heard(OTHER_BOT)

    (answer,) = join("wrong")
    assert (answer.number, answer.result) == (GcMsg.LOBBY_JOIN_RESPONSE, JoinResult.WRONG_PASSWORD)
    assert [each.number for each in join("secret")] == [
        GcMsg.OBJECTS_UPDATED,
        GcMsg.CACHE_SUBSCRIBED,
        GcMsg.LOBBY_JOIN_RESPONSE,
    ]
    scene.say(GcMsg.LOBBY_LEAVE, who=OTHER_BOT)
    scene.sent.clear()

    scene.say(GcMsg.INVITE_TO_LOBBY, pb.CMsgInviteToLobby(steam_id=OTHER_BOT))
    (created,) = scene.heard()
    told = pb.CMsgInvitationCreated.FromString(created.body)
    assert (created.number, told.steam_id, told.user_offline) == (GcMsg.INVITATION_CREATED, OTHER_BOT, False)
    (invite,) = objects(scene.heard(OTHER_BOT))
    assert invite[0] == ObjectType.LOBBY_INVITE
    assert pb.CSODOTALobbyInvite.FromString(invite[1]).group_id == lobby.lobby_id
    answer_yes = pb.CMsgLobbyInviteResponse(lobby_id=lobby.lobby_id, accept=True)
    scene.say(GcMsg.LOBBY_INVITE_RESPONSE, answer_yes, who=OTHER_BOT)
    assert GcMsg.OBJECT_DESTROYED in scene.numbers(OTHER_BOT)
    assert [each.steamid for each in lobby.members] == [BOT, OTHER_BOT]
    scene.say(GcMsg.LOBBY_LEAVE, who=OTHER_BOT)
    scene.heard(OTHER_BOT)
    scene.say(GcMsg.LOBBY_INVITE_RESPONSE, answer_yes, who=OTHER_BOT)  # an invitation is good once
    assert [each.result for each in scene.heard(OTHER_BOT)] == [JoinResult.ACCESS_DENIED]


def test_an_invitation_to_nobody_says_offline() -> None:
    scene = Scene()
    scene.hosting()
    for who, offline in ((ANN, False), (BASE + 5, True)):
        scene.say(GcMsg.INVITE_TO_LOBBY, pb.CMsgInviteToLobby(steam_id=who))
        assert pb.CMsgInvitationCreated.FromString(scene.heard()[0].body).user_offline is offline


def test_a_refresh_gives_the_whole_lobby_again() -> None:
    scene = Scene()
    lobby = scene.hosting(ANN)
    scene.say(GcMsg.CACHE_REFRESH, pb.CMsgSOCacheSubscriptionRefresh(owner_soid={"type": 3, "id": lobby.lobby_id}))
    (again,) = scene.heard()
    assert again.number == GcMsg.CACHE_SUBSCRIBED
    assert names([again]) == [["Player 1001", "Ann"]]
    scene.say(GcMsg.CACHE_REFRESH, pb.CMsgSOCacheSubscriptionRefresh(owner_soid={"type": 3, "id": 5}))
    assert scene.heard() == []


# --- how messages are dressed ---


def test_repeated_integers_packed_or_not() -> None:
    key_packed, key_single = b"\xca\x07", b"\xc8\x07"  # field 121 with wire types 2 and 0
    for packed in (True, False):
        scene = Scene(style=Style(packed=packed))
        scene.hosting(ANN, BEN)
        scene.say(GcMsg.LOBBY_FLIP)
        heard = scene.heard()
        data = dict(objects(heard))[ObjectType.LOBBY]
        assert (key_packed + b"\x03\x00\x01\x02" in data) is packed
        assert (key_single + b"\x00" + key_single + b"\x01" in data) is not packed
        assert list(lobbies(heard)[0].member_indices) == [0, 1, 2]


def test_updates_together_or_one_by_one() -> None:
    for style, numbers in (
        (Style(), [GcMsg.OBJECTS_UPDATED]),
        (Style(single_updates=True), [GcMsg.OBJECT_UPDATED, GcMsg.OBJECT_UPDATED]),
    ):
        scene = Scene(style=style)
        scene.hosting()
        scene.join(ANN)
        heard = scene.heard()
        assert [each.number for each in heard] == numbers
        assert names(heard) == [["Player 1001", "Ann"]]
        scene.world.seat(ANN, Team.DIRE, 1, scene.now)
        assert names(scene.heard()) == []  # nobody came or went


def test_a_lobby_can_come_object_by_object_and_after_the_answer() -> None:
    scene = Scene(style=Style(created_as_object=True, answer_first=True))
    scene.online()
    scene.create()
    heard = scene.heard()
    assert [each.number for each in heard] == [
        GcMsg.LOBBY_RESPONSE,
        GcMsg.CACHE_SUBSCRIBED,
        GcMsg.OBJECT_CREATED,
        GcMsg.OBJECT_CREATED,
    ]
    assert len(lobbies(heard)) == 1


def test_the_other_reading_of_answers() -> None:
    scene = Scene(style=JOIN_STYLE)
    scene.online()
    scene.create()
    scene.say(GcMsg.LOBBY_LAUNCH)
    assert [each.result for each in scene.heard() if each.number == GcMsg.LOBBY_RESPONSE] == [0, 2]


def test_noise_can_be_left_out() -> None:
    for noise in (True, False):
        scene = Scene(style=Style(noise=noise))
        scene.coordinator.enter(BOT, scene.now)
        scene.hello()
        types = {type_id for type_id, _ in objects(scene.heard())}
        assert types == ({2007} if noise else set())


# --- faults ---


def test_each_rule_does_its_deed() -> None:
    scene = Scene()
    scene.hosting(ANN)
    faults = scene.coordinator.faults
    team = scene.lobby.players[0].team

    faults.refuse(GcMsg.LOBBY_FLIP, JoinResult.BUSY, times=1)
    faults.silence(GcMsg.LOBBY_FLIP, times=1)
    faults.pretend(GcMsg.LOBBY_FLIP, times=1)
    faults.instead(GcMsg.LOBBY_FLIP, Message(GcMsg.LOBBY_RESPONSE, b"\xff"), times=1)
    told = []
    for _ in range(4):
        scene.say(GcMsg.LOBBY_FLIP)
        told.append([(each.number, each.body, each.job) for each in scene.heard()])
    assert scene.lobby.players[0].team == team
    number = GcMsg.LOBBY_RESPONSE
    assert told == [[(number, b"\x08\x02", JOB)], [], [(number, b"\x08\x01", JOB)], [(number, b"\xff", JOB)]]

    faults.mute(GcMsg.LOBBY_FLIP, times=1)
    scene.say(GcMsg.LOBBY_FLIP)
    assert scene.numbers() == [GcMsg.OBJECTS_UPDATED]
    assert scene.lobby.players[0].team != team

    late = faults.delay(GcMsg.LOBBY_FLIP, 5.0)
    scene.say(GcMsg.LOBBY_FLIP)
    scene.advance(4.9)
    assert scene.heard() == []
    scene.advance(0.1)
    assert scene.numbers() == [GcMsg.OBJECTS_UPDATED, GcMsg.LOBBY_RESPONSE]
    assert (late.deed, late.seen) == (Deed.DELAY, 1)
    faults.clear()
    scene.say(GcMsg.LOBBY_FLIP)
    assert len(scene.heard()) == 2


@pytest.mark.parametrize("result", [each for each in JoinResult if each])
def test_a_creation_can_be_refused_with_every_result(result: JoinResult) -> None:
    scene = Scene()
    scene.online()
    scene.coordinator.faults.refuse(GcMsg.LOBBY_CREATE, result, steamid=BOT)
    scene.create()
    assert [(each.number, each.result) for each in scene.heard()] == [(GcMsg.LOBBY_JOIN_RESPONSE, result)]
    assert scene.world.lobbies == {}
    scene.online(OTHER_BOT)
    scene.create(OTHER_BOT)  # the rule is about one account
    assert len(scene.world.lobbies) == 1


def test_what_waits_for_a_player_who_goes_is_dropped() -> None:
    scene = Scene()
    scene.online()
    scene.coordinator.faults.delay(GcMsg.LOBBY_CREATE, 5.0)
    scene.create()
    scene.coordinator.leave(BOT, scene.now)
    scene.advance(6.0)
    assert scene.world.lobbies == {}


def test_what_cannot_be_read_is_dropped_and_noted() -> None:
    scene = Scene()
    scene.hosting()
    scene.say(GcMsg.LOBBY_KICK, b"\xff")
    scene.say(8_998, b"whatever")
    assert scene.heard() == []
    assert len(scene.coordinator.stats.violations) == 1
    assert scene.coordinator.stats.ignored[8_998] == 1


def test_nonsense_of_every_kind_goes_out_and_changes_nothing() -> None:
    scene = Scene()
    lobby = scene.hosting(ANN)
    phase, settings, places = lobby.phase, lobby.settings, list(lobby.places)
    for messages in (
        hostile.garbage(),
        hostile.unknown_message(),
        hostile.unknown_object(lobby),
        hostile.broken_lobby(lobby),
        hostile.lobby_in_unknown_state(lobby, 42),
        hostile.lobby_with_unknown_values(lobby, 999),
        hostile.foreign_lobby(lobby),
        hostile.indices_beyond(lobby),
    ):
        scene.coordinator.say(BOT, *messages)
        assert scene.numbers() == [each.number for each in messages]
    assert (lobby.phase, lobby.settings, lobby.places) == (phase, settings, places)

    def shown(messages: list[Message]) -> pb.CSODOTALobby:
        return lobbies([Sent(0.0, BOT, each.number, NO_JOB, each.body) for each in messages])[0]

    assert shown(hostile.lobby_in_unknown_state(lobby, 42)).state == 42
    assert shown(hostile.lobby_with_unknown_values(lobby, 999)).all_members[2].team == 999
    assert list(shown(hostile.indices_beyond(lobby)).member_indices) == [0, 1, 999]
    assert shown(hostile.foreign_lobby(lobby)).lobby_id != lobby.lobby_id


def test_the_truth() -> None:
    scene = Scene()
    assert not truth_of(scene.coordinator, BOT).plays
    scene.playing(ANN, BEN)
    truth = truth_of(scene.coordinator, BOT)
    assert truth.plays
    assert truth.has_session
    assert truth.hosts
    assert truth.in_game
    assert [(each.name, each.team, each.slot) for each in truth.seats] == [("Ann", "radiant", 1), ("Ben", "dire", 1)]
    assert truth.count("radiant") == 1


def test_a_coordinator_without_steam_says_so() -> None:
    from exporter.simulators.dota2 import Coordinator

    coordinator = Coordinator()
    coordinator.enter(BOT, 0.0)
    with pytest.raises(RuntimeError, match="attached"):
        coordinator.receive(BOT, GcMsg.LOBBY_LEAVE, Header(), b"", 0.0)
