"""The table of results, whole: each class of the steam-dota2 protocol notes, section 1."""

import pytest

from exporter.errors import AuthReason, DisconnectReason, FailureReason
from exporter.platforms.steam.messages import Result
from exporter.platforms.steam.results import Place, Policy, Refused, verdict

LOGON = (Place.BEGIN, Place.LOGON)


@pytest.mark.parametrize("place", [Place.KEY, Place.BEGIN, Place.CODE, Place.POLL, Place.LOGON, Place.RENEW])
@pytest.mark.parametrize("result", [2, 3, 10, 16, 20, 48, 50])
def test_transient_everywhere(place: Place, result: int) -> None:
    found = verdict(place, result)
    assert found.policy is Policy.TRANSIENT
    assert isinstance(found.reason, FailureReason)
    assert found.known
    assert found.bad_cm == (result in {20, 48})


@pytest.mark.parametrize("place", list(Place))
@pytest.mark.parametrize("result", [84, 87])
def test_a_rate_limit_pauses_all_wherever_it_shows(place: Place, result: int) -> None:
    assert verdict(place, result).policy is Policy.PAUSE_ALL
    assert verdict(place, result).reason is AuthReason.RATE_LIMITED


@pytest.mark.parametrize(
    ("result", "reason"), [(5, "token_revoked"), (15, "token_revoked"), (26, "token_revoked"), (27, "token_expired")]
)
def test_dead_tokens(result: int, reason: str) -> None:
    assert verdict(Place.LOGON, result).policy is Policy.TOKEN_DEAD
    assert verdict(Place.LOGON, result).reason == reason
    assert verdict(Place.BEGIN, result).policy is not Policy.TOKEN_DEAD
    kicked = verdict(Place.KICKED, result)
    assert (kicked.policy, kicked.lost) == (Policy.TRANSIENT, DisconnectReason.TOKEN)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (63, AuthReason.GUARD_CODE_REQUIRED),
        (65, AuthReason.GUARD_CODE_MISMATCH),
        (71, AuthReason.GUARD_CODE_MISMATCH),
        (85, AuthReason.GUARD_CODE_REQUIRED),
        (88, AuthReason.GUARD_CODE_MISMATCH),
        (43, AuthReason.ACCOUNT_DISABLED),
        (73, AuthReason.ACCOUNT_DISABLED),
        (17, AuthReason.ACCOUNT_DISABLED),
        (18, AuthReason.INVALID_CREDENTIALS),
        (105, AuthReason.OTHER),
    ],
)
@pytest.mark.parametrize("place", LOGON)
def test_permanent(place: Place, result: int, reason: AuthReason) -> None:
    assert (verdict(place, result).policy, verdict(place, result).reason) == (Policy.PERMANENT, reason)


@pytest.mark.parametrize(
    ("result", "policy"),
    [
        (65, Policy.CODE_WRONG),
        (71, Policy.CODE_WRONG),
        (88, Policy.CODE_WRONG),
        (29, Policy.CODE_DONE),
        (27, Policy.UNCONFIRMED),
    ],
)
def test_codes(result: int, policy: Policy) -> None:
    assert verdict(Place.CODE, result).policy is policy


def test_polls() -> None:
    assert verdict(Place.POLL, 27).policy is Policy.UNCONFIRMED
    assert verdict(Place.POLL, 9).policy is Policy.PERMANENT


def test_a_wrong_password_is_only_suspected() -> None:
    assert verdict(Place.BEGIN, Result.INVALID_PASSWORD).policy is Policy.SUSPECT


@pytest.mark.parametrize("place", [*LOGON, Place.KICKED])
def test_other_sessions_of_the_account(place: Place) -> None:
    elsewhere, replaced = verdict(place, 6), verdict(place, 34)
    assert (elsewhere.policy, elsewhere.lost) == (Policy.USED_ELSEWHERE, DisconnectReason.KICKED)
    assert (replaced.policy, replaced.lost) == (Policy.REPLACED, DisconnectReason.SESSION_REPLACED)


@pytest.mark.parametrize("result", [2, 3, 20, 48, 84, 4711])
def test_every_end_from_steams_side_counts_as_a_kick(result: int) -> None:
    assert verdict(Place.KICKED, result).lost is DisconnectReason.KICKED


@pytest.mark.parametrize("place", list(Place))
def test_unknown_results_are_transient_and_said_to_be_unknown(place: Place) -> None:
    found = verdict(place, 4711)
    assert (found.policy, found.reason, found.known) == (Policy.TRANSIENT, FailureReason.OTHER, False)


def test_refusals_say_where_and_what() -> None:
    refused = Refused(Place.BEGIN, 5, "try later")
    assert str(refused) == (
        "logon by password: Steam answered InvalidPassword (5): the user name or the password is wrong: try later"
    )
