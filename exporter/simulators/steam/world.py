"""The simulated Steam as one object: accounts, tokens, logons and who plays, without sockets and without a clock.

    Books -> Tokens -> PasswordLogons -> World

Whoever changes something passes `now` in Unix seconds; the server subscribes to the notices. The world outlives
restarts of connection managers: accounts and tokens stay, sessions end with their connections. A world made anew takes
the tokens that an earlier one signed.
"""

from collections import Counter

from exporter.platforms.steam.messages import Result
from exporter.simulators.steam.auth import PasswordLogons
from exporter.simulators.steam.books import Refused
from exporter.simulators.steam.policy import Policy
from exporter.simulators.steam.records import (
    Account,
    GamesChanged,
    Kicked,
    LogonAttempt,
    LogonKind,
    PlayingChanged,
    Session,
)


class World(PasswordLogons):
    """Everything Steam knows, and its own record of every logon: the truth that tests compare with."""

    def __init__(self, *, policy: Policy | None = None, seed: int = 1) -> None:
        super().__init__(policy=policy, seed=seed)
        self.sessions: dict[int, Session] = {}
        self.attempts: list[LogonAttempt] = []
        self.doubled: Counter[str] = Counter()
        """How often each account logged on while it was logged on already."""

    # the truth

    def logged_on(self) -> list[str]:
        """Return the names of the accounts that are logged on, sorted."""
        return sorted({session.account.username for session in self.sessions.values()})

    def sessions_of(self, account: Account) -> list[Session]:
        """Return the account's sessions, oldest first."""
        return [session for session in self.sessions.values() if session.account is account]

    def logons(self, kind: LogonKind | None = None) -> Counter[str]:
        """Return how often each account logged on, of one kind or of both."""
        good = (each for each in self.attempts if each.result == Result.OK and kind in {None, each.kind})
        return Counter(each.username for each in good)

    def logon_times(self) -> list[float]:
        """Return when each ClientLogon came, refused ones too: what a limiter must space out."""
        return [each.at for each in self.attempts]

    # logging on and off

    def log_on(
        self, steamid: int, token: str, login_id: int, now: float, *, address: str = "", verdict: int = Result.OK
    ) -> Session:
        """Log on with a refresh token (section 1, row 8); raises Refused. The same LoginID replaces a session.

        A `verdict` that is not OK decides beforehand.
        """
        known = self.token_named(token)
        username = known.account.username if known else ""
        fresh = known is not None and known.renewed_from is None and known.logons == 0
        kind = LogonKind.PASSWORD if fresh else LogonKind.TOKEN
        try:
            account = self._admit(steamid, token, address, now, verdict)
        except Refused as refused:
            self.attempts.append(LogonAttempt(now, username, address, kind, refused.result))
            raise
        self.attempts.append(LogonAttempt(now, username, address, kind, Result.OK))
        self.doubled[username] += bool(self.sessions_of(account))
        for other in self.sessions_of(account):
            # Assumption: the LoginID alone decides; real Steam may look at the address too.
            if other.login_id == login_id:
                self.kick(other, Result.LOGON_SESSION_REPLACED)
        session = Session(self._random.getrandbits(31) | 1, account, login_id, address, now)
        self.sessions[session.session_id] = session
        return session

    def kick(self, session: Session, result: int) -> None:
        """End a session from Steam's side."""
        if self._leave(session, result):
            self.tell(Kicked(session, result))

    def leave(self, session: Session) -> None:
        """End a session whose client logged off or vanished."""
        self._leave(session, Result.OK)

    # playing

    def play(self, session: Session, games: tuple[int, ...]) -> None:
        """Say which games a session plays (row 742). One session of an account plays at a time.

        Assumption: a session that begins while another plays stays blocked and plays nothing, until
        `take_over` or until the other stops.
        """
        others = [each for each in self.sessions_of(session.account) if each is not session]
        blocking = next((each for each in others if each.games), None)
        if games and blocking is not None:
            self.tell(PlayingChanged(session, blocked=True, app=blocking.app))
            return
        before, session.games = session.games, games
        if before == games:
            return
        started = tuple(app for app in games if app not in before)
        stopped = tuple(app for app in before if app not in games)
        self.tell(GamesChanged(session, started, stopped))
        self.tell(PlayingChanged(session, blocked=False, app=session.app))
        for other in others:
            self.tell(PlayingChanged(other, blocked=bool(games), app=session.app))

    def take_over(self, session: Session) -> None:
        """Let this session be the one that plays: others that play are kicked with 6 (KickPlayingSession)."""
        for other in self.sessions_of(session.account):
            if other is not session and other.games:
                self.kick(other, Result.LOGGED_IN_ELSEWHERE)

    def playing_blocked(self, session: Session) -> int:
        """Return the game that another session of the account plays, or 0."""
        return next((each.app for each in self.sessions_of(session.account) if each is not session and each.app), 0)

    def _admit(self, steamid: int, value: str, address: str, now: float, verdict: int) -> Account:
        if self.logon_limit is not None and not self.logon_limit.admit(address, now):
            raise Refused(Result.RATE_LIMIT_EXCEEDED)
        if verdict != Result.OK:
            raise Refused(verdict)
        token = self.token_for(value, steamid, now)
        if token.account.standing is not Result.OK:
            raise Refused(token.account.standing)
        token.logons += 1
        return token.account

    def _leave(self, session: Session, result: int) -> bool:
        if self.sessions.pop(session.session_id, None) is None:
            return False
        session.ended = result
        games, session.games = session.games, ()
        if games:
            self.tell(GamesChanged(session, stopped=games))
            for other in self.sessions_of(session.account):
                self.tell(PlayingChanged(other, blocked=False, app=0))
        return True
