"""The room form of startrace and edit (racetime protocol notes, section 5)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from exporter.simulators.racetime.records import Category, Race, RaceSettings

MAX_TEXT = 1000
MAX_CUSTOM_GOAL = 255

Form = Mapping[str, str]
Errors = dict[str, list[str]]

_AT_START = frozenset({"team_race", "hide_entrants", "partitionable"})
_BOOLEANS = (
    "team_race",
    "ranked",
    "unlisted",
    "partitionable",
    "hide_entrants",
    "require_even_teams",
    "time_limit_auto_complete",
    "streaming_required",
    "auto_start",
    "allow_comments",
    "hide_comments",
    "allow_prerace_chat",
    "allow_midrace_chat",
    "allow_non_entrant_chat",
)


class _Number(NamedTuple):
    field: str
    setting: str
    unit: timedelta
    least: int
    most: int


_NUMBERS = (
    _Number("start_delay", "start_delay_s", timedelta(seconds=1), 10, 60),
    _Number("time_limit", "time_limit_h", timedelta(hours=1), 1, 72),
    _Number("chat_message_delay", "chat_message_delay_s", timedelta(seconds=1), 0, 90),
)
_TEXTS = ("info_user", "info_bot")
_ALL = frozenset({*_BOOLEANS, *_TEXTS, *(each.field for each in _NUMBERS), "goal"})
_DEFAULTS = RaceSettings(info_bot="")
_AFTER_START = frozenset(
    {
        "unlisted",
        "info_user",
        "allow_comments",
        "hide_comments",
        "allow_midrace_chat",
        "allow_non_entrant_chat",
        "chat_message_delay",
    }
)
_CHAT = frozenset({"allow_prerace_chat", "allow_midrace_chat", "allow_non_entrant_chat"})


class FormInvalid(Exception):
    """The form was refused; `errors` is the body of the 422."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        super().__init__(str(errors))


def is_true(text: str) -> bool:
    """Read a checkbox as the site does: only "false" and the empty string are false, "0" is true."""
    return text.lower() != "false" and text != ""


def new_settings(form: Form, category: Category) -> RaceSettings:
    """Return the settings of a room to open; raises FormInvalid."""
    return _Reader(form, category, _ALL).settings(_DEFAULTS)


def edited_settings(form: Form, race: Race) -> RaceSettings:
    """Return the settings of a room after an edit: what the form leaves out goes back to the default.

    After the start only some fields count, and no goal is needed. Raises FormInvalid.
    """
    now = race.settings
    if not race.is_preparing:
        # Assumption: fields that cannot be changed any more are ignored, not refused.
        return _Reader(form, race.category, _AFTER_START).settings(now)
    fields = _ALL - _AT_START
    if not now.team_race:
        fields -= {"require_even_teams"}
    if now.hide_entrants:
        fields -= _CHAT
    return _Reader(form, race.category, fields).settings(now)


class _Reader:
    """One reading of a form: only `fields` count, and those left out get their defaults."""

    def __init__(self, form: Form, category: Category, fields: frozenset[str]) -> None:
        self._form = form
        self._category = category
        self._fields = fields
        self._found: dict[str, Any] = {}
        self._errors: Errors = {}

    def settings(self, base: RaceSettings) -> RaceSettings:
        """Return `base` with what was read; raises FormInvalid."""
        for name in _TEXTS:
            if name in self._fields:
                self._read_text(name)
        for number in _NUMBERS:
            if number.field in self._fields:
                self._read_number(number)
        for name in _BOOLEANS:
            if name in self._fields:
                self._found[name] = is_true(self._form[name]) if name in self._form else getattr(_DEFAULTS, name)
        # Beta features that the category does not have are ignored.
        if not self._category.allow_hide_entrants:
            self._found.pop("hide_entrants", None)
        if not self._category.allow_partitionable:
            self._found.pop("partitionable", None)
        if "goal" in self._fields:
            self._read_goal()
        self._check_teams()
        if self._errors:
            raise FormInvalid(self._errors)
        if self._found.get("hide_entrants"):
            self._found |= dict.fromkeys(_CHAT, False)
        return replace(base, **self._found)

    def _read_text(self, name: str) -> None:
        text = self._form.get(name, "").strip()
        self._limit(name, text, MAX_TEXT)
        self._found[name] = text

    def _read_number(self, number: _Number) -> None:
        text = self._form.get(number.field)
        if text is None:
            self._found[number.setting] = getattr(_DEFAULTS, number.setting)
            return
        try:
            value = int(text)
        except ValueError:
            # Assumption: the words, which are those of the web framework's number field.
            self._errors[number.field] = ["Enter a whole number." if text.strip() else "This field is required."]
            return
        if value < number.least:
            limit = f"greater than or equal to {number.least * number.unit}"
            self._errors[number.field] = [f"Ensure this value is {limit}."]
        elif value > number.most:
            limit = f"less than or equal to {number.most * number.unit}"
            self._errors[number.field] = [f"Ensure this value is {limit}."]
        self._found[number.setting] = value

    def _read_goal(self) -> None:
        goal = self._form.get("goal", "").strip()
        custom = self._form.get("custom_goal", "").strip()
        known = goal if goal in self._category.goals else None
        self._limit("custom_goal", custom, MAX_CUSTOM_GOAL)
        if not known and not custom:
            self._errors["__all__"] = ["You need to set a goal for this race."]
        elif known and custom:
            self._errors["__all__"] = ["The race must only have one goal."]
        self._found["goal"], self._found["custom_goal"] = known, custom or None

    def _check_teams(self) -> None:
        if "__all__" in self._errors or not self._found.get("team_race"):
            return
        if self._found.get("hide_entrants"):
            self._errors["__all__"] = ["Team races are not compatible with hidden entrants."]
        elif self._found.get("partitionable"):
            self._errors["__all__"] = ["Team races are not compatible with 1v1 ladder races."]

    def _limit(self, name: str, text: str, most: int) -> None:
        if len(text) > most:
            self._errors[name] = [f"Ensure this value has at most {most} characters (it has {len(text)})."]
