"""Orders on racetime.gg races: open, edit, and the bot's actions in a room."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol, runtime_checkable

from aiohttp import web
from pydantic import Field, WithJsonSchema

from exporter.dispatch import Dispatch
from exporter.errors import NotNow
from exporter.model.orders import OrderAction
from exporter.model.status import BotRecord, RaceRecord, RaceView
from exporter.platforms.racetime.actions import ActionName
from exporter.store import Records, StatusStore
from exporter.supervisor import Supervisor
from exporter.web.answers import HttpProblem
from exporter.web.control.desk import Errand
from exporter.web.control.elsewhere import is_passed_on
from exporter.web.control.giving import OrderWindow, order
from exporter.web.control.outcomes import Answer
from exporter.web.control.requests import Body, body_of, example, invalid, no_query
from exporter.web.request import NAMES
from exporter.web.shown import Shown

_SUBJECT: Final = "category"
_ACTIONS: Final = ", ".join(ActionName)


@runtime_checkable
class RaceOpener(Protocol):
    """A category's bot: each order returns once the site has confirmed it."""

    async def open_race(self, fields: Mapping[str, object]) -> RaceView: ...
    async def edit_race(self, slug: str, changes: Mapping[str, object]) -> None: ...
    async def act(self, slug: str, action: str, data: Mapping[str, object] | None = None) -> dict[str, object]: ...


class RaceChanges(Body):
    """Fields of the site's form that can be changed later."""

    model_config = example(info_bot="Runs every Friday.")

    goal: str | None = None
    custom_goal: str | None = None
    unlisted: bool | None = None
    ranked: bool | None = None
    recordable: bool | None = None
    info_user: str | None = None
    info_bot: str | None = None
    start_delay: int | None = None
    time_limit: int | None = None
    time_limit_auto_complete: bool | None = None
    streaming_required: bool | None = None
    auto_start: bool | None = None
    allow_comments: bool | None = None
    hide_comments: bool | None = None
    allow_prerace_chat: bool | None = None
    allow_midrace_chat: bool | None = None
    allow_non_entrant_chat: bool | None = None
    chat_message_delay: int | None = None
    require_even_teams: bool | None = None


class NewRace(RaceChanges):
    """A race to open: its category, exactly one of `goal` and `custom_goal`, and any field of the site's form."""

    model_config = example(category="alttpr", goal="Beat the game", info_bot="Runs every Friday.")

    category: Annotated[str, Field(min_length=1, max_length=64)]
    invitational: bool | None = None
    team_race: bool | None = None
    hide_entrants: bool | None = None
    partitionable: bool | None = None


class RoomAction(Body):
    """An action of the bot in a room; `data` is what the site wants for it."""

    model_config = example(action="message", data={"message": "Good luck!"})

    action: Annotated[str, Field(max_length=40), WithJsonSchema({"type": "string", "enum": list(map(str, ActionName))})]
    data: Annotated[dict[str, Any], Field(default_factory=dict)]


