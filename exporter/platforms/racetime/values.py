"""Read the site's JSON without trusting it: every reader gives a value of the right type, whatever is there."""

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar


class Oddity(StrEnum):
    """What can be wrong with something that the site sent: a small closed set, used as a label value."""

    JSON = "json"
    BINARY = "binary"
    TYPE = "type"
    SHAPE = "shape"
    UNKNOWN_VALUE = "unknown_value"
    OVERSIZED = "oversized"


Note = Callable[[Oddity], None]
"""Told of each oddity as it is met."""

_E = TypeVar("_E", bound=StrEnum)
_DURATION = re.compile(r"P([0-9]{1,9})DT([0-9]{1,9})H([0-9]{1,9})M([0-9]{1,9}(?:\.[0-9]{1,9})?)S")


def timestamp(text: str) -> float | None:
    """Return the Unix seconds of an ISO 8601 time; None unless it is one with an offset.

    Race data write `2026-11-21T22:13:15.295Z`, frames microseconds and `+00:00` (racetime protocol notes, section 8).
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def duration_s(text: str) -> float | None:
    """Return the seconds of a duration such as `P0DT00H00M05.722589S`; None unless it is one."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, seconds = match.groups()
    return int(days) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)


class Fields:
    """The fields of one JSON object. What is absent or null has its default; a wrong type has too, and is noted."""

    __slots__ = ("_fields", "_note")

    def __init__(self, value: object, note: Note) -> None:
        self._note = note
        self._fields: dict[str, object] = {}
        if isinstance(value, dict):
            self._fields = value
        elif value is not None:
            note(Oddity.SHAPE)

    def has(self, key: str) -> bool:
        """Say whether the field is there and not null."""
        return self._fields.get(key) is not None

    def text(self, key: str) -> str:
        """Return a string, or ""."""
        return self.optional_text(key) or ""

    def optional_text(self, key: str) -> str | None:
        """Return a string, or None."""
        value = self._fields.get(key)
        if value is None or isinstance(value, str):
            return value
        self._wrong()
        return None

    def optional_integer(self, key: str) -> int | None:
        """Return a whole number, or None; JSON's true is none."""
        value = self._fields.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self._wrong()
        return None

    def count(self, key: str) -> int:
        """Return a number that cannot be negative, or 0."""
        return max(0, self.optional_integer(key) or 0)

    def flag(self, key: str) -> bool:
        """Return a truth value, or False."""
        value = self._fields.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._wrong()
        return False

    def time(self, key: str) -> float | None:
        """Return a time in Unix seconds, or None."""
        return self._converted(key, timestamp)

    def duration_s(self, key: str) -> float | None:
        """Return a duration in seconds, or None."""
        return self._converted(key, duration_s)

    def inner(self, key: str) -> "Fields":
        """Return the fields of an object inside; of nothing, if there is none."""
        return Fields(self._fields.get(key), self._note)

    def items(self, key: str) -> list[object]:
        """Return a list, or an empty one."""
        value = self._fields.get(key)
        if isinstance(value, list):
            return value
        if value is not None:
            self._wrong()
        return []

    def word(self, key: str, words: type[_E], unknown: _E) -> _E:
        """Return a member of a closed set; a word that is not in it is `unknown`, and noted."""
        try:
            return words(self.text(key))
        except ValueError:
            self._note(Oddity.UNKNOWN_VALUE)
            return unknown

    def _converted(self, key: str, convert: Callable[[str], float | None]) -> float | None:
        text = self.optional_text(key)
        if text is None:
            return None
        value = convert(text)
        if value is None:
            self._wrong()
        return value

    def _wrong(self) -> None:
        self._note(Oddity.SHAPE)
