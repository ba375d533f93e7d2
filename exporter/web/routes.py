"""The one table of routes: the server, its access rules and its documentation are driven by it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from exporter.addresses import LIVENESS
from exporter.web.api.pages import ApiPages
from exporter.web.control.service import ControlRoutes
from exporter.web.discovery import Discovery
from exporter.web.history import HistoryRoutes
from exporter.web.keys import Access
from exporter.web.page import LandingPage
from exporter.web.probes import Probes
from exporter.web.reload import ReloadPage
from exporter.web.scrape import Scrape
from exporter.web.status import StatusPages
from exporter.web.stream.feed import StreamFeed

READINESS: Final = "/-/ready"
PROBES: Final = (LIVENESS, READINESS)
STREAM: Final = "/status/stream"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `path` is a pattern without the route prefix, also the `route` label of the HTTP metrics.

    A GET route answers HEAD too. The handler's docstring is its description.
    """

    method: str
    path: str
    handler: Handler
    access: Access


def route_table(
    telemetry_path: str,
    *,
    landing: LandingPage,
    scrape: Scrape,
    discovery: Discovery,
    status: StatusPages,
    history: HistoryRoutes,
    probes: Probes,
    reload: ReloadPage,
    control: ControlRoutes,
    api: ApiPages,
    feed: StreamFeed,
) -> tuple[Route, ...]:
    """Return every route of the server."""
    return (
        Route("GET", "/", landing.index, Access.PAGE),
        Route("GET", "/static/{file}", landing.static, Access.PAGE),
        Route("GET", telemetry_path, scrape.metrics, Access.METRICS),
        Route("GET", "/sd", discovery.targets, Access.METRICS),
        Route("GET", "/status", status.everything, Access.READ),
        Route("GET", "/status/system", status.system, Access.READ),
        Route("GET", "/status/bots", status.bots, Access.READ),
        Route("GET", "/status/bots/{name}", status.bot, Access.READ),
        Route("GET", "/status/bots/{name}/history", history.bot, Access.READ),
        Route("GET", "/status/history", history.everything, Access.READ),
        Route("GET", STREAM, feed.stream, Access.READ),
        Route("POST", "/api/v1/stream-tickets", feed.ticket, Access.READ),
        Route("GET", "/status/lobbies", status.lobbies, Access.READ),
        Route("GET", "/status/lobbies/{lobby_id}", status.lobby, Access.READ),
        Route("GET", "/status/races", status.races, Access.READ),
        Route("GET", "/status/races/{category}/{slug}", status.race, Access.READ),
        Route("GET", "/health", probes.health, Access.PUBLIC),
        Route("GET", LIVENESS, probes.healthy, Access.PUBLIC),
        Route("GET", READINESS, probes.ready, Access.PUBLIC),
        Route("POST", "/-/reload", reload.reload, Access.ADMIN),
        *_control(control),
        Route("GET", "/api/v1/openapi.json", api.description, Access.READ),
        Route("GET", "/api/v1/docs", api.docs, Access.PAGE),
        Route("GET", "/api/v1/docs/{file}", api.file, Access.PAGE),
    )


def _control(control: ControlRoutes) -> tuple[Route, ...]:
    bots, lobbies, races, process, older = control.bots, control.lobbies, control.races, control.process, control.older
    bot, lobby, race = "/api/v1/bots/{name}", "/api/v1/lobbies/{lobby_id}", "/api/v1/races/{category}/{slug}"
    return (
        Route("POST", f"{bot}/start", bots.start, Access.ADMIN),
        Route("POST", f"{bot}/stop", bots.stop, Access.ADMIN),
        Route("POST", f"{bot}/restart", bots.restart, Access.ADMIN),
        Route("POST", f"{bot}/guard-code", bots.guard_code, Access.ADMIN),
        Route("POST", f"{bot}/maintenance", bots.begin_maintenance, Access.ADMIN),
        Route("DELETE", f"{bot}/maintenance", bots.end_maintenance, Access.ADMIN),
        Route("POST", "/api/v1/lobbies", lobbies.create, Access.ADMIN),
        Route("PATCH", lobby, lobbies.change, Access.ADMIN),
        Route("DELETE", lobby, lobbies.close, Access.ADMIN),
        Route("POST", f"{lobby}/launch", lobbies.launch, Access.ADMIN),
        Route("POST", f"{lobby}/invite", lobbies.invite, Access.ADMIN),
        Route("POST", f"{lobby}/kick", lobbies.kick, Access.ADMIN),
        Route("POST", f"{lobby}/shuffle", lobbies.shuffle, Access.ADMIN),
        Route("POST", f"{lobby}/flip", lobbies.flip, Access.ADMIN),
        Route("POST", "/api/v1/races", races.create, Access.ADMIN),
        Route("PATCH", race, races.edit, Access.ADMIN),
        Route("POST", f"{race}/actions", races.act, Access.ADMIN),
        Route("POST", "/api/v1/drain", process.begin_drain, Access.ADMIN),
        Route("DELETE", "/api/v1/drain", process.end_drain, Access.ADMIN),
        Route("GET", "/api/v1/orders/{order_id}", process.order, Access.ADMIN),
        Route("GET", "/bots", older.bots, Access.READ),
        Route("POST", "/lobby/create", older.create, Access.ADMIN),
        Route("GET", "/lobby/info", older.info, Access.READ),
        Route("POST", "/lobby/info", older.info, Access.READ),
    )
