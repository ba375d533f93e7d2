"""What every route does: a row for each row of the route table, and none beside them."""

from collections.abc import Mapping
from typing import Final

from exporter.model.history import HistoryKind
from exporter.model.states import BotStatus
from exporter.web.api import shapes
from exporter.web.api.operation import Given, Operation, Parameter, Schema, kept, ok, refusals
from exporter.web.control.bots import GuardCode, MaintenanceNote
from exporter.web.control.lobby_bodies import Kicked, LobbyChanges, NewLobby, Player
from exporter.web.control.older import OlderLobby, OlderLobbyId
from exporter.web.control.races import NewRace, RaceChanges, RoomAction
from exporter.web.history import LIMIT, MOST
from exporter.web.stream.feed import EVENT_STREAM
from exporter.web.stream.filters import KINDS
from exporter.web.stream.frames import CURSOR

TELEMETRY: Final = "the telemetry path"
"""Stands for the path of the metrics, which a flag can move."""

_Table = Mapping[tuple[str, str], Operation]

_PLATFORM: Final[Schema] = {"type": "string", "enum": ["dota2", "racetime"]}
_TIME: Final[Schema] = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
_PAGE: Final = (
    Parameter("kind", "Only items of this kind.", {"type": "string", "enum": list(map(str, HistoryKind))}, many=True),
    Parameter("limit", f"How many items; {LIMIT} without it.", {"type": "integer", "minimum": 1, "maximum": MOST}),
    Parameter("before", "The `next` of the page before.", {"type": "string", "pattern": "^[0-9]{1,18}$"}),
    Parameter("since", "Not before this time: RFC 3339 with a zone, or Unix seconds.", _TIME),
    Parameter("until", "Not after this time.", _TIME),
)
_FILE: Final = {
    200: Given("The file.", media=("text/css", "text/javascript", "image/svg+xml"), headers={"ETag": "Its version."}),
    304: Given("The browser has it already."),
}
_KNOWN: Final = (Parameter("If-None-Match", "The version that is known already."),)
_EVENTS: Final = (EVENT_STREAM,)
_HTML: Final = {200: Given("The page.", media=("text/html",))}
_PLACE: Final = {"Location": "The place of what was created."}

