"""Which way a request goes, by its method and path: all that can be known of it before the first one comes."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiohttp import web

from exporter.web.answers import HttpProblem
from exporter.web.request import NAMES
from exporter.web.routes import STREAM, Route

Check = Callable[[web.Request], None]
"""Raises HttpProblem for what may not pass."""

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_NAME: Final = re.compile(r"\{(\w+)\}")


class Way:
    """What requests of one route go through; of none, for what is unknown here."""

    __slots__ = ("acts", "checks", "label", "route", "streams")

    def __init__(self, route: Route | None, checks: Sequence[Check]) -> None:
        self.route = route
        self.checks = tuple(checks)
        self.acts = route is not None and route.method not in SAFE
        self.streams = route is not None and route.path == STREAM
        self.label = route.path if route is not None else "unmatched"


class _Place:
    """The ways that begin at one path, by method; `other` is the one for every other method."""

    __slots__ = ("other", "ways")

    def __init__(self, barred: Sequence[Check]) -> None:
        self.ways: dict[str, Way] = {}
        self.other = Way(None, (*barred, _not_by(self.ways)))


class Ways:
    """All ways. `barred` are the checks of what leads nowhere; a last one is added that says so."""

    def __init__(self, barred: Sequence[Check]) -> None:
        self._barred = tuple(barred)
        self._nowhere = Way(None, (*barred, _unknown))
        self._places: dict[str, _Place] = {}
        self._patterns: dict[re.Pattern[str], _Place] = {}

    def add(self, method: str, path: str, way: Way) -> None:
        """Have requests go this way. `path` may have names in braces, each of which stands for a part without `/`."""
        words = _NAME.split(path)  # every other one is a name
        if len(words) > 1:
            texts = (f"(?P<{word}>[^{{}}/]+)" if number % 2 else re.escape(word) for number, word in enumerate(words))
            place = self._patterns.setdefault(re.compile("".join(texts)), _Place(self._barred))
        else:
            place = self._places.setdefault(path, _Place(self._barred))
        place.ways[method] = way

    def find(self, request: web.Request) -> Way:
        """Return the way of a request, which is told what its path names."""
        path = request.rel_url.path_safe
        place = self._places.get(path) or self._match(request, path)
        if place is None:
            return self._nowhere
        return place.ways.get(request.method) or place.other

    def _match(self, request: web.Request, path: str) -> _Place | None:
        for pattern, place in self._patterns.items():
            found = pattern.fullmatch(path)
            if found is not None:
                request[NAMES] = {name: _whole(text) for name, text in found.groupdict().items()}
                return place
        return None


def _whole(text: str) -> str:
    """Return a name as it was meant: in a path, the library leaves these two as they are."""
    return text.replace("%2F", "/").replace("%25", "%")


def _unknown(_: web.Request) -> None:
    raise HttpProblem(404, "there is nothing at this path: begin at /status, /metrics, /health or the page at /")


def _not_by(methods: Iterable[str]) -> Check:
    def refuse(request: web.Request) -> None:
        allowed = ", ".join(sorted(methods))
        raise HttpProblem(405, f"{request.method} is not possible here: use {allowed}", {"Allow": allowed})

    return refuse
