"""One Steam account, online: what the bot of a game stands on.

    turn in the queue -> CM -> hello -> stored token | password, codes -> logon -> heartbeats, renewals -> goodbye

`online` is entered once a connection; inside, the bot's own task asks for `next_event` and so keeps the heart beating.
Failures leave as TransientError, RateLimited or AuthError with the reasons of results.py.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from exporter.errors import (
    AuthError,
    AuthReason,
    DisconnectReason,
    ExporterError,
    FailureReason,
    RateLimited,
    TransientError,
)
from exporter.model import events as ev
from exporter.platforms.base import BotContext
from exporter.platforms.steam.auth import (
    Ask,
    ConfirmationWanted,
    Confirmed,
    Credentials,
    Flow,
    Pause,
    Step,
    logon_message,
    password_logon,
)
from exporter.platforms.steam.connection import SteamConnection
from exporter.platforms.steam.crypto import shared_secret_bytes
from exporter.platforms.steam.directory import Cm
from exporter.platforms.steam.guard import GuardDesk
from exporter.platforms.steam.network import SteamNetwork
from exporter.platforms.steam.online import SteamOnline
from exporter.platforms.steam.results import Place, Policy, Refused
from exporter.platforms.steam.session import LoggedOn, LogonRefused
from exporter.platforms.steam.tokens import TOKEN_HIDDEN_S, StoredLogon, token_facts
from exporter.secrets import SecretError, SecretSource
from exporter.timing import phase

LOGON_LIMIT_S: Final = 30.0
MOST_PASSWORD_TRIES: Final = 3
REPLACED_WINDOW_S: Final = 3600.0
USED_ELSEWHERE_WAIT_S: Final = 300.0
_CREDENTIALS_CHECK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class AccountSecrets:
    """Who the account is; the secrets are read again at each logon by password."""

    username: str
    password: SecretSource
    shared_secret: SecretSource | None = None

    def fingerprint(self) -> object:
        """Return a value that changes with the account or its secrets."""
        shared = self.shared_secret.fingerprint() if self.shared_secret is not None else None
        return self.username, self.password.fingerprint(), shared


class SteamAccount:
    """An account and what is remembered of it between connections."""

    def __init__(self, secrets: AccountSecrets, context: BotContext, network: SteamNetwork) -> None:
        self._secrets = secrets
        self._context = context
        self._network = network
        self._guard = GuardDesk(context)
        self._password_tries = 0
        self._tried_with: object = None
        self._replaced_at = -math.inf

    def fingerprint(self) -> object:
        """Return a value that changes when the operator changes the credentials."""
        return self._secrets.fingerprint()

    def submit_guard_code(self, code: str) -> None:
        """Hand in the Steam Guard code that a logon waits for; raises OrderRefused when none does."""
        self._guard.submit(code)

    @asynccontextmanager
    async def online(self, wanted: frozenset[int] = frozenset()) -> AsyncIterator[SteamOnline]:
        """Log on, and log off when left, however it is left.

        `wanted` are numbers of messages that come out raw. Raises TransientError, RateLimited or AuthError, also out
        of what is done inside.
        """
        try:
            connection, stored = await self._log_on(wanted)
        finally:
            self._guard.forget()
        online = SteamOnline(connection, stored, self._context, self._network.keeper, self._judged)
        try:
            yield online
        finally:
            if connection.lost or online.bad_cm:
                self._network.directory.set_aside(Cm(connection.url))
            await connection.close()

    async def _log_on(self, wanted: frozenset[int]) -> tuple[SteamConnection, StoredLogon]:
        stored = await self._network.keeper.load(self._context.name, self._secrets.username)
        self._hide(stored)
        try:
            if stored.refresh_token:
                try:
                    return await self._by_token(stored, wanted)
                except Refused as refused:
                    if refused.verdict.policy is not Policy.TOKEN_DEAD:
                        raise
                    self._context.log.warning("the token is dead: one logon by password", reason=str(refused))
                    self._token_refused(refused)
                    stored = stored.without_token()
                    await self._save(stored)
            return await self._by_password(stored, wanted)
        except Refused as refused:
            raise self._judged(refused) from refused

    def _token_refused(self, refused: Refused) -> None:
        reason = refused.verdict.reason
        if isinstance(reason, AuthReason):
            now = self._context.clock.now()
            self._context.report(ev.TokenRefused(self._context.name, now, reason, str(refused)))

    # the two ways

    async def _by_token(self, stored: StoredLogon, wanted: frozenset[int]) -> tuple[SteamConnection, StoredLogon]:
        connection = await self._connected(wanted)
        try:
            return connection, await self._logon(connection, stored)
        except BaseException as error:
            self._blame(connection, error)
            await connection.close()
            raise

    async def _by_password(self, stored: StoredLogon, wanted: frozenset[int]) -> tuple[SteamConnection, StoredLogon]:
        """Log on by password. A wait for an operator outlives the connection and Steam's patience."""
        while True:
            read_at, credentials = self.fingerprint(), self._credentials()
            connection: SteamConnection | None = None
            try:
                connection = await self._connected(wanted)
                flow = password_logon(credentials, stored.guard_data, self._context.clock.now)
                fresh = await self._follow(flow, connection)
                self._guard.settled()
                self._hide(fresh)
                await self._save(fresh)  # before it is used: it may be the only valid one
                self._password_tries = 0
                return connection, await self._logon(connection, fresh)
            except BaseException as error:
                if connection is not None:
                    self._blame(connection, error)
                    await connection.close()
                if not self._waits_on(error):
                    raise
                self._context.log.info("the logon that waited for a code has ended", reason=str(error))
                self._guard.take_back()
                await self._wait_offline(read_at)

    def _waits_on(self, error: BaseException) -> bool:
        """Return whether only the operator's code is missing: Steam's patience is over, or the CM is gone meanwhile."""
        unconfirmed = isinstance(error, Refused) and error.verdict.policy is Policy.UNCONFIRMED
        return self._guard.takes_code and (unconfirmed or isinstance(error, TransientError))

    async def _wait_offline(self, fingerprint: object) -> None:
        """Wait for a code without a connection, or for other credentials than those with this fingerprint."""
        while not await self._guard.handed_in(_CREDENTIALS_CHECK_S):
            if self.fingerprint() != fingerprint:
                self._guard.settled()
                return

    def _blame(self, connection: SteamConnection, error: BaseException) -> None:
        """Set a CM aside that failed before the account was online, or that says that it cannot serve."""
        if isinstance(error, TransientError) or (isinstance(error, Refused) and error.verdict.bad_cm):
            self._network.directory.set_aside(Cm(connection.url))

    def _credentials(self) -> Credentials:
        try:
            password = self._secrets.password.read()
            self._context.hide(password.reveal())
            if self._secrets.shared_secret is None:
                return Credentials(self._secrets.username, password)
            shared = self._secrets.shared_secret.read().reveal()
            self._context.hide(shared)
            return Credentials(self._secrets.username, password, shared_secret_bytes(shared))
        except SecretError as error:
            raise AuthError(AuthReason.INVALID_CREDENTIALS, str(error)) from error
        except ValueError as error:
            raise AuthError(AuthReason.INVALID_CREDENTIALS, f"shared_secret {error}", forgivable=False) from error

    async def _follow(self, flow: Flow[StoredLogon], connection: SteamConnection) -> StoredLogon:
        """Do what the flow asks for until it has its result."""
        result: object = None
        try:
            while True:
                result = await self._step(flow.send(result), connection)
        except StopIteration as done:
            fresh: StoredLogon = done.value
            return fresh
        finally:
            flow.close()

    async def _step(self, step: Step, connection: SteamConnection) -> object:
        match step:
            case Ask(method=method, request=request):
                return await connection.call(method, request)
            case Pause(seconds=seconds):
                await self._context.clock.sleep(seconds)
            case ConfirmationWanted(seconds=seconds):
                return await self._guard.code(step, seconds)
            case Confirmed():
                self._guard.settled()
        return None

    # one logon

    async def _connected(self, wanted: frozenset[int]) -> SteamConnection:
        """Wait for a turn, choose a CM and connect; one that cannot be reached is set aside."""
        context = self._context
        await self._network.limiter.turn(self._queued)
        if not context.allowed():
            raise TransientError(FailureReason.OTHER, "this process may not run the bot any more: no logon")
        context.report(ev.LogonStarted(context.name, context.clock.now()))
        async with self._network.opening:
            cm = await self._network.directory.choose()
            try:
                return await SteamConnection.open(
                    cm.url, stats=context.stats, clock=context.clock, tls=self._network.tls, wanted=wanted
                )
            except TransientError:
                self._network.directory.set_aside(cm)
                raise

    def _queued(self, why: str) -> None:
        if not self._guard.waiting:  # that an operator must act is the greater news
            self._context.report(ev.LogonQueued(self._context.name, self._context.clock.now(), why))

    async def _logon(self, connection: SteamConnection, stored: StoredLogon) -> StoredLogon:
        """Log on by refresh token and return it with the account's steamid; raises Refused or TransientError."""
        steamid = token_facts(stored.refresh_token).steamid or stored.steamid
        connection.session.logon(logon_message(stored), steamid)
        await connection.flush()
        async with phase("logon", LOGON_LIMIT_S):
            while True:
                match await connection.next_event():
                    case LoggedOn(steamid=given):
                        break
                    case LogonRefused(result=result):
                        raise Refused(Place.LOGON, result)
        expires_at = token_facts(stored.refresh_token).expires_at
        if expires_at is not None:
            self._context.report(ev.TokenIssued(self._context.name, self._context.clock.now(), expires_at))
        return replace(stored, steamid=given)

    async def _save(self, stored: StoredLogon) -> None:
        try:
            await self._network.keeper.save(self._context.name, stored)
        except OSError as error:
            self._context.log.error("the token cannot be kept: the next start needs the password", error=str(error))

    def _hide(self, stored: StoredLogon) -> None:
        for secret in (stored.refresh_token, stored.guard_data):
            if secret:
                self._context.hide(secret, TOKEN_HIDDEN_S)

    # what a refusal means

    def _judged(self, refused: Refused) -> ExporterError:
        """Return the error of the failure policy that a refusal stands for, with what is remembered of earlier ones."""
        found, text = refused.verdict, str(refused)
        if not found.known:
            self._context.log.warning("Steam gave an unknown result", place=str(refused.place), result=refused.result)
        match found.policy:
            case Policy.PAUSE_ALL:
                wait_s = self._network.limiter.pause()
                return AuthError(AuthReason.RATE_LIMITED, text, retry_in_s=wait_s, lost=found.lost)
            case Policy.SUSPECT:
                return self._suspect(text)
            case Policy.USED_ELSEWHERE:
                wait_s = USED_ELSEWHERE_WAIT_S * self._context.rng.uniform(0.9, 1.1)
                return RateLimited(wait_s, text, lost=found.lost)
            case Policy.REPLACED:
                return self._replaced(text)
        if isinstance(found.reason, FailureReason):
            return TransientError(found.reason, text, lost=found.lost)
        # What is left of the forgivable ones: a token that was fresh, a logon that nobody confirmed.
        forgivable = found.policy is not Policy.PERMANENT
        return AuthError(found.reason, text, forgivable=forgivable, lost=found.lost)

    def _suspect(self, text: str) -> AuthError:
        """Believe that the password is wrong the third time: Steam sometimes says so of a good one."""
        if self._tried_with != self.fingerprint():
            self._password_tries, self._tried_with = 0, self.fingerprint()
        self._password_tries += 1
        final = self._password_tries >= MOST_PASSWORD_TRIES
        if final:
            self._password_tries = 0  # an operator's restart begins anew
        return AuthError(AuthReason.INVALID_CREDENTIALS, text, forgivable=not final)

    def _replaced(self, text: str) -> ExporterError:
        now = self._context.clock.monotonic()
        again = now - self._replaced_at < REPLACED_WINDOW_S
        self._replaced_at = -math.inf if again else now
        lost = DisconnectReason.SESSION_REPLACED
        if again:
            message = f"{text}, twice within an hour: another process uses this account"
            return AuthError(AuthReason.OTHER, message, forgivable=False, lost=lost)
        return TransientError(FailureReason.OTHER, text, lost=lost)
