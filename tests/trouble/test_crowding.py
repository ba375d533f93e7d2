"""One bot to which far too much is said: the others must not starve, nor whoever reads."""

import asyncio
from pathlib import Path

from exporter.platforms.dota2.wire import GcMsg
from exporter.simulators.dota2 import Message
from tests.trouble.mixed import BOTS, HOSTS, MixedFleet, mixed_fleet

A_SECOND = 10_000
SECONDS = 3


async def flood(fleet: MixedFleet, name: str, category: str) -> int:
    """Say ten thousand things a second to one bot of each platform; returns how many were said in all."""
    host, said = fleet.account(name).steamid, 0
    sockets = [each for each in fleet.site.open_sockets() if each.race.category.slug == category]
    noise = Message(GcMsg.PING_REQUEST, b"")
    line = '{"type": "chat.delete", "delete": {"id": "x"}}'
    for _ in range(10 * SECONDS):
        for _ in range(A_SECOND // 20):
            fleet.coordinator.say(host, noise)
            for socket in sockets:
                socket.put(line)
            said += 2
        await asyncio.sleep(0.1)
    return said


async def test_ten_thousand_events_a_second_from_one_bot_starve_nobody(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        levels = fleet.levels()
        before = {name: fleet.app.store.bots[name].last_status_check_at for name in BOTS}
        received = {name: fleet.app.supervisor.stats[name].messages_received for name in BOTS}
        flooding = asyncio.create_task(flood(fleet, HOSTS[0], "alttpr"))
        looks = 0
        while not flooding.done():
            assert (await fleet.status())["system"]["total_bots"] == len(BOTS)
            assert (await fleet.call("POST", f"/api/v1/bots/{HOSTS[1]}/maintenance", {"reason": "x"}))[0] == 200
            looks += 1
        said = await flooding
        assert looks >= 3
        took = {name: fleet.app.supervisor.stats[name].messages_received - received[name] for name in BOTS}
        end = fleet.clock.monotonic() + 120.0
        while sum(took.values()) < said:  # everything is heard in the end
            assert fleet.clock.monotonic() < end, took
            await asyncio.sleep(1.0)
            took = {name: fleet.app.supervisor.stats[name].messages_received - received[name] for name in BOTS}
        await asyncio.sleep(20.0)
        for name in BOTS:
            seen, then = fleet.app.store.bots[name].last_status_check_at, before[name]
            assert seen is not None
            assert then is not None
            assert seen > then, name
        await fleet.untouched(*BOTS)
        await fleet.call("DELETE", f"/api/v1/bots/{HOSTS[1]}/maintenance")
        await fleet.agree()
        await fleet.settled(levels)
