"""One racetime.gg category bot: its token, its polls, and the orders that it takes.

    token -> first poll -> every poll_interval: renew the token when half its life is over, poll, look after the rooms
                        -> meanwhile: enter the rooms that the board shows early

A good authenticated poll is the proof that the bot works. An open socket is none: the site accepts any token there
and only refuses actions (racetime protocol notes, sections 4, 6 and 10).
"""

import asyncio
import math
from collections.abc import Mapping
from typing import NoReturn

from exporter.errors import (
    AuthError,
    AuthReason,
    NotNow,
    OrderRefused,
    RateLimited,
    ServiceRefused,
    TransientError,
    UnknownTarget,
)
from exporter.model import events as ev
from exporter.model.status import RaceView
from exporter.platforms.base import BotContext
from exporter.platforms.racetime import actions
from exporter.platforms.racetime.activity import Activity
from exporter.platforms.racetime.board import Board, News
from exporter.platforms.racetime.client import RacetimeClient
from exporter.platforms.racetime.failures import Forbidden, NotFound
from exporter.platforms.racetime.following import Following
from exporter.platforms.racetime.form import RaceForm, new_form, whole_form
from exporter.platforms.racetime.handlers import HandlerFactory, only_watch
from exporter.platforms.racetime.options import RacetimeOptions
from exporter.platforms.racetime.rooms import Room, RoomTiming
from exporter.platforms.racetime.token import TokenKeeper
from exporter.platforms.racetime.values import Oddity
from exporter.platforms.racetime.views import race_view
from exporter.secrets import SecretError
from exporter.timing import format_duration, phase

PROOF_INTERVALS = 3
JITTER = 0.1
REFUSED_TOKEN_PAUSE_S = 60.0
MOST_RENEWAL_PAUSE_S = 600.0
_HIDDEN_LONGER_S = 86400.0  # than the token is good, for what is told of it late


