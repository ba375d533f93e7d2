"""GET /sd: where Prometheus finds the processes to scrape, in the format of its HTTP service discovery.

The format is described at https://prometheus.io/docs/prometheus/latest/http_sd/.
"""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from exporter.web.answers import json_answer
from exporter.web.encode import Json
from exporter.web.settings import WebSettings

if TYPE_CHECKING:
    from exporter.cluster.fleet import WholeFleet

_PORTS = {"http": 80, "https": 443}


class Discovery:
    """The handler of /sd. All processes of a cluster serve their metrics at the same path: it is a flag.

    One that runs the fleet alone lists itself, at the address that it was asked at.
    """

    def __init__(self, settings: WebSettings, cluster: "WholeFleet | None") -> None:
        self._settings = settings
        self._cluster = cluster

    async def targets(self, request: web.Request) -> web.Response:
        """List the processes that are alive, for Prometheus' `http_sd_configs`, each at its `advertise_url`."""
        if self._cluster is None:
            return json_answer([self._target(self._own_url(request), own=True)])
        return json_answer([self._target(each.advertise_url, own=False) for each in self._cluster.instances()])

    def _own_url(self, request: web.Request) -> str:
        external = self._settings.external
        if external is not None:
            return f"{external.scheme}://{external.netloc}"
        return f"{request.scheme}://{request.headers[hdrs.HOST]}"

    def _target(self, url: str, *, own: bool) -> Json:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        path = self._settings.external_path if own else self._settings.prefix
        labels = {"__scheme__": parts.scheme, "__metrics_path__": path + self._settings.telemetry_path}
        # The label `instance` stays the address, as everywhere: alerts and dashboards make links of it.
        return {"targets": [f"{host}:{parts.port or _PORTS[parts.scheme]}"], "labels": labels}
