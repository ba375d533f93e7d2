"""The configuration file: strict, every problem at once, each with file, line and key.

    config.yaml, bots_files -> Documents (yaml_lines) -> typed sections and BotEntries -> Config | ConfigError

The core is typed here. What a bot needs beyond name, platform and active is its platform's business: an entry
carries those options raw, with the line of each key, so that the platform's complaints point at the file too.
No message holds a value of an option: it may be a secret.
"""

import glob
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from exporter.cluster_section import Cluster, contradictions
from exporter.described import Section, setting
from exporter.errors import ConfigError, Problem
from exporter.secrets import Secret, SecretError, SecretSource, read_secret_file
from exporter.sections import Name, Racetime, Simulators, Steam, Storage, Web
from exporter.sources import Sources
from exporter.web_config import WebConfig, load_web_config
from exporter.yaml_lines import Document, Place, explain, kind_of, place_text, quote_hint, read_document, unknown_key

# The keys at the top and what they are for, for the reference.
KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "web": "who may read over HTTP, and give orders",
        "storage": "where the history, orders and what is remembered of bots are kept",
        "steam": "how the bots of Steam's games reach it",
        "racetime": "how the racetime.gg bots reach the site",
        "cluster": "one fleet over several processes",
        "simulators": "stand-ins for the services, inside the process",
        "bots": "a list of the bots to run; it may be empty",
        "bots_files": "a list of paths or patterns of files with more bots",
    }
)


@dataclass(frozen=True, slots=True)
class BotEntry:
    """One bot as configured. Entries are equal when the bot is the same, wherever in the files it stands."""

    name: str
    platform: str
    active: bool
    options: Mapping[str, object] = field(repr=False)
    file: str = field(compare=False)
    line: int = field(compare=False)
    lines: Mapping[str, int] = field(compare=False, repr=False)
    place: str = field(compare=False, default="")
    runs_on: frozenset[str] = frozenset()

    def problem(self, key: str, message: str) -> Problem:
        """Return a problem at one of this bot's keys (`category`, `goal.name`), or at the bot itself for ""."""
        near = key
        while near and near not in self.lines:
            near = near[: max(near.rfind("."), near.rfind("["), 0)]
        shown = f"{self.place}.{key}" if key and self.place else key or self.place
        return Problem(self.file, self.lines.get(near, self.line), shown, message)


def secret_option(entry: BotEntry, key: str, base_dir: Path) -> SecretSource:
    """Return where a bot's secret comes from: `key` inline, or `key`_file relative to `base_dir`.

    Raises ConfigError when there is not exactly one of them, or when the file cannot be used now.
    """
    file_key = f"{key}_file"
    if key in entry.options and file_key in entry.options:
        raise ConfigError([entry.problem(file_key, f"{key} is given too: keep one of them")])
    if file_key in entry.options:
        name = entry.options[file_key]
        if not isinstance(name, str) or not name:
            raise ConfigError([entry.problem(file_key, f"must be the path of a file, not {kind_of(name)}")])
        try:
            path = base_dir / name
            read_secret_file(path)
        except ValueError as error:
            message = str(error) if isinstance(error, SecretError) else "is no path of a file"
            raise ConfigError([entry.problem(file_key, message)]) from None
        return SecretSource(path)
    if key not in entry.options:
        raise ConfigError([entry.problem(key, f"is missing: give {file_key} (a path) or {key}")])
    value = entry.options[key]
    if not isinstance(value, str) or not value:
        raise ConfigError([entry.problem(key, f"must be a string, not {kind_of(value)}{quote_hint(value)}")])
    return SecretSource(None, Secret(value))


def _names(value: object) -> object:
    if value == []:
        raise ValueError("must name at least one instance: leave the key out for any")
    return [value] if isinstance(value, str) else value


