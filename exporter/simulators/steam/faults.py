"""What can be made to go wrong: rules about phases of a connection, given while the simulator runs.

    faults.refuse(Phase.LOGON, Result.BUSY, times=2)       answer with this result
    faults.refuse(Phase.DIRECTORY, 503)                    there it is an HTTP status
    faults.hang(Phase.POLL, username="demo-bot-1")         never answer, and do nothing
    faults.lose(Phase.RENEW)                               do it, and let the answer get lost
    faults.drop_after(Phase.BEGIN)                         answer, then close at once
    faults.drop_before(Phase.HELLO)                        close instead of answering
    faults.delay(Phase.KEY, 2.0)                           answer late
    faults.instead(Phase.LOGON, hostile.gzip_bomb())       answer with these bytes
    faults.clear()

A rule holds until cleared, or `times` times. Rules about one user or one CM come after `username` and `cm`; the oldest
rule that fits is the one that counts.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypedDict, Unpack


class Phase(Enum):
    """The steps of a bot's way in, in order; a rule names the step that it disturbs."""

    DIRECTORY = "directory"
    ACCEPT = "accept"
    TLS = "tls"
    UPGRADE = "upgrade"
    HELLO = "hello"
    KEY = "key"
    BEGIN = "begin"
    CODE = "code"
    POLL = "poll"
    LOGON = "logon"
    HEARTBEAT = "heartbeat"
    RENEW = "renew"
    TIME = "time"
    PLAY = "play"
    GAME = "game"


class Deed(Enum):
    """What is done to a disturbed phase."""

    REFUSE = "refuse"
    HANG = "hang"
    LOSE = "lose"
    DROP_AFTER = "drop after"
    DROP_BEFORE = "drop before"
    DELAY = "delay"
    INSTEAD = "instead"


_BEFORE_MESSAGES: Final = frozenset({Phase.DIRECTORY, Phase.ACCEPT, Phase.TLS, Phase.UPGRADE})


class About(TypedDict, total=False):
    """Whom a rule is about, and for how many times."""

    times: int
    username: str
    cm: int


@dataclass(slots=True, eq=False)
class Fault:
    """One rule. `left` counts down when it was given a number of times."""

    phase: Phase
    deed: Deed
    result: int = 0
    delay_s: float = 0.0
    data: bytes = b""
    username: str | None = None
    cm: int | None = None
    left: int | None = None
    seen: int = 0
    """How often the rule was applied."""


class Faults:
    """The rules in force, and the switch of half-open connections."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self.half_open = False
        """While set, connections stay open, and nothing that arrives on one is heard and nothing goes out."""

    def refuse(self, phase: Phase, result: int, **about: Unpack[About]) -> Fault:
        """Answer with this result; what has no answer with a result (HELLO, HEARTBEAT, PLAY, GAME) stays as it is.

        At DIRECTORY and UPGRADE the result is an HTTP status; ACCEPT is refused with a reset, TLS with a fatal alert.
        """
        return self._add(phase, Deed.REFUSE, about, result=result)

    def hang(self, phase: Phase, **about: Unpack[About]) -> Fault:
        """Never answer, and keep the connection open."""
        return self._add(phase, Deed.HANG, about)

    def lose(self, phase: Phase, **about: Unpack[About]) -> Fault:
        """Do what was asked, and let the answer get lost on its way; the connection stays open.

        A step before the first message is never done without an answer: it hangs.
        """
        return self._add(phase, Deed.HANG if phase in _BEFORE_MESSAGES else Deed.LOSE, about)

    def drop_after(self, phase: Phase, **about: Unpack[About]) -> Fault:
        """Answer, then close the connection at once."""
        return self._add(phase, Deed.DROP_AFTER, about)

    def drop_before(self, phase: Phase, **about: Unpack[About]) -> Fault:
        """Drop the connection without an answer and without a close frame."""
        return self._add(phase, Deed.DROP_BEFORE, about)

    def delay(self, phase: Phase, delay_s: float, **about: Unpack[About]) -> Fault:
        """Answer that many seconds of the simulator's clock later."""
        return self._add(phase, Deed.DELAY, about, delay_s=delay_s)

    def instead(self, phase: Phase, data: bytes, **about: Unpack[About]) -> Fault:
        """Answer with these bytes: a frame of a CM, or a body of the directory."""
        return self._add(phase, Deed.INSTEAD, about, data=data)

    def clear(self) -> None:
        """Let everything work again."""
        self.rules.clear()
        self.half_open = False

    def take(self, phase: Phase, *, username: str | None = None, cm: int | None = None) -> Fault | None:
        """Return the rule that disturbs this phase now, counted, or None."""
        for rule in self.rules:
            if rule.phase is phase and rule.username in {None, username} and rule.cm in {None, cm}:
                rule.seen += 1
                if rule.left is not None:
                    rule.left -= 1
                    if not rule.left:
                        self.rules.remove(rule)
                return rule
        return None

    def _add(self, phase: Phase, deed: Deed, about: About, **what: Any) -> Fault:
        rule = Fault(phase, deed, username=about.get("username"), cm=about.get("cm"), left=about.get("times"), **what)
        self.rules.append(rule)
        return rule
