"""Health, liveness and readiness, and how health follows the fleet."""

from typing import Any

from exporter.errors import FailureReason
from exporter.model import events as ev
from exporter.model.states import DisconnectReason
from exporter.model.status import Maintenance
from exporter.stats import ClusterStats
from tests.web.fleet import DOTA2, NOW, Fleet


def fail(fleet: Fleet, name: str) -> None:
    at = fleet.clock.now()
    fleet.store.apply(
        ev.ConnectionFailed(name, at, FailureReason.REFUSED, "secret host refused", at, DisconnectReason.NETWORK)
    )


async def health(fleet: Fleet) -> tuple[int, str, Any]:
    answer = await fleet.call("/health")
    body = await answer.json()
    assert set(body) == {"status", "version", "time", "components"}
    components = {name: word for name, word in body["components"].items() if name not in ("storage", "history")}
    return answer.status, body["status"], components


async def test_health_of_an_empty_fleet() -> None:
    async with Fleet() as fleet:
        assert await health(fleet) == (200, "ok", {})


async def test_health_goes_down_after_a_minute_and_comes_back() -> None:
    async with Fleet() as fleet:
        fleet.add("racer")
        fleet.add("host", DOTA2)
        assert await health(fleet) == (200, "degraded", {"dota2": "degraded", "racetime": "degraded"})
        fleet.connect("racer")
        fleet.connect("host")
        assert await health(fleet) == (200, "ok", {"dota2": "ok", "racetime": "ok"})

        fail(fleet, "racer")
        await fleet.clock.advance(30)
        fail(fleet, "host")
        assert await health(fleet) == (200, "degraded", {"dota2": "degraded", "racetime": "degraded"})
        await fleet.clock.advance(30)
        assert await health(fleet) == (200, "degraded", {"dota2": "degraded", "racetime": "down"})
        fail(fleet, "host")  # failing again does not start the minute anew
        await fleet.clock.advance(29.9)
        assert (await health(fleet))[:2] == (200, "degraded")
        await fleet.clock.advance(0.2)
        assert await health(fleet) == (503, "down", {"dota2": "down", "racetime": "down"})

        fleet.connect("racer", at=fleet.clock.now())
        assert await health(fleet) == (200, "degraded", {"dota2": "down", "racetime": "ok"})


async def test_stopped_bots_and_bots_in_maintenance_do_not_count() -> None:
    async with Fleet() as fleet:
        for name in ("stopped", "mended", "working"):
            fleet.add(name)
        fleet.connect("working")
        fleet.store.apply(ev.BotStopped("stopped", NOW))
        fleet.store.apply(ev.MaintenanceBegan("mended", NOW, Maintenance(None, "new disk", "boss")))
        await fleet.clock.advance(3600)
        assert await health(fleet) == (200, "ok", {"racetime": "ok"})


async def test_the_database_shows_in_health_and_readiness() -> None:
    async def told(fleet: Fleet) -> tuple[int, str, str, str, int]:
        answer = await fleet.call("/health")
        body = await answer.json()
        ready = await fleet.call("/-/ready")
        kept = body["components"]
        return answer.status, body["status"], kept["storage"], kept["history"], ready.status

    async with Fleet() as fleet:
        assert await told(fleet) == (200, "ok", "ok", "ok", 200)
        fleet.storage.up = False
        assert await told(fleet) == (200, "degraded", "degraded", "degraded", 503)
        assert "database" in await (await fleet.call("/-/ready")).text()
        fleet.storage.opened = False
        assert await told(fleet) == (503, "down", "down", "degraded", 503)
        assert (await fleet.call("/-/healthy")).status == 200


async def test_draining_and_a_failed_reload_degrade() -> None:
    async with Fleet() as fleet:
        fleet.process.draining = True
        assert (await health(fleet))[:2] == (200, "degraded")
        fleet.process.draining = False
        fleet.process.config_ok = False
        assert (await health(fleet))[:2] == (200, "degraded")


async def test_health_names_nobody(fleet: Fleet) -> None:
    fail(fleet, "alttpr")
    answer = await fleet.call("/health")
    text = await answer.text()
    assert not any(word in text for word in ("alttpr", "dire_account", "secret host", "Invalid"))
    assert (await answer.json())["version"] == "1.2.3"


async def test_liveness_and_readiness(fleet: Fleet) -> None:
    healthy = await fleet.call("/-/healthy")
    ready = await fleet.call("/-/ready")
    assert (healthy.status, await healthy.text()) == (200, "bot-exporter is Healthy.\n")
    assert (ready.status, await ready.text()) == (200, "bot-exporter is Ready.\n")
    assert ready.content_type == "text/plain"


async def test_not_ready_while_draining_or_stopping(fleet: Fleet) -> None:
    fleet.process.draining = True
    assert (await fleet.call("/-/ready")).status == 503
    fleet.process.draining = False
    fleet.process.ready = False
    assert (await fleet.call("/-/ready")).status == 503
    assert (await fleet.call("/-/healthy")).status == 200


async def test_a_process_without_leases_is_down_and_one_that_cannot_renew_them_is_not_ready() -> None:
    cluster = ClusterStats()
    async with Fleet(cluster=cluster) as fleet:
        assert await health(fleet) == (503, "down", {"cluster": "down"})
        assert (await fleet.call("/-/ready")).status == 503
        cluster.joined, cluster.owned = True, 3
        assert await health(fleet) == (200, "ok", {"cluster": "ok"})
        assert (await fleet.call("/-/ready")).status == 200
        cluster.trouble = "the database: secret host refused"
        assert await health(fleet) == (200, "degraded", {"cluster": "degraded"})
        answer = await fleet.call("/-/ready")
        assert answer.status == 503
        assert await answer.text() == "bot-exporter has no leases that it can renew, and takes no new work.\n"
        cluster.owned = 0
        assert await health(fleet) == (503, "down", {"cluster": "down"})
