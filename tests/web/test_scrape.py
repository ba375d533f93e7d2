"""Pages of every size over a real socket: streamed, not begun when late, and read by other programs than ours."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.metrics.exposition import SMALL_BYTES, Exposition
from exporter.model import events as ev
from exporter.stats import BotStats
from exporter.web.scrape import MetricsSource, patience_s
from tests.eventually import eventually
from tests.tools import require_tool
from tests.unit.metrics.rig import OPENMETRICS, TABLES, Rig, connected
from tests.web.fleet import Fleet

TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"
LARGE = [b"%07d\n" % number * 1000 for number in range(200)]
SIZE = sum(map(len, LARGE))
HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROGRAM_LIMIT_S = 60


async def test_a_large_page_is_streamed_whole(fleet: Fleet) -> None:
    fleet.metrics.parts = LARGE
    answer = await fleet.call("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(SIZE)
    assert "Transfer-Encoding" not in answer.headers
    assert await answer.read() == b"".join(LARGE)
    assert answer.headers["Cache-Control"] == "no-store"


async def test_head_of_a_large_page(fleet: Fleet) -> None:
    fleet.metrics.parts = LARGE
    answer = await fleet.call("/metrics", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, str(SIZE), b"")
    assert (await fleet.call("/metrics", "HEAD")).status == 200  # the connection is still good


async def test_a_client_that_leaves_in_the_middle_is_no_trouble(fleet: Fleet) -> None:
    fleet.metrics.parts = LARGE * 10  # more than the sockets hold
    host, port = fleet.server.addresses[0]
    with capture_logs() as logs:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(HEAD)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.transport.abort()
        await eventually(lambda: sum(fleet.stats.requests.values()) == 1)
    assert logs == []
    assert (await fleet.call("/metrics")).status == 200


async def test_a_client_that_reads_slowly_gets_everything_and_holds_up_nobody(fleet: Fleet) -> None:
    fleet.metrics.parts = LARGE * 10
    host, port = fleet.server.addresses[0]
    reader, writer = await asyncio.open_connection(host, port, limit=1024)
    writer.write(HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await reader.readline()
    assert (await fleet.call("/-/healthy")).status == 200
    answer = await reader.read()
    assert answer.endswith(b"".join(LARGE * 10))
    writer.close()


@pytest.mark.parametrize("given", ["0.6", "0.02"])
async def test_a_page_that_is_late_is_refused_before_the_scrape_gives_up(fleet: Fleet, given: str) -> None:
    fleet.metrics.go.clear()
    answer = await fleet.call("/metrics", headers={TIMEOUT: given})
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "scrape_timeout" in (await answer.json())["detail"]
    fleet.metrics.go.set()
    assert (await fleet.call("/metrics", headers={TIMEOUT: "30"})).status == 200


@pytest.mark.parametrize("given", ["", "soon", "nan", "inf", "0", "-1", "1e999"])
async def test_no_sensible_limit_is_none(fleet: Fleet, given: str) -> None:
    assert (await fleet.call("/metrics", headers={TIMEOUT: given})).status == 200


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("10", 9.5), ("1.25", 0.75), ("1", 0.5), ("0.4", 0.2), ("soon", None), ("nan", None), ("-1", None)],
)
def test_a_page_may_take_half_a_second_less_than_the_scrape(header: str | None, seconds: float | None) -> None:
    assert patience_s(header) == seconds


async def test_a_timeout_of_the_source_itself_is_a_bug_and_not_the_clients(fleet: Fleet) -> None:
    fleet.metrics.error = TimeoutError("of something else")
    with capture_logs():
        assert (await fleet.call("/metrics", headers={TIMEOUT: "30"})).status == 500


# --- real pages ---


def crowd(bots: int) -> Rig:
    """A fleet whose page is made of several blocks."""
    rig = Rig()
    for number in range(bots):
        name = f"bot-{number}"
        rig.apply(ev.BotAdded(name, 1.0, TABLES, name, active=True), *connected(name, "lounge"))
        rig.bot_stats[name] = BotStats()
        rig.bot_stats[name].messages_received = number
    return rig


async def served(bots: int, work: Callable[[Fleet, Rig], Any]) -> None:
    rig = crowd(bots)
    async with Fleet() as fleet:
        fleet.metrics.source = rig.exposition
        await work(fleet, rig)


@pytest.mark.parametrize("bots", [3, 300])
@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
async def test_curl_and_python_read_the_compressed_page(bots: int, accept: str) -> None:
    curl = require_tool("curl", "curl")

    async def work(fleet: Fleet, _: Rig) -> None:
        names = "name[]=bot_up&name[]=bot_state_transitions_total&name[]=bot_status&name[]=bot_auth_failures_total"
        url = fleet.url(f"/metrics?{names}")
        plain = await (await fleet.call(f"/metrics?{names}", headers={"Accept": accept})).read()
        assert (len(plain) > SMALL_BYTES) == (bots > 100)
        for more in (["--compressed"], ["-H", "Accept-Encoding: gzip"]):
            command = [curl, "--silent", "--show-error", "--globoff", "-H", f"Accept: {accept}", *more, url]
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            async with asyncio.timeout(PROGRAM_LIMIT_S):
                out, _err = await process.communicate()
            assert process.returncode == 0
            if more == ["--compressed"]:
                assert out == plain
            else:
                assert len(out) < len(plain) / 5
                assert gzip.decompress(out) == zlib.decompress(out, wbits=31) == plain

    await served(bots, work)


async def test_prometheus_reads_the_compressed_page(tmp_path: Path) -> None:
    from tests.e2e.prometheus import prometheus

    async def work(fleet: Fleet, rig: Rig) -> None:
        async with prometheus(fleet.url(""), tmp_path) as server:
            await server.until("count(bot_up == 1)", (), {(): 300})
            await server.until("sum(bot_messages_received_total)", (), {(): sum(range(300))})
            await server.until("sum by (status) (bot_status) > 0", ("status",), {("connected",): 300})
            rig.apply(ev.BotRemoved("bot-7", 99.0), ev.BotStopped("bot-200", 99.0))
            await server.until("count(bot_up)", (), {(): 299})
            await server.until("bot_active == 0", ("bot",), {("bot-200",): 0})
            await server.until("up", (), {(): 1})
            assert (await server.query("scrape_samples_scraped > 10000")).keys() == {()}

    await served(300, work)


def test_the_exposition_is_a_source() -> None:
    source: MetricsSource = crowd(1).exposition
    assert isinstance(source, Exposition)
