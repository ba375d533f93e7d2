"""The session without sockets: what it says, what it understands, and that nothing breaks it."""

import gzip
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.framing import NO_JOB, Frame, Header, decode_frame, encode_frame, encode_multi
from exporter.platforms.steam.messages import Emsg, decode_body, encode_body
from exporter.platforms.steam.session import (
    CallAnswered,
    Event,
    HeartBeatAnswered,
    Kicked,
    LoggedOn,
    LogonRefused,
    PeerSilent,
    PlayingBlocked,
    SteamSession,
)
from exporter.stats import BotStats

STEAMID = 76561198000000001


def frame(number: int, message: object, **header: int) -> bytes:
    return encode_frame(number, Header(**header), encode_body(message))  # type: ignore[arg-type]


def answer(job: int, message: object, result: int = 1) -> bytes:
    return frame(Emsg.SERVICE_METHOD_RESPONSE, message, jobid_target=job, eresult=result)


ACCEPTED = frame(
    Emsg.CLIENT_LOG_ON_RESPONSE, m.LogonResponse(1, heartbeat_seconds=10), steamid=STEAMID, client_sessionid=77
)


class Desk:
    """A session and its counts."""

    def __init__(self, **options: frozenset[int]) -> None:
        self.stats = BotStats()
        self.session = SteamSession(self.stats, 0.0, **options)

    def sent(self) -> list[Frame]:
        return [decode_frame(data) for data in self.session.data_to_send()]

    def get(self, *data: bytes | str, now: float = 1.0) -> list[Event]:
        return [event for each in data for event in self.session.receive(each, now)]

    def log_on(self) -> None:
        assert self.get(ACCEPTED, now=0.0) == [LoggedOn(STEAMID, 10.0)]
        self.sent()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_says_hello_first(desk: Desk) -> None:
    (hello,) = desk.sent()
    assert hello.number == Emsg.CLIENT_HELLO
    assert (hello.header.steamid, hello.header.client_sessionid) == (0, 0)
    assert decode_body(m.Hello, hello.body).protocol_version == 65580
    assert desk.sent() == []


def test_service_methods_before_and_after_the_logon(desk: Desk) -> None:
    desk.sent()
    first = desk.session.call(m.GET_RSA_KEY, m.RsaKeyRequest("user"))
    (asked,) = desk.sent()
    assert (asked.number, asked.header.jobid_source, asked.header.realm) == (9804, first, 1)
    assert asked.header.target_job_name == "Authentication.GetPasswordRSAPublicKey#1"
    assert desk.get(answer(first, m.RsaKey("a", "b", 1))) == [CallAnswered(first, 1, m.RsaKey("a", "b", 1), "")]
    desk.log_on()
    second = desk.session.call(m.QUERY_TIME, m.TimeRequest(1))
    (asked,) = desk.sent()
    assert second != first
    assert (asked.number, asked.header.steamid, asked.header.client_sessionid) == (151, STEAMID, 77)


def test_answers_find_their_questions_in_any_order(desk: Desk) -> None:
    jobs = [desk.session.call(m.QUERY_TIME, m.TimeRequest(n)) for n in range(3)]
    got = desk.get(*(answer(job, m.ServerTime(job + 100)) for job in reversed(jobs)))
    assert got == [CallAnswered(job, 1, m.ServerTime(job + 100), "") for job in reversed(jobs)]


def test_answers_without_a_question_are_skipped(desk: Desk) -> None:
    job = desk.session.call(m.QUERY_TIME, m.TimeRequest(1))
    desk.session.forget(job)
    assert desk.get(answer(job, m.ServerTime(1)), answer(NO_JOB, m.ServerTime(1)), answer(99, m.ServerTime(1))) == []
    assert desk.stats.unknown_messages == 3


def test_a_refused_or_broken_answer_has_no_message(desk: Desk) -> None:
    jobs = [desk.session.call(m.QUERY_TIME, m.TimeRequest(1)) for _ in range(3)]
    broken = encode_frame(147, Header(jobid_target=jobs[1], eresult=1), b"\xff\xff")
    failed = frame(Emsg.DEST_JOB_FAILED, m.LogOff(), jobid_target=jobs[2])
    assert desk.get(answer(jobs[0], m.ServerTime(5), result=84), broken, failed) == [
        CallAnswered(jobs[0], 84, None, ""),
        CallAnswered(jobs[1], 1, None, ""),
        CallAnswered(jobs[2], 2, None, ""),
    ]
    assert desk.stats.protocol_errors == {"body": 1}


