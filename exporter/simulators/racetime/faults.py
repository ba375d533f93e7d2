"""The switchboard of a simulated site's faults: on, off, and by schedule."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from exporter.simulators.faults import Fault, FaultSchedule, Switch, Target, Timeline
from exporter.simulators.racetime.holds import Holds
from exporter.simulators.racetime.kinds import KINDS
from exporter.simulators.racetime.records import Bot
from exporter.simulators.racetime.rooms import RoomSocket
from exporter.simulators.racetime.spoilt import FRAMES
from exporter.simulators.racetime.world import World


class Faults:
    """What is wrong with the site at this moment. It outlives stop, crash and start of the server.

    Times are those of the simulator's clock; schedules and durations move on with its ticks, so a fault begins and
    ends up to one tick late. What is switched on and off by hand works at once, except `refuse_connections`, which
    waits for the next tick.
    """

    def __init__(
        self, world: World, holds: Holds, now: Callable[[], float], sockets: Callable[[], Iterable[RoomSocket]]
    ) -> None:
        self._world = world
        self._holds = holds
        self._now = now
        self._sockets = sockets
        self._switches: list[Switch] = []
        self._timelines: list[Timeline] = []
        self._deactivated: dict[Bot, tuple[str, str]] = {}

    # switching

    def on(self, kind: str, target: str = "*", detail: object = "", *, duration_s: float = math.inf) -> Switch:
        """Switch a fault of KINDS on; raises ValueError for a kind, target or detail that makes no sense.

        A deed (closing sockets, sending a frame) is done once and its switch is off already.
        """
        return self._begin(Fault(kind, target, 0.0, duration_s, str(detail)), self._now() + duration_s)

    def off(self, switch: Switch) -> None:
        """Switch one fault off: requests that it holds are released, and all is as before at once."""
        if not switch.on:
            return
        switch.on = False
        self._switches.remove(switch)
        self._holds.release(switch)
        if switch.fault.kind == "deactivate_bot":
            self._reactivate(switch)

    def clear(self) -> None:
        """Switch everything off, also what schedules had still to come."""
        self._timelines.clear()
        for switch in tuple(self._switches):
            self.off(switch)

    @contextmanager
    def during(self, kind: str, target: str = "*", detail: object = "") -> Iterator[Switch]:
        """Have a fault inside the block."""
        switch = self.on(kind, target, detail)
        try:
            yield switch
        finally:
            self.off(switch)

    def play(self, schedule: FaultSchedule) -> None:
        """Begin a schedule now; several can play at once. Raises ValueError if one of its faults makes no sense."""
        for fault in schedule.faults:
            fault.check(KINDS)
        self._timelines.append(Timeline(schedule, self._now()))

    def advance(self, now: float) -> None:
        """Begin what is due and end what is over."""
        for timeline in self._timelines:
            for fault, ends_at in timeline.due(now):
                self._begin(fault, ends_at)
        self._timelines = [each for each in self._timelines if not each.over]
        for switch in tuple(self._switches):
            if switch.ends_at <= now:
                self.off(switch)

    # asking

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults that are on, oldest first."""
        return tuple(switch.fault for switch in self._switches)

    @property
    def playing(self) -> bool:
        """Whether a schedule has still something to come."""
        return bool(self._timelines)

    def matching(self, route: str, names: Collection[str] = ()) -> list[Switch]:
        """Return what strikes at this route, of whoever goes by these names."""
        return [
            each
            for each in self._switches
            if route in KINDS[each.fault.kind].routes and each.target.matches(route, names)
        ]

    def on_socket(self, kind: str, socket: RoomSocket) -> Switch | None:
        """Return the fault of that kind that strikes at this socket."""
        if not self._switches:
            return None
        found = (each for each in self.matching("socket", self.names_of(socket)) if each.fault.kind == kind)
        return next(found, None)

    def names_of(self, socket: RoomSocket) -> set[str]:
        """Return what a target may call this socket."""
        token = self._world.tokens.get(socket.token or "")
        names = {socket.race.category.slug, socket.race.slug, str(socket.race)}
        return names | {token.bot.client_id} if token else names

    def deactivated(self, client_id: str) -> Bot | None:
        """Return the bot that went by this id before a fault took its application away."""
        return next((bot for bot, (old_id, _) in self._deactivated.items() if old_id == client_id), None)

    # doing

    def _begin(self, given: Fault, ends_at: float) -> Switch:
        fault = given.check(KINDS)
        switch = Switch(fault, ends_at)
        if not KINDS[fault.kind].lasting:
            switch.on = False
            self._do(switch)
            return switch
        self._switches.append(switch)
        if fault.kind == "deactivate_bot":
            for bot in self._bots(switch.target):
                self._deactivated[bot] = bot.client_id, bot.client_secret
                self._world.deactivate_bot(bot)
        return switch

    def _do(self, switch: Switch) -> None:
        kind = switch.fault.kind
        if kind == "revoke_tokens":
            bots = self._bots(switch.target)
            for token in self._world.tokens.values():
                token.revoked |= token.bot in bots
            return
        struck = [each for each in self._sockets() if switch.target.matches("socket", self.names_of(each))]
        for socket in struck:
            match kind:
                case "close_sockets":
                    socket.close(int(switch.number), switch.words)
                case "drop_sockets":
                    socket.abort()
                case _:
                    for frame in FRAMES[kind](socket.race, self._now(), switch.fault.detail):
                        socket.put(frame)

    def _bots(self, target: Target) -> list[Bot]:
        return [
            bot for client_id, bot in self._world.bots.items() if target.matches("bot", {client_id, bot.category.slug})
        ]

    def _reactivate(self, ended: Switch) -> None:
        """Give the bots back their applications, but not those that another fault still keeps away."""
        others = [each.target for each in self._switches if each.fault.kind == "deactivate_bot"]
        for bot, (client_id, secret) in tuple(self._deactivated.items()):
            if any(target.matches("bot", {client_id, bot.category.slug}) for target in others):
                continue
            del self._deactivated[bot]
            if bot.active:
                continue  # somebody did it by hand
            if ended.fault.detail == "new":
                self._world.reactivate_bot(bot)
            else:
                self._world.reactivate_bot(bot, client_id=client_id, client_secret=secret)
