"""Everything that these tests do to a mixed fleet: one table, and how each row is done and undone.

The rows of racetime.gg are those of its simulator (`exporter/simulators/racetime/kinds.py`), with `site_` before them.
A schedule drawn from the table prints and replays as any other (`exporter/simulators/faults.py`).

    where               what                                    rows
    racetime.gg         all that its simulator can do           site_*
    Steam, a phase      it hangs, refuses, drops, is late,      steam_hang, steam_refuse, steam_drop_before,
                        loses answers, or answers garbage       steam_drop_after, steam_delay, steam_lose,
                                                                steam_garbage
    Steam               crashes, restarts in a wave, goes       steam_crash, steam_wave, steam_half_open,
                        half open, kicks, revokes, babbles      steam_kick, steam_revoke, steam_babble
    the coordinator     goes down, flaps, loses lobbies, is     gc_down, gc_flap, gc_restart, gc_deaf, gc_babble
                        deaf, babbles
    the machine         the database is locked or gone, the     database_locked, database_away, disk_full,
                        disk full, tokens cannot be written,    tokens_unwritable, clock_jump
                        the wall clock is set
    operators           restart, stop, reload, lobbies          order_restart, order_stop, order_reload, order_lobby
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from exporter.platforms.dota2.wire import GcMsg
from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import hostile as gc_hostile
from exporter.simulators.faults import Effect, Fault, FaultSchedule, Kind, Target, Timeline
from exporter.simulators.racetime.kinds import KINDS as SITE_KINDS
from exporter.simulators.steam import Phase, hostile
from exporter.simulators.steam.faults import Fault as SteamFault
from exporter.storage.engine import DEFAULT_FILE
from tests.protocol.fleet_rig import CATEGORIES
from tests.trouble.mixed import BOTS, HOSTS, MixedFleet

SITE: Final = "site_"
PHASES: Final = frozenset(phase.value for phase in Phase) - {"directory", "tls"}  # these services are told, and plain
_STEAM, _GC, _MACHINE, _ORDERS = (frozenset({word}) for word in ("steam", "gc", "machine", "orders"))

# A site that asks for ten minutes of quiet gets them; a test asks for less. Huge things are as huge as needed.
_GENTLE: Final = {"too_many": ("5", "1"), "huge_body": ("9",), "frame_huge": ("9",)}

GARBAGE: Final[Mapping[str, Callable[[], bytes]]] = {
    "garbage": hostile.garbage,
    "stub": hostile.stub,
    "bad_body": hostile.bad_body,
    "gzip_bomb": hostile.gzip_bomb,
    "nested_multi": hostile.nested_multi,
    "cut_gzip": hostile.cut_gzip,
    "oversized": partial(hostile.oversized, 17 * 1024 * 1024),
}
_RESULTS: Final = tuple(
    str(int(each))
    for each in (
        Result.SERVICE_UNAVAILABLE,
        Result.NO_CONNECTION,
        Result.BUSY,
        Result.TRY_ANOTHER_CM,
        Result.FAIL,
        Result.TIMEOUT,
        Result.INVALID_PASSWORD,
    )
)
_ENDS: Final = (Result.LOGON_SESSION_REPLACED, Result.LOGGED_IN_ELSEWHERE, Result.NO_CONNECTION, Result.REVOKED)


def _deed(about: str, routes: frozenset[str], details: tuple[str, ...] = ("",)) -> Kind:
    return Kind(about, routes, details, Effect.DOUBTFUL, lasting=False)


MIXED: Final[dict[str, Kind]] = {
    **{f"{SITE}{name}": replace(kind, details=_GENTLE.get(name, kind.details)) for name, kind in SITE_KINDS.items()},
    "steam_hang": Kind("a phase is never answered", PHASES),
    "steam_lose": Kind("what a phase asks for is done, and the answer is lost", PHASES),
    "steam_refuse": Kind("a phase is refused with this result", PHASES, _RESULTS),
    "steam_drop_before": Kind("the connection drops instead of an answer", PHASES),
    "steam_drop_after": Kind("the connection drops after the answer", PHASES),
    "steam_delay": Kind("the answer comes so many seconds late", PHASES, ("3", "9", "40")),
    "steam_garbage": Kind("nonsense in place of the answer", PHASES, tuple(GARBAGE)),
    "steam_half_open": Kind("connections stay open, nothing passes", _STEAM),
    "steam_crash": Kind("all of Steam is gone, connections are reset", _STEAM),
    "steam_wave": _deed("the connection managers restart one after the other", _STEAM),
    "steam_kick": _deed("sessions end with this result", _STEAM, tuple(str(int(each)) for each in _ENDS)),
    "steam_revoke": _deed("tokens are revoked, under live sessions or with their end", _STEAM, ("live", "kick")),
    "steam_babble": _deed("frames that no sane server sends", _STEAM, tuple(GARBAGE)),
    "gc_down": Kind("the coordinator goes down", _GC),
    "gc_deaf": Kind("the coordinator hears no hello", _GC),
    "gc_flap": _deed("the coordinator goes and comes, so many times", _GC, ("5", "2")),
    "gc_restart": _deed("the coordinator restarts, and keeps or loses its lobbies", _GC, ("keep", "lose")),
    "gc_babble": _deed("messages that cannot be read, or that nobody knows", _GC, ("garbage", "unknown")),
    "database_locked": Kind("another program holds a lock on the database", _MACHINE),
    "database_away": Kind("the database's file is moved away", _MACHINE),
    "disk_full": Kind("the database cannot grow", _MACHINE),
    "tokens_unwritable": Kind("no token can be written", _MACHINE),
    "clock_jump": _deed("the wall clock is set", _MACHINE, ("ahead 7200", "back 7200", "ahead 5", "back 5")),
    "order_restart": _deed("a bot is restarted", _ORDERS),
    "order_stop": Kind("a bot is stopped, then started again", _ORDERS),
    "order_reload": _deed("the configuration is read again", _ORDERS),
    "order_lobby": _deed("a lobby is ordered", _ORDERS),
}

Undo = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """There is nothing to undo."""


class Stage:
    """Does what a schedule says to a fleet, and undoes it. Orders run beside it; each must be answered in the end."""

    def __init__(self, fleet: MixedFleet) -> None:
        self._fleet = fleet
        self._open: list[tuple[float, Fault, Undo]] = []
        self._orders: set[asyncio.Task[None]] = set()

    async def play(self, schedule: FaultSchedule) -> None:
        """Play a schedule to its end, and then be calm."""
        clock = self._fleet.clock
        timeline = Timeline(schedule, clock.monotonic())
        for fault in schedule.faults:
            fault.check(MIXED)
        try:
            while not timeline.over or self._open:
                now = clock.monotonic()
                for fault, ends_at in timeline.due(now):
                    self._open.append((ends_at, fault, await self.begin(fault)))
                for row in [each for each in self._open if each[0] <= now]:
                    self._open.remove(row)
                    await row[2]()
                self._fleet.explained()
                await asyncio.sleep(0.25)
        finally:
            await self.calm()

    async def calm(self) -> None:
        """Undo whatever holds still, and wait for the answers to all orders."""
        while self._open:
            await self._open.pop()[2]()
        if self._orders:
            done, late = await asyncio.wait(self._orders, timeout=120.0)
            assert not late, "orders without an answer"
            for each in done:
                each.result()

    async def begin(self, given: Fault) -> Undo:
        """Begin a fault; returns how it ends."""
        fault = given.check(MIXED)
        target = Target.parse(fault.target)
        name, fleet = fault.kind, self._fleet
        if name.startswith(SITE):
            who = f"demo-{target.who}" if target.who in CATEGORIES else target.who
            if target.who in HOSTS:
                return nothing  # the site knows nobody of that name
            switch = fleet.site.faults.on(name.removeprefix(SITE), str(Target(target.route, who)), fault.detail)
            return _later(partial(fleet.site.faults.off, switch))
        family = name.partition("_")[0]
        if family == "steam":
            return await self._steam(fault, target)
        if family == "gc":
            return self._gc(fault, target)
        if family == "order":
            return self._order(fault, target)
        return await self._machine(fault)

    # Steam

    async def _steam(self, fault: Fault, target: Target) -> Undo:
        steam, names = self._fleet.steam, self._hosts(target)
        match fault.kind:
            case "steam_half_open":
                steam.faults.half_open = True
                return _later(lambda: setattr(steam.faults, "half_open", False))
            case "steam_crash":
                await steam.crash()
                return steam.start
            case "steam_wave":
                await steam.restart_cms()
            case "steam_kick":
                self._kick(names, int(fault.detail))
            case "steam_revoke":
                for name in names:
                    steam.world.revoke_tokens(self._fleet.account(name))
                if fault.detail == "kick":
                    self._kick(names, Result.REVOKED)
            case "steam_babble":
                steam.broadcast(GARBAGE[fault.detail]())
            case _:
                return self._phase(fault, target)
        return nothing

    def _kick(self, names: tuple[str, ...], result: int) -> None:
        accounts = [self._fleet.account(name) for name in names]
        for session in tuple(self._fleet.steam.world.sessions.values()):
            if session.account in accounts:
                self._fleet.steam.world.kick(session, result)

    def _phase(self, fault: Fault, target: Target) -> Undo:
        faults = self._fleet.steam.faults
        username = f"user-{target.who}" if target.who in HOSTS else None
        rules: list[SteamFault] = []
        for phase in Phase if target.route == "*" else (Phase(target.route),):
            match fault.kind:
                case "steam_hang":
                    rule = faults.hang(phase)
                case "steam_lose":
                    rule = faults.lose(phase)
                case "steam_refuse":
                    http = phase in {Phase.DIRECTORY, Phase.UPGRADE}
                    rule = faults.refuse(phase, 503 if http else int(fault.detail))
                case "steam_drop_before":
                    rule = faults.drop_before(phase)
                case "steam_drop_after":
                    rule = faults.drop_after(phase)
                case "steam_delay":
                    rule = faults.delay(phase, float(fault.detail))
                case _:
                    rule = faults.instead(phase, GARBAGE[fault.detail]())
            rule.username = username
            rules.append(rule)

        def end() -> None:
            for rule in rules:
                with suppress(ValueError):  # all were cleared meanwhile
                    faults.rules.remove(rule)

        return _later(end)

    # the coordinator

    def _gc(self, fault: Fault, target: Target) -> Undo:
        coordinator, names = self._fleet.coordinator, self._hosts(target)
        match fault.kind:
            case "gc_down":
                coordinator.go_down()
                return _later(coordinator.come_back)
            case "gc_deaf":
                rule = coordinator.faults.silence(GcMsg.HELLO)
                return _later(lambda: coordinator.faults.rules.remove(rule))
            case "gc_flap":
                for _ in range(int(fault.detail)):
                    coordinator.go_down()
                    coordinator.come_back()
            case "gc_restart":
                coordinator.restart(lose_lobbies=fault.detail == "lose")
            case "gc_babble":
                messages = gc_hostile.garbage() if fault.detail == "garbage" else gc_hostile.unknown_message()
                for name in names:
                    coordinator.say(self._fleet.account(name).steamid, *messages)
        return nothing

    # the machine

    async def _machine(self, fault: Fault) -> Undo:
        fleet = self._fleet
        file = fleet.data / DEFAULT_FILE
        match fault.kind:
            case "database_locked":
                other = sqlite3.connect(file, isolation_level=None)
                other.execute("BEGIN IMMEDIATE")
                return _later(other.close)
            case "database_away":
                return _moved(fleet, DEFAULT_FILE)
            case "tokens_unwritable":
                return _moved(fleet, "tokens")
            case "disk_full":
                return await _full(fleet)
            case _:
                word, _, seconds = fault.detail.partition(" ")
                fleet.wall.jump(float(seconds) * (1 if word == "ahead" else -1))
        return nothing

    # operators

    def _order(self, fault: Fault, target: Target) -> Undo:
        fleet = self._fleet
        who = target.who or BOTS[0]
        match fault.kind:
            case "order_restart":
                self._give("POST", f"/api/v1/bots/{who}/restart")
            case "order_stop":
                self._give("POST", f"/api/v1/bots/{who}/stop")
                return _later(partial(self._give, "POST", f"/api/v1/bots/{who}/start"))
            case "order_reload":
                self._give("POST", "/-/reload")
            case _:
                bot = {"bot": who} if who in HOSTS else {}
                self._give("POST", "/api/v1/lobbies", {"name": "x", "server_region": "USE", "game_mode": "CM", **bot})
        del fleet
        return nothing

    def _give(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        self._orders.add(asyncio.create_task(self._answered(method, path, body)))

    async def _answered(self, method: str, path: str, body: dict[str, object] | None) -> None:
        """Give an order. Whatever it says, it says it in time and as it is described."""
        began = self._fleet.clock.monotonic()
        status, answer = await self._fleet.call(method, path, body)
        took_s = self._fleet.clock.monotonic() - began
        assert status in {200, 201, 202, 409, 502, 503, 504}, (path, status, answer)
        assert took_s < 30.0, (path, took_s, answer)

    def _hosts(self, target: Target) -> tuple[str, ...]:
        return (target.who,) if target.who in HOSTS else HOSTS


def _later(end: Callable[[], object]) -> Undo:
    async def undo() -> None:
        end()

    return undo


def _moved(fleet: MixedFleet, name: str) -> Undo:
    """Move a file or folder away and put the opposite there, which nobody can use or replace by accident."""
    place, away = fleet.data / name, fleet.data / f"{name}.away"
    if away.exists() or not place.exists():
        return nothing
    folder = place.is_dir()
    place.rename(away)
    if folder:
        place.write_text("in the way")
    else:
        place.mkdir()

    def back() -> None:
        if folder:
            place.unlink()
        else:
            place.rmdir()
        away.rename(place)

    return _later(back)


async def _full(fleet: MixedFleet) -> Undo:
    """Let the database's file grow no more, as SQLite itself can: to the program it is a disk that is full."""
    from sqlalchemy import event

    database = fleet.app.storage._database

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    event.listen(database._engine, "connect", limit)
    await fleet.app.storage._writer.call(database._give_up)

    async def undo() -> None:
        event.remove(database._engine, "connect", limit)
        await fleet.app.storage._writer.call(database._give_up)

    return undo
