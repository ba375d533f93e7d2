"""The list of all races, read once for all bots."""

import aiohttp

from exporter.platforms.racetime.service import open_board
from exporter.simulators.racetime.site import CacheTimes
from tests.clock import ManualClock
from tests.eventually import eventually
from tests.protocol.racetime_rig import POLL_S, Rig


async def test_a_new_race_is_entered_before_the_own_list_shows_it(rig: Rig) -> None:
    rig.simulator.caches = CacheTimes(race_s=0.0, category_s=600.0, races_s=0.0)
    rig.poll_s = 600.0
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.healthy)
        race = rig.room()
        await eventually(lambda: rig.connected(race))
        polls = rig.simulator.stats.polls["testcat"]
    assert polls == 1


async def test_a_draining_bot_enters_no_race_of_the_board(rig: Rig) -> None:
    rig.simulator.caches = CacheTimes(race_s=0.0, category_s=600.0, races_s=0.0)
    rig.poll_s = 600.0
    rig.draining = True
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.healthy)
        race = rig.room()
        seen = rig.simulator.stats.requests["GET /races/data"]
        await eventually(lambda: rig.simulator.stats.requests["GET /races/data"] > seen + 2)
        assert rig.race(race) is None


async def test_one_request_serves_all_bots_and_none_is_made_for_nobody(rig: Rig) -> None:
    requests, idle = rig.simulator.stats.requests, ManualClock()
    async with open_board(rig.client, idle, POLL_S), aiohttp.ClientSession(rig.simulator.url) as other:
        await idle.advance(10 * POLL_S)
        async with other.get("/races"):  # answered after whatever the boards had asked for by now
            assert requests["GET /races/data"] == 0
    async with (
        rig.running(rig.guest(name="one")) as one,
        rig.running(rig.guest(rig.scene.other_bot, name="two")) as two,
    ):
        await eventually(lambda: one.record.healthy and two.record.healthy)
        await eventually(lambda: requests["GET /races/data"] > 2)
    assert requests["GET /{category}/data"] == 0


async def test_a_board_that_says_nothing_of_use_hurts_nobody(rig: Rig) -> None:
    race = rig.room()
    for detail in ("list", "values"):
        rig.simulator.faults.on("wrong_types", "public", detail)
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))
        seen = rig.simulator.stats.requests["GET /races/data"]
        await eventually(lambda: rig.simulator.stats.requests["GET /races/data"] > seen + 3)
        rig.simulator.faults.clear()
        second = rig.room(by=rig.scene.racers[1])
        await eventually(lambda: rig.connected(second))
    assert not guest.stats.protocol_errors
