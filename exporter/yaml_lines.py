"""YAML with the line of every key, and what is wrong in it in an operator's words: the only module that imports yaml.

    bytes -> nodes with marks -> Document(plain values, a line for every place, problems)

A place is a tuple of keys and indexes, the same shape as pydantic's `loc`. YAML comes from operators and
their generators: nothing here builds objects, and size, depth and aliases have limits. No message repeats
a value, because any value may be a secret.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import Reader
from yaml.resolver import Resolver

from exporter.errors import ConfigError, Problem

Place = tuple[str | int, ...]

_MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_DEPTH: Final = 32
_MOST_NODES: Final = 500_000
_TAG: Final = "tag:yaml.org,2002:"
_SHOWN_KEY: Final = 64
# libyaml reads a fleet of a thousand bots ten times faster; both loaders know the same language.
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file: its value, the line of every place, and what was wrong on the level of YAML."""

    file: str
    value: object
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...]
    unreadable: frozenset[str]
    """The keys whose value was no usable YAML: `value` holds None there, and `problems` says why."""

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest thing around it."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, message: str) -> Problem:
        """Return a problem at that place."""
        return Problem(self.file, self.line(place), place_text(place), message)

    def lines_below(self, place: Place) -> dict[str, int]:
        """Return the line of everything inside a place, under names relative to it: `goal`, `goal.name`."""
        value = self.value
        for step in place:
            value = value[step]  # type: ignore[index]  # the place exists: it was found by walking the value
        return {place_text(inner): self.line((*place, *inner)) for inner in _places(value)}


def _places(value: object) -> Iterator[Place]:
    inside: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(value, dict):
        inside = iter(value.items())
    elif isinstance(value, list):
        inside = iter(enumerate(value))
    for step, each in inside:
        yield (step,)
        yield from ((step, *rest) for rest in _places(each))


def place_text(place: Place) -> str:
    """Return a place as people write it: `bots[2].active`; keys are cut and escaped, as they may be anything."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in place)
    return "".join(parts).removeprefix(".")


def _shown(key: str) -> str:
    short = key if len(key) <= _SHOWN_KEY else key[: _SHOWN_KEY - 1] + "…"
    return short if short.isprintable() else short.encode("unicode_escape").decode("ascii")


def read_document(path: Path, *, may_be_empty: bool = False) -> Document:
    """Read a file; raises ConfigError with one problem when it cannot be read or is no YAML at all.

    With `may_be_empty` a file of nothing but comments has the value None; otherwise it is a problem.
    """
    text = _read_text(path)
    file = str(path)
    if bad := Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise _only(file, line, f"contains the control character U+{ord(bad.group()):04X}: remove it")
    try:
        _limit_depth(file, text)
        node = yaml.compose(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: PyYAML on absurd numbers in directives and escapes
        raise _only(file, *_syntax_error(error, text)) from None
    if node is None and may_be_empty:
        return Document(file, None, {}, (), frozenset())
    if node is None:
        raise _only(file, 1, "is empty: nothing is configured")
    return _Conversion(file).document(node)


def _only(file: str, line: int, message: str) -> ConfigError:
    return ConfigError([Problem(file, line, "", message)])


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _only(str(path), 0, f"cannot be read: {error.strerror}") from error
    except ValueError:  # a NUL byte in the name
        raise _only(str(path), 0, "cannot be read: this is no file name") from None
    if len(data) > _MOST_BYTES:
        raise _only(str(path), 0, f"is larger than {_MOST_BYTES // 1024 // 1024} MiB: split it with bots_files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _only(str(path), line, "is not UTF-8: save the file in that encoding") from None


def _limit_depth(file: str, text: str) -> None:
    """Composing nodes recurses, so the depth is measured on the flat events first."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MOST_DEPTH:
                raise _only(file, _line(event), f"is nested deeper than {_MOST_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_error(error: Exception, text: str) -> tuple[int, str]:
    """Return line and message. PyYAML's own text quotes the line and names, and those may hold a secret."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return 0, "is not valid YAML"
    mark = error.problem_mark or error.context_mark
    line = min(mark.line + 1, max(1, len(text.splitlines()))) if mark else 0
    message = f"is not valid YAML: {error.problem or 'syntax error'}"
    if error.context and error.context_mark and error.context_mark.line + 1 < line:
        message += f" ({error.context} that begins on line {error.context_mark.line + 1})"
    return line, re.sub(r"(alias|anchor|handle) '.*'", r"\1", message)


class _Conversion:
    """Turns the nodes of one file into plain values."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Place, int] = {}
        self._problems: list[Problem] = []
        self._unreadable: set[str] = set()
        self._open: set[int] = set()
        self._nodes = 0
        self._scalars = SafeConstructor()
        self._resolver = Resolver()

    def document(self, node: Node) -> Document:
        self._lines[()] = _line(node)
        value = self._convert(node, ())
        return Document(self._file, value, self._lines, tuple(self._problems), frozenset(self._unreadable))

    def _convert(self, node: Node, place: Place) -> object:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _only(self._file, _line(node), "is too large once its aliases are written out")
        if id(node) in self._open:
            return self._refuse(place, "is an alias that contains itself")
        if len(place) > _MOST_DEPTH:  # only aliases get here: the text itself was measured before
            return self._refuse(place, f"is nested deeper than {_MOST_DEPTH} levels once its aliases are written out")
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
                return self._sequence(node, place)
            if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, place)
            return self._refuse(place, "has a YAML tag that is not supported: remove the tag (the word after `!`)")
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: SequenceNode, place: Place) -> list[object]:
        values = []
        for index, item in enumerate(node.value):
            inner = (*place, index)
            self._lines[inner] = _line(item)
            values.append(self._convert(item, inner))
        return values

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            key = key_node.value
            if key_node.tag == f"{_TAG}merge":
                self._problem(place, line, "merge keys (<<) are not supported: write the keys out")
            elif not isinstance(key_node, ScalarNode) or key_node.tag != f"{_TAG}str":
                self._problem(place, line, "has a key that is no string: quote it")
            elif key in values:
                first = self._lines[(*place, key)]
                self._problem((*place, key), line, f"is given twice: the first is on line {first}")
            else:
                self._lines[(*place, key)] = line
                values[key] = self._convert(value_node, (*place, key))
        return values

    def _scalar(self, node: ScalarNode, place: Place) -> object:
        tag = node.tag
        if tag == f"{_TAG}str":
            return node.value
        if node.style or tag != self._resolver.resolve(ScalarNode, node.value, (True, False)):  # type: ignore[no-untyped-call]
            return self._refuse(place, "has a YAML tag that is not supported: remove the tag (the word after `!`)")
        if tag in (f"{_TAG}value", f"{_TAG}merge"):  # a plain `=` or `<<`
            return node.value
        try:
            value: object = self._scalars.construct_object(node)
        except (ValueError, OverflowError):  # 2024-99-99, a number of 5000 digits
            return self._refuse(place, "looks like a number or a date but is none: quote it")
        return value

    def _refuse(self, place: Place, message: str) -> object:
        """Report a value that cannot be used, and return what stands in for it."""
        self._unreadable.add(place_text(place))
        self._problem(place, self._lines[place], message)
        return None

    def _problem(self, place: Place, line: int, message: str) -> None:
        self._problems.append(Problem(self._file, line, place_text(place), message))


