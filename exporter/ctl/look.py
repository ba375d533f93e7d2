"""How things look: what a terminal can show, the marks of the statuses, and the shape of every table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from exporter.ctl.words import clock_time, parse_time, relative, words

GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Look:
    """Where it is shown: `width` in columns, `now` on the server's clock, `signs` whether more than ASCII can be."""

    width: int
    now: float
    zone: tzinfo | None = None
    signs: bool = True

    def ago(self, time: Any, *, short: bool = True) -> str:
        """Return one of the API's times as seen from now."""
        return relative(parse_time(time), self.now, short=short)

    def clock(self, time: Any) -> str:
        """Return one of the API's times as a clock on the wall shows it."""
        return clock_time(parse_time(time), self.now, self.zone)

    def mark(self, status: str) -> str:
        """Return the sign of a status, which tells it without colour."""
        return _MARKS.get(status, ("?", "?", ""))[0 if self.signs else 1]

    @property
    def time_of_day(self) -> str:
        """The time that it is now."""
        return clock_time(self.now, self.now, self.zone)

    @property
    def arrow(self) -> str:
        return "→" if self.signs else "->"


_MARKS: Final[Mapping[str, tuple[str, str, str]]] = {
    "connected": ("✓", "+", "green"),
    "auth_failed": ("✗", "x", "bold red"),
    "connection_error": ("!", "!", "bold red"),
    "unknown": ("?", "?", "cyan"),
    "disconnected": ("-", "-", "yellow"),
}
_RANK: Final = ("auth_failed", "connection_error", "unknown", "connected", "disconnected")
_STATES: Final[Mapping[str, str]] = {
    "ready": "green",
    "in_game": "green",
    "in_progress": "green",
    "creating": "cyan",
    "pending": "cyan",
    "finished": "dim",
    "cancelled": "dim",
    "partitioned": "dim",
}


def rank(status: str) -> int:
    """Return where a status stands in lists: first what needs somebody."""
    return _RANK.index(status) if status in _RANK else len(_RANK)


def status_text(status: str, look: Look) -> Text:
    """Return a bot's status as its sign and word."""
    return Text(f"{look.mark(status)} {words(status)}", style=_MARKS.get(status, ("", "", ""))[2])


def state_text(state: str) -> Text:
    """Return the state of a lobby or race."""
    return Text(words(state), style=_STATES.get(state, ""))


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `least` is the width of the terminal from which on it is shown; `gives` says that it is cut first
    where there is not enough room; `keep` is how much of it stays."""

    header: str
    least: int = 0
    gives: bool = False
    right: bool = False
    keep: int = 4


def table(columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], width: int) -> Group:
    """Return a table as wide as it needs, at most `width`; each row is one line, without blanks at its end."""
    shown = [number for number, column in enumerate(columns) if column.least <= width]
    columns = [columns[number] for number in shown]
    cells = [[_text(row[number]) for number in shown] for row in rows]
    widths = _widths(columns, cells, width)
    head = [Text(column.header, style="bold") for column in columns]
    return Group(*(_line(row, columns, widths) for row in (head, *cells)))


def _line(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    line = Text(no_wrap=True)
    for cell, column, width in zip(cells, columns, widths, strict=True):
        fitted = cell.copy()
        fitted.truncate(width, overflow="ellipsis")
        blanks = width - fitted.cell_len
        line.append(" " * blanks if column.right else "").append_text(fitted)
        line.append(" " * (GAP + (0 if column.right else blanks)))
    line.rstrip()
    return line


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Return how wide each column is: as its longest cell, and less for those that give, the widest first."""
    widths = [
        max([len(column.header), *(row[number].cell_len for row in rows)]) for number, column in enumerate(columns)
    ]
    over = sum(widths) + GAP * (len(widths) - 1) - width
    for willing in (True, False):
        while over > 0:
            most = max(
                (number for number, column in enumerate(columns)
                 if column.gives is willing and widths[number] > max(column.keep, len(column.header))),
                key=lambda number: widths[number],
                default=None,
            )  # fmt: skip
            if most is None:
                break
            widths[most] -= 1
            over -= 1
    return widths


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what is said of them, one below the other; what is not known is left out."""

    pairs: Sequence[tuple[str, str | Text | None]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        known = [(name, _text(value)) for name, value in self.pairs if value]
        left = max((len(name) for name, _ in known), default=0) + GAP
        for name, value in known:
            for number, line in enumerate(value.wrap(console, max(20, options.max_width - left), overflow="fold")):
                line.rstrip()
                yield Text.assemble((("" if number else name).ljust(left), "bold"), line)


def _text(value: str | Text) -> Text:
    return value if isinstance(value, Text) else Text(value)
