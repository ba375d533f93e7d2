"""The page at /metrics: what has changed is written, and all of it is put together in the form that was asked for."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from prometheus_client import Metric

from exporter.metrics import process as process_metrics
from exporter.metrics.catalogue import FAMILIES, Family, family_names
from exporter.metrics.columns import Column
from exporter.metrics.counters import Counters
from exporter.metrics.fleet import Fleet
from exporter.metrics.lines import header
from exporter.metrics.negotiation import Format, allows_gzip, choose_format
from exporter.metrics.own import Own
from exporter.metrics.values import Sources
from exporter.model.states import PlatformTraits
from exporter.packing import Codec, Member, fastest
from exporter.process import ProcessState
from exporter.slices import Pace
from exporter.stats import (
    BotStats,
    ClusterStats,
    HttpStats,
    LogonStats,
    LoopStats,
    OrderStats,
    StorageStats,
    StreamStats,
)
from exporter.store import StatusStore

_ALL: Final = frozenset(FAMILIES)
_END: Final[Mapping[Format, bytes]] = {Format.TEXT: b"", Format.OPENMETRICS: b"# EOF\n"}

# Fleets whose pages are smaller are compressed at once: blocks would double the size, and save nothing.
SMALL_BYTES: Final = 100_000
# Texts that are shorter are headers of families, for the most part: those are compressed once.
_SHORT_BYTES: Final = 1000


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """An answer to a scrape, in parts of any size; `content_encoding` is None for a plain body."""

    parts: Sequence[bytes]
    size: int
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

    Scrapes of one flavour that wait at the same time share one page, and one that comes while a page is being made
    waits for the next: no scrape gets a page that was begun before it came. Pages below `small_bytes` are compressed at
    once, others in blocks.
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
        cluster: ClusterStats | None = None,
        codec: Codec | None = None,
        small_bytes: int = SMALL_BYTES,
    ) -> None:
        self._fleet = fleet = Fleet(store, counters, bot_stats, process)
        self._own = Own(
            Sources(
                counters=counters,
                http=http,
                loop=loop,
                process=process,
                traits=traits,
                outage=outage,
                logons=logons,
                storage=storage or StorageStats(),
                orders=orders or OrderStats(),
                streams=streams or StreamStats(),
                cluster=cluster,
                bots=fleet.platforms,
                lobbies=fleet.lobbies,
            )
        )
        self._process = process_metrics.ProcessMetrics()
        self._codec = codec or fastest()
        self._small_bytes = small_bytes
        self._headers = {form: {each.name: _header(each, form) for each in FAMILIES.values()} for form in Format}
        self._pack_short = lru_cache(maxsize=512)(self._codec.pack)
        self._waiting: dict[_Flavour, asyncio.Task[MetricsPage]] = {}
        self._lock = asyncio.Lock()

    async def page(self, *, accept: str | None, accept_encoding: str | None, names: Sequence[str] = ()) -> MetricsPage:
        """Return the page in the form that the client's headers ask for.

        `names` (the `name[]` parameters) restrict it to the families they belong to; an unknown name has none.
        """
        wanted = family_names(names) if names else _ALL
        flavour = _Flavour(choose_format(accept), allows_gzip(accept_encoding), wanted)
        task = self._waiting.get(flavour)
        if task is None:
            task = asyncio.create_task(self._made(flavour), name="metrics page")
            self._waiting[flavour] = task
        # A client that goes away must not take the page from the others.
        return await asyncio.shield(task)

    async def _made(self, flavour: _Flavour) -> MetricsPage:
        async with self._lock:
            del self._waiting[flavour]  # who comes from now on waits for the next page
            known: list[Metric] = []
            if not process_metrics.EXTERNAL.isdisjoint(flavour.wanted):
                known = await asyncio.to_thread(self._process.collect)
            pace = Pace()
            await pace.work(self._fleet.refresh())
            pieces: list[bytes | Column] = []
            for piece in self._pieces(flavour, known):
                pieces.append(piece)
                await pace.rest()
            if not flavour.gzip:
                parts = await self._plain(pieces, pace)
            elif sum(piece.size if isinstance(piece, Column) else len(piece) for piece in pieces) < self._small_bytes:
                parts = [self._codec.member(b"".join(await self._plain(pieces, pace)))]
            else:
                parts = await self._packed(pieces, pace)
        encoding = "gzip" if flavour.gzip else None
        return MetricsPage(parts, sum(map(len, parts)), flavour.format.content_type, encoding)

    def _pieces(self, flavour: _Flavour, known: list[Metric]) -> Iterator[bytes | Column]:
        """Yield the page in the catalogue's order, texts and columns; a family without samples is left out."""
        headers = self._headers[flavour.format]
        for name in FAMILIES:
            if name not in flavour.wanted or name in process_metrics.EXTERNAL:
                continue
            column = self._fleet.columns.get(name)
            if column is None:
                text = self._own.text(name)
                if text:
                    yield headers[name] + text
            elif column.size:
                yield headers[name]
                yield column
        yield from process_metrics.text(known, flavour.wanted, flavour.format)
        yield _END[flavour.format]

    async def _plain(self, pieces: Sequence[bytes | Column], pace: Pace) -> list[bytes]:
        parts: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, Column):
                await pace.work(piece.join())
                parts += piece.joined()
            else:
                parts.append(piece)
        return parts

    async def _packed(self, pieces: Sequence[bytes | Column], pace: Pace) -> list[bytes]:
        member = Member(self._codec)
        for piece in pieces:
            if isinstance(piece, Column):
                await pace.work(piece.pack(self._codec))
                piece.append_to(member)
            else:
                member.add(self._pack_short(piece) if len(piece) < _SHORT_BYTES else self._codec.pack(piece))
                await pace.rest()
        return member.close()


def _header(family: Family, form: Format) -> bytes:
    name = family.name if form is Format.TEXT else family.openmetrics_name
    return header(name, family.help, str(family.kind), form)
