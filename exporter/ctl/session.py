"""What one run of botctl works with: which server, how answers are shown, what is said meanwhile."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from exporter.ctl.failures import CtlError
from exporter.ctl.locate import Given, Server, locate
from exporter.ctl.words import cleaned, plain, same_json

if TYPE_CHECKING:
    # What draws and what speaks HTTP is loaded when it is needed: help, usage errors and completion are quick.
    from rich.console import Console, RenderableType

    from exporter.ctl.client import Answer, Client
    from exporter.ctl.look import Look

Output = Literal["table", "json"]

_PIPE_WIDTH = 10_000  # a program reads along: nothing is cut off


@dataclass
class Session:
    """Made once a run from the flags; the rest comes with its first use."""

    given: Given = field(default_factory=Given)
    output: Output = "table"

    @property
    def as_json(self) -> bool:
        return self.output == "json"

    @cached_property
    def server(self) -> Server:
        return locate(self.given, os.environ)

    @cached_property
    def client(self) -> "Client":
        from exporter.ctl.client import Client  # noqa: PLC0415

        return Client(self.server, say=self.say)

    @cached_property
    def console(self) -> "Console":
        """Where results go: coloured only on a terminal without NO_COLOR, and nothing that is shown is markup."""
        from rich.console import Console  # noqa: PLC0415

        width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
        return Console(width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)

    def look(self, now: float) -> "Look":
        """Return how things look on this console at that time."""
        from exporter.ctl.look import Look  # noqa: PLC0415

        return Look(self.console.width, now, signs=self.console.encoding.startswith("utf"))

    def show(self, answer: "Answer", draw: "Callable[[Any, Look], RenderableType]") -> None:
        """Show an answer: as the server wrote it, or drawn from its data with every text in it made plain."""
        if self.as_json:
            self.print_json(answer.body.decode(errors="replace").strip())
        else:
            self.draw(draw(cleaned(answer.data), self.look(answer.at)))

    def draw(self, drawn: "RenderableType") -> None:
        """Show something that is drawn."""
        self.console.print(drawn, crop=False)

    def print_json(self, text: str) -> None:
        """Print JSON on a line, or as it was laid out; it is UTF-8 whatever the terminal speaks."""
        sys.stdout.buffer.write(f"{same_json(text)}\n".encode(errors="replace"))
        sys.stdout.buffer.flush()

    def dump(self, data: Any) -> None:
        """Print data of our own as JSON."""
        self.print_json(json.dumps(data, ensure_ascii=False))

    def say(self, text: str) -> None:
        """Tell a person what goes on; with JSON nobody is told, as then stderr is for problems."""
        if not self.as_json:
            sys.stderr.write(f"botctl: {plain(text)}\n")
            sys.stderr.flush()

    def complain(self, error: CtlError) -> None:
        """Tell on stderr why the command failed: in words, or as a problem document in one line."""
        if self.as_json:
            problem = error.problem | ({"hints": list(error.hints)} if error.hints else {})
            sys.stderr.write(f"{same_json(json.dumps(problem, ensure_ascii=False))}\n")
            return
        lines = [f"botctl: {error.title}: {error}", *_single(error.problem.get("errors"), str(error))]
        for line in (*lines, *(f"  try: {hint}" for hint in error.hints)):
            sys.stderr.write(f"{_line(line)}\n")

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show on a terminal that something is waited for."""
        if self.as_json or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            yield
            return
        from rich.console import Console  # noqa: PLC0415

        console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        with console.status(plain(what), spinner="line"):
            yield


def _line(text: str) -> str:
    """Make a line of an error plain, and keep its indentation."""
    bare = text.lstrip(" ")
    return " " * (len(text) - len(bare)) + plain(bare)


def _single(errors: Any, told: str) -> Iterator[str]:
    """Yield the single mistakes of a problem, if its detail does not have them already."""
    if not isinstance(errors, list):
        return
    for each in errors:
        text = _problem(each) if isinstance(each, dict) else str(each)
        if text not in told or isinstance(each, dict):
            yield f"  {text}"


def _problem(mistake: dict[str, Any]) -> str:
    """Return a mistake of the configuration as --config.check prints it."""
    place = f"{mistake.get('file')}:{mistake.get('line')}" if mistake.get("line") else str(mistake.get("file"))
    return ": ".join(str(each) for each in (place, mistake.get("key"), mistake.get("message")) if each)
