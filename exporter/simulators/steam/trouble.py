"""The demo on a Steam in trouble, at human pace: an account for each way in which a logon or a session can end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.platforms.steam.messages import Result
from exporter.simulators.steam.records import Account, Session
from exporter.simulators.steam.script import Scenario, demo
from exporter.simulators.steam.world import World

TROUBLE_PASSWORD: Final = "demo-password"  # noqa: S105  (of accounts that exist in this process only)
TROUBLE_CODE: Final = "R7PQK"
LIMITED_FOR_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What ends the sessions of an account, so many times, `after_s` seconds after each logon."""

    result: Result
    after_s: float = 20.0
    times: int = 1
    revoked: bool = False
    """Whether its tokens die with the session."""
    limited: bool = False
    """Whether the logons after that are too many, for ten minutes."""


FATES: Final[Mapping[str, Fate]] = {
    "demo-kicked": Fate(Result.LOGGED_IN_ELSEWHERE),
    "demo-replaced": Fate(Result.LOGON_SESSION_REPLACED, times=2),
    "demo-revoked": Fate(Result.REVOKED, revoked=True),
    # After the others: then no bot logs on for 25 minutes.
    "demo-limited": Fate(Result.NO_CONNECTION, after_s=60.0, limited=True),
}


class Trouble(Scenario):
    """The accounts of the demo, and those of FATES, of which each has its fate."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._struck: Counter[str] = Counter()
        self._limited_until: dict[Account, float] = {}
        for username in FATES:
            world.add_account(username, TROUBLE_PASSWORD)
        world.add_account("demo-mailed", TROUBLE_PASSWORD, email_code=TROUBLE_CODE)
        world.add_account("demo-banned", TROUBLE_PASSWORD, standing=Result.BANNED)

    def advance(self, now: float) -> None:
        """Let those suffer whose time has come."""
        for account, until in tuple(self._limited_until.items()):
            if now >= until:
                account.standing = Result.OK
                del self._limited_until[account]
        for session in tuple(self.world.sessions.values()):
            fate = FATES.get(session.account.username)
            if fate is not None and self._struck[session.account.username] < fate.times:
                self._strike(session, fate, now)

    def _strike(self, session: Session, fate: Fate, now: float) -> None:
        account = session.account
        if now - session.since < fate.after_s:
            return
        self._struck[account.username] += 1
        if fate.revoked:
            self.world.revoke_tokens(account)
        if fate.limited:
            account.standing = Result.RATE_LIMIT_EXCEEDED
            self._limited_until[account] = now + LIMITED_FOR_S
        self.world.kick(session, fate.result)


def trouble(now: float, seed: int = 1) -> Scenario:
    """Return the demo with more accounts, all with the password `demo-password`, that have trouble.

    | account | what happens |
    |---|---|
    | demo-mailed | wants a code by e-mail: R7PQK |
    | demo-banned | is banned |
    | demo-kicked | 20 s after the logon somebody plays with it elsewhere; once |
    | demo-replaced | 20 s after each of the first two logons another session takes its place |
    | demo-revoked | 20 s after the logon its tokens are revoked; once |
    | demo-limited | 60 s after the logon it is thrown out, and has logged on too often for ten minutes; once |
    """
    return Trouble(demo(now, seed).world)