def test_the_logon_names_the_account_and_its_answer_the_session(desk: Desk) -> None:
    desk.sent()
    desk.session.logon(m.Logon(access_token="t"), STEAMID)
    (logon,) = desk.sent()
    assert (logon.number, logon.header.steamid, logon.header.client_sessionid) == (5514, STEAMID, 0)
    desk.log_on()
    assert desk.session.logged_on
    desk.session.play((570,))
    desk.session.send_to_game(570, 4006 | 0x80000000, b"hi")
    played, game = desk.sent()
    assert (played.header.client_sessionid, game.header.client_sessionid) == (77, 77)
    assert decode_body(m.GamesPlayed, played.body) == m.GamesPlayed((m.GamePlayed(570),))
    assert (game.number, game.header.routing_appid) == (5452, 570)
    assert decode_body(m.GameMessage, game.body) == m.GameMessage(570, 4006 | 0x80000000, b"hi")


def test_refusals_and_kicks(desk: Desk) -> None:
    assert desk.get(frame(751, m.LogonResponse(84))) == [LogonRefused(84)]
    assert not desk.session.logged_on
    desk.log_on()
    assert desk.get(frame(757, m.LoggedOff(34))) == [Kicked(34)]
    assert not desk.session.logged_on
    assert desk.session.next_deadline is None


@pytest.mark.parametrize(("told", "used"), [(0, 9.0), (-5, 1.0), (10_000, 300.0), (30, 30.0)])
def test_heartbeats_stay_within_reason(desk: Desk, told: int, used: float) -> None:
    (logged_on,) = desk.get(frame(751, m.LogonResponse(1, heartbeat_seconds=told), steamid=STEAMID))
    assert logged_on == LoggedOn(STEAMID, used)


def test_no_heart_beats_before_the_logon(desk: Desk) -> None:
    assert desk.session.next_deadline is None
    assert desk.session.tick(1000.0) == []


def test_heartbeats_are_sent_in_time(desk: Desk) -> None:
    desk.log_on()
    assert desk.session.next_deadline == 10.0
    assert desk.session.tick(9.9) == []
    assert desk.sent() == []
    assert desk.session.tick(10.0) == []
    (beat,) = desk.sent()
    assert beat.number == Emsg.CLIENT_HEART_BEAT
    assert decode_body(m.HeartBeat, beat.body).send_reply
    assert desk.session.next_deadline == 20.0
    assert desk.get(frame(703, m.HeartBeat()), now=10.1) == [HeartBeatAnswered()]


def test_silence_is_noticed_after_two_heartbeats(desk: Desk) -> None:
    desk.log_on()
    desk.session.tick(10.0)
    assert desk.session.tick(19.9) == []
    assert desk.session.tick(20.0) == [PeerSilent(20.0)]
    assert desk.session.next_deadline is None


def test_a_good_end_is_told(desk: Desk) -> None:
    desk.session.logoff()
    assert [each.number for each in desk.sent()] == [Emsg.CLIENT_HELLO]
    desk.log_on()
    desk.session.logoff()
    desk.session.logoff()
    assert [each.number for each in desk.sent()] == [Emsg.CLIENT_LOG_OFF]


def test_games_are_heard(desk: Desk) -> None:
    message = m.GameMessage(570, 4004 | 0x80000000, b"welcome")
    assert desk.get(frame(5453, message), frame(9600, m.PlayingSessionState(True, 570))) == [
        message,
        PlayingBlocked(True),
    ]


def test_unknown_messages_are_counted_unless_they_are_wanted() -> None:
    strange = encode_frame(8_888, Header(), b"?")
    plain, curious = Desk(), Desk(wanted=frozenset({8_888}))
    assert plain.get(strange, b"\x0e\x03\0\0old message") == []
    assert plain.stats.unknown_messages == 2
    assert curious.get(strange) == [Frame(8_888, Header(), b"?")]


def test_what_comes_before_a_kick_counts(desk: Desk) -> None:
    job = desk.session.call(m.QUERY_TIME, m.TimeRequest(1))
    packed = encode_multi([ACCEPTED, answer(job, m.ServerTime(1)), b"\xff", frame(757, m.LoggedOff(6))])
    assert desk.get(encode_frame(1, Header(), packed)) == [
        LoggedOn(STEAMID, 10.0),
        CallAnswered(job, 1, m.ServerTime(1), ""),
        Kicked(6),
    ]
    assert desk.stats.protocol_errors == {"frame": 1}
    assert desk.stats.messages_received == 5


@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_it_does_not_matter_how_messages_are_packed(rng: random.Random, count: int) -> None:
    frames = [frame(5453, m.GameMessage(570, number, b"x" * number)) for number in range(1, count + 1)]
    packed: list[bytes] = []
    while frames:
        some = [frames.pop(0) for _ in range(min(len(frames), rng.randint(1, 4)))]
        for _ in range(rng.randint(0, 3)):
            some = [encode_frame(1, Header(), encode_multi(some, zipped=rng.random() < 0.5))]
        packed += some
    got = Desk().get(*packed)
    assert [each.msgtype for each in got if isinstance(each, m.GameMessage)] == list(range(1, count + 1))


def test_a_multi_without_end_is_refused(desk: Desk) -> None:
    nested = ACCEPTED
    for _ in range(10):
        nested = encode_frame(1, Header(), encode_multi([nested]))
    assert desk.get(nested) == []
    assert desk.stats.protocol_errors == {"multi": 1}