def _line(node: Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


def unknown_key(key: str, known: Collection[str]) -> str:
    """Return the message for a key that nothing reads, with the key that was probably meant."""
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown key: did you mean {close[0]}?" if close else f"unknown key: known are {', '.join(known)}"


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Place, str]]:
    """Yield place and message of each error, in words for operators and without any value."""
    for each in error.errors(include_url=False):
        place = each["loc"]
        context = each.get("ctx", {})
        kind, hint = kind_of(each["input"]), quote_hint(each["input"])
        match each["type"]:
            case "missing":
                message = "is missing: add it"
            case "extra_forbidden":
                message = unknown_key(str(place[-1]), _keys_at(model, place[:-1]))
            case "value_error":
                message = str(context["error"])
            case "string_type":
                message = f"must be a string, not {kind}{hint}"
            case "bool_type":
                message = f"must be true or false, not {kind}"
            case "int_type" | "float_type":
                message = f"must be a number, not {kind}"
            case "literal_error" | "enum":
                message = f"must be {context['expected']}"
            case "list_type" | "tuple_type":
                message = f"must be a list, not {kind}"
            case "model_type" | "dict_type":
                message = f"must be a mapping (key: value), not {kind}"
            case other:
                message = f"is not valid ({other.replace('_', ' ')})"
        yield place, message


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """Return the keys of the model that stands at a place inside `model`."""
    for step in place:
        if isinstance(step, str) and step in model.model_fields:
            annotation = model.model_fields[step].annotation
            inner = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]
            model = next((each for each in inner if issubclass(each, BaseModel)), model)
    return [str(each.validation_alias or name) for name, each in model.model_fields.items()]


def kind_of(value: object) -> str:
    """Name the type of a value that YAML gave, never the value."""
    match value:
        case None | "":
            return "nothing"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "a date"


def quote_hint(value: object) -> str:
    """Return the advice for a string that YAML took for something else: unquoted, `12345` is a number."""
    return "" if value is None or isinstance(value, str | list | dict) else ": quote it"
