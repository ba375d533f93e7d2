"""The command itself: its commands, each loaded when it is asked for, and how it ends."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import click

from exporter.ctl.failures import DONE, INTERRUPTED, USAGE
from exporter.ctl.locate import Given
from exporter.ctl.options import nobody_reads, place
from exporter.ctl.session import Output, Session

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "status": ("exporter.ctl.looking", "the fleet at a glance"),
    "watch": ("exporter.ctl.watch", "the same, live, and a line for each change"),
    "bots": ("exporter.ctl.looking", "all bots, or those that need somebody"),
    "lobbies": ("exporter.ctl.looking", "all lobbies"),
    "races": ("exporter.ctl.looking", "all races that bots follow"),
    "explain": ("exporter.ctl.looking", "one bot's story, and what to do"),
    "history": ("exporter.ctl.looking", "what has happened"),
    "health": ("exporter.ctl.looking", "ok, degraded or down; exit code 1 if not ok"),
    "order": ("exporter.ctl.looking", "what became of an order"),
    "start": ("exporter.ctl.steering", "switch a bot on"),
    "stop": ("exporter.ctl.steering", "switch a bot off"),
    "restart": ("exporter.ctl.steering", "have a bot connect anew at once"),
    "guard-code": ("exporter.ctl.steering", "hand in a Steam Guard code"),
    "maintenance": ("exporter.ctl.steering", "announce maintenance of a bot, or end it"),
    "lobby": ("exporter.ctl.lobby", "create a lobby, look at it, launch and close it"),
    "race": ("exporter.ctl.race", "open a race room and act in it"),
    "drain": ("exporter.ctl.process", "take on no new work, or take on work again"),
    "reload": ("exporter.ctl.process", "have the configuration read again"),
    "check-config": ("exporter.ctl.process", "check a configuration, without a server"),
}


class LazyGroup(click.Group):
    """Knows its commands by name, and loads the module of the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name][0])
        found: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    from importlib.metadata import version  # noqa: PLC0415

    click.echo(f"botctl {version('bot-exporter')}")
    context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@place
@click.option("-o", "--output", type=click.Choice(("table", "json")), help="a table for people, or the server's JSON")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="show the version")
@click.pass_context
def botctl(
    context: click.Context,
    *,
    url: str | None,
    key_file: Path | None,
    ca_file: Path | None,
    data_dir: Path | None,
    output: Output | None,
) -> None:
    """Look at a running bot-exporter, and steer it.

    \b
    Where the server is, and the key, is said by the first of these:
      --url, --key-file, --ca-file
      BOTCTL_URL, BOTCTL_KEY_FILE, BOTCTL_CA_FILE
      endpoint.json and admin.key in --data.dir, else in ./data or
      /var/lib/bot-exporter

    Options may stand before or after the command.

    Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable.
    """
    context.obj = Session(Given(url, key_file, ca_file, data_dir), output or "table")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no such letter still shows the rest
    try:
        return _run(arguments)
    except BrokenPipeError:
        nobody_reads()
        return DONE


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = botctl.main(arguments, prog_name="botctl", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stderr.write("\nbotctl: interrupted; an order that was given goes on\n")
        return INTERRUPTED
    return code if isinstance(code, int) else DONE


def load() -> dict[str, Any]:
    """Return every command by its name, for its documentation."""
    context = click.Context(botctl)
    return {name: botctl.get_command(context, name) for name in COMMANDS}


if __name__ == "__main__":
    sys.exit(main())
