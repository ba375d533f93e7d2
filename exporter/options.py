"""The keys that a bot of one platform has: a table, read by the platform's parser and by the reference."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.config import BotEntry, secret_option
from exporter.errors import ConfigError, Problem
from exporter.secrets import SecretSource
from exporter.yaml_lines import kind_of, quote_hint, unknown_key


@dataclass(frozen=True, slots=True)
class TextOption:
    """A key that every bot of the platform must give, with a text of this form.

    `refusal` is what an operator reads about another text, `missing` about none. `meaning`, `values` (the form in
    words) and `example` are for the reference.
    """

    name: str
    meaning: str
    values: str
    example: str
    form: re.Pattern[str]
    refusal: str
    missing: str = "is missing"

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class SecretOption:
    """A secret, given as a file (`NAME_file`) or inline (`NAME`); `check` raises ValueError for one that cannot be.

    `what` is its name in a sentence, `more` goes on about it; they and the examples are for the reference.
    """

    name: str
    what: str
    example: str
    inline: str = "only-for-trying-out"
    required: bool = True
    more: str = ""
    check: Callable[[str], object] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.name, f"{self.name}_file")


Option = TextOption | SecretOption


class Given:
    """What one bot has given, checked: by the names of its platform's options."""

    def __init__(self, texts: Mapping[str, str], secrets: Mapping[str, SecretSource]) -> None:
        self._texts = texts
        self._secrets = secrets

    def text(self, name: str) -> str:
        return self._texts[name]

    def secret(self, name: str) -> SecretSource:
        return self._secrets[name]

    def optional_secret(self, name: str) -> SecretSource | None:
        """Return a secret that need not be given."""
        return self._secrets.get(name)


def read_options(entry: BotEntry, options: Sequence[Option]) -> Given:
    """Return what an entry says for these options; raises ConfigError with every problem found.

    A relative file is looked for beside the file that names it.
    """
    known = [key for option in options for key in option.keys]
    problems = [entry.problem(key, unknown_key(key, known)) for key in entry.options if key not in known]
    texts: dict[str, str] = {}
    secrets: dict[str, SecretSource] = {}
    for option in options:
        if isinstance(option, TextOption):
            problems += _text(entry, option, texts)
        else:
            problems += _secret(entry, option, secrets)
    if problems:
        raise ConfigError(problems)
    return Given(texts, secrets)


def _text(entry: BotEntry, option: TextOption, found: dict[str, str]) -> Iterator[Problem]:
    value = entry.options.get(option.name)
    if option.name not in entry.options:
        yield entry.problem(option.name, option.missing)
    elif not isinstance(value, str):
        yield entry.problem(option.name, f"must be a string, not {kind_of(value)}{quote_hint(value)}")
    elif not value:
        yield entry.problem(option.name, "must not be empty")
    elif not option.form.fullmatch(value):
        yield entry.problem(option.name, option.refusal)
    else:
        found[option.name] = value


def _secret(entry: BotEntry, option: SecretOption, found: dict[str, SecretSource]) -> Iterator[Problem]:
    given = [key for key in option.keys if key in entry.options]
    if not given and not option.required:
        return
    try:
        source = secret_option(entry, option.name, Path(entry.file).parent)
    except ConfigError as error:
        yield from error.problems
        return
    if option.check is not None:
        try:
            option.check(source.read().reveal())
        except ValueError as error:
            yield entry.problem(given[0], str(error))
            return
    found[option.name] = source
