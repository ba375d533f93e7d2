"""Real Prometheus scrapes the exporter, and its answers agree with what the site knows."""

from pathlib import Path

import aiohttp

from exporter.simulators.racetime import Race, User
from tests.e2e.command import exporter
from tests.e2e.prometheus import Samples, prometheus
from tests.e2e.site import CATEGORIES, Site, site

RACE_STATES = (
    "open",
    "invitational",
    "pending",
    "in_progress",
    "finished",
    "cancelled",
    "partitioned",
    "unknown",
)
STATUSES = ("unknown", "connected", "auth_failed", "connection_error", "disconnected")


def races(category: str, **counts: int) -> Samples:
    return {(category, state): float(counts.get(state, 0)) for state in RACE_STATES}


def statuses(**bots: str) -> Samples:
    return {(bot, status): float(bots[bot] == status) for bot in bots for status in STATUSES}


def runner(held: Site, number: int) -> User:
    return list(held.world.users.values())[number]


async def test_prometheus_sees_what_the_site_does(tmp_path: Path) -> None:
    async with (
        site(tmp_path, wrong_secrets=["sm"]) as held,
        exporter(held.config, tmp_path / "data") as running,
        prometheus(running.url, tmp_path) as server,
    ):
        await server.until(
            "bot_status",
            ("bot", "status"),
            statuses(alttpr="connected", ootr="connected", smz3="connected", sm="auth_failed"),
        )
        await server.until("bot_up", ("bot",), {(bot,): float(bot != "sm") for bot in CATEGORIES})
        await server.until('bot_status_reason{bot="sm"} == 1', ("reason",), {("invalid_credentials",): 1})
        await server.until("bot_races == 1", ("category", "status"), {})

        world, racing = held.world, ("category", "status")
        race: Race = world.open_race(world.categories["alttpr"], now=held.now(), by=runner(held, 0))
        await server.until('bot_races{category="alttpr"}', racing, races("alttpr", open=1))
        await server.until('bot_state{bot="alttpr"} == 1', ("state",), {("in_race",): 1})
        await server.until('bot_state{bot="ootr"} == 1', ("state",), {("online",): 1})
        for number in (0, 1):
            world.join(race, runner(held, number), held.now())
        await server.until('bot_race_entrants{category="alttpr"} > 0', racing, {("alttpr", "not_ready"): 2})
        world.cancel(race, runner(held, 0), held.now())
        await server.until('bot_races{category="alttpr"}', racing, races("alttpr", cancelled=1))
        await server.until('bot_state{bot="alttpr"} == 1', ("state",), {("online",): 1})
        await server.until('bot_races_finished_total{bot="alttpr"} > 0', ("outcome",), {("cancelled",): 1})
        # Counters begin at 0 and the sums hold for everything that was scraped.
        await server.until("min(bot_connection_attempts_total) > 0", (), {(): 1})
        await server.until("sum by (bot) (bot_state) != 1", (), {})
        await server.until("bot_exporter_unexpected_transitions_total", (), {(): 0})


async def test_a_site_that_stops_and_comes_back(tmp_path: Path) -> None:
    async with (
        site(tmp_path) as held,
        exporter(held.config, tmp_path / "data") as running,
        prometheus(running.url, tmp_path) as server,
    ):
        await server.until("sum(bot_up)", (), {(): 4})
        await held.simulator.stop()
        await server.until("bot_status", ("bot", "status"), statuses(**dict.fromkeys(CATEGORIES, "connection_error")))
        await server.until("bot_status_reason == 1", ("bot", "reason"), {(bot, "refused"): 1 for bot in CATEGORIES})
        async with aiohttp.ClientSession() as session, session.get(f"{running.url}/status/bots") as response:
            for bot in (await response.json())["bots"]:
                assert bot["status_name"] == "connection_error"
                assert bot["status_reason"] == "refused"
                assert bot["connected_since"] is None
                assert bot["last_connected_at"] is not None
        await held.simulator.start()
        await server.until("sum(bot_up)", (), {(): 4})
        await server.until("bot_reconnects_total", ("bot",), {(bot,): 1 for bot in CATEGORIES})


async def test_a_repaired_secret_is_tried_at_once(tmp_path: Path) -> None:
    async with (
        site(tmp_path, wrong_secrets=["sm"]) as held,
        exporter(held.config, tmp_path / "data") as running,
        prometheus(running.url, tmp_path) as server,
    ):
        await server.until('bot_status{status="auth_failed"} == 1', ("bot",), {("sm",): 1})
        (held.secrets / "sm").write_text("demo-sm-secret\n")
        await server.until("sum(bot_up)", (), {(): 4})
        assert not any("demo-sm-secret" in line or "not-the-secret" in line for line in running.log)
