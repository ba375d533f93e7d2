"""What the commands have in common: the options that every one of them takes, and arguments that can be completed."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from exporter.ctl.failures import DONE, CtlError
from exporter.ctl.locate import Given
from exporter.ctl.session import Output, Session

_C = TypeVar("_C", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_PLACE = (
    ("--url", "url", str, "URL", "the server's address (BOTCTL_URL)"),
    ("--key-file", "key_file", PATH, "FILE", "a file with the API key (BOTCTL_KEY_FILE)"),
    ("--ca-file", "ca_file", PATH, "FILE", "certificates that the server's is checked with (BOTCTL_CA_FILE)"),
    ("--data.dir", "data_dir", PATH, "DIR", "the data directory of an exporter on this machine"),
)


def _merge(context: click.Context, given: Given, output: Output | None) -> Session:
    """Take the options of a command over those that stand before it."""
    known = context.find_object(Session) or Session()
    chosen = {name: value for _, name, *_ in _PLACE if (value := getattr(given, name)) is not None}
    return Session(replace(known.given, **chosen), output or known.output)


def common(command: _C) -> _C:
    """Give a command the options --url, --key-file, --ca-file, --data.dir and --output; it gets a Session.

    What it returns is the exit code, None for 0; a CtlError is told and becomes one.
    """

    @wraps(command)
    def run(
        *arguments: Any,
        url: str | None,
        key_file: Path | None,
        ca_file: Path | None,
        data_dir: Path | None,
        output: Output | None,
        **others: Any,
    ) -> Any:
        context = click.get_current_context()
        context.obj = _merge(context, Given(url, key_file, ca_file, data_dir), output)
        try:
            return command(context.obj, *arguments, **others)
        except CtlError as error:
            context.obj.complain(error)
            context.exit(error.code)
        except BrokenPipeError:
            nobody_reads()
            context.exit(DONE)

    hidden = _hidden_place(run, hidden=True)
    return click.option(  # type: ignore[return-value]
        "-o", "--output", type=click.Choice(("table", "json")), help="a table for people, or the server's JSON"
    )(hidden)


def _hidden_place(command: Callable[..., Any], *, hidden: bool) -> Callable[..., Any]:
    for flag, name, kind, metavar, text in reversed(_PLACE):
        command = click.option(flag, name, type=kind, metavar=metavar, help=text, hidden=hidden)(command)
    return command


def nobody_reads() -> None:
    """Go on quietly after the end of a pipe was closed: whoever read along has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the program itself the options that say which server is meant."""
    return _hidden_place(command, hidden=False)


def ordering(command: _C) -> _C:
    """Give a command that orders something --idempotency-key."""
    return click.option(
        "--idempotency-key",
        "key",
        metavar="KEY",
        callback=_key,
        help="give the order under this key: given again under it, it is not carried out again (default: a new one)",
    )(command)


def _key(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _KEY.fullmatch(value):
        raise click.BadParameter("give 1 to 200 letters, digits and signs without spaces")
    return value


class Seconds(click.ParamType[float]):
    """A duration such as `90s`, `10m` or `1h30m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from exporter.timing import parse_duration  # noqa: PLC0415  (it brings the event loop's library)

        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
