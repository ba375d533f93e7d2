"""What people type for a setting becomes its number, and a number its short form."""

import pytest

from exporter.platforms.dota2.choices import (
    MODES,
    PAUSE_SETTINGS,
    REGIONS,
    SELECTION_PRIORITIES,
    TV_DELAYS,
    VISIBILITIES,
    Choices,
)


@pytest.mark.parametrize("given", [2, "2", "us_east", "US_EAST", "USE", "use", " use "])
def test_a_number_a_name_and_a_short_form_are_the_same(given: int | str) -> None:
    assert REGIONS.parse(given) == 2


@pytest.mark.parametrize(
    ("given", "number"), [("AP", 1), ("cm", 2), ("1v1mid", 21), ("all_draft", 22), ("turbo", 23), ("REVERSE_CM", 8)]
)
def test_modes_as_players_write_them(given: str, number: int) -> None:
    assert MODES.parse(given) == number


def test_answers_show_the_short_form_where_there_is_one() -> None:
    assert (REGIONS.shown(2), REGIONS.shown(4), MODES.shown(1), MODES.shown(23)) == ("USE", "korea", "AP", "TURBO")


def test_a_number_that_is_not_known_is_passed_on_and_shown_as_it_is() -> None:
    assert REGIONS.parse("77") == 77
    assert REGIONS.shown(77) == "77"


@pytest.mark.parametrize("given", ["mars", "", "-1", "1.5", "٣", "9" * 40, True])
def test_what_is_no_value_is_refused_with_what_is_possible(given: int | str) -> None:
    with pytest.raises(ValueError, match=r"server_region .*: give a number or one of .*USE \(2\)"):
        REGIONS.parse(given)


EVERY = (REGIONS, MODES, VISIBILITIES, TV_DELAYS, PAUSE_SETTINGS, SELECTION_PRIORITIES)


@pytest.mark.parametrize("choices", EVERY, ids=[each.what for each in EVERY])
def test_no_word_and_no_number_has_two_meanings(choices: Choices) -> None:
    numbers = [choice.number for choice in choices.all]
    assert len(set(numbers)) == len(numbers)
    for choice in choices.all:
        words = (choice.number, choice.name, choice.shown)
        assert {choices.parse(word) for word in words} == {choice.number}
