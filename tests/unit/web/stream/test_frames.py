"""The bytes of the feed, read by parsers that are not ours."""

import json

import pytest

from exporter.web.stream.frames import EVENTS, OLD_EVENTS, WEBSOCKET, Frames, close_message, members
from exporter.web.stream.log import ChangeLog
from tests.replica import events, messages

FRAMES = Frames("0a9f")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_websocket_message_of_any_size(size: int) -> None:
    text = b"x" * size
    written = b"".join(WEBSOCKET.message((b"c", each)) for each in (text, b"next"))
    assert len(WEBSOCKET.message((b"c", text))) == size + (2 if size < 126 else 4 if size < 2**16 else 10)
    assert list(messages(WEBSOCKET.written(written))) == [text, b"next"]


def test_why_a_websocket_is_closed() -> None:
    (payload,) = messages(close_message(1013, "too slow"))
    assert (int.from_bytes(payload[:2], "big"), payload[2:]) == (1013, b"too slow")


def test_events_are_text_with_the_cursor_as_id() -> None:
    shown = {"info": "one\ntwo\r\nthree"}
    entry = ChangeLog().put("race", "alttpr/été", shown)
    assert entry is not None
    frame = FRAMES.change(entry, members(entry, shown))
    written = EVENTS.message(frame) + EVENTS.message(FRAMES.heartbeat(7))
    found = list(events(written.decode()))
    assert [cursor for cursor, _ in found] == ["0a9f-1", "0a9f-7"]
    assert [json.loads(data)["cursor"] for _, data in found] == ["0a9f-1", "0a9f-7"]
    assert json.loads(found[0][1]) == {
        "type": "change",
        "cursor": "0a9f-1",
        "kind": "race",
        "id": "alttpr/été",
        "data": shown,
    }
    assert OLD_EVENTS.written(written) == written
    size, _, rest = EVENTS.written(written).partition(b"\r\n")
    assert (int(size, 16), rest) == (len(written), written + b"\r\n")


@pytest.mark.parametrize(
    ("cursor", "position"),
    [
        ("0a9f-12", 12),
        ("0a9f-0", 0),
        ("ffff-12", 0),
        ("0a9f", None),
        ("0a9f-", None),
        ("-12", None),
        ("0a9f-1 ", None),
        ("0a9f-1\n", None),
        ("0a9f--1", None),
        ("0a9f-1e3", None),
        ("0a9f-٣", None),
        ("0a9f-" + "9" * 19, None),
        ("x" * 100_000, None),
        ("", None),
    ],
)
def test_where_a_cursor_stands(cursor: str, position: int | None) -> None:
    assert FRAMES.position(cursor) == position
