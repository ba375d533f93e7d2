"""The commands that steer one bot."""

import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from exporter.ctl import telling
from exporter.ctl.client import Answer
from exporter.ctl.complete import bot_names
from exporter.ctl.failures import Misused
from exporter.ctl.options import Seconds, common, ordering
from exporter.ctl.session import Session
from exporter.ctl.until import until

_BOT = click.argument("bot", shell_complete=bot_names)
_WAIT = click.option("--wait", is_flag=True, help="return once it works, not at once")
_TIMEOUT = click.option(
    "--timeout", type=Seconds(), default="10m", show_default=True, metavar="DURATION", help="how long to wait"
)
_MOMENT = "give a duration such as 2h, or a time such as 2030-01-02T03:00:00Z"


@click.command()
@_BOT
@_WAIT
@_TIMEOUT
@ordering
@common
def start(session: Session, bot: str, wait: bool, timeout: float, key: str | None) -> None:
    """Switch BOT on, also over restarts of the exporter."""
    _give(session, "POST", bot, "start", key=key, wait_s=timeout if wait else None)


@click.command()
@_BOT
@ordering
@common
def stop(session: Session, bot: str, key: str | None) -> None:
    """Switch BOT off, also over restarts of the exporter; returns once its connections are closed."""
    _give(session, "POST", bot, "stop", key=key)


@click.command()
@_BOT
@_WAIT
@_TIMEOUT
@ordering
@common
def restart(session: Session, bot: str, wait: bool, timeout: float, key: str | None) -> None:
    """Have BOT end its connection and begin anew, without waiting for its next try."""
    _give(session, "POST", bot, "restart", key=key, wait_s=timeout if wait else None)


@click.command()
@_BOT
@click.argument("code", required=False)
@ordering
@common
def guard_code(session: Session, bot: str, code: str | None, key: str | None) -> None:
    """Hand in the Steam Guard CODE that BOT waits for; without CODE it is asked for, or read from standard input."""
    if code is None:
        code = click.prompt("Steam Guard code", err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not code or not code.strip():
        raise Misused("no code was given", "botctl guard-code BOT CODE")
    _give(session, "POST", bot, "guard-code", {"code": code.strip()}, key=key)
    session.say(f"handed in; what Steam says to it shows soon: botctl explain {bot}")


@click.command()
@_BOT
@click.option("--reason", metavar="TEXT", help="why; everybody who looks sees it")
@click.option("--until", "end_at", metavar="WHEN", help="when it ends by itself: 2h, or 2030-01-02T03:00:00Z")
@click.option("--end", is_flag=True, help="it is over")
@ordering
@common
def maintenance(
    session: Session, *, bot: str, reason: str | None, end_at: str | None, end: bool, key: str | None
) -> None:
    """Announce maintenance of BOT: it runs on, takes no new work, and is left out by alerts and by health."""
    if end and (reason or end_at):
        raise click.UsageError("--end takes neither --reason nor --until")
    if not end and not reason:
        raise click.UsageError("give --reason, or --end when it is over")
    if end:
        _give(session, "DELETE", bot, "maintenance", key=key)
        return
    body: dict[str, Any] = {"reason": reason}
    if end_at is not None:
        body["until"] = moment(end_at, datetime.now(UTC))
    _give(session, "POST", bot, "maintenance", body, key=key)


def moment(text: str, now: datetime) -> str:
    """Return a time as the API takes it: `2h` counts from `now`, a time without a zone is this machine's."""
    from exporter.timing import parse_duration  # noqa: PLC0415

    try:
        at = datetime.fromtimestamp(now.timestamp() + parse_duration(text), UTC)
    except (ValueError, OverflowError):
        try:
            at = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise click.BadParameter(f"{text!r}: {_MOMENT}", param_hint="--until") from None
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _give(
    session: Session,
    method: str,
    bot: str,
    what: str,
    body: dict[str, Any] | None = None,
    *,
    key: str | None,
    wait_s: float | None = None,
) -> None:
    name = quote(bot, safe="")
    with session.waiting(f"{what} of {bot}"):
        answer = session.client.order(method, f"/api/v1/bots/{name}/{what}", body, key=key)
    if wait_s is not None:

        def look() -> Answer:
            return session.client.get(f"/status/bots/{name}")

        answer = until(session, look, lambda found: bool(found["healthy"]), f"{bot} works", wait_s)
    session.show(answer, telling.bot_line)
