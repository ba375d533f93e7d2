"""GET /sd: a real Prometheus finds all processes by asking one, and each exports its own bots only."""

from pathlib import Path

from tests.cluster.nodes import nodes, spec
from tests.cluster.programs import programs
from tests.e2e.prometheus import prometheus
from tests.web.fleet import Fleet

DISCOVERY = """
global: {{scrape_interval: 400ms, scrape_timeout: 400ms, evaluation_interval: 400ms}}
scrape_configs:
  - job_name: bot-exporter
    http_sd_configs:
      - url: {url}/sd
        refresh_interval: 1s
"""


async def test_prometheus_finds_all_and_each_exports_its_own(database: str, tmp_path: Path) -> None:
    """The orders of one lobby, and the whole fleet in Prometheus: what an operator sees of two processes."""
    async with programs(tmp_path, database, "one", "two", bots=4) as (one, two):
        async with prometheus("", tmp_path, DISCOVERY.format(url=one.running.url)) as server:
            places = {each.name: each.running.url.removeprefix("http://") for each in (one, two)}
            await server.until("sum by (instance) (up)", ("instance",), {(each,): 1.0 for each in places.values()})
            owned = {each["name"]: each["bots"] for each in (await one.shown("/status/system"))["instances"]}
            await server.until(
                "count by (instance) (bot_up == 1)",
                ("instance",),
                {(places[name],): float(bots) for name, bots in owned.items() if bots},
            )
            await server.until("count(count by (bot) (bot_up))", (), {(): 4.0})
        name = next(bot["name"] for bot in (await one.shown("/status/bots"))["bots"] if bot["instance"] == "two")
        body = {"name": "inhouse", "server_region": "USE", "game_mode": "CM", "bot": name}
        status, lobby = await one.call("/api/v1/lobbies", "POST", body, Idempotency_Key="key-1")
        assert (status, lobby["bot"], lobby["instance"]) == (201, name, "two")
        assert await two.call("/api/v1/lobbies", "POST", body, Idempotency_Key="key-1") == (201, lobby)
        assert list(two.running.store.lobbies) == [lobby["lobby_id"]]
        assert not one.running.store.lobbies


async def test_the_targets_of_a_cluster(database: str) -> None:
    async with nodes(database, "one", "two", bots=(spec("ann"),)) as (one, two):
        ports = {node.name: node.web.addresses[0][1] for node in (one, two)}
        assert await two.shown("/sd") == [
            {
                "targets": [f"127.0.0.1:{ports[name]}"],
                "labels": {"__scheme__": "http", "__metrics_path__": "/metrics"},
            }
            for name in ("one", "two")
        ]


async def test_one_process_alone_lists_itself(fleet: Fleet) -> None:
    """At the address that it was asked at, which is one where Prometheus can reach it."""
    answer = await fleet.call("/sd")
    port = fleet.server.addresses[0][1]
    assert await answer.json() == [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"__scheme__": "http", "__metrics_path__": "/metrics"}}
    ]
