"""Answers of the server, made of records by the server's own encoder: what botctl draws is what it gets."""

import json
from typing import Any

from rich.console import Console, RenderableType

from exporter.ctl.look import Look
from exporter.ctl.words import cleaned
from exporter.errors import AuthReason
from exporter.model import events as ev
from exporter.model.history import HistoryItem, HistoryKind, HistoryPage
from exporter.model.states import RaceState
from exporter.model.status import Maintenance
from exporter.process import ProcessState
from exporter.stats import LogonStats
from exporter.store import StatusStore
from exporter.web import encode
from exporter.web.answers import encoded
from tests.web.fleet import DOTA2, NOW, RACETIME, lobby, race_view

HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold red]x[/]\u202egnp\r\n\u009b2J"
"""A name that sets the window's title, colours, clears, turns the direction, and is markup of rich."""


def add(store: StatusStore, name: str, platform: str = "racetime", *, connected: bool = True) -> None:
    traits = {"racetime": RACETIME, "dota2": DOTA2}[platform]
    store.apply(ev.BotAdded(name, NOW - 3600, traits, f"{name}-account" if platform == "dota2" else name, active=True))
    if connected:
        store.apply(ev.ConnectStarted(name, NOW - 3600))
        for state in traits.states[2 : traits.states.index(traits.ready) + 1]:
            store.apply(ev.StateEntered(name, NOW - 3600, state))
        store.apply(ev.HealthProved(name, NOW - 3, 90.0))


def fleet(*, player: str = "Puck") -> StatusStore:
    """Return one bot of each kind of fate."""
    store = StatusStore()
    add(store, "alttpr")
    store.apply(ev.StateEntered("alttpr", NOW - 60, "in_race"))
    store.apply(ev.RaceUpdated("alttpr", NOW - 60, race_view(name=player)))
    add(store, "ootr")
    store.apply(ev.RaceUpdated("ootr", NOW - 60, race_view("old-hat-2", state=RaceState.FINISHED)))
    add(store, "lobby-10", "dota2")
    add(store, "lobby-2", "dota2")
    store.apply(ev.StateEntered("lobby-2", NOW - 60, "in_lobby"))
    store.apply(ev.LobbyUpdated("lobby-2", NOW - 60, lobby("lobby-2", player=player)))
    add(store, "sm", connected=False)
    store.apply(ev.ConnectStarted("sm", NOW - 60))
    refusal = "the client secret is wrong; compare it with the category's manage/bots page"
    store.apply(ev.CredentialsRefused("sm", NOW - 60, AuthReason.INVALID_CREDENTIALS, refusal, NOW + 540))
    add(store, "new", connected=False)
    add(store, "quiet")
    store.apply(ev.BotStopped("quiet", NOW - 30))
    store.apply(ev.MaintenanceBegan("ootr", NOW - 30, Maintenance(NOW + 7200, "new cables", "boss")))
    return store


def status(store: StatusStore, *, logons: LogonStats | None = None) -> Any:
    """Return what /status says of the records, as it comes over the wire."""
    process = ProcessState(version="1.2.3", started_at=NOW - 7500, ready=True)
    return wire(
        {
            "system": encode.system(store, process, (DOTA2, RACETIME), now=NOW, lobbies_created=15, logons=logons),
            "bots": [encode.bot(each, draining=False) for each in store.bots.values()],
            "lobbies": [encode.lobby(each, bot_username=each.bot) for each in store.lobbies.values()],
            "races": [encode.race(each) for each in store.races.values()],
        }
    )


def wire(data: Any) -> Any:
    """Return data as a client reads it, its texts made plain."""
    return cleaned(json.loads(encoded(data)))


def past() -> Any:
    """Return a page of history."""
    items = (
        HistoryItem(3, NOW - 30, HistoryKind.ORDER, "sm", "racetime", None, "done", "restart", "sm", "boss"),
        HistoryItem(2, NOW - 60, HistoryKind.STATUS, "sm", "racetime", "unknown", "auth_failed", "invalid_credentials",
                    "the client secret is wrong; compare it with the category's manage/bots page"),
        HistoryItem(1, NOW - 90000, HistoryKind.STATE, "sm", "racetime", "disconnected", "connecting"),
    )  # fmt: skip
    return wire(encode.history(HistoryPage(items, 1)))


def drawn(what: RenderableType, width: int = 80, *, colour: bool = False) -> str:
    """Return what stands on a terminal of that width."""
    console = Console(
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    with console.capture() as captured:
        console.print(what, crop=False)
    return captured.get()


def look(width: int = 80, *, signs: bool = True) -> Look:
    from datetime import UTC

    return Look(width, NOW, UTC, signs=signs)
