"""Spoilt bodies and frames: what a broken or newer server may say. Pure functions."""

from collections.abc import Callable
from html import escape
from typing import Any

import orjson

from exporter.simulators.racetime import wire
from exporter.simulators.racetime.records import Race

MEGABYTE = 1024 * 1024
UNKNOWN_WORD = "hibernating"
NOT_JSON = "}{ \ufffd certainly no JSON"


def proxy_page(status: int, words: str) -> str:
    """Return the kind of page that a front proxy shows; it looks nothing like the site's."""
    title = escape(f"{status}: {words}")
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    )


# JSON trees


def _walk(tree: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a copy in which every object went through `change`, outer ones first."""
    if isinstance(tree, dict):
        return {name: _walk(value, change) for name, value in change(tree).items()}
    return [_walk(each, change) for each in tree] if isinstance(tree, list) else tree


def unknown_words(tree: Any, _: str) -> Any:
    """Put a word that nobody knows in each status."""
    word = {"value": UNKNOWN_WORD, "verbose_value": UNKNOWN_WORD.title(), "help_text": "Asleep."}
    return _walk(tree, lambda fields: {**fields, "status": word} if isinstance(fields.get("status"), dict) else fields)


def extra_fields(tree: Any, _: str) -> Any:
    """Add to every object a field that nobody knows."""
    return _nested_last(tree, {"new_in_2031": {"why": ["not", None, 1.5]}})


def _nested_last(tree: Any, more: dict[str, Any]) -> Any:
    if isinstance(tree, dict):
        return {**{name: _nested_last(value, more) for name, value in tree.items()}, **more}
    return [_nested_last(each, more) for each in tree] if isinstance(tree, list) else tree


def missing_fields(tree: Any, names: str) -> Any:
    """Leave these fields out wherever they occur."""
    gone = set(names.split())
    return _walk(tree, lambda fields: {name: value for name, value in fields.items() if name not in gone})


def nulls(tree: Any, names: str) -> Any:
    """Make these fields null wherever they occur."""
    empty = set(names.split())
    return _walk(tree, lambda fields: {name: None if name in empty else value for name, value in fields.items()})


def wrong_types(tree: Any, what: str) -> Any:
    """Give each value another type, or return another thing altogether."""
    match what:
        case "list":
            return [tree]
        case "null":
            return None
        case "number":
            return 7
        case _:
            return {name: _other_type(value) for name, value in tree.items()} if isinstance(tree, dict) else 7


def _other_type(value: Any) -> Any:
    match value:
        case dict():
            return [value]
        case list():
            return {"0": value[0] if value else None}
        case str():
            return 7
        case bool() | None:
            return "perhaps"
    return "seven"


def huge(tree: Any, megabytes: str) -> Any:
    """Add so many megabytes of text."""
    padding = "x" * int(float(megabytes) * MEGABYTE)
    return {**tree, "padding": padding} if isinstance(tree, dict) else [tree, padding]


# frames

Frame = str | bytes


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _race_data(race: Race, now: float) -> dict[str, Any]:
    # Through JSON, so that there are only its types.
    frame: dict[str, Any] = orjson.loads(orjson.dumps({"date": wire.exact_time(now), **wire.race_data(race, now)}))
    return frame


def _changed(change: Callable[[Any, str], Any]) -> "MakeFrames":
    def make(race: Race, now: float, detail: str) -> list[Frame]:
        return [_text({**change(_race_data(race, now), detail), "type": "race.data"})]

    return make


def _wrong_shapes(_race: Race, _now: float, _detail: str) -> list[Frame]:
    return ["[]", "null", "7", '"race.data"', "{}", '{"type": null}', '{"type": ["race.data"]}', '[{"type": "pong"}]']


def _wrong_types(race: Race, now: float, _detail: str) -> list[Frame]:
    data = _race_data(race, now)
    inside = {**data, "race": wrong_types(data["race"], "values")}
    bodies: list[dict[str, Any]] = [
        {"type": "race.data", **inside},
        {"type": "race.data", "race": "gone", "version": "new"},
        {"type": "chat.message", "message": ["hello"]},
        {"type": "chat.history", "messages": {"0": None}},
        {"type": "error", "errors": 7},
        {"type": "pong", "date": {}},
    ]
    return [_text(body) for body in bodies]


def _unknown_types(_race: Race, now: float, _detail: str) -> list[Frame]:
    return [_text({"type": kind, "date": wire.exact_time(now), "data": {}}) for kind in ("race.confetti", "", "pong2")]


def _flood(race: Race, now: float, detail: str) -> list[Frame]:
    return [_text({"type": "race.data", **_race_data(race, now)})] * int(float(detail))


def _deep(_race: Race, _now: float, detail: str) -> list[Frame]:
    depth = int(float(detail))
    return [f'{{"type": "race.data", "race": {"[" * depth}{"]" * depth}}}']


MakeFrames = Callable[[Race, float, str], list[Frame]]

FRAMES: dict[str, MakeFrames] = {
    "frame_not_json": lambda _race, _now, _detail: [NOT_JSON],
    "frame_binary": lambda _race, _now, _detail: [b"\x00\xff\xfe binary"],
    "frame_wrong_shape": _wrong_shapes,
    "frame_wrong_types": _wrong_types,
    "frame_unknown_type": _unknown_types,
    "frame_unknown_words": _changed(unknown_words),
    "frame_extra_fields": _changed(extra_fields),
    "frame_missing_fields": _changed(missing_fields),
    "frame_nulls": _changed(nulls),
    "frame_huge": _changed(huge),
    "frame_flood": _flood,
    "frame_deep": _deep,
}
