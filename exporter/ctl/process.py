"""The commands on the whole process, and the check that needs none."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from exporter.ctl import tables, telling
from exporter.ctl.client import Answer
from exporter.ctl.failures import USAGE
from exporter.ctl.options import PATH, Seconds, common, ordering
from exporter.ctl.session import Session
from exporter.ctl.until import until


@click.command()
@click.option("--end", is_flag=True, help="take on new work again")
@click.option("--wait", is_flag=True, help="return once nothing is left to wait for")
@click.option("--timeout", type=Seconds(), default="2h", show_default=True, metavar="DURATION", help="how long to wait")
@ordering
@common
def drain(session: Session, end: bool, wait: bool, timeout: float, key: str | None) -> None:
    """Take on no new lobbies and races, and show which ones have to end; --end takes that back."""
    if end and wait:
        raise click.UsageError("--end has nothing to --wait for")

    def draw(found: Any, _: object) -> Text:
        return Text(tables.draining_words(found["draining_waits_for"]) if found["draining"] else "new work is taken on")

    answer = session.client.order("DELETE" if end else "POST", "/api/v1/drain", key=key)
    if wait and answer.data["draining_waits_for"]:
        session.say(tables.draining_words(answer.data["draining_waits_for"]))

        def look() -> Answer:
            return session.client.get("/status/system")

        def over(found: Any) -> str | None:
            return None if found["draining"] else "somebody has ended the draining"

        answer = until(
            session, look, lambda found: bool(found["draining"] and not found["draining_waits_for"]),
            "everything has ended", timeout, over=over,
        )  # fmt: skip
    session.show(answer, draw)


@click.command()
@common
def reload(session: Session) -> None:
    """Have the configuration read again; one with mistakes changes nothing, and they are listed."""
    answer = session.client.send("POST", "/-/reload")
    session.show(answer, lambda found, _: telling.reloaded(found))


@click.command()
@click.argument("file", type=PATH, default=Path("config.yaml"))
@click.option("--web.config.file", "web_config", type=PATH, metavar="FILE", help="a web configuration to check as well")
@common
def check_config(session: Session, file: Path, web_config: Path | None) -> int:
    """Check the configuration FILE (config.yaml) and print every mistake with its line. It needs no server.

    Exit code 2 if there are mistakes. It is bot-exporter --config.check of the same installation that looks.
    """
    command = [sys.executable, "-P", "-m", "exporter.cli", "--config.check", f"--config.file={file}"]
    command += [f"--web.config.file={web_config}"] if web_config is not None else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (our own program)
    mistakes = [line.removeprefix("bot-exporter: ") for line in done.stderr.splitlines()]
    if session.as_json:
        session.dump({"file": str(file), "ok": done.returncode == 0, "problems": mistakes})
    elif done.returncode == 0:
        click.echo(done.stdout.rstrip())
    else:
        for line in mistakes:
            session.say(line)
    return USAGE if done.returncode else 0
