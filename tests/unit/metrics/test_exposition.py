"""The page as an answer: its form, its filter, and who shares one."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from exporter.metrics.exposition import Exposition, MetricsPage
from exporter.model import events as ev
from exporter.stats import BotStats
from tests.unit.metrics.rig import OPENMETRICS, Page, Rig, connected, racer, rich_fleet

FAR_TOO_LONG_S = 30.0


class CountingStats(Mapping[str, BotStats]):
    """Statistics of one bot that know how often they were read, which every page does once."""

    def __init__(self) -> None:
        self.reads = 0
        self.broken = False

    def __getitem__(self, name: str) -> BotStats:
        if self.broken:
            raise RuntimeError("broken")
        self.reads += 1
        return BotStats()

    def __iter__(self) -> Iterator[str]:
        return iter(("alpha",))

    def __len__(self) -> int:
        return 1


def counting() -> tuple[Rig, Exposition, CountingStats]:
    rig, stats = Rig(), CountingStats()
    exposition = Exposition(
        store=rig.store,
        counters=rig.counters,
        bot_stats=stats,
        http=rig.http,
        loop=rig.loop,
        process=rig.process,
        traits=(),
    )
    rig.apply(racer("alpha"))
    return rig, exposition, stats


@asynccontextmanager
async def held_threads() -> AsyncIterator[threading.Event]:
    """Keep the loop's only worker thread busy until the event is set; a page asks one of the process."""
    release = threading.Event()
    executor = ThreadPoolExecutor(max_workers=1)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(executor)
    held = executor.submit(release.wait, FAR_TOO_LONG_S)
    try:
        yield release
    finally:
        release.set()
        await asyncio.wrap_future(held)


def scrape(exposition: Exposition, accept: str | None = None) -> asyncio.Task[MetricsPage]:
    return asyncio.create_task(exposition.page(accept=accept, accept_encoding=None))


async def a_few_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_both_forms_say_the_same() -> None:
    rig = rich_fleet()
    text, openmetrics = await rig.page(), await rig.page(OPENMETRICS)
    assert text.raw.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert openmetrics.raw.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert openmetrics.body.endswith(b"# EOF\n")
    assert text.series("bot_") == openmetrics.series("bot_")
    assert len(text.series("bot_")) > 200


@pytest.mark.parametrize("accept", [None, OPENMETRICS])
async def test_gzip_packs_the_same_page(accept: str | None) -> None:
    exposition = rich_fleet().exposition
    names = ["bot_state", "bot_races"]
    plain = await exposition.page(accept=accept, accept_encoding="gzip;q=0", names=names)
    packed = await exposition.page(accept=accept, accept_encoding="br, gzip", names=names)
    assert (plain.content_encoding, packed.content_encoding) == (None, "gzip")
    assert plain.content_type == packed.content_type
    assert gzip.decompress(b"".join(packed.parts)) == b"".join(plain.parts)
    assert packed.size < plain.size
    assert packed.size == len(b"".join(packed.parts))


async def test_the_filter_keeps_whole_families() -> None:
    rig = rich_fleet()
    page = await rig.page(None, "bot_up", "bot_connect_duration_seconds_bucket", "process_open_fds", "bot_nonsense")
    assert [family.name for family in page.families] == ["bot_up", "bot_connect_duration_seconds", "process_open_fds"]
    assert page.value("bot_connect_duration_seconds_count", platform="racetime") == 1


async def test_the_filter_takes_unknown_names() -> None:
    rig = rich_fleet()
    assert (await rig.page(None, "nonsense")).body == b""
    assert (await rig.page(OPENMETRICS, "nonsense")).body == b"# EOF\n"


async def test_an_empty_fleet_has_a_page() -> None:
    page = await Rig().page()
    assert page.value("bot_connect_duration_seconds_count", platform="tables") == 0
    assert not page.series("bot_up")


async def test_no_series_of_creation_times() -> None:
    assert not [name for name, _ in (await rich_fleet().page()).series() if name.endswith("_created")]


async def test_scrapes_at_the_same_time_share_one_page() -> None:
    _, exposition, stats = counting()
    first, second, other = await asyncio.gather(scrape(exposition), scrape(exposition), scrape(exposition, OPENMETRICS))
    assert first is second
    assert other is not first
    assert stats.reads == 2


async def test_a_scrape_while_a_page_is_made_gets_what_happened_since() -> None:
    rig, exposition, stats = counting()
    async with held_threads() as release:
        early = scrape(exposition)
        await a_few_turns()
        late = [scrape(exposition), scrape(exposition)]
        await a_few_turns()
        release.set()
        before, *after = await asyncio.gather(early, *late)
    assert before is not after[0]
    assert after[0] is after[1]
    assert stats.reads == 2
    rig.apply(*connected("alpha"))
    assert Page(before).by("bot", "bot_up") == {"alpha": 0}
    assert Page(await scrape(exposition)).by("bot", "bot_up") == {"alpha": 1}


async def test_a_page_is_not_touched_by_what_happens_afterwards() -> None:
    rig = rich_fleet()
    for encoding in (None, "gzip"):
        page = await rig.exposition.page(accept=None, accept_encoding=encoding)
        before = b"".join(page.parts)
        rig.apply(*connected("delta"), ev.BotRemoved("alpha", 30.0))
        rig.http.observe("/afterwards", "GET", 200, 0.1)
        await rig.exposition.page(accept=None, accept_encoding=encoding)
        assert b"".join(page.parts) == before
        rig.apply(racer("alpha"))


async def test_a_client_that_goes_away_takes_nothing_from_the_others() -> None:
    _, exposition, stats = counting()
    async with held_threads() as release:
        gone, stays = scrape(exposition), scrape(exposition)
        await a_few_turns()
        gone.cancel()
        release.set()
        page = await stays
    assert gone.cancelled()
    assert page.parts
    assert stats.reads == 1


async def test_a_failure_is_told_and_does_not_stick() -> None:
    rig, exposition, stats = counting()
    stats.broken = True
    with pytest.raises(RuntimeError, match="broken"):
        await scrape(exposition)
    rig.apply(*connected("alpha"))
    with pytest.raises(RuntimeError, match="broken"):
        await scrape(exposition)
    stats.broken = False
    assert Page(await scrape(exposition)).by("bot", "bot_up") == {"alpha": 1}
