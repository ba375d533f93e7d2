"""From the site's race objects to views: all captured ones, and any that somebody could make of them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.states import EntrantStatus, RaceState
from exporter.platforms.racetime.values import Oddity, duration_s, timestamp
from exporter.platforms.racetime.views import Roster, race_list_entry, race_view, split_name
from tests.unit.platforms.racetime import captured
from tests.unit.platforms.racetime.captured import BASE_URL
from tests.unit.platforms.racetime.test_messages import JSON

RACES = captured.races()


def view(race: object) -> Any:
    return race_view(race, BASE_URL, pytest.fail)


def test_every_captured_race_is_read_without_oddity() -> None:
    for race in RACES:
        seen = view(race)
        assert seen.name == race["name"]
        assert seen.state == race["status"]["value"]
        assert seen.url == BASE_URL + race["url"]
        assert len(seen.entrants) == len(race["entrants"])
        assert seen.detailed
    assert {view(each).state for each in RACES} == set(RaceState) - {RaceState.UNKNOWN}


def test_every_captured_list_entry_is_read_without_oddity() -> None:
    entries = captured.summaries()
    assert entries
    for entry in entries:
        seen = race_list_entry(entry, BASE_URL, pytest.fail)
        assert seen is not None
        assert (seen.name, seen.detailed, seen.entrants) == (entry["name"], False, ())


def test_the_facts_of_a_recorded_race() -> None:
    seen = view(captured.load("http/race_recorded.json"))
    assert (seen.state, seen.recorded) == (RaceState.FINISHED, True)
    assert seen.ended_at > seen.started_at > seen.opened_at
    winner = next(each for each in seen.entrants if each.place == 1)
    assert winner.status is EntrantStatus.DONE
    assert 0 < winner.finish_time_s < 3600


def test_teams_have_their_names() -> None:
    assert {each.team for each in view(captured.load("http/race_team.json")).entrants} == {"The Zany Gang", None}


def test_a_cancelled_race_ended_when_it_was_cancelled() -> None:
    race = captured.load("http/race_cancelled.json")
    seen = view(race)
    assert seen.ended_at == timestamp(race["ended_at"] or race["cancelled_at"])


def test_a_deleted_account_has_no_id() -> None:
    race = copy.deepcopy(captured.load("http/race_open.json"))
    race["entrants"] = [{"user": None, "status": {"value": "ready"}}]
    (entrant,) = view(race).entrants
    assert (entrant.user_id, entrant.name, entrant.status) == (None, "(deleted)", EntrantStatus.READY)


def test_unknown_words_are_noted_and_shown_as_unknown() -> None:
    odd: list[Oddity] = []
    race = copy.deepcopy(captured.load("http/race_team.json"))
    race["status"]["value"] = "paused"
    race["entrants"][0]["status"]["value"] = "napping"
    seen = race_view(race, BASE_URL, odd.append)
    assert seen is not None
    assert (seen.state, seen.entrants[0].status) == (RaceState.UNKNOWN, EntrantStatus.UNKNOWN)
    assert odd == [Oddity.UNKNOWN_VALUE, Oddity.UNKNOWN_VALUE]


@pytest.mark.parametrize("name", ["", "x", "a/b/c", "a/../b", "a b/c", "/b", "a/", "a/b\n", "a/ü"])
def test_a_race_without_a_usable_name_is_none(name: str) -> None:
    odd: list[Oddity] = []
    assert split_name(name) is None
    assert race_view({"name": name}, BASE_URL, odd.append) is None
    assert Oddity.SHAPE in odd


@given(st.sampled_from(RACES), st.data())
def test_no_change_of_a_real_race_is_fatal(race: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(race)
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = changed
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and data.draw(st.booleans()):
                place = place[key]
                continue
            place[key] = data.draw(JSON)
            break
    for read in (race_view, race_list_entry):
        seen = read(changed, BASE_URL, lambda _: None)
        assert seen is None or (seen.entrants_count >= 0 and seen.url.startswith(BASE_URL + "/"))


@given(JSON)
def test_no_json_is_fatal(value: object) -> None:
    race_view(value, BASE_URL, lambda _: None)


def test_both_forms_of_times_are_read() -> None:
    assert timestamp("2026-11-21T22:13:15.295Z") == pytest.approx(1795299195.295)
    assert timestamp("2026-11-21T22:05:37.359538+00:00") == pytest.approx(1795298737.359538)
    assert timestamp("2026-11-21T22:05:37") is None
    assert timestamp("yesterday") is None
    assert duration_s("P0DT00H00M05.722589S") == pytest.approx(5.722589)
    assert duration_s("P1DT02H03M04S") == 93784
    assert duration_s("5 minutes") is None


@given(st.text())
def test_no_text_is_fatal_as_a_time(text: str) -> None:
    timestamp(text)
    duration_s(text)


def test_entrants_that_are_as_they_were_are_not_made_again() -> None:
    race = captured.load("http/race_recorded.json")
    roster = Roster()
    first = race_view(race, BASE_URL, pytest.fail, roster)
    changed = copy.deepcopy(race)
    changed["entrants"][0]["status"]["value"] = "dq"
    changed["entrants"].reverse()
    second = race_view(changed, BASE_URL, pytest.fail, roster)
    assert first is not None
    assert second is not None
    assert second == view(changed)
    assert second.entrants[-1].status is EntrantStatus.DQ
    assert [each is again for each, again in zip(first.entrants[1:], second.entrants[-2::-1], strict=True)] == [
        True
    ] * (len(first.entrants) - 1)


@pytest.mark.parametrize(
    "spoil",
    [
        {"place": True},
        {"place": "1"},
        {"status": {"value": "asleep"}},
        {"status": None},
        {"finish_time": "soon"},
        {"finish_time": ""},
        {"user": {"id": 5, "name": []}},
        {"team": "red"},
        {"user": None},
    ],
    ids=str,
)
def test_what_is_odd_of_an_entrant_is_told_each_time(spoil: dict[str, Any]) -> None:
    race = captured.load("http/race_recorded.json")
    roster = Roster()
    race_view(race, BASE_URL, pytest.fail, roster)
    race["entrants"][0] |= spoil
    fresh: list[Oddity] = []
    expected = race_view(race, BASE_URL, fresh.append)
    for _ in range(2):
        odd: list[Oddity] = []
        assert race_view(race, BASE_URL, odd.append, roster) == expected
        assert odd == fresh


@given(st.lists(st.lists(JSON | st.sampled_from(RACES[0]["entrants"] or [None]), max_size=3), max_size=4))
def test_a_roster_says_what_a_fresh_reading_says(lists: list[list[Any]]) -> None:
    roster = Roster()
    for entrants in lists:
        race = {**RACES[0], "entrants": entrants}
        assert race_view(race, BASE_URL, lambda _: None, roster) == race_view(race, BASE_URL, lambda _: None)
