"""The users of basic auth: their passwords are compared with bcrypt, in two threads, and once only.

bcrypt is slow on purpose: a comparison takes 50 ms or more. So a result is kept, under an HMAC whose key exists in
this process only: from what is kept no password can be found by trying, and none is in memory.
"""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt

_THREADS: Final = 2
_MOST_RESULTS: Final = 1024
# Compared with when nobody has the name, at the cost of the others: the time must not tell whether a name exists.
_NOBODY: Final = b"$2b$%02d$PqAdPmtiwIz2vlFbhLsQ1.BAcHmOd6uPPfeGyqZd2zRRsLsCjXtx6"
_DEFAULT_COST: Final = 10


class Passwords:
    """Knows which user and password belong together. `close` ends its threads."""

    def __init__(self, users: Mapping[str, bytes] | None = None) -> None:
        self._users: Mapping[str, bytes] = {}
        self._nobody = b""
        self._secret = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt")
        self._turn = asyncio.Semaphore(_THREADS)
        self.change(users or {})

    @property
    def wanted(self) -> bool:
        """Whether there are users, and with them basic auth."""
        return bool(self._users)

    @property
    def users(self) -> Mapping[str, bytes]:
        """The users with the hashes of their passwords."""
        return self._users

    def change(self, users: Mapping[str, bytes]) -> None:
        """Use other users from now on; a result holds for the hash that it was found with."""
        self._users = users
        cost = max((int(each[4:6]) for each in users.values()), default=_DEFAULT_COST)
        self._nobody = _NOBODY % cost
        self._right = {name: mark for name, mark in self._right.items() if name in users}

    def known(self, user: str, password: str) -> bool | None:
        """Return what was found out before, None for nothing."""
        mark = self._mark(user, password)
        right = self._right.get(user)
        if right is not None and hmac.compare_digest(right, mark):
            return True
        return False if mark in self._wrong else None

    async def check(self, user: str, password: str) -> bool:
        """Say whether this is a user's password."""
        async with self._turn:
            known = self.known(user, password)  # maybe since a moment ago: many requests begin alike
            if known is not None:
                return known
            mark, stored = self._mark(user, password), self._users.get(user)
            same = await asyncio.get_running_loop().run_in_executor(
                self._threads, _compare, password.encode(errors="surrogateescape"), stored or self._nobody
            )
        right = same and stored is not None
        if right:
            self._right[user] = mark
        else:
            self._wrong[mark] = None
            if len(self._wrong) > _MOST_RESULTS:
                self._wrong.popitem(last=False)
        return right

    def close(self) -> None:
        """Start no more comparisons; one that runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _mark(self, user: str, password: str) -> bytes:
        mark = hmac.new(self._secret, digestmod="sha256")
        stored = self._users.get(user, self._nobody)
        for part in (user.encode(errors="surrogateescape"), stored, password.encode(errors="surrogateescape")):
            mark.update(b"%d:" % len(part) + part)
        return mark.digest()


def _compare(password: bytes, stored: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, stored)
    except ValueError:  # more than 72 bytes, which bcrypt cannot tell apart
        return False
