"""The command that watches: a live table on a terminal, and a line for each change."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from exporter.ctl import tables, telling
from exporter.ctl.board import Changed
from exporter.ctl.complete import bot_names
from exporter.ctl.failures import CtlError
from exporter.ctl.options import common
from exporter.ctl.session import Session
from exporter.ctl.stream import Feed
from exporter.ctl.words import cleaned, plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_KINDS = ("bot", "lobby", "race", "system")
_DRAW_S = 0.25


@click.command()
@click.argument("bots", metavar="[BOT]...", nargs=-1, shell_complete=bot_names)
@click.option("--platform", "platforms", multiple=True, metavar="PLATFORM", help="only bots of this platform")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="only this kind of thing")
@common
def watch(session: Session, bots: tuple[str, ...], platforms: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Follow everything, or some BOTs, live, until Ctrl-C: a table that stays true, and a line for each change.

    Without a terminal there are only the lines; with --output json each frame of the feed is one line. A connection
    that is lost is opened again and goes on where it ended.
    """
    given = (("bot", bots), ("platform", platforms), ("kind", kinds))
    with contextlib.suppress(KeyboardInterrupt), _screen(session) as live:
        _Watch(session, {name: values for name, values in given if values}, live).feed.follow()


class _Watch:
    """Shows what the feed brings."""

    def __init__(self, session: Session, query: dict[str, tuple[str, ...]], live: "Live | None") -> None:
        self._session = session
        self._live = live
        self._drawn = 0.0
        self._begun = False
        self.feed = Feed(
            session.server, query, say=self._say, frame=self._frame, changes=self._changes, idle=self._idle
        )

    def _say(self, what: CtlError | str) -> None:
        if self._session.as_json:
            if isinstance(what, CtlError):
                self._session.complain(what)
        elif self._live is not None:
            self._live.console.print(f"botctl: {plain(str(what))}", style="yellow")
        else:
            self._session.say(str(what))

    def _frame(self, text: str) -> None:
        if self._session.as_json:
            self._session.print_json(text)
        elif self.feed.board.complete and not self._begun and self._live is None:
            self._begun = True
            self._session.draw(self._picture(None))

    def _changes(self, changes: list[Changed]) -> None:
        if self._session.as_json:
            return
        look = self._session.look(time.time() + self.feed.ahead_s)
        for kind, name, before, after in cleaned([[each.kind, each.name, each.before, each.after] for each in changes]):
            line = telling.change_line(kind, name, before, after, look)
            if line is not None:
                (self._live.console if self._live is not None else self._session.console).print(line, crop=False)

    def _idle(self) -> None:
        now = time.monotonic()
        if self._live is not None and self.feed.board.complete and now - self._drawn >= _DRAW_S:
            self._drawn = now
            self._live.update(self._picture(self._live.console.height - 1), refresh=True)

    def _picture(self, height: int | None) -> "RenderableType":
        board = self.feed.board
        look = self._session.look(time.time() + self.feed.ahead_s)
        system, bots, lobbies, races = cleaned([board.system, *map(board.all, ("bot", "lobby", "race"))])
        return tables.live(system, bots, lobbies, races, look, url=self._session.server.url, height=height)


@contextlib.contextmanager
def _screen(session: Session) -> Iterator["Live | None"]:
    """Yield what keeps a picture below the lines; None where there is no terminal to keep it on."""
    if session.as_json or not session.console.is_terminal or session.console.is_dumb_terminal:
        yield None
        return
    from rich.live import Live  # noqa: PLC0415  (not needed in a pipe)

    with Live(console=session.console, auto_refresh=False, vertical_overflow="crop", redirect_stdout=False) as live:
        yield live
    sys.stdout.flush()
