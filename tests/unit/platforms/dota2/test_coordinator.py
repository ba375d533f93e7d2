"""The session without sockets: hello until welcome, shared objects, and that nothing breaks it."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platforms.dota2.coordinator import (
    ODDITIES,
    Answered,
    CacheCurrent,
    InvitationCreated,
    SessionBegan,
    SessionDelayed,
    SessionLost,
)
from exporter.platforms.dota2.objects import InviteSeen, LobbyGone, LobbySeen
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import GcMsg, ObjectType, Phase, SessionStatus, Team
from exporter.platforms.steam.framing import PROTOBUF_BIT, Header, decode_frame, encode_frame
from tests.unit.platforms.dota2.gc import (
    HOST,
    LOBBY_ID,
    Desk,
    Person,
    answer,
    cache,
    envelope,
    lobby,
    objects,
    owner,
    several,
    single,
    static,
    status,
    subscribed,
    unsubscribed,
    welcome,
)

ANN = Person(HOST.steam_id + 10, name="Ann")


class TestSession:
    def test_hello_goes_out_half_a_second_later_and_again_until_the_welcome(self) -> None:
        desk = Desk()
        desk.gc.start(100.0)
        assert desk.gc.next_deadline == 100.5
        desk.gc.tick(100.4)
        assert desk.numbers() == []
        desk.gc.tick(100.5)
        (hello,) = desk.sent()
        said = pb.CMsgClientHello.FromString(hello.body)
        assert (hello.number, said.client_session_need, said.engine) == (4006, 104, 1)
        assert desk.gc.next_deadline == 105.5
        desk.gc.tick(105.5)
        assert desk.numbers() == [4006]
        assert desk.get(welcome(), now=106.0) == [SessionBegan(with_lobby=False)]
        assert (desk.gc.version, desk.gc.welcomed) == (6123, True)
        desk.gc.tick(1e9)
        assert desk.numbers() == []

    @pytest.mark.parametrize("lost", [each for each in SessionStatus if each is not SessionStatus.HAVE_SESSION])
    def test_every_status_but_one_ends_the_session_and_hellos_go_on(self, lost: SessionStatus) -> None:
        desk = Desk().welcomed()
        (event,) = desk.get(status(lost), now=20.0)
        assert isinstance(event, SessionLost)
        assert not desk.gc.welcomed
        desk.gc.tick(20.0)
        assert desk.numbers() == [4006]
        assert desk.get(welcome(), now=21.0) == [SessionBegan(with_lobby=False)]

    def test_a_session_that_flaps_is_not_greeted_more_often(self) -> None:
        desk = Desk().welcomed()
        for now in (2.0, 3.0, 4.0):
            desk.get(status(SessionStatus.NO_SESSION), welcome(), status(SessionStatus.NO_SESSION), now=now)
            assert desk.gc.next_deadline == 6.0  # five seconds after the hello before

    def test_the_queue_is_told_once_and_when_it_moves(self) -> None:
        desk = Desk()
        desk.gc.start(0.0)
        first = desk.get(status(SessionStatus.IN_QUEUE, queue_position=7, queue_size=90))
        (event,) = first
        assert isinstance(event, SessionDelayed)
        assert event.trouble == "the Dota 2 coordinator has put this bot in its queue, position 7 of 90"
        assert desk.get(status(SessionStatus.IN_QUEUE, queue_position=7, queue_size=90)) == []
        assert len(desk.get(status(SessionStatus.IN_QUEUE, queue_position=6, queue_size=90))) == 1

    def test_that_there_is_a_session_changes_nothing_before_or_after_the_welcome(self) -> None:
        desk = Desk()
        desk.gc.start(0.0)
        assert desk.get(status(SessionStatus.HAVE_SESSION)) == []
        assert not desk.gc.welcomed
        assert desk.get(welcome(), status(SessionStatus.HAVE_SESSION)) == [SessionBegan(with_lobby=False)]
        assert desk.gc.welcomed

    def test_an_unknown_status_is_counted(self) -> None:
        desk = Desk().welcomed()
        assert desk.get(status(99)) == []
        assert (desk.stats.protocol_errors["session_status"], desk.gc.welcomed) == (1, True)

    def test_a_stop_ends_session_and_hellos(self) -> None:
        desk = Desk().welcomed()
        assert desk.gc.stop("blocked") == [SessionLost("blocked")]
        assert desk.gc.next_deadline is None
        desk.gc.tick(1e9)
        assert desk.numbers() == []

    def test_a_ping_is_answered_by_its_job(self) -> None:
        desk = Desk().welcomed()
        desk.get((3001 | PROTOBUF_BIT, encode_frame(3001, Header(jobid_source=5), b"")))
        (pong,) = desk.sent()
        assert (pong.number, pong.header.jobid_target) == (3002, 5)

    def test_requests_have_jobs_of_their_own_and_answers_tell_which(self) -> None:
        desk = Desk().welcomed()
        jobs = [desk.gc.request(GcMsg.LOBBY_LEAVE, pb.CMsgPracticeLobbyLeave()) for _ in range(2)]
        assert [each.header.jobid_source for each in desk.sent()] == jobs
        found = desk.get(answer(7055, 1, jobs[1]), answer(7113, 9), answer(8247, 1, jobs[0]))
        assert found == [
            Answered(GcMsg.LOBBY_RESPONSE, jobs[1], 1),
            Answered(GcMsg.LOBBY_JOIN_RESPONSE, None, 9),
            Answered(GcMsg.LOBBY_DESTROY_RESPONSE, jobs[0], 1),
        ]
        invited = envelope(GcMsg.INVITATION_CREATED, pb.CMsgInvitationCreated(steam_id=ANN.steam_id))
        assert desk.get(invited) == [InvitationCreated(ANN.steam_id)]

    @pytest.mark.parametrize("number", [GcMsg.CACHE_CHECK, GcMsg.CACHE_REFRESH])
    def test_a_doubted_cache_is_asked_for_again(self, number: GcMsg) -> None:
        desk = Desk().welcomed()
        kind = pb.CMsgSOCacheSubscriptionCheck if number is GcMsg.CACHE_CHECK else pb.CMsgSOCacheSubscriptionRefresh
        assert desk.get(envelope(number, kind(owner_soid=owner()))) == []
        (asked,) = desk.sent()
        assert asked.number == 28
        assert pb.CMsgSOCacheSubscriptionRefresh.FromString(asked.body).owner_soid == owner()

    def test_a_cache_that_is_current(self) -> None:
        message = envelope(GcMsg.CACHE_UP_TO_DATE, pb.CMsgSOCacheSubscribedUpToDate(owner_soid=owner()))
        assert Desk().welcomed().get(message) == [CacheCurrent(LOBBY_ID)]


class TestObjects:
    def test_a_lobby_comes_with_its_names_at_once(self) -> None:
        first, names = lobby(HOST, ANN), static(HOST, ANN)
        for order in ((first, names), (names, first)):
            assert Desk().welcomed().get(subscribed(*order)) == [LobbySeen(first, names)]

    def test_a_lobby_within_the_welcome(self) -> None:
        held = lobby(HOST)
        found = Desk().get(welcome(cache([(2007, b"x")], owner_id=1), cache(objects(held))))
        assert found == [SessionBegan(with_lobby=True), LobbySeen(held, None)]

    def test_one_by_one(self) -> None:
        desk, made, names = Desk().welcomed(), lobby(HOST), static(HOST)
        assert desk.get(subscribed()) == []
        assert desk.get(single(GcMsg.OBJECT_CREATED, made)) == [LobbySeen(made, None)]
        assert desk.get(single(GcMsg.OBJECT_CREATED, names)) == [LobbySeen(made, names)]
        later = lobby(HOST, ANN)
        assert desk.get(single(GcMsg.OBJECT_UPDATED, later)) == [LobbySeen(later, names)]
        assert desk.get(single(GcMsg.OBJECT_DESTROYED, later)) == [LobbyGone(LOBBY_ID)]
        assert desk.get(single(GcMsg.OBJECT_DESTROYED, later)) == []

    def test_several_at_once(self) -> None:
        desk, made, names = Desk().welcomed(), lobby(HOST), static(HOST)
        assert desk.get(several(added=[made, names])) == [LobbySeen(made, names)]
        later, more = lobby(HOST, ANN), static(HOST, ANN)
        assert desk.get(several(modified=[later, more])) == [LobbySeen(later, more)]
        assert desk.get(several(removed=[later, more])) == [LobbyGone(LOBBY_ID)]

    def test_an_update_replaces_and_never_merges(self) -> None:
        desk = Desk().welcomed()
        desk.get(subscribed(lobby(HOST, match_id=5, connect="=[A:1]", state=Phase.RUN)))
        (event,) = desk.get(several(modified=[lobby(HOST)]))
        assert isinstance(event, LobbySeen)
        assert (event.lobby.match_id, event.lobby.connect, event.lobby.state) == (0, "", Phase.UI)

    def test_a_cache_that_is_taken_away(self) -> None:
        desk = Desk().welcomed()
        desk.get(subscribed(lobby(HOST)))
        assert desk.get(unsubscribed(999)) == []
        assert desk.get(unsubscribed()) == [LobbyGone(LOBBY_ID)]

    def test_a_lobby_is_known_by_its_id_also_in_a_cache_of_another_owner(self) -> None:
        desk = Desk().welcomed()
        desk.get(subscribed(lobby(HOST), owner_id=5))
        assert desk.get(unsubscribed(LOBBY_ID)) == [LobbyGone(LOBBY_ID)]

    def test_another_lobby_takes_the_place_of_the_first(self) -> None:
        desk, other = Desk().welcomed(), lobby(HOST, lobby_id=8)
        desk.get(subscribed(lobby(HOST)))
        assert desk.get(subscribed(other, owner_id=8)) == [LobbyGone(LOBBY_ID), LobbySeen(other, None)]

    def test_a_lobby_in_which_the_bot_is_not_is_none_of_its_own(self) -> None:
        desk, foreign = Desk().welcomed(), lobby(ANN, lobby_id=8, leader_id=ANN.steam_id)
        desk.get(subscribed(lobby(HOST)))
        assert desk.get(subscribed(foreign, owner_id=8), unsubscribed(8)) == []
        assert desk.stats.protocol_errors == {"lobby_foreign": 1}
        assert desk.get(subscribed(lobby(HOST, leader_id=ANN.steam_id, lobby_id=9), owner_id=9)) != []

    def test_a_part_of_the_cache_without_the_lobby_takes_nothing_away(self) -> None:
        desk = Desk().welcomed()
        desk.get(subscribed(lobby(HOST)))
        assert desk.get(subscribed()) == []
        assert desk.gc.welcomed

    def test_an_emptied_object_is_destroyed_by_its_owner(self) -> None:
        desk = Desk().welcomed()
        desk.get(subscribed(lobby(HOST)))
        gone = pb.CMsgSOSingleObject(type_id=ObjectType.LOBBY, owner_soid=owner())
        assert desk.get(envelope(GcMsg.OBJECT_DESTROYED, gone)) == [LobbyGone(LOBBY_ID)]

    def test_an_invitation_of_somebody_else(self) -> None:
        invite = pb.CSODOTALobbyInvite(group_id=3, sender_id=ANN.steam_id)
        said = pb.CMsgSOSingleObject(type_id=ObjectType.LOBBY_INVITE, object_data=invite.SerializeToString())
        assert Desk().welcomed().get(envelope(GcMsg.OBJECT_CREATED, said)) == [InviteSeen(3, ANN.steam_id)]


class TestOddities:
    def test_what_nobody_knows_is_counted_and_skipped(self) -> None:
        desk = Desk().welcomed()
        unknown = pb.CMsgSOSingleObject(type_id=4711, object_data=b"?", owner_soid=owner())
        known = pb.CMsgSOSingleObject(type_id=2003, object_data=b"?", owner_soid=owner())
        assert desk.get(envelope(8888, b"?"), (4004, b"no protobuf message")) == []
        assert desk.get(envelope(GcMsg.OBJECT_CREATED, unknown), envelope(GcMsg.OBJECT_CREATED, known)) == []
        assert desk.stats.unknown_messages == 3

    @pytest.mark.parametrize(
        ("message", "kind"),
        [
            ((4004 | PROTOBUF_BIT, b""), "gc_frame"),
            ((4004 | PROTOBUF_BIT, b"\x01\x02\x03\x04\xff\xff\xff\x7f"), "gc_frame"),
            (envelope(GcMsg.WELCOME, b"\xff"), "gc_body"),
            (
                envelope(GcMsg.OBJECT_CREATED, pb.CMsgSOSingleObject(type_id=2004, object_data=b"\xff")),
                "lobby_object",
            ),
            (envelope(GcMsg.OBJECT_CREATED, pb.CMsgSOSingleObject(type_id=2004, object_data=b"")), "lobby_object"),
        ],
    )
    def test_what_cannot_be_read_is_counted_by_kind(self, message: tuple[int, bytes], kind: str) -> None:
        desk = Desk().welcomed()
        assert desk.get(message) == []
        assert dict(desk.stats.protocol_errors) == {kind: 1}
        assert kind in ODDITIES

    @given(seed=st.integers(0, 2**32 - 1))
    def test_no_mutilated_bytes_make_it_raise(self, seed: int) -> None:
        chance = random.Random(seed)
        people = (HOST, replace(ANN, team=Team.DIRE, slot=3))
        messages = [
            welcome(cache(objects(lobby(*people), static(*people)))),
            status(SessionStatus.IN_QUEUE, queue_position=1, queue_size=2),
            subscribed(lobby(*people, state=Phase.RUN), static(*people)),
            several(modified=[lobby(*people)]),
            single(GcMsg.OBJECT_DESTROYED, lobby(*people)),
            unsubscribed(),
            answer(7055, 2, 1),
            envelope(GcMsg.CACHE_CHECK, pb.CMsgSOCacheSubscriptionCheck(owner_soid=owner())),
        ]
        desk = Desk()
        for msgtype, payload in messages:
            broken = bytearray(payload)
            for _ in range(chance.randint(0, 4)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            cut = chance.randint(0, len(broken)) if chance.random() < 0.2 else len(broken)
            desk.get((msgtype, bytes(broken[:cut])))
        assert set(desk.stats.protocol_errors) <= set(ODDITIES)
        for _, payload in desk.gc.data_to_send():
            decode_frame(payload)
