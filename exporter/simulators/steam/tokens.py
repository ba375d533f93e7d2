"""Refresh, access and machine tokens: handing out, renewing, revoking (steam-dota2 protocol notes, section 1)."""

from exporter.platforms.steam.messages import Result
from exporter.simulators.steam import jwt
from exporter.simulators.steam.books import Books, Refused
from exporter.simulators.steam.policy import Policy
from exporter.simulators.steam.records import Account, RefreshToken, TokenState

_SIGNING_KEY = b"the simulated Steam signs with this"
_MACHINE = "machine"


class Tokens(Books):
    """Every refresh token ever handed out, by its text, with what became of it."""

    def __init__(self, *, policy: Policy | None = None, seed: int = 1) -> None:
        super().__init__(policy=policy, seed=seed)
        self.tokens: dict[str, RefreshToken] = {}

    def issue_token(
        self, account: Account, now: float, *, life_s: float | None = None, renewed_from: RefreshToken | None = None
    ) -> RefreshToken:
        """Hand out a refresh token."""
        expires_at = now + (self.policy.token_life_s if life_s is None else life_s)
        claims = {
            "iss": "steam",
            "sub": str(account.steamid),
            "aud": ["client", "web", "renew", "derive"],
            "exp": int(expires_at),
            "nbf": int(now),
            "iat": int(now),
            "jti": f"{self._random.getrandbits(64):016X}",
            "oat": int(now),
            "per": 1,
        }
        value = jwt.encode(claims, _SIGNING_KEY)
        token = self.tokens[value] = RefreshToken(value, account, now, expires_at, renewed_from=renewed_from)
        return token

    def access_token(self, token: RefreshToken, now: float) -> str:
        """Return a token for the web, derived from the refresh token."""
        claims = {
            "iss": f"r:{self._random.getrandbits(64):016X}",
            "sub": str(token.account.steamid),
            "aud": ["web", "client"],
            "exp": int(now + self.policy.access_token_life_s),
            "iat": int(now),
        }
        return jwt.encode(claims, _SIGNING_KEY)

    def revoke_tokens(self, account: Account) -> None:
        """Revoke all tokens of an account, as its owner does with "sign out everywhere"."""
        for token in self.tokens.values():
            if token.account is account and token.state is TokenState.VALID:
                token.state = TokenState.REVOKED

    def valid_tokens(self, account: Account, now: float) -> list[RefreshToken]:
        """Return the tokens with which the account could log on now, oldest first."""
        return [each for each in self.tokens.values() if each.account is account and each.valid(now)]

    def token_named(self, value: str) -> RefreshToken | None:
        """Return the token with that text, also one that this Steam signed in an earlier run of its process."""
        token = self.tokens.get(value)
        if token is not None:
            return token
        claims = jwt.decode(value, _SIGNING_KEY)
        if claims is None or "renew" not in claims["aud"]:
            return None
        account = next((each for each in self.accounts.values() if str(each.steamid) == claims["sub"]), None)
        if account is None:
            return None
        token = RefreshToken(value, account, float(claims["iat"]), float(claims["exp"]), logons=1)
        self.tokens[value] = token
        return token

    def token_for(self, value: str, steamid: int, now: float) -> RefreshToken:
        """Return the token if it may be used by that Steam id; raises Refused.

        The notes name 5, 15, 26 and 27 for dead tokens. Assumption: which one when is as here.
        """
        token = self.token_named(value)
        if token is None:
            raise Refused(Result.INVALID_PASSWORD)
        if token.state is TokenState.REVOKED:
            raise Refused(Result.REVOKED)
        if token.state is TokenState.REPLACED or token.account.steamid != steamid:
            raise Refused(Result.ACCESS_DENIED)
        if now >= token.expires_at:
            raise Refused(Result.EXPIRED)
        return token

    def renew(self, value: str, steamid: int, now: float, *, new_token: bool) -> tuple[str, RefreshToken | None]:
        """Return an access token and, if asked for, a new refresh token, which invalidates the old one; or Refused."""
        token = self.token_for(value, steamid, now)
        if not (new_token and self.policy.renews):
            return self.access_token(token, now), None
        token.state = TokenState.REPLACED
        renewed = self.issue_token(token.account, now, renewed_from=token)
        return self.access_token(renewed, now), renewed

    def issue_machine_token(self, account: Account, now: float) -> str:
        """Return the token by which this machine need not type an e-mail code again."""
        claims = {
            "iss": "steam",
            "sub": str(account.steamid),
            "aud": [_MACHINE],
            "exp": int(now + self.policy.machine_token_life_s),
            "iat": int(now),
        }
        return jwt.encode(claims, _SIGNING_KEY)

    def knows_machine(self, account: Account, machine_token: str, now: float) -> bool:
        """Return whether that machine token is good for the account."""
        claims = jwt.decode(machine_token, _SIGNING_KEY) if machine_token else None
        return (
            claims is not None
            and _MACHINE in claims["aud"]
            and claims["sub"] == str(account.steamid)
            and now < claims["exp"]
        )
