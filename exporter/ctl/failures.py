"""How a command ends: the exit codes, and the errors that lead to them.

0 done, 1 refused (by the server, or not in the state that was waited for), 2 usage, 3 unreachable. Each error is a
problem document too (RFC 9457), which is what `--output json` shows of it.
"""

from collections.abc import Mapping
from typing import Any, Final

from exporter.errors import ExporterError

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130


class CtlError(ExporterError):
    """A command failed: `problem` says why, `hints` what to try."""

    code = REFUSED

    def __init__(self, problem: Mapping[str, Any], hints: tuple[str, ...] = ()) -> None:
        self.problem = dict(problem)
        self.hints = hints
        super().__init__(str(problem.get("detail", "")))

    @property
    def title(self) -> str:
        """What kind of failure it is, in a word or two."""
        status = self.problem.get("status")
        if not status:
            return str(self.problem.get("title", "failed")).lower()
        return f"{_TITLES.get(status, 'refused')} ({status})"


_TITLES: Final = {401: "not allowed", 403: "not allowed", 404: "not found", 503: "not now", 504: "in doubt"}


class Refused(CtlError):
    """The server said no."""


class NotReached(CtlError):
    """What was waited for did not come about."""

    def __init__(self, detail: str, *hints: str) -> None:
        super().__init__(own_problem("Not reached", detail), hints)


class Misused(CtlError):
    """What stands on the command line, or in a file that it names, cannot be used."""

    code = USAGE

    def __init__(self, detail: str, *hints: str) -> None:
        super().__init__(own_problem("Usage", detail), hints)


class Unreachable(CtlError):
    """No server was found, or it cannot be spoken to."""

    code = UNREACHABLE

    def __init__(self, detail: str, *hints: str) -> None:
        super().__init__(own_problem("Unreachable", detail), hints)


class Lost(Unreachable):
    """The connection broke after the request had been sent: it may have been carried out."""


def own_problem(title: str, detail: str) -> dict[str, Any]:
    """Return a problem document of this program's own; no server gave it a status."""
    return {"type": "about:blank", "title": title, "status": None, "detail": detail}
