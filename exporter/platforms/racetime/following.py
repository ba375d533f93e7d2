"""Which races a bot follows: what the lists of its category say, what a vanished room became, when one is forgotten."""

import asyncio
from collections.abc import Iterable

from exporter.errors import TransientError
from exporter.model import events as ev
from exporter.model.states import race_expects
from exporter.model.status import RaceView
from exporter.platforms.base import BotContext
from exporter.platforms.racetime.client import RacetimeClient
from exporter.platforms.racetime.failures import Forbidden, NotFound
from exporter.platforms.racetime.options import IN_RACE, ONLINE
from exporter.platforms.racetime.rooms import Room, RoomTiming
from exporter.platforms.racetime.values import Note
from exporter.platforms.racetime.views import race_list_entry, race_view


class Following:
    """The rooms of one bot, by race name, and their tasks while the bot runs.

    The rooms outlive a run: what was learned of a race is not learned again.
    """

    def __init__(self, client: RacetimeClient, context: BotContext, timing: RoomTiming, note: Note) -> None:
        self.rooms: dict[str, Room] = {}
        self._client = client
        self._context = context
        self._timing = timing
        self._note = note
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._state: str | None = None

    def began(self, group: asyncio.TaskGroup) -> None:
        """Run the rooms in this group from now on; the bot has proved that it works."""
        self._group = group
        self._state = None
        self.tell_state()
        for room in self.rooms.values():
            # Whoever stopped the bot may have had the store forget its races.
            self._context.report(ev.RaceUpdated(self._context.name, self._context.clock.now(), room.view))

    def ended(self) -> None:
        """The bot's run is over, and with it the rooms' tasks."""
        self._group = None
        self._tasks.clear()

    def tell_state(self) -> None:
        """Report online or in_race, when it has changed; a run begins with online."""
        if self._group is None:
            return
        racing = any(not room.view.state.ended for room in self.rooms.values())
        for state in (ONLINE, IN_RACE) if racing and self._state is None else (IN_RACE if racing else ONLINE,):
            if state != self._state:
                self._state = state
                self._context.report(ev.StateEntered(self._context.name, self._context.clock.now(), state))

    def follow(self, room: Room, delay_s: float = 0.0) -> None:
        """Follow a room from now on, and enter it after a while unless it is over."""
        known = self.rooms.setdefault(room.name, room)
        task = self._tasks.get(known.name)
        if self._group is not None and (task is None or task.done()):
            run = self._enter(known, delay_s)
            self._tasks[known.name] = self._group.create_task(run, name=f"{self._context.name}: {known.name}")

    def entries(self, category: str, summaries: object) -> list[RaceView]:
        """Return the races of a list that the site sent, each once."""
        found: dict[str, RaceView] = {}
        for summary in summaries if isinstance(summaries, list) else ():
            view = race_list_entry(summary, self._client.base_url, self._note)
            if view is not None and view.category == category:
                found[view.name] = view
        return list(found.values())

    async def look(self, entries: Iterable[RaceView]) -> list[RaceView]:
        """Take in what the lists say; returns the races that are new, for the bot to follow.

        The bot's list is up to 60 s old (racetime protocol notes, section 4). So it may not take a race back to
        an earlier state, a race that ended is believed to run again only when its own page says so, and one that
        has vanished is looked at.
        """
        listed = {view.name: view for view in entries}
        doubtful = []
        for name, room in self.rooms.items():
            entry = listed.pop(name, None)
            if room.connected:
                continue
            if (room.ended_at is None) != (entry is not None):
                doubtful.append(room)
            elif entry is not None and race_expects(room.view.state, entry.state):
                room.watch.update(entry)
        async with asyncio.TaskGroup() as looks:  # side by side: pages that hang must not keep the next poll waiting
            for room in doubtful:
                looks.create_task(self._look_at(room), name=f"{self._context.name}: page of {room.name}")
        for room in self.rooms.values():
            if not room.connected and not room.over():
                self.follow(room)
        return list(listed.values())

    async def forget_old(self) -> None:
        """Leave and forget the races that ended long enough ago."""
        now = self._context.clock.monotonic()
        for name, room in list(self.rooms.items()):
            if room.ended_at is None or now - room.ended_at < self._timing.linger_s:
                continue
            task = self._tasks.get(name)
            if task is None or task.done():
                self._forget(name)
            elif room.leaving:
                task.cancel()  # its handler, or a retry, takes too long
            else:
                await room.leave()

    def hurry(self) -> None:
        """The site is there again: have the rooms that could not reach it try now, one after the other."""
        waiting = [room for room in self.rooms.values() if room.kept_out]
        for index, room in enumerate(waiting):
            room.hurry(index * self._timing.stagger_s)

    async def renew(self) -> None:
        """Have each room come back with the present token, one after the other."""
        for room in list(self.rooms.values()):
            await room.renew()
            await self._context.clock.sleep(self._timing.stagger_s)

    async def _look_at(self, room: Room) -> None:
        try:
            answer = await self._client.race(room.view.category, room.view.slug)
        except NotFound:
            task = self._tasks.get(room.name)
            if task is not None:
                task.cancel()  # the group awaits it
            self._forget(room.name)
            return
        except (TransientError, Forbidden) as error:
            self._context.log.debug("a race cannot be looked at", race=room.name, reason=str(error))
            return
        view = race_view(answer, self._client.base_url, self._note)
        # The page is up to 5 s old, and the room may have been entered meanwhile.
        if (
            view is not None
            and view.name == room.name
            and not room.connected
            and race_expects(room.view.state, view.state)
        ):
            room.watch.update(view)

    async def _enter(self, room: Room, delay_s: float) -> None:
        await self._context.clock.sleep(delay_s)
        await room.run()

    def _forget(self, name: str) -> None:
        if self.rooms.pop(name, None) is not None:
            self._tasks.pop(name, None)
            self._context.report(ev.RaceForgotten(self._context.name, self._context.clock.now(), name))
            self.tell_state()
