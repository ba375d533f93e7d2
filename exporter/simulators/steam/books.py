"""What Steam keeps about its users: accounts by name and id, and the settings of the simulated world."""

import random
from collections.abc import Callable

from exporter.platforms.steam.messages import Result
from exporter.simulators.steam.limits import RateLimit
from exporter.simulators.steam.policy import Policy
from exporter.simulators.steam.records import STEAMID_BASE, Account, Guard, Notice

_FIRST_ACCOUNT = 4_200_001


class Refused(Exception):
    """The server says no; `result` goes into the answer's header, the text into its error message."""

    def __init__(self, result: int, text: str = "") -> None:
        self.result = result
        self.text = text
        super().__init__(f"{result} {text}".rstrip())


class Books:
    """Accounts and settings. Subscribers hear every notice, in order, before the call that caused it returns."""

    def __init__(self, *, policy: Policy | None = None, seed: int = 1) -> None:
        self.policy = policy or Policy()
        self.accounts: dict[str, Account] = {}
        self.clock_offset_s = 0.0
        """How far Steam's clock is ahead of the machine's: TOTP codes follow Steam's."""
        self.begin_limit: RateLimit | None = None
        """Limits Begin per address (84), if set."""
        self.logon_limit: RateLimit | None = None
        """Limits ClientLogon per address (84), if set."""
        self.wrong_password_limit: RateLimit | None = None
        """Limits wrong passwords per address (87), if set."""
        self._random = random.Random(seed)  # noqa: S311  (ids of a play, no secrets)
        self._subscribers: list[Callable[[Notice], None]] = []

    def subscribe(self, hear: Callable[[Notice], None]) -> Callable[[], None]:
        """Have `hear` called with each notice; returns how to end that."""
        self._subscribers.append(hear)
        return lambda: self._subscribers.remove(hear)

    def tell(self, notice: Notice) -> None:
        for hear in tuple(self._subscribers):
            hear(notice)

    def add_account(
        self,
        username: str,
        password: str,
        *,
        guard: Guard | None = None,
        shared_secret: bytes = b"",
        email_code: str = "",
        standing: Result = Result.OK,
    ) -> Account:
        """Open an account; what protects it follows from the secret or the code, unless said."""
        if guard is None:
            guard = Guard.TOTP if shared_secret else Guard.EMAIL if email_code else Guard.NONE
        steamid = STEAMID_BASE + _FIRST_ACCOUNT + len(self.accounts)
        account = Account(username, password, steamid, guard, shared_secret, email_code, standing)
        self.accounts[username.lower()] = account
        return account

    def account_named(self, username: str) -> Account | None:
        """Return the account; names do not differ by case."""
        return self.accounts.get(username.lower())

    def steam_time(self, now: float) -> float:
        """Return the time on Steam's own clock."""
        return now + self.clock_offset_s
