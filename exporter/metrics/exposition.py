"""The page at /metrics: a snapshot on the event loop, everything else in a thread."""

import asyncio
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as text_page
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page

from exporter.metrics.catalogue import FAMILIES, family_names
from exporter.metrics.counters import Counters
from exporter.metrics.families import FleetCollector, process_registry
from exporter.metrics.negotiation import Format, allows_gzip, choose_format
from exporter.metrics.snapshot import Snapshot, Sources
from exporter.model.states import PlatformTraits
from exporter.process import ProcessState
from exporter.stats import BotStats, HttpStats, LogonStats, LoopStats, OrderStats, StorageStats, StreamStats
from exporter.store import StatusStore

_ALL = frozenset(FAMILIES)

_WRITERS: Mapping[Format, Callable[[CollectorRegistry], bytes]] = {
    Format.TEXT: text_page,
    Format.OPENMETRICS: openmetrics_page,
}

# A page is so repetitive that the fastest level makes it about ten times smaller already.
_GZIP_LEVEL = 1


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """An answer to a scrape; `content_encoding` is None for a plain body."""

    body: bytes
    content_type: str
    content_encoding: str | None


@dataclass(frozen=True, slots=True)
class _Flavour:
    """What makes two pages of the same moment different."""

    format: Format
    gzip: bool
    wanted: frozenset[str]


class Exposition:
    """Makes the pages. `counters` must be a subscriber of `store`; `traits` are the platforms there are.

    Scrapes of one flavour that wait at the same time share one rendering, and one that comes while a page is being
    rendered waits for the next: no scrape gets a page whose snapshot is older than the scrape.
    """

    def __init__(
        self,
        *,
        store: StatusStore,
        counters: Counters,
        bot_stats: Mapping[str, BotStats],
        http: HttpStats,
        loop: LoopStats,
        process: ProcessState,
        traits: Sequence[PlatformTraits],
        outage: Callable[[str], bool] = lambda _: False,
        logons: Callable[[], LogonStats | None] = lambda: None,
        storage: StorageStats | None = None,
        orders: OrderStats | None = None,
        streams: StreamStats | None = None,
    ) -> None:
        self._sources = Sources(
            store,
            counters,
            bot_stats,
            http,
            loop,
            process,
            traits,
            outage,
            logons,
            storage or StorageStats(),
            orders or OrderStats(),
            streams or StreamStats(),
        )
        self._process_registry = process_registry()
        self._waiting: dict[_Flavour, asyncio.Task[MetricsPage]] = {}
        self._rendering: dict[_Flavour, asyncio.Task[MetricsPage]] = {}

    async def page(self, *, accept: str | None, accept_encoding: str | None, names: Sequence[str] = ()) -> MetricsPage:
        """Return the page in the form that the client's headers ask for.

        `names` (the `name[]` parameters) restrict it to the families they belong to; an unknown name has none.
        """
        wanted = family_names(names) if names else _ALL
        flavour = _Flavour(choose_format(accept), allows_gzip(accept_encoding), wanted)
        task = self._waiting.get(flavour)
        if task is None:
            task = asyncio.create_task(self._render(flavour), name="metrics page")
            self._waiting[flavour] = task
        # A client that goes away must not take the page from the others.
        return await asyncio.shield(task)

    async def _render(self, flavour: _Flavour) -> MetricsPage:
        if (before := self._rendering.get(flavour)) is not None:
            await asyncio.wait({before})
        task = self._waiting.pop(flavour)
        self._rendering[flavour] = task
        try:
            snapshot = self._sources.snapshot()
            return await asyncio.to_thread(_page, snapshot, self._process_registry, flavour)
        finally:
            del self._rendering[flavour]


def _page(snapshot: Snapshot, process: CollectorRegistry, flavour: _Flavour) -> MetricsPage:
    registry = CollectorRegistry()
    registry.register(FleetCollector(snapshot, process, flavour.wanted))
    body = _WRITERS[flavour.format](registry)
    if not flavour.gzip:
        return MetricsPage(body, flavour.format.content_type, None)
    return MetricsPage(gzip.compress(body, _GZIP_LEVEL, mtime=0), flavour.format.content_type, "gzip")
