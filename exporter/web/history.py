"""The history routes: what has happened, newest first, page by page."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from aiohttp import web

from exporter.errors import StorageAway
from exporter.model.history import HistoryKind, HistoryPage, HistoryQuery
from exporter.model.states import PlatformTraits
from exporter.store import Records
from exporter.web import encode
from exporter.web.answers import HttpProblem, json_answer
from exporter.web.request import NAMES
from exporter.web.status import find_bot

HistorySource = Callable[[HistoryQuery], Awaitable[HistoryPage]]

LIMIT: Final = 50
MOST: Final = 500
_RETRY_S: Final = 5
_LARGEST_ID: Final = 2**63 - 1
_WORDS: Final = ("bot", "platform", "kind")
_NUMBERS: Final = ("limit", "before", "since", "until")


class HistoryRoutes:
    """The handlers of /status/history and of one bot's history. `source` gives the pages."""

    def __init__(self, store: Records, traits: Sequence[PlatformTraits], source: HistorySource) -> None:
        self._store = store
        self._platforms = frozenset(each.name for each in traits)
        self._source = source

    async def everything(self, request: web.Request) -> web.Response:
        """Return what has happened, newest first; `bot`, `platform`, `kind`, `since` and `until` filter."""
        return await self._answer(self._query(request, (*_WORDS, *_NUMBERS)))

    async def bot(self, request: web.Request) -> web.Response:
        """Return what has happened to one bot, also to one that has left the fleet."""
        asked = request[NAMES]["name"]
        record = find_bot(self._store, asked)
        name = record.name if record is not None else asked
        query = self._query(request, ("kind", *_NUMBERS), bots=frozenset({name}))
        page = await self._page(query)
        if record is None and not page.items and not (await self._page(HistoryQuery(1, bots=query.bots))).items:
            raise HttpProblem(404, f"nothing is known of a bot {asked!r}: /status/bots lists those of the fleet")
        return json_answer(encode.history(page))

    async def _answer(self, query: HistoryQuery) -> web.Response:
        return json_answer(encode.history(await self._page(query)))

    async def _page(self, query: HistoryQuery) -> HistoryPage:
        try:
            return await self._source(query)
        except StorageAway as error:
            raise HttpProblem(503, str(error), {"Retry-After": str(_RETRY_S)}) from error

    def _query(
        self, request: web.Request, allowed: Sequence[str], *, bots: frozenset[str] = frozenset()
    ) -> HistoryQuery:
        for key in request.query:
            if key not in allowed:
                raise HttpProblem(400, f"there is no parameter {key!r}: use {', '.join(allowed)}")
        words = {key: frozenset(value for value in request.query.getall(key, []) if value) for key in _WORDS}
        _known("platform", words["platform"], self._platforms)
        kinds = {str(kind): kind for kind in HistoryKind}
        _known("kind", words["kind"], kinds)
        return HistoryQuery(
            limit=_number(request, "limit", least=1, most=MOST) or LIMIT,
            before=_number(request, "before", least=0, most=_LARGEST_ID),
            bots=bots or words["bot"],
            platforms=words["platform"],
            kinds=frozenset(kinds[word] for word in words["kind"]),
            since=_time(request, "since"),
            until=_time(request, "until"),
        )


def _known(key: str, values: frozenset[str], known: frozenset[str] | Mapping[str, object]) -> None:
    for value in values:
        if value not in known:
            raise HttpProblem(400, f"{key} cannot be {value!r}: use one of {', '.join(sorted(known))}")


def _number(request: web.Request, key: str, *, least: int, most: int) -> int | None:
    text = request.query.get(key, "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or not least <= int(text) <= most:
        hint = "the `next` of the page before" if key == "before" else f"a number from {least} to {most}"
        raise HttpProblem(400, f"{key} cannot be {text!r}: give {hint}")
    return int(text)


def _time(request: web.Request, key: str) -> float | None:
    text = request.query.get(key, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not abs(seconds) < 1e11:
        raise HttpProblem(
            400, f"{key} cannot be {text!r}: give a time such as 2026-01-02T03:04:05Z, or seconds since 1970"
        )
    return seconds
