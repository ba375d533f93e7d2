"""The tables and examples in docs/configuration.md and docs/web-config.md: what stands beside the fields.

The prose around them is written by hand. A document says where each part goes:

    <!-- made by make docs: racetime -->
    ...
    <!-- end -->
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.cluster_section import Cluster
from exporter.config import KEYS, BotHead
from exporter.described import Section
from exporter.options import Option, TextOption
from exporter.platforms import PLATFORMS
from exporter.sections import Racetime, Simulators, Steam, Storage, Web
from exporter.simulators import racetime as racetime_simulator
from exporter.simulators import steam as steam_simulator
from exporter.timing import format_duration
from exporter.web_file import HttpSection, RateSection, TlsSection

ROOT: Final = Path(__file__).resolve().parent.parent
SECTIONS: Final[Mapping[str, type[Section]]] = {
    "web": Web,
    "storage": Storage,
    "steam": Steam,
    "racetime": Racetime,
    "cluster": Cluster,
    "simulators": Simulators,
}
WEB_SECTIONS: Final[Mapping[str, type[Section]]] = {
    "tls_server_config": TlsSection,
    "http_server_config": HttpSection,
    "rate_limit": RateSection,
}
_INLINE: Final = "; meant for the simulator"
_PART: Final = re.compile(r"(<!-- made by make docs: ([\w ]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One key: its path, the form of its values, what its absence stands for, and what it is for."""

    path: str
    values: str
    absent: str
    meaning: str

    def __str__(self) -> str:
        return f"| `{self.path}` | {self.values} | {self.absent} | {self.meaning} |"


def words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# What a field cannot know, because the names come from parts that stand above the configuration.
_NAMES: Final[Mapping[str, str]] = {
    "bots[].platform": words(sorted(PLATFORMS)),
    "simulators.racetime.scenario": words(racetime_simulator.SCENARIOS),
    "simulators.steam.scenario": words(steam_simulator.SCENARIOS),
}


# --- keys ---


def rows_of(model: type[BaseModel], place: str) -> Iterator[Row]:
    """Yield the keys of a section; those of a list's items are written `list[].key`."""
    for name, field in model.model_fields.items():
        path = f"{place}.{field.validation_alias or name}"
        section = _section(field.annotation)
        if section is not None:
            yield from rows_of(section, path)
            continue
        yield _row(path, field)
        for item in get_args(field.annotation):
            if (inner := _section(item)) is not None:
                yield from rows_of(inner, f"{path}[]")


