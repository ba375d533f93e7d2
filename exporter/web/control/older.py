"""The routes of an older lobby service, for programs that were written for it."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from exporter.model.status import LobbyRecord
from exporter.platforms.dota2.options import DOTA2
from exporter.platforms.dota2.settings import MOST_NAME_CHARS, MOST_PASSWORD_CHARS
from exporter.store import Records
from exporter.web.answers import json_answer
from exporter.web.control.giving import OrderWindow, order
from exporter.web.control.lobbies import LobbyOrders
from exporter.web.control.lobby_bodies import Mode, Region
from exporter.web.control.outcomes import Answer
from exporter.web.control.requests import Body, body_of, example, invalid, no_query


class OlderLobby(Body):
    """A lobby to create, in the older service's words."""

    model_config = example(lobby_name="Finals", password="sesame", server_region="EUW", game_mode="CM")  # noqa: S106

    lobby_name: Annotated[str, Field(min_length=1, max_length=MOST_NAME_CHARS)]
    password: Annotated[str, Field(max_length=MOST_PASSWORD_CHARS, repr=False)] = ""
    server_region: Region = "USE"
    game_mode: Mode = "AP"


class OlderLobbyId(Body):
    """Which lobby is asked about."""

    lobby_id: Annotated[str, Field(max_length=20)] | int | None = None


class OlderRoutes:
    """The handlers."""

    def __init__(self, window: OrderWindow, store: Records, lobbies: LobbyOrders) -> None:
        self._window = window
        self._store = store
        self._lobbies = lobbies

    async def bots(self, _: web.Request) -> web.Response:
        """Return each Dota 2 bot's username, and whether it is connected."""
        bots = [each for each in self._store.bots.values() if each.platform == DOTA2.name]
        return json_answer({"bots": {each.subject: each.healthy for each in bots}})

    @order
    async def create(self, request: web.Request) -> web.Response:
        """Create a lobby with a free bot."""
        no_query(request)
        given = await body_of(request, OlderLobby)
        wanted = given.model_dump(exclude={"lobby_name"}) | {"name": given.lobby_name}
        return await self._lobbies.create_of(request, wanted, shown=self._created)

    async def info(self, request: web.Request) -> web.Response:
        """Return how a lobby is; its id stands in the query or in the body."""
        no_query(request, "lobby_id")
        given = await body_of(request, OlderLobbyId) if request.method == "POST" else OlderLobbyId()
        asked = request.query.get("lobby_id") or given.lobby_id
        if asked is None:
            raise invalid(["lobby_id: is missing"])
        record = await self._lobbies.known(str(asked))
        shown = self._lobbies.shown(record)
        message = f"Lobby {record.name} is {record.state.replace('_', ' ')}, with {len(record.players)} players"
        return json_answer(
            {"status": shown["state"], "lobby_id": shown["lobby_id"], "message": message, "lobby": shown}
        )

    def _created(self, record: LobbyRecord) -> Answer:
        shown = self._lobbies.shown(record)
        body = {
            "status": "success",
            "message": f"Lobby {record.name} was created",
            "lobby_name": record.name,
            "bot_used": shown["bot_username"],
            "lobby_id": shown["lobby_id"],
            "lobby": shown,
        }
        return Answer(201, body, f"/status/lobbies/{record.lobby_id}")
