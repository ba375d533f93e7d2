"""The race form: every field is always sent, and an edit loses none."""

import pytest

from exporter.errors import OrderRefused
from exporter.platforms.racetime.form import RaceForm, new_form, whole_form

EDITED = {name for name, _ in RaceForm(goal="Any%").pairs(edit=True)}


def test_every_field_is_sent_with_the_sites_default() -> None:
    pairs = dict(new_form({"goal": "Any%"}).pairs())
    assert pairs == {
        "goal": "Any%",
        "invitational": "false",
        "unlisted": "false",
        "ranked": "true",
        "recordable": "true",
        "info_user": "",
        "info_bot": "",
        "start_delay": "15",
        "time_limit": "24",
        "time_limit_auto_complete": "false",
        "streaming_required": "true",
        "auto_start": "true",
        "allow_comments": "true",
        "hide_comments": "false",
        "allow_prerace_chat": "true",
        "allow_midrace_chat": "true",
        "allow_non_entrant_chat": "true",
        "chat_message_delay": "0",
        "team_race": "false",
        "require_even_teams": "false",
        "hide_entrants": "false",
        "partitionable": "false",
    }
    assert set(pairs) - EDITED == {"invitational", "team_race", "hide_entrants", "partitionable"}


def test_an_edit_keeps_what_it_does_not_name() -> None:
    form = new_form({"goal": "Any%", "unlisted": True, "info_bot": "seed", "time_limit": 5})
    edited = form.changed({"streaming_required": False})
    assert (edited.goal, edited.unlisted, edited.info_bot, edited.time_limit) == ("Any%", True, "seed", 5)
    assert not edited.streaming_required


def test_one_kind_of_goal_takes_the_place_of_the_other() -> None:
    form = new_form({"goal": "Any%"}).changed({"custom_goal": "Mine"})
    assert (form.goal, form.custom_goal) == (None, "Mine")
    assert form.changed({"goal": "Any%"}).custom_goal is None


def test_setinfo_is_remembered_as_the_site_takes_it() -> None:
    form = new_form({"goal": "Any%", "info_bot": "old", "info_user": "keep"})
    changed = form.with_info({"info_bot": "new", "info_user": ""})
    assert (changed.info_bot, changed.info_user) == ("new", "keep")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "exactly one"),
        ({"goal": "a", "custom_goal": "b"}, "exactly one"),
        ({"goal": "a", "speed": 1}, "speed: unknown field"),
        ({"goal": "a", "ranked": "yes"}, "ranked: must be true or false"),
        ({"goal": "a", "ranked": 1}, "ranked: must be true or false"),
        ({"goal": "a", "start_delay": True}, "start_delay: must be a whole number"),
        ({"goal": "a", "start_delay": 1.5}, "start_delay: must be a whole number"),
        ({"goal": 5}, "goal: must be a string"),
    ],
)
def test_a_wrong_form_is_not_sent(values: dict[str, object], words: str) -> None:
    with pytest.raises(OrderRefused, match=words):
        new_form(values)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(OrderRefused) as caught:
        new_form({"goal": "a", "ranked": 1, "speed": 2})
    assert len(caught.value.errors) == 2


def test_fields_of_a_new_room_cannot_be_edited() -> None:
    with pytest.raises(OrderRefused, match="when the room is opened"):
        new_form({"goal": "Any%"}).changed({"team_race": True})


def test_an_unknown_room_needs_every_field() -> None:
    with pytest.raises(OrderRefused) as caught:
        whole_form({"unlisted": True})
    named = {each.partition(":")[0] for each in caught.value.errors}
    assert named == (EDITED - {"goal", "unlisted"}) | {"goal or custom_goal"}
    whole = {name: getattr(RaceForm(), name) for name in EDITED if name != "goal"}
    assert whole_form({**whole, "custom_goal": "Mine"}).custom_goal == "Mine"


def test_the_race_of_a_form() -> None:
    form = new_form({"custom_goal": "Mine", "invitational": True, "info_bot": "b", "info_user": "u"})
    view = form.view("cat", "slug", "https://racetime.gg", 5.0)
    assert (view.name, view.state.value, view.goal_name, view.goal_custom) == ("cat/slug", "invitational", "Mine", True)
    assert (view.info, view.url, view.detailed) == ("u\nb", "https://racetime.gg/cat/slug", False)
