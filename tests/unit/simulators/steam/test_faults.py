"""Which rule disturbs which phase, and for how long; and what hostile frames are made of."""

import gzip

import pytest

from exporter.platforms.steam.framing import Malformed, decode_frame, decode_multi
from exporter.simulators.steam import Deed, Faults, Phase, hostile
from exporter.simulators.steam.noise import after_logon, struct_frame


def test_a_rule_holds_as_often_as_it_was_told() -> None:
    faults = Faults()
    rule = faults.refuse(Phase.LOGON, 10, times=2)
    assert [faults.take(Phase.LOGON) for _ in range(3)] == [rule, rule, None]
    assert rule.seen == 2
    always = faults.hang(Phase.POLL)
    assert all(faults.take(Phase.POLL) is always for _ in range(5))
    faults.half_open = True
    faults.clear()
    assert faults.take(Phase.POLL) is None
    assert not faults.half_open


def test_a_rule_can_be_about_one_user_or_one_cm_and_the_oldest_that_fits_counts() -> None:
    faults = Faults()
    one_user = faults.drop_after(Phase.LOGON, username="bot-1")
    one_cm = faults.delay(Phase.LOGON, 1.0, cm=2)
    rest = faults.instead(Phase.LOGON, b"x")
    assert faults.take(Phase.LOGON, username="bot-1", cm=2) is one_user
    assert faults.take(Phase.LOGON, username="bot-2", cm=2) is one_cm
    assert faults.take(Phase.LOGON, username="bot-2", cm=0) is rest
    assert faults.take(Phase.KEY, username="bot-1") is None
    assert [each.deed for each in faults.rules] == [Deed.DROP_AFTER, Deed.DELAY, Deed.INSTEAD]


def test_hostile_frames_are_what_they_say() -> None:
    with pytest.raises(Malformed):
        decode_frame(hostile.garbage())
    with pytest.raises(Malformed):
        decode_frame(hostile.stub())
    with pytest.raises(Malformed):
        decode_multi(decode_frame(hostile.cut_gzip()).body)
    assert len(hostile.oversized(5000)) > 5000
    depth, frame = 0, hostile.nested_multi(7)
    while inner := decode_multi(decode_frame(frame).body):
        depth, (frame,) = depth + 1, inner
    assert depth == 7


def test_the_bomb_is_one_good_gzip_file() -> None:
    body = decode_frame(hostile.gzip_bomb(3 * 1024 * 1024)).body
    packed = body[body.index(b"\x1f\x8b") :]
    assert gzip.decompress(packed) == bytes(3 * 1024 * 1024)


def test_the_noise_has_an_old_message_and_an_unknown_one() -> None:
    multi, unknown = after_logon(decode_frame(hostile.bad_body()).header)
    frames = [decode_frame(each) for each in decode_multi(decode_frame(multi).body)]
    assert [each.number for each in frames if not each.protobuf] == [782]
    assert decode_frame(unknown).number == 59_999
    assert len(struct_frame(782, 1, 2, b"")) == 36
