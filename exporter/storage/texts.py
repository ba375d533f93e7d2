"""Texts of services and people as every database takes them."""

from typing import Final, overload

_LONGEST: Final = 1000


@overload
def clean(text: str) -> str: ...
@overload
def clean(text: None) -> None: ...
def clean(text: str | None) -> str | None:
    """Return a text of a service as every database takes it: bounded, without NUL and half surrogate pairs."""
    if text is None:
        return None
    kept = str(text) if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    return kept if kept.isascii() and "\0" not in kept else kept.replace("\0", "").encode(errors="replace").decode()
