"""Logging on with a password: who is let in, with which code, and what the poll says."""

import pytest
from steam.guard import generate_twofactor_code_for_time

from exporter.platforms.steam.messages import Confirmation, Result
from exporter.simulators.steam import Guard, Policy, RateLimit
from exporter.simulators.steam.auth import KEY_TIMESTAMP, Poll
from exporter.simulators.steam.totp import code_of_step, step_of
from tests.unit.simulators.steam.scene import NOW, SECRET, Scene, claims, refused


def test_an_account_without_guard_gets_its_tokens_at_the_first_poll_and_once() -> None:
    scene = Scene()
    session = scene.begin("pLAIN")
    assert session.confirmations == (Confirmation.NONE,)
    poll = scene.world.poll(session.client_id, session.request_id, scene.now)
    assert (poll.account_name, poll.machine_token) == ("Plain", "")
    assert claims(poll.access_token)["sub"] == str(scene.plain.steamid)
    told = claims(poll.refresh_token)
    assert (told["iss"], told["sub"], told["exp"]) == ("steam", str(scene.plain.steamid), NOW + 200 * 86400)
    assert "client" in told["aud"]
    with refused(Result.EXPIRED):
        scene.world.poll(session.client_id, session.request_id, scene.now)


@pytest.mark.parametrize(
    "standing", [Result.ACCOUNT_DISABLED, Result.ACCOUNT_LOCKED_DOWN, Result.BANNED, Result.ACCOUNT_NOT_FOUND]
)
def test_an_account_in_bad_standing_is_told_so(standing: Result) -> None:
    scene = Scene()
    token = scene.token()
    scene.plain.standing = standing
    with refused(standing):
        scene.begin(scene.plain)
    with refused(standing):
        scene.world.log_on(scene.plain.steamid, token, 1, scene.now)


def test_wrong_passwords_and_unknown_names() -> None:
    scene = Scene()
    with refused(Result.INVALID_PASSWORD):
        scene.begin(scene.plain, "close sesame")
    with refused(Result.INVALID_PASSWORD):
        scene.begin("nobody")
    with refused(Result.EXPIRED):
        scene.begin(scene.plain, timestamp=1)
    with refused(Result.INVALID_PASSWORD):
        scene.world.begin("plain", "no base64!", KEY_TIMESTAMP, scene.now)
    with refused(Result.ACCOUNT_NOT_FOUND):
        Scene(Policy(hides_unknown_accounts=False)).begin("nobody")
    assert [each.username for each in scene.world.begins] == ["Plain", "nobody", "Plain", "plain"]


def test_many_wrong_passwords_are_throttled() -> None:
    scene = Scene()
    scene.world.wrong_password_limit = RateLimit(2, 60.0)
    for result in (Result.INVALID_PASSWORD, Result.INVALID_PASSWORD, Result.ACCOUNT_LOGIN_DENIED_THROTTLE):
        with refused(result):
            scene.begin(scene.plain, "wrong")


def test_a_device_code_of_now_or_a_step_beside_it_is_taken() -> None:
    for late_s, good in ((0, True), (30, True), (-30, True), (60, False), (-60, False)):
        scene = Scene()
        session = scene.begin(scene.totp)
        if good:
            scene.submit(session, scene.code(late_s), Confirmation.DEVICE_CODE)
            assert session.approved
        else:
            with refused(Result.TWO_FACTOR_CODE_MISMATCH):
                scene.submit(session, scene.code(late_s), Confirmation.DEVICE_CODE)


def test_codes_follow_steams_clock() -> None:
    scene = Scene()
    scene.world.clock_offset_s = 300.0
    session = scene.begin(scene.totp)
    with refused(Result.TWO_FACTOR_CODE_MISMATCH):
        scene.submit(session, code_of_step(SECRET, step_of(scene.now)), Confirmation.DEVICE_CODE)
    scene.submit(session, code_of_step(SECRET, step_of(scene.now + 300.0)), Confirmation.DEVICE_CODE)


