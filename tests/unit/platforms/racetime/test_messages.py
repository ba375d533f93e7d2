"""Frames: everything that the real server sent is understood, and nothing that anybody sends is fatal."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platforms.racetime.messages import (
    ChatDelete,
    ChatDm,
    ChatHistory,
    ChatLine,
    ChatMessage,
    ChatPurge,
    ErrorFrame,
    Malformed,
    Pin,
    Pong,
    RaceData,
    RaceSplit,
    Renders,
    UnknownFrame,
    Unpin,
    parse_frame,
)
from exporter.platforms.racetime.values import Oddity
from tests.unit.platforms.racetime import captured

KINDS = {
    "race.data": RaceData,
    "race.renders": Renders,
    "chat.message": ChatMessage,
    "chat.history": ChatHistory,
    "chat.dm": ChatDm,
    "chat.pin": Pin,
    "chat.unpin": Unpin,
    "chat.delete": ChatDelete,
    "chat.purge": ChatPurge,
    "race.split": RaceSplit,
    "pong": Pong,
    "error": ErrorFrame,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FRAMES = captured.frames()


def test_every_captured_frame_is_of_its_kind_and_without_oddity() -> None:
    odd: list[Oddity] = []
    assert len(FRAMES) > 100
    for frame in FRAMES:
        parsed = parse_frame(json.dumps(frame), odd.append)
        assert type(parsed) is KINDS[frame["type"]], frame
    assert odd == []
    assert {each["type"] for each in FRAMES} == set(KINDS)


def test_the_fields_of_each_kind() -> None:
    def one(kind: str) -> Any:
        return parse_frame(json.dumps(captured.load(f"ws/{kind}.json")), pytest.fail)

    line = one("chat.message.user")
    assert (line.plain, line.user, line.user_id, line.bot) == ("hello bot", "Racer2", "4GRrp1EXNj0B5DbX", None)
    assert line.posted_at == pytest.approx(1795298797.389115)
    own = one("chat.message")
    assert (own.bot, own.is_bot, own.is_system, own.user) == ("TestBot1", True, False, None)
    assert one("chat.dm") == ChatDm("P9102Glo51YmdnL3", "TestBot1", "xr85vpEMBoX32zJ4")
    assert one("chat.delete") == ChatDelete("4KnVkxlnAWrD2Wd9")
    assert one("chat.purge") == ChatPurge("4GRrp1EXNj0B5DbX")
    assert one("race.split") == RaceSplit("xr85vpEMBoX32zJ4", "level 1", "0:05.1", is_undo=False, is_finish=False)
    assert one("error") == ErrorFrame(("Permission denied. Check your authorization token.",))
    assert one("chat.pin").message.is_pinned
    assert len(one("chat.history").messages) > 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"type": "pong"}', Oddity.BINARY),
        ("", Oddity.JSON),
        ("{nope", Oddity.JSON),
        ("[" * 100_000, Oddity.JSON),
        ("[1]", Oddity.TYPE),
        ("null", Oddity.TYPE),
        ('{"type": 5}', Oddity.TYPE),
        ("{}", Oddity.TYPE),
        ('{"type": "race.data"}', Oddity.SHAPE),
        ('{"type": "race.data", "race": []}', Oddity.SHAPE),
        ('{"type": "chat.message", "message": {"id": 5}}', Oddity.SHAPE),
        ('{"type": "chat.pin", "message": null}', Oddity.SHAPE),
    ],
)
def test_what_cannot_be_used_is_malformed(data: str | bytes, kind: Oddity) -> None:
    assert parse_frame(data, lambda _: None) == Malformed(kind)


def test_an_unknown_type_is_named() -> None:
    assert parse_frame('{"type": "chat.wave"}', pytest.fail) == UnknownFrame("chat.wave")


def test_small_oddities_are_noted_and_do_not_cost_the_frame() -> None:
    odd: Counter[Oddity] = Counter()
    text = '{"type": "chat.message", "message": {"id": "a", "user": 7, "delay": "x", "is_bot": 1, "posted_at": "soon"}}'
    line = parse_frame(text, lambda each: odd.update([each]))
    assert isinstance(line, ChatMessage)
    assert (line.user, line.delay_s, line.is_bot, line.posted_at) == (None, 0, False, None)
    assert odd == {Oddity.SHAPE: 4}


def test_a_line_that_nobody_reads_is_read_in_brief() -> None:
    frames = [frame for frame in FRAMES if frame["type"] == "chat.message"]
    for frame in frames:
        whole, brief = (parse_frame(json.dumps(frame), pytest.fail, brief=brief) for brief in (False, True))
        assert isinstance(whole, ChatMessage)
        assert brief == ChatLine(whole.id, whole.posted_at)
    assert frames
    for frame in FRAMES:
        if frame["type"] != "chat.message":
            text = json.dumps(frame)
            assert parse_frame(text, pytest.fail, brief=True) == parse_frame(text, pytest.fail)
    assert parse_frame('{"type": "chat.message", "message": {}}', pytest.fail, brief=True) == Malformed(Oddity.SHAPE)


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":"), (" ,", " : ")])
def test_html_for_browsers_is_known_however_it_is_written(separators: tuple[str, str]) -> None:
    frame = captured.load("ws/race.renders.json")
    for each in (frame, {"date": frame["date"], **frame}, {"type": frame["type"], "renders": {}}):
        assert parse_frame(json.dumps(each, separators=separators), pytest.fail) == Renders()


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_nothing_is_fatal(data: str | bytes) -> None:
    parse_frame(data, lambda _: None)


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(["message", "race", "errors", "split"]), JSON))
def test_no_content_is_fatal(kind: str, content: dict[str, Any]) -> None:
    parse_frame(json.dumps({"type": kind, **content}), lambda _: None)
