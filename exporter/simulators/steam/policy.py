"""The rules that only live Steam could show, in one place: every value here is an assumption."""

from dataclasses import dataclass

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How strict the simulated Steam is, and how long things live there."""

    needs_hello: bool = True
    """Whether a connection whose first message is not ClientHello is dropped (section 1). Assumption: for a logon by
    token too; two clients of others, steam-next 3.0 and node-steam-user 5.3, say hello only before a password."""
    poll_interval_s: float = 5.0
    """Told in the answer of Begin. Assumption: 5 s, as clients take it when nothing is told."""
    auth_session_life_s: float = 300.0
    """Assumption: a session that nobody confirms is forgotten after five minutes; then Update and Poll answer 27."""
    wrong_codes: int = 5
    """Assumption: after so many wrong codes the session answers 84 to every further one."""
    totp_drift_steps: int = 1
    """Assumption: codes of the neighbouring 30 s steps are accepted too."""
    totp_once: bool = False
    """Assumption: whether a code that logged on already is refused with 88 until the next step."""
    hides_unknown_accounts: bool = True
    """Assumption: Begin answers 5 for a name that nobody has, so that names cannot be tried out; otherwise 18."""
    rotates_client_id: bool = False
    """Whether the first poll of each session gives it a new client id; the notes know the field, not when."""
    token_life_s: float = 200 * DAY_S
    """About 200 days (section 1)."""
    access_token_life_s: float = DAY_S
    """Assumption: an access token lives a day."""
    renews: bool = True
    """Assumption: a renewal that is allowed is always granted; the real one may keep a young token."""
    machine_token_life_s: float = 400 * DAY_S
    """Assumption: a machine token lives longer than a refresh token."""
    heartbeat_s: int = 9
    """Told in the logon answer. Assumption: the value of most real answers."""
    silence_intervals: float = 3.0
    """Assumption: a connection that says nothing for so many heartbeat intervals is dropped."""
    closes_after_refusal: bool = True
    """A CM may close right after its answer (section 1): it does so after a refused logon."""
    says_goodbye: bool = True
    """Assumption: a connection that Steam ends is closed with a WebSocket close frame, not just cut."""
    logon_noise: bool = True
    """Whether a logon is followed by messages that bots have no use for, among them numbers nobody knows."""