def test_a_code_can_be_made_good_for_one_logon_only() -> None:
    scene = Scene(Policy(totp_once=True))
    scene.submit(scene.begin(scene.totp), scene.code(), Confirmation.DEVICE_CODE)
    again = scene.begin(scene.totp)
    with refused(Result.TWO_FACTOR_CODE_MISMATCH):
        scene.submit(again, scene.code(), Confirmation.DEVICE_CODE)
    scene.now += 30
    scene.submit(again, scene.code(), Confirmation.DEVICE_CODE)


def test_wrong_codes_are_counted_and_a_second_right_one_is_a_duplicate() -> None:
    scene = Scene(Policy(wrong_codes=2))
    session = scene.begin(scene.mailed)
    for _ in range(2):
        with refused(Result.INVALID_LOGIN_AUTH_CODE):
            scene.submit(session, "WRONG", Confirmation.EMAIL_CODE)
    with refused(Result.RATE_LIMIT_EXCEEDED):
        scene.submit(session, "ABC23", Confirmation.EMAIL_CODE)
    session = scene.begin(scene.mailed)
    with refused(Result.INVALID_PARAM):
        scene.submit(session, "ABC23", Confirmation.DEVICE_CODE)
    scene.submit(session, "ABC23", Confirmation.EMAIL_CODE)
    with refused(Result.DUPLICATE_REQUEST):
        scene.submit(session, "ABC23", Confirmation.EMAIL_CODE)


def test_a_machine_token_stands_for_the_code_of_its_own_account() -> None:
    scene = Scene()
    session = scene.begin(scene.mailed)
    scene.submit(session, "ABC23", Confirmation.EMAIL_CODE)
    machine = scene.world.poll(session.client_id, session.request_id, scene.now).machine_token
    assert scene.begin(scene.mailed, machine_token=machine).approved
    assert not scene.begin(scene.totp, machine_token=machine).approved
    assert not scene.begin(scene.mailed, machine_token=machine[:-2]).approved
    assert not scene.begin(scene.mailed, machine_token=scene.token(scene.mailed)).approved
    scene.now += scene.world.policy.machine_token_life_s
    assert not scene.begin(scene.mailed, machine_token=machine).approved


def test_a_session_waits_is_approved_denied_or_forgotten() -> None:
    scene = Scene()
    scene.plain.guard = Guard.DEVICE_ONLY
    first = scene.begin(scene.plain)
    assert scene.world.poll(first.client_id, first.request_id, scene.now) == Poll()
    with refused(Result.FILE_NOT_FOUND):
        scene.world.poll(first.client_id, b"another", scene.now)
    scene.world.approve(scene.plain)
    assert scene.world.poll(first.client_id, first.request_id, scene.now).refresh_token
    second = scene.begin(scene.plain)
    scene.world.deny(scene.plain)
    with refused(Result.FILE_NOT_FOUND):
        scene.world.poll(second.client_id, second.request_id, scene.now)
    third = scene.begin(scene.plain)
    scene.now += scene.world.policy.auth_session_life_s
    with refused(Result.EXPIRED):
        scene.world.poll(third.client_id, third.request_id, scene.now)
    with refused(Result.EXPIRED):
        scene.submit(third, "ABC23", Confirmation.EMAIL_CODE)


def test_the_client_id_can_change_at_the_first_poll() -> None:
    scene = Scene(Policy(rotates_client_id=True))
    session = scene.begin(scene.totp)
    old = session.client_id
    new = scene.world.poll(old, session.request_id, scene.now).new_client_id
    assert new not in {0, old}
    with refused(Result.EXPIRED):
        scene.world.poll(old, session.request_id, scene.now)
    scene.submit(session, scene.code(), Confirmation.DEVICE_CODE)
    assert scene.world.poll(new, session.request_id, scene.now).refresh_token


def test_codes_are_those_of_the_steam_library() -> None:
    for at in (0, 29, 30, 1_234_567_890, int(NOW)):
        assert code_of_step(SECRET, step_of(at)) == generate_twofactor_code_for_time(SECRET, at)
