"""Texts for a terminal: nothing in them can steer it, whoever wrote them; times and spans as people say them."""

import unicodedata
from datetime import datetime, tzinfo
from typing import Any, Final

_LOST: Final = "\ufffd"
# Control and format characters (escape sequences, bidirectional tricks, invisible ones), halves of surrogate pairs,
# and what has no agreed meaning or width.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MOST_MARKS: Final = 2  # on one letter: more of them would climb into the lines above


def plain(text: str) -> str:
    """Return the text on one line, without anything that a terminal would obey or that would hide what it says."""
    if text.isascii() and text.isprintable():
        return text
    made, marks = list[str](), 0
    for character in " ".join(text.split()):
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks <= _MOST_MARKS:
            made.append(_LOST if kind in _UNSAFE else character)
    return "".join(made)


def cleaned(data: Any) -> Any:
    """Return data with every text in it made plain, keys too: what is shown comes from here, so none is forgotten."""
    match data:
        case str():
            return plain(data)
        case list():
            return [cleaned(each) for each in data]
        case dict():
            return {plain(key): cleaned(value) for key, value in data.items()}
    return data


def same_json(text: str) -> str:
    """Return JSON that means the same, with `\\u` in place of each character that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(each) if unicodedata.category(each) in _UNSAFE else each for each in text)


def _escaped(character: str) -> str:
    if character in "\n\t ":
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def words(text: str | None) -> str:
    """Return a word of the API for people: `auth_failed` becomes `auth failed`."""
    return (text or "").replace("_", " ")


def parse_time(text: Any) -> float | None:
    """Return the Unix seconds of one of the API's times; None for anything else."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def span(seconds: float) -> str:
    """Return how long something takes, in at most two units: `45s`, `3m 20s`, `2h 5m`, `4d 1h`."""
    whole = max(0, round(seconds))
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("m", whole // 60 % 60), ("s", whole % 60))
    parts = [f"{count}{unit}" for unit, count in units if count] or ["0s"]
    return " ".join(parts[:2])


def rough(seconds: float) -> str:
    """Return the same in its largest unit."""
    return span(seconds).partition(" ")[0]


def relative(at: float | None, now: float, *, short: bool = False) -> str:
    """Return `3m 20s ago`, `in 9m` or `now`; nothing for a time that is not known.

    `now` comes in whole seconds from a server, so what is less than two ahead may have been.
    """
    if at is None:
        return ""
    if 0 < at - now < 2:
        return "now"
    away = (rough if short else span)(abs(at - now))
    return "now" if away == "0s" else f"in {away}" if at > now else f"{away} ago"


def clock_time(at: float | None, now: float, zone: tzinfo | None) -> str:
    """Return the time of day, with the date when it is not today's, and the year when it is another one.

    `zone` None is that of this machine.
    """
    if at is None:
        return ""
    there, here = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    date = "" if there.date() == here.date() else "%m-%d " if there.year == here.year else "%Y-%m-%d "
    return there.strftime(f"{date}%H:%M:%S")


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts `lobby-2` before `lobby-10`."""
    parts, digits = [""], False
    for character in name:
        if character.isdecimal() != digits:
            parts.append("")
            digits = not digits
        parts[-1] += character
    return [(each.isdecimal(), int(each) if each.isdecimal() else 0, each) for each in parts]
