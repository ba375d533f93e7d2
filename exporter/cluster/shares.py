"""Who is to run which bot: a pure function of what everybody sees, so that all instances come to the same answer.

Nobody gives orders here. Each instance makes the same plan and carries out its own part of it: it claims the free bots
that fall to it, and gives back some of its own when it has too many. Where two see different things, the lease of a bot
decides; the plan only says who should try.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

Pins = frozenset[str]
"""The instances that may run a bot; empty for any."""


@dataclass(frozen=True, slots=True)
class View:
    """What one instance sees when it plans.

    `members` are the instances that take bots, `leaving` those that are alive and take none any more. `bots` are those
    of the configuration with their pins, `owners` says whose a bot is. Of its own bots an instance knows more:
    `settled` ones are not moved for the sake of balance, because they are in a lobby or a race, or because nobody else
    wanted them; `idle_first` tells which it rather gives. `overdue` bots have been free for so long that whoever the
    plan meant does not take them.
    """

    me: str
    members: frozenset[str]
    bots: Mapping[str, Pins]
    owners: Mapping[str, str]
    leaving: frozenset[str] = frozenset()
    settled: Collection[str] = frozenset()
    idle_first: Collection[str] = frozenset()
    overdue: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Share:
    """What an instance does now: bots to claim, and bots to give back."""

    claim: tuple[str, ...] = ()
    give: tuple[str, ...] = ()


@dataclass(slots=True)
class _Balance:
    """How many bots each member has, while the plan is made."""

    members: tuple[str, ...]
    load: Counter[str] = field(default_factory=Counter)

    def least(self, pins: Pins) -> str | None:
        """Return the member that has the fewest among those that may run a bot."""
        able = [each for each in self.members if not pins or each in pins]
        return min(able, key=lambda each: (self.load[each], each), default=None)


def share(view: View) -> Share:
    """Return this instance's part of the plan.

    A free bot falls to the member that may run it and has the fewest. Then bots move from those that have most to those
    that have fewest, while that makes a difference of two or more smaller: so a balanced fleet never moves a bot, and
    an unbalanced one moves as few as it must.
    """
    balance = _Balance(tuple(sorted(view.members)))
    held, free = _sorted_out(view)
    for owner, bots in held.items():
        balance.load[owner] = len(bots)
    claim = list(_claims(view, balance, free))
    give = [bot for bot in held.get(view.me, ()) if not _stays(view, bot)]
    balance.load[view.me] -= len(give)
    return Share(tuple(claim), (*give, *_surplus(view, balance, held, frozenset(give))))


def _sorted_out(view: View) -> tuple[dict[str, list[str]], list[str]]:
    """Return the bots of each instance that is alive, and those that are nobody's, by name."""
    held: dict[str, list[str]] = {}
    free: list[str] = []
    alive = view.members | view.leaving
    for bot in sorted(view.bots):
        owner = view.owners.get(bot)
        if owner is None:
            free.append(bot)
        elif owner in alive:
            held.setdefault(owner, []).append(bot)
    return held, free


def _claims(view: View, balance: _Balance, free: Iterable[str]) -> Iterable[str]:
    # Pinned ones first: the others then fill up what is left.
    for bot in sorted(free, key=lambda each: (not view.bots[each], each)):
        pins = view.bots[bot]
        taker = balance.least(pins)
        if taker is None:
            continue
        balance.load[taker] += 1
        able = view.me in balance.members and (not pins or view.me in pins)
        if taker == view.me or (able and bot in view.overdue):
            yield bot


def _stays(view: View, bot: str) -> bool:
    """Return whether a bot of ours may stay: we may run it, and we stay ourselves, or nobody is there to take it."""
    pins = view.bots[bot]
    if pins and view.me not in pins:
        return False
    return view.me in view.members or bot in view.settled or not (view.members & pins if pins else view.members)


def _surplus(view: View, balance: _Balance, held: Mapping[str, list[str]], gone: frozenset[str]) -> Iterable[str]:
    """Yield those of our bots that move, in a plan that moves everybody's."""
    movable = {owner: _Movable(view, owner, bots, gone) for owner, bots in held.items() if owner in view.members}
    while True:
        moved = False
        for giver in sorted(movable, key=lambda each: (-balance.load[each], each)):
            for taker in sorted(balance.members, key=lambda each: (balance.load[each], each)):
                if balance.load[giver] - balance.load[taker] < 2:
                    break
                bot = movable[giver].take(taker)
                if bot is not None:
                    balance.load[giver] -= 1
                    balance.load[taker] += 1
                    if giver == view.me:
                        yield bot
                    moved = True
                    break
            if moved:
                break
        if not moved:
            return


class _Movable:
    """The bots that an owner could give, by who may run them; the pinned ones last, for fewer can take them."""

    def __init__(self, view: View, owner: str, bots: Iterable[str], gone: frozenset[str]) -> None:
        mine = owner == view.me
        self._by_pins: dict[Pins, list[str]] = {}
        for bot in bots:
            if not (mine and (bot in view.settled or bot in gone)):
                self._by_pins.setdefault(view.bots[bot], []).append(bot)
        if mine:
            for kept in self._by_pins.values():  # the last one is given first
                kept.sort(key=lambda each: (each in view.idle_first, each))

    def take(self, taker: str) -> str | None:
        """Return a bot that this instance may run, and forget it."""
        for pins in sorted(
            (each for each, kept in self._by_pins.items() if kept), key=lambda each: (bool(each), sorted(each))
        ):
            if not pins or taker in pins:
                return self._by_pins[pins].pop()
        return None
