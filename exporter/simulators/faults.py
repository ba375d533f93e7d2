"""Faults that a simulator can be told to have: what, where, when; and schedules of them that print and replay.

Nothing here knows a protocol. A simulator brings its table of kinds and does what they stand for.
"""

import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from typing import Final, Self

import orjson

EVERYWHERE: Final = "*"
_MARK: Final = "@"


class Effect(IntEnum):
    """What a kind does to the request of a correct client that meets it."""

    HARMLESS = 0
    DOUBTFUL = 1
    """It depends on the client's limits and tolerance."""
    FATAL = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of a simulator's table."""

    about: str
    routes: frozenset[str]
    details: tuple[str, ...] = ("",)
    """The default, then others that chance may choose. Where the default begins with a number, all must."""
    effect: Effect = Effect.FATAL
    lasting: bool = True
    """False for a deed: it is done at once and over at once."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a fault strikes: a route and, of that, one category, bot or room. `*` and empty mean all."""

    route: str = EVERYWHERE
    who: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `*`, `token`, `category@alttpr`, `*@bot-1` or `socket@alttpr/calm-otter-0001`."""
        route, _, who = text.partition(_MARK)
        return cls(route or EVERYWHERE, who)

    def __str__(self) -> str:
        return f"{self.route}{_MARK}{self.who}" if self.who else self.route

    def matches(self, route: str, names: Collection[str]) -> bool:
        """Say whether it strikes at this route, of whoever goes by these names."""
        return self.route in {EVERYWHERE, route} and (not self.who or self.who in names)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault on a timeline. An empty detail means the default of its kind."""

    kind: str
    target: str = EVERYWHERE
    start_s: float = 0.0
    duration_s: float = math.inf
    detail: str = ""

    def check(self, kinds: Mapping[str, Kind]) -> Self:
        """Return it with the detail filled in; raises ValueError that says what is wrong."""
        kind = kinds.get(self.kind)
        if kind is None:
            raise ValueError(f"no such kind of fault: {self.kind!r}")
        route = Target.parse(self.target).route
        if route != EVERYWHERE and route not in kind.routes:
            raise ValueError(f"{self.kind} does not strike at {route!r} but at {', '.join(sorted(kind.routes))}")
        if not self.detail:
            return replace(self, detail=kind.details[0])
        if kind.details[0][:1].isdigit() and not _is_number(self.detail.partition(" ")[0]):
            raise ValueError(f"{self.kind} needs a number in front, as in {kind.details[0]!r}, not {self.detail!r}")
        return self


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdecimal()


class Switch:
    """A fault that was switched on, until `ends_at` or until somebody switches it off."""

    __slots__ = ("ends_at", "fault", "on", "target")

    def __init__(self, fault: Fault, ends_at: float) -> None:
        self.fault = fault
        self.target = Target.parse(fault.target)
        self.ends_at = ends_at
        self.on = True

    def __repr__(self) -> str:
        return f"Switch({self.fault}, {'on' if self.on else 'off'})"

    @property
    def number(self) -> float:
        """The number with which the detail begins."""
        return float(self.fault.detail.partition(" ")[0])

    @property
    def words(self) -> str:
        """The detail after its number."""
        return self.fault.detail.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class FaultSchedule:
    """Faults with their times, counted from its begin; played once, or again and again every `repeat_s`."""

    faults: tuple[Fault, ...]
    repeat_s: float | None = None

    @classmethod
    def random(
        cls,
        seed: int,
        kinds: Mapping[str, Kind],
        *,
        length_s: float,
        count: int,
        who: Sequence[str] = (),
        longest_s: float = 30.0,
    ) -> Self:
        """Draw `count` faults, of which a third strikes at everybody; the same arguments give the same schedule.

        All of them are over after `length_s`: from then on a client has no excuse.
        """
        rng = random.Random(seed)  # noqa: S311  (chance for tests, not a secret)
        faults = []
        for _ in range(count):
            name = rng.choice(sorted(kinds))
            kind = kinds[name]
            target = Target(
                rng.choice([EVERYWHERE, *sorted(kind.routes)]), rng.choice(who) if who and rng.random() > 1 / 3 else ""
            )
            start_s = round(rng.uniform(0.0, length_s), 3)
            duration_s = round(rng.uniform(0.0, min(longest_s, length_s - start_s)), 3) if kind.lasting else 0.0
            faults.append(Fault(name, str(target), start_s, duration_s, rng.choice(kind.details)))
        return cls(tuple(sorted(faults, key=lambda each: each.start_s)))

    def dumps(self) -> str:
        """Return JSON with one fault a line, to print and to read back."""
        rows = ",\n".join(orjson.dumps(_finite(asdict(fault))).decode() for fault in self.faults)
        return f'{{"repeat_s": {orjson.dumps(self.repeat_s).decode()}, "faults": [\n{rows}\n]}}'

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read what `dumps` wrote."""
        data = orjson.loads(text)
        rows = (
            {**row, "duration_s": math.inf if row["duration_s"] is None else row["duration_s"]}
            for row in data["faults"]
        )
        return cls(tuple(Fault(**row) for row in rows), data["repeat_s"])


def _finite(row: dict[str, object]) -> dict[str, object]:
    return {name: None if value == math.inf else value for name, value in row.items()}


class Timeline:
    """A schedule that plays since a moment."""

    def __init__(self, schedule: FaultSchedule, begin: float) -> None:
        self._faults = sorted(schedule.faults, key=lambda each: each.start_s)
        self._repeat_s = schedule.repeat_s
        self._begin = begin
        self._next = 0

    @property
    def over(self) -> bool:
        """Whether nothing is still to come."""
        return self._next >= len(self._faults)

    def due(self, now: float) -> Iterator[tuple[Fault, float]]:
        """Yield each fault whose time has come, once, with the moment at which it ends."""
        while self._next < len(self._faults):
            fault = self._faults[self._next]
            at = self._begin + fault.start_s
            if at > now:
                return
            self._next += 1
            if self._next == len(self._faults) and self._repeat_s is not None:
                self._next, self._begin = 0, self._begin + self._repeat_s
            yield fault, at + fault.duration_s
