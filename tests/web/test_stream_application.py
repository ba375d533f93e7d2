"""The feed of a whole exporter: real bots change, the metrics count, a reload and a drain go by."""

from pathlib import Path

import aiohttp

from tests.eventually import eventually
from tests.replica import Replica
from tests.web.control.rig import Rig, control_rig
from tests.web.streams import LIMIT_S


async def take(socket: aiohttp.ClientWebSocketResponse, replica: Replica, kind: str) -> None:
    """Take frames up to one of this kind."""
    while True:
        replica.take(await socket.receive_str(timeout=LIMIT_S))
        if replica.frames[-1]["kind"] == kind and replica.complete:
            return


async def sample(rig: Rig, name: str) -> float:
    async with rig.session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


async def test_a_feed_goes_through_orders_reloads_and_drains(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        replica = Replica()
        async with rig.session.ws_connect("/status/stream") as socket:
            while not replica.complete:
                replica.take(await socket.receive_str(timeout=LIMIT_S))
            assert await sample(rig, 'bot_exporter_stream_clients{protocol="websocket"}') == 1
            lobby = await rig.lobby()
            while ("lobby", lobby) not in replica.objects:
                await take(socket, replica, "lobby")
            await rig.ok("/-/reload")
            await rig.ok("/api/v1/drain")
            while not replica.objects["system", None]["draining"]:
                await take(socket, replica, "system")
            assert replica.objects["system", None]["draining_waits_for"] == [lobby]
            await rig.call("DELETE", "/api/v1/drain")
            await rig.call("DELETE", f"/api/v1/lobbies/{lobby}")
            while replica.objects["lobby", lobby]["state"] != "finished":
                await take(socket, replica, "lobby")
        await eventually(lambda: len(rig.program.web._feed.hub) == 0)
        assert await sample(rig, 'bot_exporter_stream_clients{protocol="websocket"}') == 0
        assert await sample(rig, 'bot_exporter_stream_clients_dropped_total{reason="slow"}') == 0
