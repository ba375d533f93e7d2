"""An account that is logged on, as the bot of a game sees it."""

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from exporter.errors import AuthReason, ExporterError, TransientError
from exporter.model import events as ev
from exporter.platforms.base import BotContext
from exporter.platforms.steam.auth import Answer
from exporter.platforms.steam.connection import SteamConnection
from exporter.platforms.steam.keeper import TokenKeeper
from exporter.platforms.steam.messages import RENEW_TOKEN, Method, Renewed, RenewRequest, Result, result_name
from exporter.platforms.steam.results import Place, Refused
from exporter.platforms.steam.session import CallAnswered, Event, Kicked, LogonRefused, PlayingBlocked
from exporter.platforms.steam.tokens import TOKEN_HIDDEN_S, StoredLogon, token_facts

_Q = TypeVar("_Q")
_R = TypeVar("_R")

PROOF_BEATS: Final = 2.0
_MAY_ISSUE_A_NEW_ONE: Final = 1
_RENEWAL_PAUSE_S: Final = 6 * 3600.0
_DEAD: Final[Mapping[int, AuthReason]] = {
    Result.ACCESS_DENIED: AuthReason.TOKEN_REVOKED,
    Result.REVOKED: AuthReason.TOKEN_REVOKED,
    Result.EXPIRED: AuthReason.TOKEN_EXPIRED,
}


class SteamOnline:
    """The session of one connection; it is of no use after `SteamAccount.online` was left."""

    def __init__(
        self,
        connection: SteamConnection,
        stored: StoredLogon,
        context: BotContext,
        tokens: TokenKeeper,
        judged: Callable[[Refused], ExporterError],
    ) -> None:
        self._connection = connection
        self._stored = stored
        self._context = context
        self._tokens = tokens
        self._judged = judged
        self._renew_at = self._renewal_time()
        self.playing_blocked = False
        self.bad_cm = False
        """Whether the session ended with the CM saying that it cannot serve."""

    @property
    def steamid(self) -> int:
        """The account's 64-bit id."""
        return self._stored.steamid

    @property
    def proof_valid_s(self) -> float:
        """How long an answered heartbeat proves that the session works."""
        return PROOF_BEATS * self._connection.session.heartbeat_s

    async def next_event(self, until: float | None = None) -> Event | None:
        """Return the next event, or None at the time `until` (monotonic). Renews the token when it is time.

        To be awaited again and again: nobody else keeps the session alive. Raises TransientError, RateLimited or
        AuthError when the session has ended.
        """
        if self._context.clock.now() >= self._renew_at:
            await self._renew()
        event = await self._connection.next_event(until)
        match event:
            case Kicked(result=result):
                raise self._ended(Place.KICKED, result)
            case LogonRefused(result=result):
                raise self._ended(Place.LOGON, result)
            case PlayingBlocked(blocked=blocked):
                self.playing_blocked = blocked
            case CallAnswered(result=result, message=message):
                await self._renewal_answered(Answer(result, message, event.text))
        return event

    async def play(self, *appids: int) -> None:
        """Tell Steam which games the account plays; none ends the game."""
        self._connection.session.play(appids)
        await self._connection.flush()

    async def send_to_game(self, appid: int, msgtype: int, payload: bytes) -> None:
        """Send a message to a game's coordinator; `msgtype` with the protobuf bit if the payload is of that kind."""
        self._connection.session.send_to_game(appid, msgtype, payload)
        await self._connection.flush()

    async def send(self, number: int, message: object) -> None:
        """Send one of the messages of messages.py."""
        self._connection.session.send(number, message)
        await self._connection.flush()

    async def call(self, method: Method[_Q, _R], request: _Q) -> Answer:
        """Ask a service method and return its answer, also while another task waits for events."""
        return await self._connection.call(method, request)

    def _ended(self, place: Place, result: int) -> ExporterError:
        refused = Refused(place, result)
        self.bad_cm = refused.verdict.bad_cm
        error = self._judged(refused)
        error.__cause__ = refused
        return error

    def _renewal_time(self) -> float:
        at = token_facts(self._stored.refresh_token).renew_at()
        return math.inf if at is None else at

    async def _renew(self) -> None:
        """Ask for a new refresh token. If the answer comes late, it counts all the same: the old token is dead then."""
        context = self._context
        self._renew_at = context.clock.now() + _RENEWAL_PAUSE_S * context.rng.uniform(0.5, 1.0)
        request = RenewRequest(self._stored.refresh_token, self.steamid, _MAY_ISSUE_A_NEW_ONE)
        try:
            answer = await self._connection.call(RENEW_TOKEN, request, or_later=True)
        except TransientError as error:  # if the connection is lost, the next read says so
            context.log.warning("the token cannot be renewed yet", reason=str(error))
            return
        await self._renewal_answered(answer)

    async def _renewal_answered(self, answer: Answer) -> None:
        """Keep the new token. It has made the old one invalid, so it is on the disk before anything uses it."""
        context = self._context
        if answer.result in _DEAD:
            self._tell_dead(answer)
            return
        if answer.result != Result.OK or not isinstance(answer.message, Renewed):
            context.log.warning("the token cannot be renewed yet", reason=result_name(answer.result))
            return
        if not answer.message.refresh_token:
            context.log.info("Steam sees no need for a new token yet")
            return
        context.hide(answer.message.refresh_token, TOKEN_HIDDEN_S)
        renewed = StoredLogon(
            self._stored.account, self._stored.steamid, answer.message.refresh_token, self._stored.guard_data
        )
        try:
            await self._tokens.save(context.name, renewed)
        except OSError as error:
            context.log.error("the renewed token cannot be kept: the next start needs the password", error=str(error))
        self._stored = renewed
        facts = token_facts(renewed.refresh_token)
        if facts.expires_at is not None:
            context.report(ev.TokenIssued(context.name, context.clock.now(), facts.expires_at))
        at = facts.renew_at()
        self._renew_at = max(self._renew_at, math.inf if at is None else at)

    def _tell_dead(self, answer: Answer) -> None:
        """Say that the next logon needs the password, while nothing is lost yet.

        The token is revoked, or was renewed and the answer got lost. It is kept, should Steam be mistaken.
        """
        refused = Refused(Place.RENEW, answer.result, answer.text)
        message = f"{refused}: the token is dead, and the next logon needs the password, and maybe a guard code"
        self._context.log.warning("the token is dead: the next logon needs the password", reason=str(refused))
        reason = _DEAD[answer.result]
        self._context.report(ev.TokenRefused(self._context.name, self._context.clock.now(), reason, message))
