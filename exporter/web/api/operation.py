"""What the description says of a route, beside what the route table knows: its path, its access and its docstring."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from exporter.web.api.shapes import Shape

Schema = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the query; `many` may be given several times, and then any of its values counts."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: TEXT)
    many: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """One answer that is no problem: JSON of a shape, or text of these media types, or nothing at all."""

    description: str
    shape: type[Shape] | type[BaseModel] | None = None
    media: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What one route does, for those who call it.

    `refuses` are the statuses of problems that only the handler itself can give: what every route, every route of this
    access and every order can give is known anyway.
    """

    name: str
    tag: str
    given: Mapping[int, Given]
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: type[BaseModel] | None = None
    needs_body: bool = False
    refuses: frozenset[int] = frozenset()
    problems: Mapping[int, type[Shape]] = field(default_factory=dict)
    """Problems with other members than most have."""


def ok(description: str, shape: type[BaseModel]) -> Mapping[int, Given]:
    """Return the one good answer of most routes."""
    return {200: Given(description, shape)}


def kept(description: str, shape: type[BaseModel]) -> Mapping[int, Given]:
    """Return the good answers of a route whose answers have a version."""
    return {
        200: Given(description, shape, headers={"ETag": "Its version."}),
        304: Given("The client has it already."),
    }


def refusals(*statuses: int) -> frozenset[int]:
    """Return the statuses of an operation's own problems."""
    return frozenset(statuses)
