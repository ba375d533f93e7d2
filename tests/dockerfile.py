"""Reads a Dockerfile and carries its steps out without Docker, below a folder that stands for the image's root.

Only the instructions that ours uses are known; any other one is an error, so that nothing is left out in silence.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

_DIRECTORIES = re.compile(r"(?<![\w.}/-])/(?=(?:opt|src|etc|var)\b)")
_PASSIVE = frozenset({"LABEL", "ARG", "EXPOSE", "VOLUME", "STOPSIGNAL", "USER", "HEALTHCHECK", "ENTRYPOINT", "ENV"})

Substitutes = Mapping[str, Callable[[Path], object]]


@dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined: `word` in capitals, `rest` as it is written."""

    word: str
    rest: str

    def flags(self) -> dict[str, str]:
        """Return the `--name=value` before the arguments."""
        return dict(re.findall(r"(?:^| )--([a-z-]+)=(\S+)", self.rest))

    def arguments(self) -> list[str]:
        """Return the arguments of the shell form behind the flags, or those of the JSON form."""
        text = re.sub(r"(?:^| )--[a-z-]+=\S+", "", self.rest).strip().removeprefix("CMD ")
        if text.startswith("["):
            return [str(each) for each in json.loads(text)]
        return shlex.split(text)


@dataclass
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        return [each for each in self.instructions if each.word == word]

    def one(self, word: str) -> Instruction:
        """Return the only instruction of this kind."""
        (found,) = self.all(word)
        return found


def read(path: Path) -> list[Stage]:
    """Return the stages of a Dockerfile."""
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#"))
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].instructions.append(Instruction(word, rest))
    return stages


def context(root: Path, ignore: Path) -> Iterator[Path]:
    """Yield the files that Docker would get to see, as paths relative to the root: the last rule that fits decides."""
    rules = [line for line in ignore.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for folder, names, files in os.walk(root):
        here = Path(folder).relative_to(root)
        names[:] = [name for name in names if not _hopeless(here / name, rules)]
        yield from (here / name for name in files if not _ignored(here / name, rules))


def _ignored(path: Path, rules: list[str]) -> bool:
    verdict = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(_fits(each, pattern) for each in (path, *path.parents)):
            verdict = not rule.startswith("!")
    return verdict


def _fits(path: Path, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(path.name, pattern.removeprefix("**/"))
    parts, wanted = path.parts, Path(pattern).parts
    return len(parts) == len(wanted) and all(map(fnmatch, parts, wanted))


def _hopeless(folder: Path, rules: list[str]) -> bool:
    """Say whether nothing below a folder can be seen, so that it need not be walked."""
    inside = any(rule.startswith("!") and rule[1:].startswith(f"{folder.as_posix()}/") for rule in rules)
    return _ignored(folder, rules) and not inside


class Build:
    """Carries out the stages of a Dockerfile. All of them share one root, where later ones find what earlier ones made.

    A path of the image, such as /opt/x, is `root`/opt/x here. `substitutes` are commands of RUN that something else is
    done for; each has to occur.
    """

    def __init__(self, tree: Path, root: Path, substitutes: Substitutes) -> None:
        self.root = root
        self._tree = tree
        self._seen = {path.as_posix() for path in context(tree, tree / ".dockerignore")}
        self._substitutes = dict(substitutes)
        self._used = set[str]()
        self._folder = root

    def run(self, stages: list[Stage]) -> None:
        """Carry out every instruction, in order."""
        for stage in stages:
            self._folder = self.root
            for each in stage.instructions:
                self._carry_out(each)
        assert self._used == set(self._substitutes), "a command that is stood in for is not there any more"

    def here(self, text: str) -> str:
        """Return a text with the image's paths as they are here."""
        return _DIRECTORIES.sub(f"{self.root}/", text)

    def _carry_out(self, each: Instruction) -> None:
        if each.word == "WORKDIR":
            self._folder = Path(self.here(each.rest))
            self._folder.mkdir(parents=True, exist_ok=True)
        elif each.word == "COPY":
            self._copy(each)
        elif each.word == "RUN":
            for command in re.split(r"\s+&&\s+", each.rest):
                self._run(command)
        elif each.word not in _PASSIVE:
            raise AssertionError(f"nobody has taught this reader what {each.word} does")

    def _copy(self, each: Instruction) -> None:
        *sources, target = each.arguments()
        flags = each.flags()
        assert set(flags) <= {"from", "chown"}
        if "from" in flags:
            # An environment works only where it was made: its scripts have the path in their first line.
            assert sources == [target]
            if "chown" in flags and os.geteuid() == 0:
                owner, _, group = flags["chown"].partition(":")
                os.chown(self.here(target), int(owner), int(group))
            return
        for source in sources:
            files = [name for name in self._seen if name == source or name.startswith(f"{source.rstrip('/')}/")]
            assert files, f"{source} is not there, or .dockerignore hides it"
            for name in files:
                inside = name.removeprefix(source.rstrip("/")).lstrip("/")
                place = self._folder / target / (inside or Path(source).name if target.endswith("/") else inside)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self._tree / name, place)

    def _run(self, command: str) -> None:
        if command in self._substitutes:
            self._used.add(command)
            self._substitutes[command](self.root)
            return
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["/bin/sh", "-c", self.here(command)],
            cwd=self._folder,
            env={"PATH": path, "HOME": str(self.root), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
