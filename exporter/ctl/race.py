"""The commands on races."""

from typing import Any, Final
from urllib.parse import quote

import click
from rich.text import Text

from exporter.ctl import tables
from exporter.ctl.client import Answer
from exporter.ctl.complete import race_names
from exporter.ctl.options import common, ordering
from exporter.ctl.session import Session
from exporter.ctl.settings import settings
from exporter.ctl.words import plain

_RACE: Final = click.argument("race_name", metavar="RACE", shell_complete=race_names)
_QUIET: Final = click.option("-q", "--quiet", is_flag=True, help="print only the name of the race")


@click.group()
def race() -> None:
    """Open a race room, speak in it, begin and cancel the race. RACE is category/slug."""


@race.command()
@click.argument("category")
@click.argument("goal")
@click.option("--custom", is_flag=True, help="GOAL is a custom goal, not one of the category's")
@click.option("--info", metavar="TEXT", help="what stands below the goal")
@click.option("--invitational", is_flag=True, help="only who is invited may enter")
@click.option("--unlisted", is_flag=True, help="do not list the room on the site")
@click.option("--set", "more", multiple=True, metavar="FIELD=VALUE", help="another field of the site's form")
@_QUIET
@ordering
@common
def create(
    session: Session,
    *,
    category: str,
    goal: str,
    custom: bool,
    info: str | None,
    invitational: bool,
    unlisted: bool,
    more: tuple[str, ...],
    quiet: bool,
    key: str | None,
) -> None:
    """Open a race room in CATEGORY for GOAL; returns once the site has named it."""
    body: dict[str, Any] = {"category": category, "custom_goal" if custom else "goal": goal, **settings(more)}
    if info is not None:
        body["info_user"] = info
    body |= {name: True for name, wanted in (("invitational", invitational), ("unlisted", unlisted)) if wanted}
    with session.waiting(f"waiting for the site to open a room in {category}"):
        answer = session.client.order("POST", "/api/v1/races", body, key=key)
    if quiet:
        click.echo(plain(str(answer.data["name"])))
        return
    _show(session, answer)


@race.command()
@_RACE
@click.argument("text", nargs=-1, required=True)
@click.option("--pinned", is_flag=True, help="pin it")
@ordering
@common
def message(session: Session, race_name: str, text: tuple[str, ...], pinned: bool, key: str | None) -> None:
    """Say TEXT in the room of a RACE."""
    data: dict[str, Any] = {"message": " ".join(text)}
    if pinned:
        data["pinned"] = True
    _act(session, race_name, "message", data, key)


@race.command()
@_RACE
@ordering
@common
def begin(session: Session, race_name: str, key: str | None) -> None:
    """Begin a RACE; whoever is not ready is left behind."""
    _act(session, race_name, "begin", {}, key)


@race.command()
@_RACE
@ordering
@common
def cancel(session: Session, race_name: str, key: str | None) -> None:
    """Cancel a RACE."""
    _act(session, race_name, "cancel", {}, key)


def _act(session: Session, race_name: str, action: str, data: dict[str, Any], key: str | None) -> None:
    category, slash, slug = race_name.partition("/")
    if not category or not slash or not slug or "/" in slug:
        raise click.BadParameter(f"{race_name!r}: write category/slug, as botctl races shows it", param_hint="RACE")
    path = f"/api/v1/races/{quote(category, safe='')}/{quote(slug, safe='')}/actions"
    with session.waiting(f"waiting for the room to confirm it: {action}"):
        answer = session.client.order("POST", path, {"action": action, "data": data}, key=key)
    session.show(answer, lambda found, _: Text(f"done: {found['action']} in {found['race']}"))


def _show(session: Session, answer: Answer) -> None:
    session.show(answer, tables.race)
