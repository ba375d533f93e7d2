"""From the fleet that runs to the fleet that is wanted: a pure plan, and its execution one bot at a time.

    running specs, wanted specs -> plan -> Plan -> reconcile -> Supervisor

A bot is its name. Equal options mean that nothing changed, and a bot to which nothing happened is not touched at all.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from exporter.model import events as ev
from exporter.store import StatusStore
from exporter.supervisor import BotSpec, Supervisor, UnknownBot
from exporter.timing import Clock

_log = structlog.get_logger(component="reload")


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to happen to each bot; every name is in one of the lists.

    `replaced` bots keep nothing but their name: they stand for another account or category, or moved to another
    platform. `changed` ones have other options, `switched` ones only another value of `active`.
    """

    removed: tuple[str, ...] = ()
    replaced: tuple[BotSpec, ...] = ()
    changed: tuple[BotSpec, ...] = ()
    switched: tuple[BotSpec, ...] = ()
    added: tuple[BotSpec, ...] = ()
    unchanged: tuple[str, ...] = ()


def plan(running: Mapping[str, BotSpec], wanted: Iterable[BotSpec]) -> Plan:
    """Compare; the wanted bots' order is kept, and their names must differ."""
    left = dict(running)
    lists: dict[str, list[BotSpec]] = {name: [] for name in ("replaced", "changed", "switched", "added", "unchanged")}
    for spec in wanted:
        lists[_fate(left.pop(spec.name, None), spec)].append(spec)
    return Plan(
        removed=tuple(left),
        replaced=tuple(lists["replaced"]),
        changed=tuple(lists["changed"]),
        switched=tuple(lists["switched"]),
        added=tuple(lists["added"]),
        unchanged=tuple(spec.name for spec in lists["unchanged"]),
    )


def _fate(before: BotSpec | None, now: BotSpec) -> str:
    if before is None:
        return "added"
    if before.traits.name != now.traits.name or before.options.subject != now.options.subject:
        return "replaced"
    if before.options != now.options:
        return "changed"
    return "unchanged" if before.active == now.active else "switched"


class _Turns:
    """When each bot may start, so that a service never sees a whole fleet at once."""

    def __init__(self, clock: Clock, stagger_s: float) -> None:
        self._clock = clock
        self._stagger_s = stagger_s
        self._next_at = 0.0

    def delay_s(self) -> float:
        now = self._clock.monotonic()
        at = max(now, self._next_at)
        self._next_at = at + self._stagger_s
        return at - now


async def reconcile(
    steps: Plan, supervisor: Supervisor, store: StatusStore, *, clock: Clock, stagger_s: float = 0.0
) -> None:
    """Carry a plan out. Bots start `stagger_s` seconds apart; which ones an operator stopped or maintains is kept.

    Bots that go are gone before others come: an account or category may pass from one name to another. One that another
    process has taken meanwhile is left to it.
    """
    running, turns = supervisor.specs, _Turns(clock, stagger_s)
    for name in steps.removed:
        with suppress(UnknownBot):
            await supervisor.remove(name)
        _log.info("bot removed", bot=name)
    before = {spec.name: store.bots[spec.name] for spec in steps.replaced}
    for spec in steps.replaced:
        with suppress(UnknownBot):
            await supervisor.remove(spec.name)
    for spec in steps.changed:
        with suppress(UnknownBot):
            await supervisor.change(spec, turns.delay_s())
        _log.info("bot changed", bot=spec.name)
    for spec in steps.switched:
        with suppress(UnknownBot):
            await supervisor.change(spec, turns.delay_s())
        _log.info("bot switched by the configuration", bot=spec.name, active=spec.active)
    for spec in steps.replaced:
        record = before[spec.name]
        kept = record.is_active if spec.active == running[spec.name].active else spec.active
        await supervisor.add(spec, turns.delay_s(), active=kept)
        if record.maintenance is not None:
            store.apply(ev.MaintenanceBegan(spec.name, clock.now(), record.maintenance))
        _log.info("bot replaced", bot=spec.name, stands_for=spec.options.subject)
    for spec in steps.added:
        await supervisor.add(spec, turns.delay_s())
        _log.info("bot added", bot=spec.name)
        await asyncio.sleep(0)  # a big fleet must not hold up the bots that run
