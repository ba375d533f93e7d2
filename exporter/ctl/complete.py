"""Completion of names by the running server, if it answers quickly; otherwise there is none, and no word about it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from exporter.ctl.failures import CtlError
from exporter.ctl.locate import Given, locate
from exporter.ctl.words import plain

QUICK_S: Final = 0.7

Json = dict[str, Any]


def bot_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a bot; shells that show help tell its status."""
    return _of(context, "/status/bots", "bots", begun, lambda bot: (bot["name"], bot["status_display"]))


def lobby_ids(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the id of a lobby; shells that show help tell its name."""
    return _of(context, "/status/lobbies", "lobbies", begun, lambda lobby: (lobby["lobby_id"] or "", lobby["name"]))


def race_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a race."""
    return _of(context, "/status/races", "races", begun, lambda race: (race["name"], race["state"]))


def _of(
    context: click.Context, path: str, member: str, begun: str, shown: Callable[[Json], tuple[str, str]]
) -> list[CompletionItem]:
    try:
        found: Iterable[tuple[str, str]] = map(shown, _asked(context, path)[member])
        fitting = [(name, text) for name, text in found if name.startswith(begun) and _good(name)]
    except (CtlError, KeyError, TypeError):
        return []
    return [CompletionItem(name, help=plain(text)) for name, text in fitting]


def _asked(context: click.Context, path: str) -> Json:
    import os  # noqa: PLC0415

    from exporter.ctl.client import Client  # noqa: PLC0415

    given = Given()
    for each in (context.find_root(), context):
        chosen = {name: value for name in Given.__slots__ if (value := each.params.get(name)) is not None}
        given = replace(given, **chosen)
    answer: Json = Client(locate(given, os.environ), connect_s=QUICK_S, answer_s=QUICK_S).get(path).data
    return answer


def _good(name: str) -> bool:
    """Only what is one harmless word goes to a shell."""
    return bool(name) and all(each.isalnum() or each in "-_./" for each in name) and name.isascii()
