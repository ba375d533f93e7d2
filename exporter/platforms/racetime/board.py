"""The site's list of all current races, read once for all bots, so that each hears early of new rooms of its category.

It only makes finding faster. What a bot believes comes from its own polls, which also show unlisted rooms; a board that
cannot be read costs nothing but time. The site's copy of the list is up to 30 s old (racetime protocol notes,
section 4), so a race on it may be over already: each is told once, not kept up.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog
from structlog.typing import FilteringBoundLogger

from exporter.errors import RateLimited, TransientError
from exporter.platforms.racetime.client import RacetimeClient
from exporter.platforms.racetime.failures import Forbidden, NotFound
from exporter.platforms.racetime.views import split_name
from exporter.timing import Clock

Summaries = dict[str, object]
"""The site's own race summaries, by race name."""

News = asyncio.Queue[list[object]]
"""Summaries that are new to whoever reads."""


class Board:
    """The races of all categories, and who wants to hear of those of one."""

    def __init__(self, client: RacetimeClient, clock: Clock, poll_interval_s: float) -> None:
        self._client = client
        self._clock = clock
        self._poll_interval_s = poll_interval_s
        self._readers: dict[str, set[News]] = {}
        self._races: dict[str, Summaries] = {}
        self._wanted = asyncio.Event()
        self._log: FilteringBoundLogger = structlog.get_logger(component="racetime board")

    @contextmanager
    def reading(self, category: str) -> Iterator[News]:
        """Give a queue of the category's races, good while inside: those on the board now, then each new one."""
        news = News()
        if known := self._races.get(category):
            news.put_nowait(list(known.values()))
        self._readers.setdefault(category, set()).add(news)
        self._wanted.set()
        try:
            yield news
        finally:
            self._readers[category].discard(news)
            if not self._readers[category]:
                del self._readers[category]
            if not self._readers:
                self._wanted.clear()

    async def run(self) -> NoReturn:
        """Read the list again and again while anybody wants it, until cancelled."""
        while True:
            await self._wanted.wait()
            pause_s = self._poll_interval_s
            try:
                answer = await self._client.current_races()
            except (TransientError, Forbidden, NotFound) as error:
                self._log.debug("the list of all races cannot be read", reason=str(error))
                pause_s = max(pause_s, error.wait_s if isinstance(error, RateLimited) else 0.0)
            else:
                self._tell(_by_category(answer))
            await self._clock.sleep(pause_s)

    def _tell(self, races: dict[str, Summaries]) -> None:
        before, self._races = self._races, races
        for category, summaries in races.items():
            known = before.get(category, {})
            fresh = [summary for name, summary in summaries.items() if name not in known]
            for news in self._readers.get(category, ()) if fresh else ():
                news.put_nowait(fresh)


def _by_category(answer: dict[str, object]) -> dict[str, Summaries]:
    """Sort the summaries; what does not say which race it is cannot be new to anybody."""
    found: dict[str, Summaries] = {}
    races = answer.get("races")
    for summary in races if isinstance(races, list) else ():
        name = summary.get("name") if isinstance(summary, dict) else None
        if isinstance(name, str) and (parts := split_name(name)) is not None:
            found.setdefault(parts[0], {})[name] = summary
    return found
