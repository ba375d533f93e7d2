"""Each fault alone, at a fleet of both platforms: it is told, nothing is left of it, and nobody else notices.

What racetime.gg can do to its bots is in tests/protocol/test_racetime_trouble.py, row by row.
"""

import asyncio
from itertools import cycle
from pathlib import Path

from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.simulators.faults import Fault, Target
from tests.protocol.fleet_rig import CATEGORIES
from tests.trouble.deeds import GARBAGE, PHASES, Stage
from tests.trouble.mixed import BOTS, HOSTS, MixedFleet, mixed_fleet

HOLD_S = 45.0  # longer than any phase of a logon may take

# Before the logon says who it is, a fault of a phase is everybody's.
_OF_ALL = ("accept", "upgrade", "hello", "key")
_OF_ONE = tuple(sorted(PHASES - set(_OF_ALL)))
_DISTURBED = ("steam_hang", "steam_lose", "steam_drop_before", "steam_drop_after")


async def strike(fleet: MixedFleet, stage: Stage, *faults: Fault, hold_s: float = HOLD_S, ends: str = "3") -> None:
    """Have faults for a while, with every session ended so that they are met; then all must be as before."""
    levels = fleet.levels()
    undo = [await stage.begin(fault) for fault in faults]
    if ends:
        await stage.begin(Fault("steam_kick", detail=ends))
    until = fleet.clock.monotonic() + hold_s
    while fleet.clock.monotonic() < until:
        fleet.explained()
        await asyncio.sleep(1.0)
    for each in undo:
        await each()
    await stage.calm()
    await fleet.recover()
    await fleet.agree()
    await fleet.settled(levels)


def walks() -> list[list[Fault]]:
    """Return each phase with each way of disturbing it, three at a time where each can have its own bot."""
    found = [[Fault("steam_hang", phase)] for phase in _OF_ALL]
    for turn in range(len(_DISTURBED)):
        for first in range(0, len(_OF_ONE), len(HOSTS)):
            phases = _OF_ONE[first : first + len(HOSTS)]
            kinds = (_DISTURBED[(turn + number) % len(_DISTURBED)] for number in range(len(phases)))
            found.append(
                [
                    Fault(kind, str(Target(*each)))
                    for kind, each in zip(kinds, zip(phases, HOSTS, strict=False), strict=True)
                ]
            )
    return found


def test_the_walks_meet_each_phase_in_each_way() -> None:
    met = {(fault.kind, Target.parse(fault.target).route) for walk in walks() for fault in walk}
    assert met >= {(kind, phase) for kind in _DISTURBED for phase in _OF_ONE}
    assert {phase for _, phase in met} == PHASES


async def test_a_logon_that_is_disturbed_at_each_phase(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        for faults in walks():
            await strike(fleet, stage, *faults)
        await fleet.untouched(*CATEGORIES)


async def test_nonsense_in_place_of_answers(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage, phases = Stage(fleet), cycle(("logon", "begin", "poll", "heartbeat", "key"))
        for name in GARBAGE:
            await strike(fleet, stage, Fault("steam_garbage", next(phases), detail=name), hold_s=15.0)
            await strike(fleet, stage, Fault("steam_babble", detail=name), hold_s=1.0, ends="")
        await fleet.untouched(*CATEGORIES)


async def test_steam_as_a_whole(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        for kind in ("steam_crash", "steam_half_open", "steam_wave"):
            await strike(fleet, stage, Fault(kind), ends="")
        for end in ("3", "26", "34", "6"):
            await strike(fleet, stage, ends=end, hold_s=1.0)
        await fleet.untouched(*CATEGORIES)


async def test_tokens_that_are_revoked_under_live_sessions(tmp_path: Path) -> None:
    """Nobody notices until a session ends; then each bot needs its password once, and is back."""
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        await strike(fleet, stage, Fault("steam_revoke", detail="live"), Fault("site_revoke_tokens"), ends="")
        await fleet.untouched(*BOTS)
        await strike(fleet, stage, hold_s=1.0)
        refused = [each.event for each in fleet.changes if isinstance(each.event, ev.TokenRefused)]
        assert sorted(each.bot for each in refused) == sorted(HOSTS)
        await fleet.untouched(*CATEGORIES)


async def test_a_coordinator_in_trouble(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        for fault, hold_s in (
            (Fault("gc_flap", detail="5"), 5.0),
            (Fault("gc_restart", detail="lose"), 5.0),
            (Fault("gc_babble", detail="garbage"), 5.0),
            (Fault("gc_babble", detail="unknown"), 5.0),
        ):
            await strike(fleet, stage, fault, hold_s=hold_s, ends="")
        await fleet.untouched(*BOTS)
        down = await stage.begin(Fault("gc_down"))
        await _all_are(fleet, BotStatus.CONNECTION_ERROR, "gc_down")
        await down()
        await fleet.recover()
        await strike(fleet, stage, Fault("gc_deaf"))
        await fleet.untouched(*CATEGORIES)


async def _all_are(fleet: MixedFleet, status: BotStatus, reason: str) -> None:
    for name in HOSTS:
        await fleet.until(name, lambda bot: (bot["status"], bot["status_reason"]) == (status, reason), 60.0)


async def test_a_bot_that_is_stopped_or_restarted_leaves_nothing(tmp_path: Path) -> None:
    """Its first connection began while the program started, which must not make it immortal."""
    async with mixed_fleet(tmp_path) as fleet:
        levels = fleet.levels()
        for name in (HOSTS[0], CATEGORIES[0]):
            await fleet.app.supervisor.stop(name)
            await fleet.app.supervisor.start(name)
        await fleet.app.supervisor.restart(HOSTS[1])
        await fleet.recover()
        await fleet.settled(levels)
