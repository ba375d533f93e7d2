"""What the real server sent, with invented users: every frame and every race object of the captured data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "data" / "racetime"
BASE_URL = "https://racetime.gg"


def load(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def frames() -> list[dict[str, Any]]:
    """Return every frame of every file, whatever the file is about."""
    found = [each for path in sorted((DATA / "ws").glob("*.json")) for each in _frames(json.loads(path.read_text()))]
    return found + list(_frames(load("e2e_ws_stream.json")))


def races() -> list[dict[str, Any]]:
    """Return every whole race object."""
    pages = [json.loads(path.read_text()) for path in sorted((DATA / "http").glob("race_*.json"))]
    return pages + [each["race"] for each in frames() if each["type"] == "race.data"]


def summaries() -> list[dict[str, Any]]:
    """Return every entry of the lists of current races."""
    lists = [load(f"http/{name}.json")["current_races"] for name in ("category_data", "o_category_data")]
    return [each for found in (*lists, load("http/races_data.json")["races"]) for each in found]


def _frames(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _frames(each)
    elif isinstance(value, dict):
        if isinstance(value.get("type"), str) and "date" in value:
            yield value
        else:
            for each in value.values():
                yield from _frames(each)
