"""The commands on lobbies."""

import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from exporter.ctl import tables
from exporter.ctl.client import Answer
from exporter.ctl.complete import bot_names, lobby_ids
from exporter.ctl.failures import Misused
from exporter.ctl.options import PATH, Seconds, common, ordering
from exporter.ctl.session import Session
from exporter.ctl.settings import settings
from exporter.ctl.until import until
from exporter.ctl.words import plain
from exporter.secrets import SecretError, read_secret_file

_STATES: Final = ("waiting", "ready", "in_game", "finished")
_ID: Final = click.argument("lobby_id", metavar="LOBBY", shell_complete=lobby_ids)
_QUIET: Final = click.option("-q", "--quiet", is_flag=True, help="print only the id of the lobby")


@click.group()
def lobby() -> None:
    """Create a lobby, look at it, invite and kick players, launch and close it."""


@lobby.command()
@click.argument("name")
@click.option("--region", required=True, metavar="REGION", help="such as USE or EUW")
@click.option("--mode", required=True, metavar="MODE", help="such as AP or CM")
@click.option("--players", type=int, metavar="N", help="how many players make it ready")
@click.option("--expect", multiple=True, metavar="STEAM_ID", help="who has to sit before it is ready; may be repeated")
@click.option("--invite", "invited", multiple=True, metavar="STEAM_ID", help="whom to invite; may be repeated")
@click.option(
    "--password-file", type=PATH, metavar="FILE", help="a file with the lobby's password; - is standard input"
)
@click.option("--bot", metavar="BOT", shell_complete=bot_names, help="which bot hosts it (default: any that is free)")
@click.option("--set", "more", multiple=True, metavar="FIELD=VALUE", help="another field, such as league_id=15")
@_QUIET
@ordering
@common
def create(
    session: Session,
    *,
    name: str,
    region: str,
    mode: str,
    players: int | None,
    expect: tuple[str, ...],
    invited: tuple[str, ...],
    password_file: Path | None,
    bot: str | None,
    more: tuple[str, ...],
    quiet: bool,
    key: str | None,
) -> None:
    """Create a lobby called NAME; returns once the coordinator has confirmed it."""
    if players is not None and expect:
        raise click.UsageError("give --players or --expect, not both")
    body: dict[str, Any] = {"name": name, "server_region": region, "game_mode": mode, **settings(more)}
    if players is not None or expect:
        body["expected_players"] = players if players is not None else list(expect)
    if invited:
        body["invite"] = list(invited)
    if password_file is not None:
        body["password"] = _password(password_file)
    if bot is not None:
        body["bot"] = bot
    with session.waiting(f"waiting for the coordinator to confirm lobby {name}"):
        answer = session.client.order("POST", "/api/v1/lobbies", body, key=key)
    if quiet:
        click.echo(plain(str(answer.data["lobby_id"])))
        return
    _show(session, answer)


@lobby.command()
@_ID
@click.option("--wait-for", type=click.Choice(_STATES), help="return once it is in this state")
@click.option("--timeout", type=Seconds(), default="2h", show_default=True, metavar="DURATION", help="how long to wait")
@common
def show(session: Session, lobby_id: str, wait_for: str | None, timeout: float) -> None:
    """Show a LOBBY and who is in it."""

    def look() -> Answer:
        return session.client.get(f"/status/lobbies/{quote(lobby_id, safe='')}")

    def over(found: Any) -> str | None:
        return "it is finished" if found["state"] == "finished" else None

    if wait_for is None:
        _show(session, look())
        return
    _show(
        session,
        until(session, look, lambda found: bool(found["state"] == wait_for), f"lobby {lobby_id} is {wait_for}", timeout,
              over=over),
    )  # fmt: skip


@lobby.command()
@_ID
@ordering
@common
def launch(session: Session, lobby_id: str, key: str | None) -> None:
    """Start the game of a LOBBY."""
    _order(session, "POST", lobby_id, "/launch", key=key)


@lobby.command()
@_ID
@click.argument("steam_ids", metavar="STEAM_ID...", nargs=-1, required=True)
@common
def invite(session: Session, lobby_id: str, steam_ids: tuple[str, ...]) -> None:
    """Invite players to a LOBBY."""
    answer = None
    for steam_id in steam_ids:
        answer = _sent(session, "POST", lobby_id, "/invite", {"steam_id": steam_id})
    assert answer is not None  # noqa: S101  (at least one is required)
    _show(session, answer)


@lobby.command()
@_ID
@click.argument("steam_id", metavar="STEAM_ID")
@click.option("--from-team", is_flag=True, help="only off the team, not out of the lobby")
@ordering
@common
def kick(session: Session, lobby_id: str, steam_id: str, from_team: bool, key: str | None) -> None:
    """Remove a player from a LOBBY."""
    _order(session, "POST", lobby_id, "/kick", {"steam_id": steam_id, "from_team": from_team}, key=key)


@lobby.command()
@_ID
@click.option("--abandon", is_flag=True, help="also while a game runs in it")
@ordering
@common
def close(session: Session, lobby_id: str, abandon: bool, key: str | None) -> None:
    """End a LOBBY for everybody in it."""
    _order(session, "DELETE", lobby_id, "", key=key, query={"abandon": "true"} if abandon else None)


def _order(
    session: Session,
    method: str,
    lobby_id: str,
    what: str,
    body: dict[str, Any] | None = None,
    *,
    key: str | None,
    query: dict[str, Any] | None = None,
) -> None:
    _show(session, _sent(session, method, lobby_id, what, body, key=key, query=query))


def _sent(
    session: Session,
    method: str,
    lobby_id: str,
    what: str,
    body: dict[str, Any] | None = None,
    *,
    key: str | None = None,
    query: dict[str, Any] | None = None,
) -> Answer:
    path = f"/api/v1/lobbies/{quote(lobby_id, safe='')}{what}"
    with session.waiting(f"waiting for the coordinator to confirm it of lobby {lobby_id}"):
        return session.client.order(method, path, body, key=key, query=query)


def _show(session: Session, answer: Answer) -> None:
    session.show(answer, tables.lobby)


def _password(path: Path) -> str:
    """Return the content of a file without its last line end: a password does not belong on a command line."""
    if str(path) == "-":
        return sys.stdin.readline().removesuffix("\n")
    try:
        return read_secret_file(path).reveal()
    except SecretError as error:
        raise Misused(f"the password cannot be read: {error}") from None