_READS: Final[_Table] = {
    ("GET", "/"): Operation("showPage", "page", _HTML),
    ("GET", "/static/{file}"): Operation("loadPageFile", "page", _FILE, headers=_KNOWN, refuses=refusals(404)),
    ("GET", TELEMETRY): Operation(
        "scrapeMetrics",
        "metrics",
        {200: Given("The metrics.", media=("text/plain", "application/openmetrics-text"))},
        query=(Parameter("name[]", "Only this metric.", many=True),),
        headers=(
            Parameter("Accept", "Which of the two formats is preferred, as Prometheus sends it."),
            Parameter(
                "X-Prometheus-Scrape-Timeout-Seconds",
                "How long the client waits: a page that would come too late is 503.",
                {"type": "number"},
            ),
        ),
        refuses=refusals(503),
    ),
    ("GET", "/sd"): Operation("discoverTargets", "metrics", ok("The targets.", shapes.Targets)),
    ("GET", "/status"): Operation("showStatus", "status", kept("Everything.", shapes.Status), headers=_KNOWN),
    ("GET", "/status/system"): Operation("showSystem", "status", kept("The figures.", shapes.System), headers=_KNOWN),
    ("GET", "/status/bots"): Operation(
        "listBots",
        "status",
        kept("The bots that fit all filters.", shapes.Bots),
        headers=_KNOWN,
        query=(
            Parameter("status", "Its verdict.", {"type": "string", "enum": [each.word for each in BotStatus]}, True),
            Parameter("platform", "Its platform.", _PLATFORM, many=True),
            Parameter("healthy", "Whether it is connected.", {"type": "string", "enum": ["true", "false"]}, many=True),
        ),
    ),
    ("GET", "/status/bots/{name}"): Operation(
        "showBot", "status", kept("The bot.", shapes.Bot), headers=_KNOWN, refuses=refusals(404)
    ),
    ("GET", "/status/bots/{name}/history"): Operation(
        "listHistoryOfBot", "history", ok("A page.", shapes.History), query=_PAGE, refuses=refusals(404, 503)
    ),
    ("GET", "/status/history"): Operation(
        "listHistory",
        "history",
        ok("A page.", shapes.History),
        query=(
            *_PAGE,
            Parameter("bot", "Only of the bot of this name.", many=True),
            Parameter("platform", "Only of this platform.", _PLATFORM, many=True),
        ),
        refuses=refusals(503),
    ),
    ("GET", "/status/stream"): Operation(
        "streamStatus",
        "feed",
        {
            101: Given("A WebSocket, whose messages are frames."),
            200: Given("Events whose data are frames, for who sends `Accept: text/event-stream`.", media=_EVENTS),
        },
        query=(
            Parameter("kind", "Only objects of this kind.", {"type": "string", "enum": list(KINDS)}, many=True),
            Parameter("platform", "Only what belongs to bots of this platform.", _PLATFORM, many=True),
            Parameter("bot", "Only what belongs to the bot of this name or Steam username.", many=True),
            Parameter("since", "The `cursor` of the last frame that is known.", {"type": "string", "pattern": CURSOR}),
            Parameter("ticket", "Instead of a key, for browsers."),
        ),
        headers=(Parameter("Last-Event-ID", "The same as `since`, and newer, for who sends both."),),
        refuses=refusals(406, 422, 503),
    ),
    ("POST", "/api/v1/stream-tickets"): Operation(
        "makeStreamTicket", "feed", {201: Given("The ticket.", shapes.StreamTicket)}, refuses=refusals(503)
    ),
    ("GET", "/status/lobbies"): Operation(
        "listLobbies", "status", kept("The lobbies.", shapes.Lobbies), headers=_KNOWN
    ),
    ("GET", "/status/lobbies/{lobby_id}"): Operation(
        "showLobby", "status", kept("The lobby.", shapes.Lobby), headers=_KNOWN, refuses=refusals(404)
    ),
    ("GET", "/status/races"): Operation("listRaces", "status", kept("The races.", shapes.Races), headers=_KNOWN),
    ("GET", "/status/races/{category}/{slug}"): Operation(
        "showRace", "status", kept("The race.", shapes.Race), headers=_KNOWN, refuses=refusals(404)
    ),
    ("GET", "/health"): Operation(
        "tellHealth",
        "probes",
        {200: Given("It is ok or degraded.", shapes.Health), 503: Given("It is down.", shapes.Health)},
    ),
    ("GET", "/-/healthy"): Operation("tellAlive", "probes", {200: Given("It is alive.", media=("text/plain",))}),
    ("GET", "/-/ready"): Operation(
        "tellReady",
        "probes",
        {
            200: Given("It takes work.", media=("text/plain",)),
            503: Given("It takes none now, and says why.", media=("text/plain",)),
        },
    ),
    ("GET", "/api/v1/openapi.json"): Operation(
        "describeApi", "description", {200: Given("An OpenAPI 3.1 document.", shapes.Description)}
    ),
    ("GET", "/api/v1/docs"): Operation("showApi", "description", _HTML),
    ("GET", "/api/v1/docs/{file}"): Operation(
        "loadApiFile", "description", _FILE, headers=_KNOWN, refuses=refusals(404)
    ),
    ("GET", "/api/v1/orders/{order_id}"): Operation(
        "showOrder", "orders", ok("The order.", shapes.Order), refuses=refusals(404, 503)
    ),
}

_BOT: Final = ok("The bot as it is then.", shapes.Bot)
_BOTS: Final[_Table] = {
    ("POST", "/api/v1/bots/{name}/start"): Operation("startBot", "bots", _BOT, refuses=refusals(404)),
    ("POST", "/api/v1/bots/{name}/stop"): Operation("stopBot", "bots", _BOT, refuses=refusals(404)),
    ("POST", "/api/v1/bots/{name}/restart"): Operation("restartBot", "bots", _BOT, refuses=refusals(404)),
    ("POST", "/api/v1/bots/{name}/guard-code"): Operation(
        "handInGuardCode", "bots", _BOT, body=GuardCode, needs_body=True, refuses=refusals(404)
    ),
    ("POST", "/api/v1/bots/{name}/maintenance"): Operation(
        "beginMaintenance", "bots", _BOT, body=MaintenanceNote, needs_body=True, refuses=refusals(404)
    ),
    ("DELETE", "/api/v1/bots/{name}/maintenance"): Operation("endMaintenance", "bots", _BOT, refuses=refusals(404)),
}

