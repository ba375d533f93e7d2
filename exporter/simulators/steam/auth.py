"""Logging on with a password: key, Begin, guard code, poll (steam-dota2 protocol notes, section 1, rows 2 to 7)."""

import hmac
from dataclasses import dataclass
from typing import Final

from exporter.platforms.steam.messages import Confirmation, Result
from exporter.simulators.steam.books import Refused
from exporter.simulators.steam.password_key import PasswordKey, process_key
from exporter.simulators.steam.policy import Policy
from exporter.simulators.steam.records import Account, AuthSession, BeginAttempt, Guard
from exporter.simulators.steam.tokens import Tokens
from exporter.simulators.steam.totp import code_of_step, step_of

KEY_TIMESTAMP: Final = 123_456_789_000
"""Names the key that is in use; clients send it back with what they encrypted."""


@dataclass(frozen=True, slots=True)
class Poll:
    """The answer to a poll: empty while nobody confirmed."""

    new_client_id: int = 0
    refresh_token: str = ""
    access_token: str = ""
    account_name: str = ""
    machine_token: str = ""


class PasswordLogons(Tokens):
    """The auth sessions under way, by client id, and the counts of how they went."""

    def __init__(self, *, policy: Policy | None = None, seed: int = 1) -> None:
        super().__init__(policy=policy, seed=seed)
        self.auth_sessions: dict[int, AuthSession] = {}
        self.begins: list[BeginAttempt] = []

    @property
    def password_key(self) -> PasswordKey:
        return process_key()

    def begin(
        self,
        username: str,
        encrypted_password: str,
        timestamp: int,
        now: float,
        *,
        machine_token: str = "",
        address: str = "",
        verdict: int = Result.OK,
    ) -> AuthSession:
        """Check name and password and open a session; raises Refused. A `verdict` that is not OK decides beforehand."""
        try:
            account = self._check(username, encrypted_password, timestamp, now, address=address, verdict=verdict)
        except Refused as refused:
            self.begins.append(BeginAttempt(now, username, address, refused.result))
            raise
        self.begins.append(BeginAttempt(now, username, address, Result.OK))
        # Assumption: a good machine token stands for the e-mail code, and for nothing else.
        known = account.guard is Guard.EMAIL and self.knows_machine(account, machine_token, now)
        session = AuthSession(
            client_id=self._random.getrandbits(64) | 1,
            request_id=self._random.randbytes(16),
            account=account,
            confirmations=(Confirmation.NONE,) if known else account.guard.value,
            began_at=now,
            approved=known or account.guard is Guard.NONE,
        )
        self.auth_sessions[session.client_id] = session
        return session

    def submit_code(self, client_id: int, steamid: int, code: str, kind: int, now: float) -> None:
        """Take a Steam Guard code; raises Refused: 65 or 88 for a wrong one, 27 when forgotten, 29 when approved."""
        session = self._live(client_id, now)
        if session.approved:
            raise Refused(Result.DUPLICATE_REQUEST)
        account = session.account
        if steamid != account.steamid or kind not in session.confirmations:
            # Assumption: a code of a kind that was not offered is an invalid parameter.
            raise Refused(Result.INVALID_PARAM)
        if session.wrong_codes >= self.policy.wrong_codes:
            raise Refused(Result.RATE_LIMIT_EXCEEDED)
        if kind == Confirmation.EMAIL_CODE:
            right, wrong = code == account.email_code, Result.INVALID_LOGIN_AUTH_CODE
        else:
            right, wrong = self._take_totp(account, code, now), Result.TWO_FACTOR_CODE_MISMATCH
        if not right:
            session.wrong_codes += 1
            raise Refused(wrong)
        session.approved = True
        session.remembers_machine = kind == Confirmation.EMAIL_CODE

    def approve(self, account: Account) -> None:
        """Press "approve" in the account's phone app or e-mail, for every session that waits."""
        for session in self._waiting(account):
            session.approved = True

    def deny(self, account: Account) -> None:
        """Press "deny"."""
        for session in self._waiting(account):
            session.denied = True

    def poll(self, client_id: int, request_id: bytes, now: float) -> Poll:
        """Return how a session stands, the tokens exactly once; raises Refused: 27 forgotten, 9 denied."""
        session = self._live(client_id, now)
        if session.request_id != request_id or session.denied:
            raise Refused(Result.FILE_NOT_FOUND)
        session.polls += 1
        new_client_id = self._rotate(session) if self.policy.rotates_client_id and session.polls == 1 else 0
        if not session.approved:
            return Poll(new_client_id)
        session.finished = True
        token = self.issue_token(session.account, now)
        machine = self.issue_machine_token(session.account, now) if session.remembers_machine else ""
        return Poll(new_client_id, token.value, self.access_token(token, now), session.account.username, machine)

    def totp_code(self, account: Account, now: float) -> str:
        """Return the code that the account's authenticator shows now."""
        return code_of_step(account.shared_secret, step_of(self.steam_time(now)))

    def _check(
        self, username: str, encrypted_password: str, timestamp: int, now: float, *, address: str, verdict: int
    ) -> Account:
        if self.begin_limit is not None and not self.begin_limit.admit(address, now):
            raise Refused(Result.RATE_LIMIT_EXCEEDED)
        if verdict != Result.OK:
            raise Refused(verdict)
        account = self.account_named(username)
        if account is None:
            hidden = self.policy.hides_unknown_accounts
            raise Refused(Result.INVALID_PASSWORD if hidden else Result.ACCOUNT_NOT_FOUND)
        if account.standing is not Result.OK:
            # Assumption: an account that may not log on is told so before its password is looked at.
            raise Refused(account.standing)
        if timestamp != KEY_TIMESTAMP:
            # Assumption: a password under a key that is not in use is refused as expired.
            raise Refused(Result.EXPIRED)
        password = self.password_key.decrypt(encrypted_password)
        if password is None or not hmac.compare_digest(password.encode(), account.password.encode()):
            limit = self.wrong_password_limit
            throttled = limit is not None and not limit.admit(address, now)
            raise Refused(Result.ACCOUNT_LOGIN_DENIED_THROTTLE if throttled else Result.INVALID_PASSWORD)
        return account

    def _take_totp(self, account: Account, code: str, now: float) -> bool:
        present, drift = step_of(self.steam_time(now)), self.policy.totp_drift_steps
        for step in range(present - drift, present + drift + 1):
            used = self.policy.totp_once and step <= account.totp_step_used
            if not used and code == code_of_step(account.shared_secret, step):
                account.totp_step_used = max(step, account.totp_step_used)
                return True
        return False

    def _waiting(self, account: Account) -> list[AuthSession]:
        sessions = self.auth_sessions.values()
        return [each for each in sessions if each.account is account and not each.approved and not each.denied]

    def _live(self, client_id: int, now: float) -> AuthSession:
        session = self.auth_sessions.get(client_id)
        # Assumption: what nobody knows and what is over are answered alike.
        if session is None or session.finished or now >= session.began_at + self.policy.auth_session_life_s:
            raise Refused(Result.EXPIRED)
        return session

    def _rotate(self, session: AuthSession) -> int:
        del self.auth_sessions[session.client_id]
        session.client_id = self._random.getrandbits(64) | 1
        self.auth_sessions[session.client_id] = session
        return session.client_id
