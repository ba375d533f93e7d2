"""Which bytes of a socket are whole texts, and which are for the library, wherever they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platforms.racetime.lane import Lane

MOST = 70_000
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes, *, final: bool = True, mask: int = 0) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([size | mask])
    elif size < 1 << 16:
        length = bytes([126 | mask]) + size.to_bytes(2, "big")
    else:
        length = bytes([127 | mask]) + size.to_bytes(8, "big")
    return bytes([opcode | (0x80 if final else 0)]) + length + payload


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(each % (len(data) + 1) for each in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds) if start < end]


PAYLOADS = st.sampled_from([b"", b"a", b"x" * 125, b"y" * 126, b"z" * 65_535, b"w" * 65_536])
FRAMES = st.lists(st.tuples(st.sampled_from([TEXT, TEXT, TEXT, BINARY, PING, PONG]), PAYLOADS), max_size=6)


@given(FRAMES, st.lists(st.integers(0, 200_000), max_size=5))
def test_whole_texts_are_taken_out_wherever_the_bytes_are_cut(
    frames: list[tuple[int, bytes]], places: list[int]
) -> None:
    lane = Lane(MOST)
    data = b"".join(frame(opcode, payload) for opcode, payload in frames)
    found = [piece for part in cut(data, places) for piece in lane.split(part)]
    assert found == [
        (True, payload) if opcode == TEXT else (False, frame(opcode, payload)) for opcode, payload in frames
    ]
    assert not lane.blocked


def test_a_byte_at_a_time() -> None:
    lane = Lane(MOST)
    data = frame(TEXT, b"a" * 300) + frame(PING, b"") + frame(TEXT, b"")
    found = [piece for byte in data for piece in lane.split(bytes([byte]))]
    assert found == [(True, b"a" * 300), (False, frame(PING, b"")), (True, b"")]


def test_a_text_in_several_frames_is_the_librarys_and_so_is_what_comes_in_between() -> None:
    lane = Lane(MOST)
    parts = [
        frame(TEXT, b"one", final=False),
        frame(PING, b"p"),
        frame(TEXT, b"out of place"),  # for the library to refuse
        frame(CONTINUED, b"two", final=False),
        frame(CONTINUED, b"three"),
    ]
    assert lane.split(b"".join(parts)[:-4]) == [(False, each) for each in parts[:-1]]
    assert lane.split(parts[-1][-4:] + frame(TEXT, b"whole")) == [(False, parts[-1]), (True, b"whole")]


def test_a_reserved_bit_is_for_the_library_to_refuse() -> None:
    odd = bytes([0xC1, 1]) + b"x"
    assert Lane(MOST).split(odd) == [(False, odd)]


@pytest.mark.parametrize(
    "bad",
    [frame(TEXT, b"x" * (MOST + 1))[:20], frame(TEXT, b"abc", mask=0x80), frame(BINARY, b"x" * (MOST + 1))[:10]],
    ids=["too long", "masked", "too long, and no text"],
)
def test_what_no_server_may_send_goes_to_the_library_at_once_with_all_that_follows(bad: bytes) -> None:
    lane = Lane(MOST)
    good = frame(TEXT, b"good")
    assert lane.split(good + bad) == [(True, b"good"), (False, bad)]
    assert lane.blocked
    assert lane.split(good) == [(False, good)]


def test_a_text_of_the_greatest_length_is_taken() -> None:
    assert Lane(MOST).split(frame(TEXT, b"x" * MOST)) == [(True, b"x" * MOST)]
