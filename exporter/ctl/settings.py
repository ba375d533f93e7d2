"""Fields of a form on the command line: `start_delay=15` is a number, `unlisted=true` a truth value, the rest text."""

import json
from collections.abc import Iterable
from typing import Any

import click


def settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the fields. Raises click.BadParameter for what is no field=value."""
    found = dict[str, Any]()
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r}: write field=value, such as start_delay=15", param_hint="--set")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, float) or value is None else value