class BotHead(BaseModel):
    """What every bot has, whatever its platform."""

    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)

    name: Name = setting(
        ...,
        "yours to choose, unique; the `bot` label of every metric",
        values="a [name](#forms)",
        example="alttpr",
    )
    platform: Name = setting(..., "which service it is a bot of; the keys below depend on it", example="racetime")
    active: bool = setting(
        True, "`false`: the bot is shown and not started, with the status `disconnected`", example=True
    )
    runs_on: Annotated[tuple[Name, ...], BeforeValidator(_names)] = setting(
        (),
        "the instances of a [cluster](#cluster) that may run this bot, for example because its account is to log on "
        "from one address. While none of them is there, the bot does not run. Without a cluster it says nothing",
        values="a [name](#forms) or a list of them",
        absent="any instance",
        example=["exporter-1", "exporter-2"],
        strict=False,
    )


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid configuration; `web_config` is the file of --web.config.file, if there is one."""

    path: Path
    web: Web
    storage: Storage
    steam: Steam
    racetime: Racetime
    simulators: Simulators
    cluster: Cluster
    bots: tuple[BotEntry, ...]
    web_config: WebConfig | None = None

    @property
    def base_dir(self) -> Path:
        """The folder that the paths in the files are relative to."""
        return self.path.parent


# --- loading ---

Check = Callable[[BotEntry], Iterable[Problem]]
_S = TypeVar("_S", bound=Section)


def load(
    path: Path,
    check: Check = lambda _: (),
    scenarios: Mapping[str, Collection[str]] | None = None,
    sources: Sources | None = None,
    web_config: Path | None = None,
) -> Config:
    """Read the configuration; raises ConfigError with every problem found.

    `check` has a bot's platform look at its options; its problems are reported together with the others.
    `scenarios` are the names that each simulator can play; without any, every name is fine. `sources` is told of each
    file before it is read, whether or not the reading succeeds. `web_config` is the web configuration file, whose
    problems are reported together with the others too.
    """
    problems: list[Problem] = []
    config = web = None
    try:
        config = _Loading(path, check, scenarios or {}, sources or Sources()).config()
    except ConfigError as error:
        problems += error.problems
    try:
        web = load_web_config(web_config) if web_config is not None else None
    except ConfigError as error:
        problems += error.problems
    if problems or config is None:
        raise ConfigError(problems)
    return replace(config, web_config=web)


class _Loading:
    """One reading of the configuration, gathering problems as it goes."""

    def __init__(self, path: Path, check: Check, scenarios: Mapping[str, Collection[str]], sources: Sources) -> None:
        self._path = path
        self._check = check
        self._scenarios = scenarios
        self._sources = sources
        self._simulated: frozenset[str] = frozenset()
        self._problems: list[Problem] = []
        self._main = self._document(path)
        self._names: dict[str, BotEntry] = {}

    def config(self) -> Config:
        root = self._main.value
        if not isinstance(root, dict):
            message = f"must be a mapping with keys such as bots, not {kind_of(root)}"
            raise ConfigError([*self._main.problems, self._main.problem((), message)])
        self._problems += self._main.problems
        self._add(self._main, (((key,), unknown_key(key, KEYS)) for key in root if key not in KEYS))
        simulators = self._section(Simulators, "simulators")
        if simulators is not None:
            stood_in_for = {"racetime": simulators.racetime.enabled, "steam": simulators.steam.enabled}
            self._simulated = frozenset(name for name, enabled in stood_in_for.items() if enabled)
        web = self._section(Web, "web")
        storage = self._section(Storage, "storage")
        racetime = self._section(Racetime, "racetime")
        steam = self._section(Steam, "steam")
        cluster = self._section(Cluster, "cluster")
        if cluster is not None and storage is not None:
            self._add(self._main, contradictions(cluster, storage))
        bots = [*self._bots(self._main, ("bots",)), *self._bots_of_files()]
        self._check_usernames(bots)
        if web is None or storage is None or steam is None or racetime is None or simulators is None or cluster is None:
            raise ConfigError(self._problems)
        if self._problems:
            raise ConfigError(self._problems)
        return Config(self._path, web, storage, steam, racetime, simulators, cluster, tuple(bots))

    def _document(self, path: Path) -> Document:
        self._sources.document(path)
        document = read_document(path)
        self._sources.secrets_of(path.parent, document.value)
        return document

    def _check_usernames(self, bots: Iterable[BotEntry]) -> None:
        """A bot is found by its name or its username, so that one must not be another one's."""
        users: dict[str, BotEntry] = {}
        for entry in bots:
            username = entry.options.get("username")
            if not isinstance(username, str):
                continue
            first = users.setdefault(username.lower(), entry)
            if first is not entry:
                message = f"is given twice: bot {first.name} in {first.file}, line {first.line}, has this account"
                self._problems.append(entry.problem("username", message))
            named = self._names.get(username)
            if named is not None and named is not entry and named.name != entry.name:
                message = f"is the name of another bot ({named.file}, line {named.line}): rename that bot"
                self._problems.append(entry.problem("username", message))

    def _add(self, document: Document, found: Iterable[tuple[Place, str]]) -> None:
        problems = (document.problem(place, message) for place, message in found)
        self._problems += (each for each in problems if each.key not in document.unreadable)

    def _section(self, model: type[_S], key: str) -> _S | None:
        root = self._main.value
        raw = root.get(key) if isinstance(root, dict) else None
        try:
            # A section whose keys are all commented out is null in YAML: nothing was asked for.
            context = {
                "base_dir": self._path.parent,
                "simulated": key if key in self._simulated else None,
                "scenarios": self._scenarios,
            }
            return model.model_validate({} if raw is None else raw, context=context)
        except ValidationError as error:
            self._add(self._main, (((key, *place), message) for place, message in explain(error, model)))
            return None

    def _bots(self, document: Document, place: Place) -> Iterator[BotEntry]:
        raw = document.value
        for step in place:
            raw = raw.get(str(step)) if isinstance(raw, dict) else None
        if raw is None:
            return
        if not isinstance(raw, list):
            self._add(document, [(place, f"must be a list of bots, not {kind_of(raw)}")])
            return
        for index, item in enumerate(raw):
            entry = self._entry(document, (*place, index), item)
            if entry is not None:
                found = self._check(entry) if entry.platform else ()
                self._problems += (p for p in found if p.key not in document.unreadable)
                yield entry

    def _entry(self, document: Document, place: Place, raw: object) -> BotEntry | None:
        """Return the bot as far as it can be read, so that its platform finds its own mistakes in it as well."""
        try:
            head = BotHead.model_validate(raw)
        except ValidationError as error:
            self._add(document, (((*place, *inner), message) for inner, message in explain(error, BotHead)))
            if not isinstance(raw, dict):
                return None
            name, platform = raw.get("name"), raw.get("platform")
            head = BotHead.model_construct(name=str(name), platform=platform if isinstance(platform, str) else "")
        assert isinstance(raw, dict)  # noqa: S101  (a head is read from nothing else)
        options = {key: value for key, value in raw.items() if key not in BotHead.model_fields}
        entry = BotEntry(
            head.name,
            head.platform,
            head.active,
            MappingProxyType(options),
            document.file,
            document.line(place),
            document.lines_below(place),
            place_text(place),
            frozenset(head.runs_on),
        )
        if isinstance(raw.get("name"), str):
            first = self._names.setdefault(head.name, entry)
            if first is not entry:
                message = f"is given twice: another bot in {first.file}, line {first.line}, has this name"
                self._problems.append(entry.problem("name", message))
        return entry

    def _bots_of_files(self) -> Iterator[BotEntry]:
        for path in self._bots_files():
            try:
                document = self._document(path)
            except ConfigError as error:
                self._problems += error.problems
                continue
            self._problems += document.problems
            if isinstance(document.value, dict):
                others = [key for key in document.value if key != "bots"]
                self._add(document, (((key,), "unknown key: a file of bots has only bots") for key in others))
                yield from self._bots(document, ("bots",))
            else:
                yield from self._bots(document, ())

    def _bots_files(self) -> Iterator[Path]:
        """Yield each file that bots_files names, once, in order."""
        base = self._path.parent
        root = self._main.value
        patterns = root.get("bots_files") if isinstance(root, dict) else None
        if patterns is not None and not isinstance(patterns, list):
            self._add(self._main, [(("bots_files",), f"must be a list of paths, not {kind_of(patterns)}")])
            return
        seen = {os.path.realpath(self._path)}  # unlike Path.resolve it bears links in a circle
        for index, pattern in enumerate(patterns or ()):
            place = ("bots_files", index)
            if not isinstance(pattern, str) or not pattern.isprintable() or not pattern:
                self._add(self._main, [(place, "must be a path, or a pattern such as bots/*.yaml")])
                continue
            wild = glob.has_magic(pattern)
            names = self._sources.pattern(base, pattern) if wild else [pattern]
            for path in (base / name for name in names):
                if not wild and not os.path.exists(path):  # noqa: PTH110  (Path.exists raises on a name too long)
                    self._sources.document(path)  # it may come
                    self._add(self._main, [(place, f"{path} does not exist (only a pattern may match nothing)")])
                elif os.path.realpath(path) not in seen:  # a wide pattern may match this file itself, or one file twice
                    seen.add(os.path.realpath(path))
                    yield path