class RaceOrders:
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
        """Open a race room in a category of one of our bots, and answer with it once the site has named it."""
        no_query(request)
        given = await body_of(request, NewRace)
        fields = _given(given, "category")
        if bool(given.goal) == bool(given.custom_goal):
            raise invalid(["goal: give exactly one of goal and custom_goal"])
        bots = self._bots_of(given.category)
        other = self._other_for(request, given.category, bots)
        if other is not None and self._window.elsewhere is not None:
            return await self._window.elsewhere.to_bot(request, other.name)
        if not bots:
            served = sorted({each.subject for each in self._records.bots.values() if each.traits.subject == _SUBJECT})
            raise invalid([f"category: no bot serves {given.category!r}, use one of {', '.join(served) or 'none'}"])

        async def work(errand: Errand) -> Answer:
            errand.bot = self._willing(bots)
            view = await self._opener(errand.bot.name).open_race(fields)
            errand.target = view.name
            record = self._store.races.get(view.name) or RaceRecord(view, (errand.bot.name,), frozenset(), 0.0)
            return Answer(201, self._shown.race(record), f"/status/races/{view.name}")

        return await self._window.give(request, Errand(OrderAction.OPEN_RACE, given.category), work)

    @order
    async def edit(self, request: web.Request) -> web.Response:
        """Change some fields of a race's form; the others stay, if one of our bots opened the room."""
        bot, category, slug = self._room(request)
        no_query(request)
        changes = _given(await body_of(request, RaceChanges))
        if not changes:
            raise invalid([f"body: give at least one of {', '.join(RaceChanges.model_fields)}"])

        async def work(_: Errand) -> Answer:
            await self._opener(bot.name).edit_race(slug, changes)
            record = self._store.races.get(f"{category}/{slug}")
            known = self._shown.race(record) if record is not None else {"category": category, "slug": slug}
            return Answer(200, known)

        return await self._window.give(request, Errand(OrderAction.EDIT_RACE, f"{category}/{slug}", bot), work)

    @order
    async def act(self, request: web.Request) -> web.Response:
        """Do one action in a room that one of our bots follows; the answer has what the room said to it."""
        bot, category, slug = self._room(request)
        no_query(request)
        given = await body_of(request, RoomAction)
        if given.action not in frozenset(map(str, ActionName)):
            raise invalid([f"action: {given.action!r} is not known, use one of {_ACTIONS}"])
        if f"{category}/{slug}" not in self._store.races:
            raise HttpProblem(404, f"no bot follows a race '{category}/{slug}': /status/races lists them")

        async def work(_: Errand) -> Answer:
            said = await self._opener(bot.name).act(slug, given.action, given.data)
            return Answer(200, {"action": given.action, "race": f"{category}/{slug}", "answer": said})

        errand = Errand(OrderAction.RACE_ACTION, f"{given.action} in {category}/{slug}", bot)
        return await self._window.give(request, errand, work)

    def _room(self, request: web.Request) -> tuple[BotRecord, str, str]:
        """Return the bot for a room: one that follows it, else one of its category. Raises HttpProblem (404)."""
        category, slug = request[NAMES]["category"], request[NAMES]["slug"]
        record = self._store.races.get(f"{category}/{slug}")
        followers = [self._store.bots[each] for each in record.bots] if record is not None else []
        bots = followers or self._bots_of(category)
        if not bots:
            raise HttpProblem(404, f"no bot serves the category {category[:64]!r}: /status/bots lists them")
        healthy = [each for each in bots if each.healthy]
        return (healthy or bots)[0], category, slug

    def _other_for(self, request: web.Request, category: str, bots: list[BotRecord]) -> BotRecord | None:
        """Return another process's bot that is to open a race: unless one of ours is willing, one that is, if any."""
        if is_passed_on(request) or any(map(_is_willing, bots)):
            return None
        others = [
            each
            for each in self._records.bots.values()
            if (each.traits.subject, each.subject) == (_SUBJECT, category) and each.name not in self._store.bots
        ]
        return next(filter(_is_willing, others), None if bots else next(iter(others), None))

    def _bots_of(self, category: str) -> list[BotRecord]:
        bots = self._store.bots.values()
        return [each for each in bots if each.traits.subject == _SUBJECT and each.subject == category]

    def _willing(self, bots: list[BotRecord]) -> BotRecord:
        """Return a bot that takes new work, as they are now. Raises NotNow with what is wrong with the last one."""
        refusal = NotNow("the category's bot has left the fleet")
        for name in (each.name for each in bots):
            record = self._store.bots.get(name)
            if record is None:
                continue
            try:
                self._dispatch.check_willing(record)
            except NotNow as error:
                refusal = error
            else:
                return record
        raise refusal

    def _opener(self, name: str) -> RaceOpener:
        bot = self._supervisor.bot(name)
        if not isinstance(bot, RaceOpener):
            raise NotNow(f"bot {name} opens no races")
        return bot


def _is_willing(record: BotRecord) -> bool:
    return record.healthy and record.is_active and record.maintenance is None


def _given(body: Body, *but: str) -> dict[str, object]:
    """Return the fields that were sent; a null leaves a field to the site."""
    sent = body.model_dump(exclude_unset=True, exclude=set(but))
    return {name: value for name, value in sent.items() if value is not None}
