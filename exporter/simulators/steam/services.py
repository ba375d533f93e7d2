"""The service methods that clients may call, before and after logon (steam-dota2 protocol notes, section 1)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from exporter.platforms.steam import messages as m
from exporter.platforms.steam.messages import Result
from exporter.simulators.steam.auth import KEY_TIMESTAMP
from exporter.simulators.steam.books import Refused
from exporter.simulators.steam.faults import Phase
from exporter.simulators.steam.link import Link
from exporter.simulators.steam.world import World

Answer = Callable[[World, Link, Any, float, int], object]


@dataclass(frozen=True, slots=True)
class Service:
    """One method: its phase, whom a question is about, and how it is answered; the answer may raise Refused."""

    method: m.Method[Any, Any]
    phase: Phase
    username: Callable[[World, Any], str]
    answer: Answer


def _key(world: World, _link: Link, _body: m.RsaKeyRequest, _now: float, verdict: int) -> m.RsaKey:
    # Assumption: names that nobody has get a key like all others, so that names cannot be tried out.
    _obey(verdict)
    key = world.password_key
    return m.RsaKey(key.modulus, key.exponent, KEY_TIMESTAMP)


def _begin(world: World, link: Link, body: m.BeginAuthRequest, now: float, verdict: int) -> m.AuthBegun:
    session = world.begin(
        body.account_name,
        body.encrypted_password,
        body.encryption_timestamp,
        now,
        machine_token=body.guard_data,
        address=link.address,
        verdict=verdict,
    )
    return m.AuthBegun(
        client_id=session.client_id,
        request_id=session.request_id,
        interval=world.policy.poll_interval_s,
        allowed_confirmations=tuple(m.AllowedConfirmation(each) for each in session.confirmations),
        steamid=session.account.steamid,
    )


def _code(world: World, _link: Link, body: m.GuardCodeRequest, now: float, verdict: int) -> m.GuardCodeTaken:
    _obey(verdict)
    world.submit_code(body.client_id, body.steamid, body.code, body.code_type, now)
    return m.GuardCodeTaken()


def _poll(world: World, _link: Link, body: m.PollRequest, now: float, verdict: int) -> m.Polled:
    _obey(verdict)
    poll = world.poll(body.client_id, body.request_id, now)
    return m.Polled(poll.new_client_id, poll.refresh_token, poll.access_token, poll.account_name, poll.machine_token)


def _renew(world: World, _link: Link, body: m.RenewRequest, now: float, verdict: int) -> m.Renewed:
    _obey(verdict)
    access, token = world.renew(body.refresh_token, body.steamid, now, new_token=body.renewal_type == 1)
    return m.Renewed(access, token.value if token else "")


def _time(world: World, _link: Link, _body: m.TimeRequest, now: float, verdict: int) -> m.ServerTime:
    _obey(verdict)
    return m.ServerTime(int(world.steam_time(now)))


def _obey(verdict: int) -> None:
    if verdict != Result.OK:
        raise Refused(verdict)


def _by_session(world: World, body: m.GuardCodeRequest | m.PollRequest) -> str:
    session = world.auth_sessions.get(body.client_id)
    return session.account.username if session else ""


def _by_name(_world: World, body: m.RsaKeyRequest | m.BeginAuthRequest) -> str:
    return body.account_name


def _by_connection(_world: World, _body: object) -> str:
    return ""


_ALL: Final = (
    Service(m.GET_RSA_KEY, Phase.KEY, _by_name, _key),
    Service(m.BEGIN_AUTH, Phase.BEGIN, _by_name, _begin),
    Service(m.SEND_CODE, Phase.CODE, _by_session, _code),
    Service(m.POLL_AUTH, Phase.POLL, _by_session, _poll),
    Service(m.RENEW_TOKEN, Phase.RENEW, _by_connection, _renew),
    Service(m.QUERY_TIME, Phase.TIME, _by_connection, _time),
)
SERVICES: Final = {each.method.name: each for each in _ALL}
