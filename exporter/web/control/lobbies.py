"""Orders on Dota 2 lobbies: a new one from a bot that is free, and what can be done with one."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, Protocol, runtime_checkable

from aiohttp import web

from exporter.dispatch import Dispatch
from exporter.errors import NotNow, Occupied, OrderRefused, UnknownTarget
from exporter.model.orders import OrderAction
from exporter.model.status import BotRecord, LobbyRecord
from exporter.platforms.dota2.options import DOTA2
from exporter.platforms.dota2.settings import (
    Expected,
    LobbySettings,
    check_expected,
    lobby_settings,
)
from exporter.store import Records, StatusStore
from exporter.supervisor import Supervisor
from exporter.web import encode
from exporter.web.answers import HttpProblem
from exporter.web.control.bots import NoBody
from exporter.web.control.desk import Errand
from exporter.web.control.elsewhere import Elsewhere, NotReached, is_passed_on
from exporter.web.control.giving import OrderWindow, order
from exporter.web.control.lobby_bodies import Kicked, LobbyChanges, NewLobby, Player
from exporter.web.control.outcomes import Answer
from exporter.web.control.requests import body_of, invalid, no_query
from exporter.web.request import NAMES
from exporter.web.shown import Shown
from exporter.web.status import find_bot, find_lobby

_ACCOUNT_ID: Final = 0xFFFFFFFF
_RETRY_S: Final = 10


@runtime_checkable
class LobbyHost(Protocol):
    """A bot that hosts lobbies: each order returns once the coordinator has confirmed it."""

    @property
    def lobby(self) -> LobbyRecord | None: ...
    async def create_lobby(
        self, settings: LobbySettings, *, expected_players: Expected = None, invite: Collection[int] = ()
    ) -> LobbyRecord: ...
    async def set_details(self, changes: Mapping[str, object]) -> LobbyRecord: ...
    async def invite(self, steam_id: int) -> None: ...
    async def kick(self, account_id: int) -> None: ...
    async def kick_from_team(self, account_id: int) -> None: ...
    async def shuffle_teams(self) -> LobbyRecord: ...
    async def flip_teams(self) -> LobbyRecord: ...
    async def launch(self) -> LobbyRecord: ...
    async def close_lobby(self, *, abandon: bool = False) -> None: ...


class LobbyOrders:
    """The handlers."""

    def __init__(  # noqa: PLR0917  (parts, each of its own type)
        self,
        window: OrderWindow,
        store: StatusStore,
        supervisor: Supervisor,
        dispatch: Dispatch,
        records: Records,
        shown: Shown,
    ) -> None:
        self._window = window
        self._store = store
        self._supervisor = supervisor
        self._dispatch = dispatch
        self._records = records
        self._shown = shown

    @order
    async def create(self, request: web.Request) -> web.Response:
        """Create a lobby with a free bot, and answer with it once the coordinator has confirmed it."""
        no_query(request)
        given = await body_of(request, NewLobby)
        wanted = given.model_dump(exclude_unset=True, exclude={"bot", "invite", "expected_players"})
        return await self.create_of(
            request,
            wanted,
            shown=self.created,
            bot=given.bot,
            invite=given.invite,
            expected=given.expected_players,
        )

    async def create_of(
        self,
        request: web.Request,
        wanted: Mapping[str, Any],
        *,
        shown: Callable[[LobbyRecord], Answer],
        bot: str | None = None,
        invite: Collection[int] = (),
        expected: Expected = None,
    ) -> web.Response:
        """Create a lobby; `shown` makes the answer of it."""
        settings, expected = _checked(wanted, expected)
        name = self._host_named(bot) if bot is not None else None

        async def work(errand: Errand) -> Answer:
            record = await self._create(errand, name, settings, expected, invite)
            await self._records.catch_up()  # whoever gets this answer may ask any process for the lobby
            return shown(record)

        async def here() -> web.Response:
            return await self._window.give(request, Errand(OrderAction.CREATE_LOBBY, settings.name), work)

        elsewhere = self._window.elsewhere
        if elsewhere is None or is_passed_on(request):
            return await here()
        if name is None:
            return await self._anywhere(request, elsewhere, here)
        return await (here() if name in self._store.bots else elsewhere.to_bot(request, name))

    async def _anywhere(
        self, request: web.Request, elsewhere: Elsewhere, here: Callable[[], Awaitable[web.Response]]
    ) -> web.Response:
        """Create a lobby with any free bot of the fleet: one of ours, else one of a process that has most of them.

        Each process decides by itself. One that has no bot after all has done nothing, so that the next is asked.
        """
        if self._dispatch.has_free(_hosts):
            try:
                return await here()
            except HttpProblem as problem:
                if problem.status != HTTPStatus.SERVICE_UNAVAILABLE or not elsewhere.others(_hosts):
                    raise
        for instance in elsewhere.others(_hosts):
            with suppress(NotReached):
                answer = await elsewhere.to_instance(request, instance)
                if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    return answer
        hosts = [each for each in self._records.bots.values() if _hosts(each)]
        if all(each.name in self._store.bots for each in hosts):
            return await here()
        busy = sum(each.busy for each in hosts)
        detail = f"no bot of the whole fleet is free: {busy} of {len(hosts)} are busy, the others are not available"
        raise HttpProblem(503, f"{detail}; nothing was done, try again later", {"Retry-After": str(_RETRY_S)})

    @order
    async def change(self, request: web.Request) -> web.Response:
        """Change some settings of a lobby and leave the others as they are."""
        record = await self._known(request)
        no_query(request)
        given = await body_of(request, LobbyChanges)
        changes = given.model_dump(exclude_unset=True)
        if not changes:
            raise invalid([f"body: give at least one of {', '.join(LobbyChanges.model_fields)}"])
        _checked({"name": "checked", **changes}, None)
        return await self._give(request, OrderAction.CHANGE_LOBBY, record, lambda host: host.set_details(changes))

    @order
    async def close(self, request: web.Request) -> web.Response:
        """End a lobby for everybody in it; a running game only with `abandon=true`."""
        record = await self._known(request)
        no_query(request, "abandon")
        await body_of(request, NoBody)
        abandon = request.query.get("abandon", "false")
        if abandon not in ("true", "false"):
            raise HttpProblem(400, f"abandon cannot be {abandon[:20]!r}: use true or false")
        return await self._give(
            request, OrderAction.CLOSE_LOBBY, record, lambda host: host.close_lobby(abandon=abandon == "true")
        )

    @order
    async def launch(self, request: web.Request) -> web.Response:
        """Start the game; the answer has the lobby whose server is being set up."""
        return await self._plain(request, OrderAction.LAUNCH, lambda host: host.launch())

    @order
    async def shuffle(self, request: web.Request) -> web.Response:
        """Shuffle the seated players into balanced teams."""
        return await self._plain(request, OrderAction.SHUFFLE, lambda host: host.shuffle_teams())

    @order
    async def flip(self, request: web.Request) -> web.Response:
        """Let radiant and dire change places."""
        return await self._plain(request, OrderAction.FLIP, lambda host: host.flip_teams())

    @order
    async def invite(self, request: web.Request) -> web.Response:
        """Invite a player."""
        record = await self._known(request)
        no_query(request)
        given = await body_of(request, Player)
        return await self._give(request, OrderAction.INVITE, record, lambda host: host.invite(given.steam_id))

    @order
    async def kick(self, request: web.Request) -> web.Response:
        """Remove a player from the lobby, or from the team."""
        record = await self._known(request)
        no_query(request)
        given = await body_of(request, Kicked)
        account = given.steam_id & _ACCOUNT_ID

        async def kick(host: LobbyHost) -> None:
            await (host.kick_from_team(account) if given.from_team else host.kick(account))

        return await self._give(request, OrderAction.KICK, record, kick)

    def created(self, record: LobbyRecord) -> Answer:
        """Return the answer to a creation."""
        return Answer(201, self.shown(record), f"/status/lobbies/{record.lobby_id}")

    def shown(self, record: LobbyRecord) -> encode.Json:
        """Return a lobby as /status shows it."""
        return self._shown.lobby(record)

    async def known(self, lobby_id: str) -> LobbyRecord:
        """Return a lobby by its id. Raises HttpProblem (404)."""
        record = await find_lobby(self._records, lobby_id)
        if record is None:
            raise HttpProblem(404, f"there is no lobby with the id {lobby_id[:40]!r}: /status/lobbies lists them")
        return record

    async def _known(self, request: web.Request) -> LobbyRecord:
        return await self.known(request[NAMES]["lobby_id"])

    def _host_named(self, bot: str) -> str:
        record = find_bot(self._records, bot)
        if record is None or not _hosts(record):
            hosts = ", ".join(each.name for each in self._records.bots.values() if _hosts(each)) or "none is configured"
            raise invalid([f"bot: {bot[:64]!r} is no Dota 2 bot, use one of {hosts[:500]}; or leave it out"])
        return record.name

    async def _create(
        self, errand: Errand, name: str | None, settings: LobbySettings, expected: Expected, invite: Collection[int]
    ) -> LobbyRecord:
        """Have a bot create the lobby; when it got other work in the same moment, the next one is asked."""
        if name is not None and name not in self._store.bots:
            raise UnknownTarget(f"bot: {name} has left the fleet meanwhile; leave `bot` out to have any free bot")
        asked: set[str] = set()
        while True:
            reservation = (
                self._dispatch.reserved_one(name)
                if name is not None
                else self._dispatch.reserved(_hosts, but=frozenset(asked))
            )
            with reservation as bot:
                errand.bot = bot
                try:
                    return await self._host(bot.name).create_lobby(settings, expected_players=expected, invite=invite)
                except Occupied:
                    if name is not None:
                        raise
                    asked.add(bot.name)

    async def _plain(
        self, request: web.Request, action: OrderAction, deed: Callable[[LobbyHost], Awaitable[object]]
    ) -> web.Response:
        record = await self._known(request)
        no_query(request)
        await body_of(request, NoBody)
        return await self._give(request, action, record, deed)

    async def _give(
        self,
        request: web.Request,
        action: OrderAction,
        record: LobbyRecord,
        deed: Callable[[LobbyHost], Awaitable[object]],
    ) -> web.Response:
        """Have the bot of a lobby carry out an order on it; the answer is the lobby as it is then."""

        async def work(_: Errand) -> Answer:
            host = self._in_lobby(record)
            await deed(host)
            return Answer(200, self.shown(self._store.lobbies.get(record.key) or host.lobby or record))

        errand = Errand(action, f"{record.name} ({record.lobby_id})", self._store.bots.get(record.bot))
        return await self._window.give(request, errand, work)

    def _in_lobby(self, record: LobbyRecord) -> LobbyHost:
        """Return the lobby's bot, which must be in it now. Raises OrderRefused."""
        now = self._store.lobbies.get(record.key)
        if now is None and record.active and not record.watched:  # its bot has just come from another process
            raise OrderRefused(f"bot {record.bot} has not found lobby {record.lobby_id} again yet: try again later")
        if now is None or not now.active:
            raise OrderRefused(f"lobby {record.lobby_id} is finished: nothing can be ordered of it")
        host = self._host(record.bot)
        if host.lobby is None or host.lobby.lobby_id != record.lobby_id:
            raise OrderRefused(f"bot {record.bot} is not in lobby {record.lobby_id} now: look at /status/lobbies")
        return host

    def _host(self, name: str) -> LobbyHost:
        bot = self._supervisor.bot(name)
        if not isinstance(bot, LobbyHost):
            raise NotNow(f"bot {name} hosts no lobbies")
        return bot


def _hosts(record: BotRecord) -> bool:
    return record.platform == DOTA2.name


def _checked(wanted: Mapping[str, Any], expected: Expected) -> tuple[LobbySettings, Expected]:
    """Check before anything is kept or sent. Raises HttpProblem (422) with every wrong field."""
    errors = list[str]()
    settings = None
    try:
        settings = lobby_settings(wanted)
    except OrderRefused as error:
        errors += error.errors or (str(error),)
    try:
        expected = check_expected(expected)
    except OrderRefused as error:
        errors.append(str(error))
    if errors or settings is None:
        raise invalid(errors)
    return settings, expected