_LOBBY: Final = ok("The lobby as it is then.", shapes.Lobby)
_OF_LOBBY: Final = refusals(404, 502)
_LOBBIES: Final[_Table] = {
    ("POST", "/api/v1/lobbies"): Operation(
        "createLobby",
        "lobbies",
        {201: Given("The lobby, which the coordinator has confirmed.", shapes.Lobby, headers=_PLACE)},
        body=NewLobby,
        needs_body=True,
        refuses=_OF_LOBBY,
    ),
    ("PATCH", "/api/v1/lobbies/{lobby_id}"): Operation(
        "changeLobby", "lobbies", _LOBBY, body=LobbyChanges, needs_body=True, refuses=_OF_LOBBY
    ),
    ("DELETE", "/api/v1/lobbies/{lobby_id}"): Operation(
        "closeLobby",
        "lobbies",
        _LOBBY,
        query=(
            Parameter("abandon", "Whether a game that runs is left.", {"type": "string", "enum": ["true", "false"]}),
        ),
        refuses=_OF_LOBBY,
    ),
    ("POST", "/api/v1/lobbies/{lobby_id}/launch"): Operation("launchLobby", "lobbies", _LOBBY, refuses=_OF_LOBBY),
    ("POST", "/api/v1/lobbies/{lobby_id}/invite"): Operation(
        "inviteToLobby", "lobbies", _LOBBY, body=Player, needs_body=True, refuses=_OF_LOBBY
    ),
    ("POST", "/api/v1/lobbies/{lobby_id}/kick"): Operation(
        "kickFromLobby", "lobbies", _LOBBY, body=Kicked, needs_body=True, refuses=_OF_LOBBY
    ),
    ("POST", "/api/v1/lobbies/{lobby_id}/shuffle"): Operation("shuffleLobby", "lobbies", _LOBBY, refuses=_OF_LOBBY),
    ("POST", "/api/v1/lobbies/{lobby_id}/flip"): Operation("flipLobby", "lobbies", _LOBBY, refuses=_OF_LOBBY),
}

_OF_RACE: Final = refusals(404, 502)
_RACES: Final[_Table] = {
    ("POST", "/api/v1/races"): Operation(
        "openRace",
        "races",
        {201: Given("The race, which the site has named.", shapes.Race, headers=_PLACE)},
        body=NewRace,
        needs_body=True,
        refuses=_OF_RACE,
    ),
    ("PATCH", "/api/v1/races/{category}/{slug}"): Operation(
        "editRace",
        "races",
        ok("The race as it is then.", shapes.EditedRace),
        body=RaceChanges,
        needs_body=True,
        refuses=_OF_RACE,
    ),
    ("POST", "/api/v1/races/{category}/{slug}/actions"): Operation(
        "actInRace",
        "races",
        ok("What the room said.", shapes.Acted),
        body=RoomAction,
        needs_body=True,
        refuses=_OF_RACE,
    ),
}

_DRAINING: Final = ok("Whether it drains, and what it waits for.", shapes.Draining)
_PROCESS: Final[_Table] = {
    ("POST", "/api/v1/drain"): Operation("beginDrain", "process", _DRAINING),
    ("DELETE", "/api/v1/drain"): Operation("endDrain", "process", _DRAINING),
    ("POST", "/-/reload"): Operation(
        "reloadConfiguration",
        "process",
        ok("What has changed.", shapes.Reloaded),
        refuses=refusals(422, 503),
        problems={422: shapes.ReloadProblem},
    ),
}

_OF_INFO: Final = ok("How the lobby is.", shapes.OlderInfo)
_LOBBY_ID: Final = (Parameter("lobby_id", "Which lobby is asked about."),)
_OLDER: Final[_Table] = {
    ("GET", "/bots"): Operation("listBotsAsBefore", "older", ok("The usernames.", shapes.OlderBots)),
    ("POST", "/lobby/create"): Operation(
        "createLobbyAsBefore",
        "older",
        {201: Given("The lobby.", shapes.OlderCreated, headers=_PLACE)},
        body=OlderLobby,
        needs_body=True,
        refuses=_OF_LOBBY,
    ),
    ("GET", "/lobby/info"): Operation(
        "showLobbyAsBefore", "older", _OF_INFO, query=_LOBBY_ID, refuses=refusals(404, 422)
    ),
    ("POST", "/lobby/info"): Operation(
        "askForLobbyAsBefore",
        "older",
        _OF_INFO,
        query=_LOBBY_ID,
        body=OlderLobbyId,
        refuses=refusals(404, 422),
    ),
}

OPERATIONS: Final[_Table] = {**_READS, **_BOTS, **_LOBBIES, **_RACES, **_PROCESS, **_OLDER}

TAGS: Final[Mapping[str, str]] = {
    "status": "What is true now: bots, lobbies, races and the process.",
    "history": "What has happened.",
    "feed": "What is true now, and then each change of it.",
    "bots": "Orders on one bot, found by its name or its Steam username.",
    "lobbies": "Orders on Dota 2 lobbies.",
    "races": "Orders on racetime.gg races.",
    "process": "Orders on the whole process.",
    "orders": "What became of an order.",
    "probes": "What load balancers and monitors ask.",
    "metrics": "What Prometheus scrapes.",
    "older": "The routes of an older lobby service, for programs that were written for it.",
    "description": "This description.",
    "page": "The page for people.",
}
