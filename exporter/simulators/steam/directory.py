"""Steam's directory of connection managers (steam-dota2 protocol notes, section 1): JSON over HTTP."""

import ssl
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from exporter.simulators.steam.faults import Deed, Faults, Phase
from exporter.simulators.steam.listener import Listener
from exporter.simulators.steam.stats import Stats
from exporter.timing import Clock

PATH = "/ISteamDirectory/GetCMListForConnect/v1/"
_TYPE = "websockets"


def server_row(endpoint: str, load: int) -> dict[str, Any]:
    """Return one connection manager as the directory shows it."""
    return {
        "endpoint": endpoint,
        "legacy_endpoint": endpoint,
        "type": _TYPE,
        "dc": "loop",
        "realm": "steamglobal",
        "load": load,
        # Assumption: the weighted load grows with the load; real values have many digits.
        "wtd_load": load * 1.0625,
    }


class Directory:
    """The handler of the list. `rows` returns the present list, also of connection managers that are down."""

    def __init__(
        self,
        rows: Callable[[], Sequence[dict[str, Any]]],
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        clock: Clock,
        faults: Faults,
        stats: Stats,
    ) -> None:
        self._rows = rows
        self._faults = faults
        self._stats = stats
        app = web.Application()
        app.add_routes([web.get(PATH, self._list), web.get(PATH.rstrip("/"), self._list)])
        # What befalls accepted connections is about connection managers: the directory has a phase of its own.
        self.listener = Listener(app, host=host, port=port, tls=tls, clock=clock, faults=Faults(), cm=None)

    @property
    def url(self) -> str:
        """Return the address that stands for https://api.steampowered.com."""
        return f"{'https' if self.listener.tls else 'http'}://{self.listener.host}:{self.listener.port}"

    async def _list(self, request: web.Request) -> web.Response:
        self._stats.directory_requests[request.path] += 1
        fault = self._faults.take(Phase.DIRECTORY)
        if fault is not None:
            match fault.deed:
                case Deed.REFUSE:
                    return web.Response(status=fault.result, text="<html><body>no</body></html>")
                case Deed.INSTEAD:
                    return web.Response(body=fault.data, content_type="application/json")
                case Deed.DELAY:
                    await self.listener.pause(fault.delay_s)
                case _:
                    return await self.listener.hang_up(request, waiting=fault.deed is Deed.HANG)
        wanted = request.query.get("cmtype", _TYPE)
        rows = list(self._rows()) if wanted == _TYPE else []
        answer = {"response": {"serverlist": rows, "success": True, "message": ""}}
        return web.Response(body=orjson.dumps(answer), content_type="application/json")