def _section(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _row(path: str, field: FieldInfo) -> Row:
    told = field.json_schema_extra
    if field.description is None or not isinstance(told, dict):
        raise ValueError(f"{path} says nothing about itself: declare it with `setting`, with its meaning")
    values = _NAMES.get(path) or str(told["values"]) or _values(path, field)
    return Row(path, f"{values} (secret)" if told["secret"] else values, _absent(path, field, told), field.description)


def _values(path: str, field: FieldInfo) -> str:
    if field.annotation is bool:
        return "`true`, `false`"
    if get_origin(field.annotation) is Literal:
        return words(get_args(field.annotation))
    raise ValueError(f"{path} does not say what its values look like: give `values`")


def _absent(path: str, field: FieldInfo, told: Mapping[str, Any]) -> str:
    if told["absent"]:
        return str(told["absent"])
    match field.get_default():
        case _ if field.is_required():
            return "required"
        case bool() as default:
            return f"`{str(default).lower()}`"
        case float() as default:
            return f"`{format_duration(default)}`"
        case str() | int() as default:
            return f"`{default}`"
        case _:
            raise ValueError(f"{path} does not say what its absence stands for: give `absent`")


def rows_of_options(options: Iterable[Option]) -> Iterator[Row]:
    """Yield the keys of a platform's bots; a secret has two."""
    for option in options:
        path = f"bots[].{option.name}"
        if isinstance(option, TextOption):
            yield Row(path, option.values, "required", option.meaning)
            continue
        absent = "one of the two" if option.required else "none"
        file = "the path of a [secret file](#secret-files)"
        yield Row(f"{path}_file", file, absent, f"the file with {option.what}{option.more}")
        yield Row(path, "text (secret)", absent, f"{option.what} itself{_INLINE}")


def config_rows() -> Iterator[Row]:
    """Yield every key of a configuration below the top."""
    for name, model in SECTIONS.items():
        yield from rows_of(model, name)
    yield from rows_of(BotHead, "bots[]")
    for platform in PLATFORMS.values():
        yield from rows_of_options(platform.options)


def web_rows() -> Iterator[Row]:
    """Yield every key of a web configuration file that has a name of its own."""
    for name, model in WEB_SECTIONS.items():
        yield from rows_of(model, name)


# --- examples ---


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a section in which everything is given that can be given at once."""
    given: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = str(field.validation_alias or name)
        section = _section(field.annotation)
        if section is not None:
            given[key] = example_of(section)
        elif field.examples and field.examples[0] is not None:
            given[key] = deepcopy(field.examples[0])  # YAML would make one list an alias of the other
    return given


def example_bots() -> Iterator[dict[str, Any]]:
    """Yield two bots of each platform: one with its secrets in files, one with them inline."""
    for platform, row in sorted(PLATFORMS.items(), reverse=True):
        for number, inline in enumerate((False, True), 1):
            bot: dict[str, Any] = {"name": f"{platform}-{number}", "platform": platform}
            if not inline:
                bot |= {key: value for key, value in example_of(BotHead).items() if key not in bot}
            for option in row.options:
                if isinstance(option, TextOption):
                    bot[option.name] = option.example if not inline else f"another-{option.name.replace('_', '-')}"
                elif inline:
                    bot[option.name] = option.inline
                else:
                    bot[f"{option.name}_file"] = option.example
            yield bot


class _Dumper(yaml.SafeDumper):
    """Writes the items of a list to the right of its key, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def _yaml(name: str, value: Mapping[str, Any]) -> str:
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=110)
    return f"```yaml\n# {name}\n{text}```"


def config_example() -> dict[str, Any]:
    sections = {name: example_of(model) for name, model in SECTIONS.items()}
    return {**sections, "bots": list(example_bots()), "bots_files": ["bots/*.yaml"]}


def web_example() -> dict[str, Any]:
    return {name: example_of(model) for name, model in WEB_SECTIONS.items()}


# --- documents ---


def _table(rows: Iterable[Row]) -> str:
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *map(str, rows)])


def _section_table(model: type[BaseModel], place: str) -> str:
    return _table(rows_of(model, place))


def _options_table(options: Iterable[Option]) -> str:
    return _table(rows_of_options(options))


def _top() -> str:
    return "\n".join(["| key | meaning |", "|---|---|", *(f"| [`{k}`](#{k}) | {v} |" for k, v in KEYS.items())])


_FILES: Final = Row("bots_files", "a list", "none", KEYS["bots_files"])
PARTS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "docs/configuration.md": {
        "top": _top,
        "example": lambda: _yaml("config.yaml", config_example()),
        **{name: partial(_section_table, model, name) for name, model in SECTIONS.items()},
        "bots": partial(_section_table, BotHead, "bots[]"),
        **{f"bots of {name}": partial(_options_table, row.options) for name, row in PLATFORMS.items()},
        "bots_files": lambda: _table([_FILES]),
    },
    "docs/web-config.md": {
        **{name: partial(_section_table, model, name) for name, model in WEB_SECTIONS.items()},
        "example": lambda: _yaml("web.yml", web_example()),
    },
}


def reference(name: str) -> str:
    """Return a document with its made parts made anew; raises ValueError when it lacks one, or has another."""
    text = (ROOT / name).read_text(encoding="utf-8")
    made = PARTS[name]
    marked = [part for _, part, _ in _PART.findall(text)]
    if sorted(marked) != sorted(made):
        raise ValueError(f"{name} must have each of these parts once: {', '.join(made)}; it has {', '.join(marked)}")
    return _PART.sub(lambda found: f"{found[1]}{made[found[2]]()}\n{found[3]}", text)