class RacetimeBot:
    """A category bot. What it learned of its rooms, and a token that is still good, stay between runs."""

    def __init__(
        self,
        options: RacetimeOptions,
        context: BotContext,
        client: RacetimeClient,
        board: Board,
        *,
        poll_interval_s: float,
        timing: RoomTiming,
        handlers: HandlerFactory = only_watch,
    ) -> None:
        self._options = options
        self._context = context
        self._client = client
        self._board = board
        self._poll_interval_s = poll_interval_s
        self._timing = timing
        self._handlers = handlers
        self._tokens = TokenKeeper(context)
        self._following = Following(client, context, timing, self._count)
        self._activity = Activity(context)
        self._issued_for: object = None
        self._asking = asyncio.Lock()
        self._polled_at = 0.0
        self._replaced_at = -math.inf
        self._renewal_at = 0.0
        self._group: asyncio.TaskGroup | None = None

    def credentials(self) -> object:
        """Return a value that changes with the client id or the secret's file."""
        return self._options.client_id, self._options.client_secret.fingerprint()

    async def run(self) -> None:
        """Poll and follow races until cancelled; raises TransientError or AuthError. Every socket is closed then."""
        if self._issued_for != self.credentials():
            self._tokens.drop()
        async with phase("token", self._client.patience.request_s):
            await self._usable_token()
        async with phase("first poll", self._client.patience.request_s):
            answer = await self._poll()
        async with asyncio.TaskGroup() as group:
            try:
                self._group = group
                self._following.began(group)
                await self._follow(answer)
                with self._board.reading(self._options.category) as news:
                    group.create_task(self._read_board(news), name=f"{self._context.name}: board")
                    await self._keep_polling()
            finally:
                self._group = None
                self._following.ended()

    # orders

    async def open_race(self, fields: Mapping[str, object]) -> RaceView:
        """Open a room with these fields of the site's form, enter it, and return the race.

        Raises OrderRefused with the site's form errors, or OrderInDoubt: then a room may exist, and the polls find
        it. It is never sent twice.
        """
        form = new_form(fields)
        if self._context.draining():
            raise NotNow("the process is draining: it opens no new races")
        token = self._order_token()
        try:
            category, slug = await self._client.start_race(self._options.category, form, token)
        except Forbidden as error:
            raise self._forbidden(error, token) from error
        name = f"{category}/{slug}"
        self._context.report(ev.RaceCreated(self._context.name, self._context.clock.now(), name))
        view = await self._first_view(category, slug, form)
        room = self._followed(view)
        room.form = form
        return room.view

    async def edit_race(self, slug: str, changes: Mapping[str, object]) -> None:
        """Change some fields of a room's form and leave the others as they are.

        The site resets every field that is left out, so the form is remembered for rooms that this bot opened; for
        another room every field is needed, else OrderRefused names the missing ones. Raises as `open_race` does.
        """
        room = self.room(slug)
        form = room.form.changed(changes) if room is not None and room.form is not None else whole_form(changes)
        token = self._order_token()
        try:
            await self._client.edit_race(self._options.category, slug, form, token)
        except Forbidden as error:
            raise self._forbidden(error, token) from error
        if room is not None:
            room.form = form

    def room(self, slug: str) -> Room | None:
        """Return the room of a race that the bot follows."""
        return self._following.rooms.get(f"{self._options.category}/{slug}")

    async def act(self, slug: str, action: str, data: Mapping[str, object] | None = None) -> dict[str, object]:
        """Do one action of the closed set in a room; returns its answer as plain JSON values ({} without one).

        `message` gives {"message": ...} once the room has shown it, `getrace` {"race": ...}, `gethistory`
        {"messages": [...]}. Raises OrderRefused with the site's own words, or OrderInDoubt.
        """
        order = actions.action(action, data)
        room = self.room(slug)
        if room is None:
            raise UnknownTarget(f"bot {self._context.name} does not follow a race {self._options.category}/{slug}")
        return actions.result(await room.act(order))

    async def send_message(self, slug: str, text: str) -> dict[str, object]:
        """Say something in a room and return the message as the room shows it."""
        return await self.act(slug, "message", {"message": text})

    async def begin(self, slug: str) -> None:
        """Force the start: unready entrants are removed, and two ready ones are needed."""
        await self.act(slug, "begin")

    async def cancel(self, slug: str) -> None:
        """Cancel the race."""
        await self.act(slug, "cancel")

    async def invite(self, slug: str, user_id: str) -> None:
        """Invite a user to the race."""
        await self.act(slug, "invite", {"user": user_id})

    async def set_info(self, slug: str, *, bot: str | None = None, user: str | None = None) -> None:
        """Set one or both information texts of a room."""
        await self.act(
            slug, "setinfo", {k: text for k, text in (("info_bot", bot), ("info_user", user)) if text is not None}
        )

    # the token

    async def _usable_token(self) -> str:
        return self._tokens.current or await self._new_token(None)

    async def _new_token(self, instead_of: str | None) -> str:
        """Ask for a token, unless another task has replaced `instead_of` meanwhile."""
        async with self._asking:
            present = self._tokens.current
            if present is not None and present != instead_of:
                return present
            credentials = self.credentials()
            try:
                secret = self._options.client_secret.read()
            except SecretError as error:
                raise AuthError(AuthReason.INVALID_CREDENTIALS, str(error)) from error
            self._context.hide(secret.reveal())
            token = await self._client.fetch_token(self._options.client_id, secret)
            self._context.hide(token.value, token.life_s + _HIDDEN_LONGER_S)
            self._issued_for = credentials
            self._tokens.issued(token)
            return token.value

    async def _renew_token(self) -> None:
        """Take a new token at half life; when that fails, even for the credentials, the old one is still good."""
        try:
            await self._new_token(self._tokens.current)
        except (TransientError, AuthError) as error:
            pause_s = min(MOST_RENEWAL_PAUSE_S, self._tokens.life_left_s / 10) * self._context.rng.uniform(0.5, 1.0)
            self._renewal_at = self._context.clock.monotonic() + pause_s
            good_for = format_duration(self._tokens.life_left_s)
            self._context.log.warning("the token cannot be renewed yet", error=str(error), old_one_good_for=good_for)

    async def _replace_refused(self, token: str) -> None:
        """A room did not accept this token: take a new one, or have the room use the present one."""
        now = self._context.clock.monotonic()
        # A bot that may do nothing in its category is refused with every token: do not collect them.
        if token == self._tokens.current and now - self._replaced_at >= REFUSED_TOKEN_PAUSE_S:
            self._replaced_at = now
            self._context.log.warning("a room refused the token: asking for a new one")
            try:
                await self._new_token(token)
            except TransientError as error:
                self._context.log.info("no new token", reason=str(error))
                return
        await self._following.renew()

    # polls

    async def _keep_polling(self) -> NoReturn:
        clock = self._context.clock
        pause_s = 0.0
        failing = False
        # The token that the rooms were last told of: a poll can fail after it has brought a new one.
        told = self._tokens.current
        while True:
            jitter = self._context.rng.uniform(1.0 - JITTER, 1.0 + JITTER)
            await clock.sleep(max(self._poll_interval_s * jitter, pause_s))
            pause_s = 0.0
            try:
                # A changed secret is tried while the old token is still good: a mistake shows today, not tonight.
                due = self._tokens.renew_in_s <= 0.0 or self._issued_for != self.credentials()
                if due and clock.monotonic() >= self._renewal_at:
                    await self._renew_token()
                answer = await self._poll()
                if self._tokens.current != told:
                    told = self._tokens.current
                    await self._following.renew()
                await self._follow(answer)
                if failing:
                    failing = False
                    self._following.hurry()
            except TransientError as error:
                failing = True
                self._context.report(ev.CheckFailed(self._context.name, clock.now(), error.reason, str(error)))
                if clock.monotonic() - self._polled_at > PROOF_INTERVALS * self._poll_interval_s:
                    raise
                pause_s = error.wait_s if isinstance(error, RateLimited) else 0.0

    async def _poll(self) -> dict[str, object]:
        """Ask for the bot's own view of its category: the proof that it works.

        A 403 may be a token that has died, so it is tried once more with a fresh one; a second 403 is the bot's own
        (racetime protocol notes, section 10).
        """
        category = self._options.category
        token = await self._usable_token()
        try:
            try:
                answer = await self._client.category(category, token)
            except Forbidden:
                answer = await self._client.category(category, await self._new_token(token))
        except Forbidden:
            message = f"racetime.gg does not let this bot see category {category}: it is the bot of another one"
            raise AuthError(AuthReason.WRONG_CATEGORY, message) from None
        except NotFound:
            message = f"racetime.gg knows no active category {category}"
            raise AuthError(AuthReason.WRONG_CATEGORY, message) from None
        self._polled_at = self._context.clock.monotonic()
        valid_s = PROOF_INTERVALS * self._poll_interval_s
        self._context.report(ev.HealthProved(self._context.name, self._context.clock.now(), valid_s))
        return answer

    async def _follow(self, answer: dict[str, object]) -> None:
        """Follow the category's races."""
        entries = self._following.entries(self._options.category, answer.get("current_races"))
        self._follow_new(await self._following.look(entries))
        await self._following.forget_old()

    async def _read_board(self, news: News) -> NoReturn:
        """Follow the races that show on the board before they do in the bot's own list, which is up to 60 s old."""
        while True:
            entries = self._following.entries(self._options.category, await news.get())
            self._follow_new([view for view in entries if view.name not in self._following.rooms])

    def _follow_new(self, views: list[RaceView]) -> None:
        for index, view in enumerate(views if not self._context.draining() else ()):
            self._followed(view, index * self._timing.stagger_s)

    # rooms

    def _followed(self, view: RaceView, delay_s: float = 0.0) -> Room:
        """Follow this race, which is new unless a poll was faster."""
        room = self._following.rooms.get(view.name)
        if room is None:
            room = Room(
                view,
                client=self._client,
                tokens=self._tokens,
                context=self._context,
                timing=self._timing,
                handlers=self._handlers,
                on_view=self._following.tell_state,
                activity=self._activity,
                on_connected=self._following.hurry,
                on_refused=self._refused,
            )
            if self._group is not None:  # else it was stopped while it opened the race, and tells of it when it runs
                self._context.report(ev.RaceUpdated(self._context.name, self._context.clock.now(), view))
        self._following.follow(room, delay_s)
        self._following.tell_state()
        return room

    def _refused(self, token: str) -> None:
        if self._group is not None:
            self._group.create_task(self._replace_refused(token), name=f"{self._context.name}: refused token")

    async def _first_view(self, category: str, slug: str, form: RaceForm) -> RaceView:
        """Return the race that was just opened, as the site describes it, or else as the form does."""
        try:
            view = race_view(await self._client.race(category, slug), self._client.base_url, self._count)
        except (TransientError, Forbidden, NotFound) as error:
            self._context.log.info("the new race cannot be read yet", race=f"{category}/{slug}", reason=str(error))
            view = None
        return view if view is not None else form.view(category, slug, self._client.base_url, self._context.clock.now())

    def _order_token(self) -> str:
        self._context.check_allowed()
        token = self._tokens.current
        if self._group is None or token is None:
            raise OrderRefused(f"bot {self._context.name} is not connected")
        return token

    def _forbidden(self, error: Forbidden, token: str) -> OrderRefused:
        self._refused(token)
        return ServiceRefused(str(error))

    def _count(self, oddity: Oddity) -> None:
        self._context.stats.protocol_errors[oddity.value] += 1
