"""What can be made to go wrong at the coordinator, while it runs: rules about messages, and the state of the whole.

    faults.refuse(GcMsg.LOBBY_CREATE, JoinResult.BUSY, times=2)    answer so, and do nothing
    faults.silence(GcMsg.LOBBY_LAUNCH)                             do nothing and say nothing: the message is lost
    faults.mute(GcMsg.LOBBY_CREATE)                                do it, but do not answer
    faults.pretend(GcMsg.LOBBY_SET_TEAM_SLOT)                      say that it is done, and do not do it
    faults.delay(GcMsg.LOBBY_CREATE, 60.0)                         do it that much later
    faults.instead(GcMsg.LOBBY_CREATE, Message(4004, b"?"))        answer with this message, and do nothing
    faults.clear()

A rule holds until cleared, or `times` times, for everybody or for one Steam id. The oldest rule that fits counts.
What concerns the whole coordinator (going down, a restart, the queue) is done to the `Coordinator` itself.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, TypedDict, Unpack

from exporter.simulators.dota2.wire import Message


class Deed(Enum):
    """What is done about a message that a rule fits."""

    REFUSE = "refuse"
    SILENCE = "silence"
    MUTE = "mute"
    PRETEND = "pretend"
    DELAY = "delay"
    INSTEAD = "instead"


class About(TypedDict, total=False):
    """Whom a rule is about, and for how many times."""

    times: int
    steamid: int


@dataclass(slots=True, eq=False)
class Fault:
    """One rule. `left` counts down when it was given a number of times."""

    number: int
    deed: Deed
    result: int = 0
    delay_s: float = 0.0
    message: Message | None = None
    steamid: int | None = None
    left: int | None = None
    seen: int = 0
    """How often the rule was applied."""


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def refuse(self, number: int, result: int, **about: Unpack[About]) -> Fault:
        """Do nothing and say no: the result shows in the answers that have one (to creating and joining)."""
        return self._add(number, Deed.REFUSE, about, result=result)

    def silence(self, number: int, **about: Unpack[About]) -> Fault:
        """Lose the message."""
        return self._add(number, Deed.SILENCE, about)

    def mute(self, number: int, **about: Unpack[About]) -> Fault:
        """Do what is asked without the answer; objects are still told."""
        return self._add(number, Deed.MUTE, about)

    def pretend(self, number: int, **about: Unpack[About]) -> Fault:
        """Answer that all is well and do nothing."""
        return self._add(number, Deed.PRETEND, about)

    def delay(self, number: int, delay_s: float, **about: Unpack[About]) -> Fault:
        """Do what is asked that many seconds of the simulator's clock later."""
        return self._add(number, Deed.DELAY, about, delay_s=delay_s)

    def instead(self, number: int, message: Message, **about: Unpack[About]) -> Fault:
        """Answer with this message and do nothing."""
        return self._add(number, Deed.INSTEAD, about, message=message)

    def clear(self) -> None:
        """Let everything work again."""
        self.rules.clear()

    def take(self, number: int, steamid: int) -> Fault | None:
        """Return the rule that disturbs this message now, counted, or None."""
        for rule in self.rules:
            if rule.number == number and rule.steamid in {None, steamid}:
                rule.seen += 1
                if rule.left is not None:
                    rule.left -= 1
                    if not rule.left:
                        self.rules.remove(rule)
                return rule
        return None

    def _add(self, number: int, deed: Deed, about: About, **what: Any) -> Fault:
        rule = Fault(number, deed, steamid=about.get("steamid"), left=about.get("times"), **what)
        self.rules.append(rule)
        return rule
