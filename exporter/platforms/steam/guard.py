"""The wait for an operator: a code handed in, or a confirmation on a phone."""

import asyncio
import re
from typing import Final

from exporter.errors import AuthReason, OrderInvalid, OrderRefused
from exporter.model import events as ev
from exporter.platforms.base import BotContext
from exporter.platforms.steam.auth import ConfirmationWanted
from exporter.platforms.steam.messages import Confirmation

_MOST_TRIES: Final = 2
_HIDDEN_S: Final = 86400.0
_CODE: Final = re.compile(r"[A-Z0-9]{5}")
_TAKES_CODE: Final = frozenset({Confirmation.EMAIL_CODE, Confirmation.DEVICE_CODE})
_WORDS: Final = {
    Confirmation.EMAIL_CODE: "Steam has sent a code by e-mail",
    Confirmation.DEVICE_CODE: "Steam wants the code that the Steam app shows",
    Confirmation.DEVICE_CONFIRMATION: "confirm the logon in the Steam app",
    Confirmation.EMAIL_CONFIRMATION: "confirm the logon by the link that Steam has sent by e-mail",
}


class GuardDesk:
    """Where an operator hands in the code that a logon waits for. It tells the facts of the wait, each once."""

    def __init__(self, context: BotContext) -> None:
        self._context = context
        self._wanted: ConfirmationWanted | None = None
        self._code: str | None = None
        self._in_use: str | None = None
        self._tries_left = 0
        self._handed_in = asyncio.Event()

    @property
    def waiting(self) -> bool:
        """Whether a logon waits for an operator."""
        return self._wanted is not None

    @property
    def takes_code(self) -> bool:
        """Whether it waits for a code, not for a confirmation elsewhere."""
        return self._wanted is not None and self._wanted.kind in _TAKES_CODE

    def submit(self, code: str) -> None:
        """Hand in a code; raises OrderRefused when none is waited for, or when this is none."""
        if not self.takes_code:
            raise OrderRefused(f"bot {self._context.name} does not wait for a Steam Guard code")
        tidy = code.strip().upper()
        if not _CODE.fullmatch(tidy):
            raise OrderInvalid("code: a Steam Guard code has 5 letters and digits")
        self._context.hide(tidy, _HIDDEN_S)
        self._code, self._tries_left = tidy, _MOST_TRIES
        self._handed_in.set()

    async def code(self, wanted: ConfirmationWanted, limit_s: float | None) -> str | None:
        """Return the code when it is handed in; None when none came within the limit."""
        self._tell(wanted)
        self._in_use = None
        try:
            async with asyncio.timeout(limit_s):
                await self._handed_in.wait()
        except TimeoutError:
            return None
        self._handed_in.clear()
        self._in_use, self._code = self._code, None
        return self._in_use

    def take_back(self) -> None:
        """The logon failed before Steam had judged the code: use it once more, then ask for another."""
        code, self._in_use = self._code or self._in_use, None
        self._tries_left -= 1
        self._code = code if self._tries_left > 0 else None
        if self._code is None:
            self._handed_in.clear()
        else:
            self._handed_in.set()

    async def handed_in(self, limit_s: float) -> bool:
        """Return whether a code was handed in within the limit, and leave it for the next logon."""
        try:
            async with asyncio.timeout(limit_s):
                await self._handed_in.wait()
        except TimeoutError:
            return False
        return True

    def settled(self) -> None:
        """The wait is over: Steam goes on without the operator."""
        if self.waiting:
            self.forget()
            self._context.report(ev.GuardCodeSettled(self._context.name, self._context.clock.now()))

    def forget(self) -> None:
        """The logon that waited has ended."""
        self._wanted = self._code = self._in_use = None
        self._handed_in.clear()

    def _tell(self, wanted: ConfirmationWanted) -> None:
        if wanted == self._wanted:
            return
        self._wanted = wanted
        name = self._context.name
        words = _WORDS[wanted.kind]
        if wanted.wrong:
            words = "the Steam Guard code was not accepted: " + words
        if wanted.kind in _TAKES_CODE:
            words += ": the logon waits for it"
        reason = AuthReason.GUARD_CODE_MISMATCH if wanted.wrong else AuthReason.GUARD_CODE_REQUIRED
        self._context.log.warning("the logon waits for an operator", kind=wanted.kind.name.lower(), message=words)
        now = self._context.clock.now()
        self._context.report(ev.GuardCodeRequested(name, now, wanted.kind.name.lower(), reason, words))
