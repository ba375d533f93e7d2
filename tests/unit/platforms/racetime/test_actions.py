"""Actions: their frames, and what is not sent."""

import json

import pytest

from exporter.errors import OrderRefused
from exporter.platforms.racetime.actions import ActionName, action, result
from exporter.platforms.racetime.messages import ChatDm, ChatMessage, Pong, RaceData, parse_frame
from tests.unit.platforms.racetime import captured

DATA: dict[str, dict[str, object]] = {
    "message": {"message": "hi", "guid": "a-1"},
    "pin_message": {"message": "id"},
    "unpin_message": {"message": "id"},
    "setinfo": {"info_bot": "x", "info_user": "y"},
    "setmeta": {"a": {"b": [1, None]}},
    "gethistory": {"last_message": "id"},
    "invite": {"user": "id"},
    "accept_request": {"user": "id"},
    "force_unready": {"user": "id"},
    "remove_entrant": {"user": "id"},
    "override_stream": {"user": "id"},
    "add_monitor": {"user": "id"},
    "remove_monitor": {"user": "id"},
}


@pytest.mark.parametrize("name", list(ActionName))
def test_the_frame_of_each_action(name: str) -> None:
    data = DATA.get(name, {})
    expected = {"action": name, "data": data} if data else {"action": name}
    assert json.loads(action(name, data).text) == expected


def test_there_are_eighteen() -> None:
    assert len(ActionName) == 18


def test_a_message_gets_a_guid_of_its_own() -> None:
    first, second = (json.loads(action("message", {"message": "x"}).text)["data"]["guid"] for _ in range(2))
    assert first != second


def test_the_old_name_of_the_information_is_taken() -> None:
    assert json.loads(action("setinfo", {"info": "x"}).text)["data"] == {"info_user": "x"}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("fly", {}, "there is no action"),
        ("begin", {"user": "x"}, "unknown field"),
        ("message", {}, "message: is missing"),
        ("message", {"message": ""}, "must not be empty"),
        ("message", {"message": "x" * 1001}, "1000"),
        ("message", {"message": "x", "guid": "ABC"}, "guid"),
        ("message", {"message": "x", "guid": 5}, "guid: must be a string"),
        ("message", {"message": "x", "pinned": 1}, "pinned"),
        ("message", {"message": "x", "actions": {str(n): {} for n in range(5)}}, "at most 4"),
        ("message", {"message": "x", "actions": {"a": "b"}}, "each button"),
        ("message", {"message": "\ud800"}, "JSON"),
        ("setinfo", {}, "give info_bot"),
        ("setinfo", {"info_bot": None}, "info_bot: must be a string"),
        ("setmeta", {}, "give the fields"),
        ("setmeta", {"x": "y" * 2048}, "2048"),
        ("setmeta", {"x": object()}, "JSON"),
        ("gethistory", {"last_message": None}, "last_message"),
        ("invite", {}, "user: is missing"),
        ("invite", {"user": 5}, "user: must be a string"),
    ],
)
def test_what_would_kill_the_socket_or_be_refused_is_not_sent(name: str, data: dict[str, object], words: str) -> None:
    with pytest.raises(OrderRefused, match=words):
        action(name, data)


def test_answers_are_recognised() -> None:
    own = parse_frame(json.dumps(captured.load("ws/chat.message.json")), pytest.fail)
    other = parse_frame(json.dumps(captured.load("ws/chat.message.user.json")), pytest.fail)
    dm = parse_frame(json.dumps(captured.load("ws/chat.dm.json")), pytest.fail)
    said = action("message", {"message": " hello from  valid\n"})
    assert isinstance(own, ChatMessage)
    assert said.answered_by(own)
    assert not said.answered_by(other)
    assert not said.answered_by(dm)
    assert not action("message", {"message": "hello bot"}).answered_by(other)
    direct = action("message", {"message": "x", "direct_to": "xr85vpEMBoX32zJ4"})
    assert direct.answered_by(dm)
    assert not direct.answered_by(own)
    assert not action("begin").has_answer
    assert action("getrace").answered_by(RaceData({}, None))
    assert not action("getrace").answered_by(Pong())


def test_results_are_plain_json() -> None:
    frame = parse_frame(json.dumps(captured.load("ws/chat.history.json")), pytest.fail)
    for each in (frame, RaceData({"a": 1}, None), ChatDm("id", "bot", "user"), None):
        json.dumps(result(each))
    assert result(None) == {}
