"""The door to the library's definitions: what goes in comes out, and what is broken is told as such."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steam.enums import EResult
from steam.enums.emsg import EMsg

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.framing import (
    MOST_HEADER_BYTES,
    Frame,
    Header,
    Malformed,
    Room,
    decode_frame,
    decode_multi,
    encode_frame,
    encode_multi,
)

BODIES: list[object] = [
    m.RsaKey("ab", "010001", 2**63),
    m.BeginAuthRequest("user", "secret==", 5, True, 1, "Unknown", m.DeviceDetails("pc", 1, 20, 1, b"\0id"), "jwt"),
    m.AuthBegun(2**64 - 1, b"\0\xff", 5.0, (m.AllowedConfirmation(3), m.AllowedConfirmation(4, "phone")), 2**56),
    m.Polled(1, "refresh", "access", "user", "guard"),
    m.Logon(65580, 20, True, m.IpAddress(0xFFFFFFFF), b"id", 2, True, "token"),
    m.LogonResponse(1, 9, 2, 3, 4),
    m.GamesPlayed((m.GamePlayed(570), m.GamePlayed(2**63))),
    m.GameMessage(570, 4006 | 0x80000000, b"payload"),
    m.PlayingSessionState(True, 570),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_bodies_survive_the_way(body: object) -> None:
    assert m.decode_body(type(body), m.encode_body(body)) == body


@pytest.mark.parametrize(
    "kind", [*m.MESSAGES.values(), *(x for e in m.METHODS.values() for x in (e.request, e.response))]
)
def test_an_empty_body_is_a_message_of_defaults(kind: type[object]) -> None:
    assert isinstance(m.decode_body(kind, b""), kind)


def test_a_logon_without_an_answer_is_no_success() -> None:
    assert m.decode_body(m.LogonResponse, b"").eresult == m.Result.FAIL
    assert m.decode_body(m.LoggedOff, b"").eresult == m.Result.FAIL


def test_the_numbers_are_those_of_the_library() -> None:
    for number in m.Emsg:
        assert EMsg(number)
    for result in m.Result:
        assert EResult(result).name.lower() == result.name.replace("_", "").lower()


def test_results_have_names() -> None:
    assert m.result_name(84) == "RateLimitExceeded (84)"
    assert m.result_name(4711) == "unknown result (4711)"


@pytest.mark.parametrize("secret", ["refresh_token", "access_token", "encrypted_password", "code", "guard_data"])
def test_secrets_are_not_shown(secret: str) -> None:
    kinds = [each for each in m._PROTOS if secret in getattr(each, "__dataclass_fields__", {})]
    assert kinds
    for kind in kinds:
        assert "hunter2" not in repr(kind(**{secret: "hunter2"}))


def test_text_that_is_none_is_malformed() -> None:
    with pytest.raises(Malformed, match="account_name"):
        m.decode_body(m.RsaKeyRequest, b"\x0a\x02\xff\xfe")


@given(st.binary())
def test_any_bytes_are_a_frame_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(decode_frame(data), Frame)


@given(st.binary())
def test_any_bytes_are_a_multi_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(decode_multi(data), list)


HEADERS = st.builds(
    Header,
    steamid=st.integers(0, 2**64 - 1),
    client_sessionid=st.integers(-(2**31), 2**31 - 1),
    jobid_source=st.integers(0, 2**64 - 1),
    jobid_target=st.integers(0, 2**64 - 1),
    target_job_name=st.text(),
    eresult=st.integers(0, 1000),
    error_message=st.text(),
    realm=st.integers(0, 2**32 - 1),
    routing_appid=st.integers(0, 2**32 - 1),
)


@given(st.integers(0, 2**31 - 1), HEADERS, st.binary())
def test_frames_survive_the_way(number: int, header: Header, body: bytes) -> None:
    assert decode_frame(encode_frame(number, header, body)) == Frame(number, header, body)


@given(st.lists(st.binary(max_size=200), min_size=1), st.booleans())
def test_multis_survive_the_way(frames: list[bytes], zipped: bool) -> None:
    assert decode_multi(encode_multi(frames, zipped=zipped)) == frames


def test_a_multi_is_not_unpacked_beyond_the_limit() -> None:
    bomb = encode_multi([b"\0" * 5000])
    with pytest.raises(Malformed) as caught:
        decode_multi(bomb, Room(most_bytes=4000))
    assert caught.value.kind == "oversized"


def test_all_multis_of_one_message_share_its_room() -> None:
    room, part = Room(most_bytes=10_000, most_frames=5), encode_multi([b"\0" * 4000])
    assert len(decode_multi(part, room)) == len(decode_multi(part, room)) == 1
    for _ in range(2):  # what did not fit leaves nothing: the next one costs no time
        with pytest.raises(Malformed, match="unzips"):
            decode_multi(part, room)
        assert room.bytes == 0
    assert len(decode_multi(encode_multi([b"x"] * 3, zipped=False), room)) == 3
    with pytest.raises(Malformed, match="more frames") as caught:
        decode_multi(encode_multi([b"x"], zipped=False), room)
    assert caught.value.kind == "oversized"


def test_a_header_of_no_sensible_size_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        decode_frame(encode_frame(1, Header(error_message="x" * MOST_HEADER_BYTES), b""))
    assert caught.value.kind == "oversized"


def test_messages_of_the_old_kind_are_told_apart() -> None:
    assert not decode_frame(b"\x0e\x03\0\0old message").protobuf