def test_text_frames_are_no_messages(desk: Desk) -> None:
    assert desk.get("hello") == []
    assert desk.stats.protocol_errors == {"text": 1}


@given(
    st.lists(
        st.binary(max_size=300)
        | st.builds(
            lambda number, body, target: encode_frame(number, Header(jobid_target=target), body),
            st.sampled_from([*m.MESSAGES, 1, 147, 113, 9999]),
            st.binary(max_size=100),
            st.integers(0, 5),
        )
    )
)
def test_nothing_makes_it_raise(data: list[bytes]) -> None:
    desk = Desk()
    for _ in range(3):
        desk.session.call(m.BEGIN_AUTH, m.BeginAuthRequest())
    for number, each in enumerate(data):
        desk.session.receive(each, float(number))
        desk.session.tick(float(number))
    desk.sent()


def _real_frames() -> list[bytes]:
    """A logon as a CM answers it, in the forms that occur: bare, packed, packed and zipped."""
    job = 1
    parts = [
        ACCEPTED,
        answer(job, m.ServerTime(1)),
        frame(757, m.LoggedOff(6)),
        frame(5453, m.GameMessage(570, 7, b"x")),
    ]
    return [
        *parts,
        encode_frame(1, Header(), encode_multi(parts)),
        encode_frame(1, Header(), encode_multi(parts, zipped=True)),
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
            st.integers(0, 400),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_mutated_frames_of_a_real_logon_make_it_neither_raise_nor_grow(
    mutations: list[tuple[int, list[tuple[int, int]], int]],
) -> None:
    desk, frames = Desk(), _real_frames()
    tracemalloc.start()
    try:
        for which, flips, cut in mutations:
            data = bytearray(frames[which])
            for place, value in flips:
                data[place % len(data)] = value
            desk.session.receive(bytes(data[: max(1, len(data) - cut % len(data))]), 1.0)
            desk.session.tick(1.0)
            desk.sent()
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_bomb_is_not_unpacked(desk: Desk) -> None:
    """A gigabyte of zeros packs into a megabyte: what it unpacks to is bounded, whatever it claims."""
    bomb = gzip.compress(bytes(256 * 1024 * 1024), 9)
    assert len(bomb) < 1_000_000
    for claimed in (0, 1, 2**31, 2**32 - 1):
        body = encode_multi([]) + b"\x08" + _varint(claimed) + b"\x12" + _varint(len(bomb)) + bomb
        tracemalloc.start()
        try:
            assert desk.get(encode_frame(1, Header(), body)) == []
            assert tracemalloc.get_traced_memory()[1] < 40_000_000
        finally:
            tracemalloc.stop()
    assert sum(desk.stats.protocol_errors.values()) >= 4


def _peak_bytes(desk: Desk, data: bytes) -> int:
    tracemalloc.start()
    try:
        desk.get(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bombs_within_a_bomb_are_no_larger_than_one(desk: Desk) -> None:
    """A few thousand bytes that hold a hundred Multis, each of them 300,000 heartbeats: gigabytes of events."""
    beat = frame(703, m.HeartBeat())
    beats = encode_frame(1, Header(), encode_multi([beat] * 300_000))
    bomb = encode_frame(1, Header(), encode_multi([beats] * 100))
    assert len(bomb) < 200_000
    assert _peak_bytes(desk, bomb) < 60_000_000
    assert 100 < desk.stats.messages_received <= 20_000
    assert desk.stats.protocol_errors["oversized"]
    assert desk.get(beat) == [HeartBeatAnswered()]


def test_what_is_decoded_has_a_sensible_size(desk: Desk) -> None:
    """Eight million empty parts in one answer would be half a gigabyte of objects."""
    job = desk.session.call(m.BEGIN_AUTH, m.BeginAuthRequest())
    parts = b"\x22\x00" * 8_000_000
    begun = encode_frame(147, Header(jobid_target=job, eresult=1), parts)
    played = encode_frame(Emsg.CLIENT_GAMES_PLAYED, Header(), parts)
    assert decode_body(m.AuthBegun, parts[:100]).allowed_confirmations
    assert _peak_bytes(desk, begun) < 60_000_000
    assert _peak_bytes(desk, played) < 60_000_000
    assert desk.stats.protocol_errors == {"oversized": 2}


def test_long_messages_of_a_game_and_for_a_game_are_passed_on() -> None:
    desk = Desk(wanted=frozenset({8_888}))
    message = m.GameMessage(570, 4004 | 0x80000000, bytes(1_000_000))
    wanted = encode_frame(8_888, Header(), bytes(1_000_000))
    packed = encode_frame(1, Header(), encode_multi([frame(5453, message), wanted]))
    assert desk.get(packed) == [message, Frame(8_888, Header(), bytes(1_000_000))]
    assert desk.stats.protocol_errors == {}


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])
