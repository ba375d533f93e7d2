"""The commands that only look."""

import json
import time
from typing import Any, Final
from urllib.parse import quote

import click

from exporter.ctl import tables, telling
from exporter.ctl.complete import bot_names
from exporter.ctl.failures import REFUSED, Refused
from exporter.ctl.options import Seconds, common
from exporter.ctl.session import Session
from exporter.ctl.words import cleaned
from exporter.model.remedies import remedy

_STATUSES: Final = ("connected", "auth_failed", "connection_error", "disconnected", "unknown")
_KINDS: Final = ("state", "status", "error", "order", "lobby", "race")


@click.command()
@common
def status(session: Session) -> None:
    """Show the fleet at a glance: figures, bots, what is wrong with them, lobbies and races."""
    answer = session.client.get("/status")
    session.show(answer, lambda data, look: tables.everything(data, look, url=session.server.url))


@click.command()
@click.option("--unhealthy", is_flag=True, help="only those that are not connected, whatever the reason")
@click.option("--status", "statuses", multiple=True, type=click.Choice(_STATUSES), help="only with this status")
@click.option("--platform", "platforms", multiple=True, metavar="PLATFORM", help="only of this platform")
@common
def bots(session: Session, unhealthy: bool, statuses: tuple[str, ...], platforms: tuple[str, ...]) -> None:
    """Show all bots, first those that need somebody, and why they do."""
    query: dict[str, Any] = {"status": statuses, "platform": platforms}
    if unhealthy:
        query["healthy"] = "false"
    answer = session.client.get("/status/bots", query)
    running = [] if session.as_json else cleaned(session.client.get("/status/races").data["races"])
    session.show(answer, lambda data, look: tables.bots(data["bots"], look, races=running))


@click.command()
@common
def lobbies(session: Session) -> None:
    """Show all lobbies; finished ones stay for ten minutes."""
    answer = session.client.get("/status/lobbies")
    session.show(answer, lambda data, look: tables.lobbies(data["lobbies"], look))


@click.command()
@common
def races(session: Session) -> None:
    """Show all races that bots follow."""
    answer = session.client.get("/status/races")
    session.show(answer, lambda data, look: tables.races(data["races"], look))


@click.command()
@click.argument("bot", required=False, shell_complete=bot_names)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="only of this kind")
@click.option("--since", type=Seconds(), metavar="DURATION", help="not longer ago than this, such as 2h")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="how many items")
@click.option("--before", metavar="CURSOR", help="only what is older than this: the next page")
@common
def history(
    session: Session, *, bot: str | None, kinds: tuple[str, ...], since: float | None, limit: int, before: str | None
) -> None:
    """Show what has happened, to BOT or to all, the newest last."""
    query: dict[str, Any] = {"kind": kinds, "limit": limit}
    if since is not None:
        query["since"] = f"{time.time() - since:.3f}"
    if before is not None:
        query["before"] = before
    path = "/status/history" if bot is None else f"/status/bots/{quote(bot, safe='')}/history"
    answer = session.client.get(path, query)
    session.show(answer, lambda data, look: telling.history(data, look, bot=bot))


@click.command()
@common
def health(session: Session) -> int:
    """Show how the whole is: ok, degraded or down. Exit code 1 if it is not ok."""
    answer = session.client.get("/health", fine=(503,))
    session.show(answer, telling.health)
    return 0 if answer.data.get("status") == "ok" else REFUSED


@click.command()
@click.argument("order_id", metavar="ORDER")
@common
def order(session: Session, order_id: str) -> None:
    """Show an order: who gave it, and what came of it."""
    answer = session.client.find_order(order_id)
    session.show(answer, telling.order)


@click.command()
@click.argument("bot", shell_complete=bot_names)
@click.option("--all-metrics", is_flag=True, help="also those that are 0")
@common
def explain(session: Session, bot: str, all_metrics: bool) -> None:
    """Tell one BOT's story: how it is, why, what happens next, what you can do, and what it exports."""
    place = f"/status/bots/{quote(bot, safe='')}"
    answer = session.client.get(place)
    name = answer.data["name"]
    page = session.client.get(f"{place}/history", {"limit": 10})
    verdicts = session.client.get(f"{place}/history", {"limit": 1, "kind": "status"}).data["items"]
    since = verdicts[0]["time"] if verdicts else None
    metrics = _metrics(session, name, everything=all_metrics)
    if session.as_json:
        help_ = remedy(answer.data["status_name"], answer.data["status_reason"])
        session.dump(
            {
                "bot": answer.data,
                "history": page.data["items"],
                "remedy": {"advice": help_.advice.format(bot=name), "runbook": help_.runbook},
                "metrics": metrics,
            }
        )
        return
    bot_, page_, lines = cleaned([answer.data, page.data, metrics])
    session.draw(telling.story(bot_, page_, lines, since=since, look=session.look(answer.at)))


def _metrics(session: Session, bot: str, *, everything: bool) -> list[str]:
    """Return the lines of /metrics about a bot: those that are not 0, and bot_up, which matters most then."""
    try:
        page = session.client.get(session.server.metrics).body.decode(errors="replace")
    except Refused as error:
        session.say(f"the metrics cannot be had: {error}")
        return []
    label = f"bot={json.dumps(bot, ensure_ascii=False)}"
    lines = [line for line in page.splitlines() if not line.startswith("#") and label in line]
    return [line for line in lines if everything or line.startswith("bot_up{") or not line.endswith((" 0.0", " 0"))]
