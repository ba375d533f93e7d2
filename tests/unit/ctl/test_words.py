"""Texts for a terminal: harmless, short, and told as people tell them."""

import json
import unicodedata
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ctl.words import cleaned, clock_time, natural, parse_time, plain, relative, rough, same_json, span
from tests.unit.ctl.answers import HOSTILE
from tests.web.fleet import NOW


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    kinds = {unicodedata.category(each) for each in plain(text).replace("\ufffd", "")}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"}


@given(st.text(st.characters(categories=("L", "N", "P")), max_size=40))
def test_a_harmless_text_stays(text: str) -> None:
    assert plain(text) == text


def test_a_hostile_name_is_shown_harmless() -> None:
    shown = plain(HOSTILE)
    assert shown == "\ufffd]0;owned\ufffd\ufffd[31m[bold red]x[/]\ufffdgnp \ufffd2J"


def test_marks_do_not_climb() -> None:
    assert plain("e" + "\u0301" * 50) == "e\u0301\u0301"


def test_everything_in_an_answer_is_made_plain() -> None:
    assert cleaned({"a\x1b": ["\x1b", {"b": "\x1b"}, 1, None, True]}) == {
        "a\ufffd": ["\ufffd", {"b": "\ufffd"}, 1, None, True]
    }


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_json_means_the_same_and_steers_nothing(data: object) -> None:
    text = same_json(json.dumps(data, ensure_ascii=False))
    assert json.loads(text) == data
    assert not {unicodedata.category(each) for each in text} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [(0, "0s", "0s"), (59.4, "59s", "59s"), (60, "1m", "1m"), (200, "3m 20s", "3m"), (7500, "2h 5m", "2h"),
     (3601, "1h 1s", "1h"), (350000, "4d 1h", "4d"), (-5, "0s", "0s")],
)  # fmt: skip
def test_spans(seconds: float, long: str, short: str) -> None:
    assert (span(seconds), rough(seconds)) == (long, short)


def test_relative_times() -> None:
    assert relative(NOW - 200, NOW) == "3m 20s ago"
    assert relative(NOW + 200, NOW, short=True) == "in 3m"
    assert relative(NOW + 1.9, NOW) == relative(NOW - 0.2, NOW) == "now"
    assert relative(None, NOW) == ""


def test_times_of_the_api() -> None:
    assert parse_time("2027-01-15T08:00:00.000Z") == NOW
    assert parse_time(None) is None
    assert parse_time("soon") is None


def test_a_clock_names_the_day_when_it_is_another() -> None:
    assert clock_time(NOW - 60, NOW, UTC) == "07:59:00"
    assert clock_time(NOW - 90000, NOW, UTC) == "01-14 07:00:00"
    assert clock_time(NOW - 90000 * 24, NOW, UTC) == "2026-12-21 08:00:00"
    assert clock_time(None, NOW, UTC) == ""


def test_numbers_in_names_count() -> None:
    names = ["lobby-10", "b", "lobby-2", "lobby", "2", "10"]
    assert sorted(names, key=natural) == ["2", "10", "b", "lobby", "lobby-2", "lobby-10"]
