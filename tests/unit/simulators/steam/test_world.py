"""Tokens, logons, sessions and who plays."""

from exporter.platforms.steam.messages import Result
from exporter.simulators.steam import (
    Account,
    GamesChanged,
    Kicked,
    LogonKind,
    PlayingChanged,
    Policy,
    RateLimit,
    Session,
    TokenState,
)
from exporter.simulators.steam.records import Notice
from tests.unit.simulators.steam.scene import Scene, refused

APP = 570


class Stage(Scene):
    """A scene that keeps the notices."""

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__(policy)
        self.notices: list[Notice] = []
        self.world.subscribe(self.notices.append)

    def log_on(self, account: Account | None = None, login_id: int = 1, token: str = "") -> Session:
        account = account or self.plain
        value = token or self.token(account)
        return self.world.log_on(account.steamid, value, login_id, self.now, address="10.0.0.1")

    def heard(self) -> list[Notice]:
        heard, self.notices[:] = list(self.notices), []
        return heard


def test_a_token_outlives_the_process_of_the_simulator() -> None:
    token = Stage().token()
    later = Stage()
    assert later.log_on(token=token).account is later.plain
    assert [each.kind for each in later.world.attempts] == [LogonKind.TOKEN]
    later.world.revoke_tokens(later.plain)
    with refused(Result.REVOKED):
        later.log_on(token=token)
    with refused(Result.INVALID_PASSWORD):
        later.log_on(token=token[:-1])


def test_each_kind_of_dead_token_has_its_answer() -> None:
    stage = Stage()
    world = stage.world
    with refused(Result.INVALID_PASSWORD):
        stage.log_on(token="a.b.c")
    with refused(Result.ACCESS_DENIED):
        stage.log_on(token=stage.token(stage.totp))
    old = stage.token()
    _, renewed = world.renew(old, stage.plain.steamid, stage.now, new_token=True)
    assert renewed is not None
    with refused(Result.ACCESS_DENIED):
        stage.log_on(token=old)
    stage.log_on(token=renewed.value)
    world.revoke_tokens(stage.plain)
    with refused(Result.REVOKED):
        stage.log_on(token=renewed.value)
    short = world.issue_token(stage.plain, stage.now, life_s=60.0)
    stage.now += 60.0
    with refused(Result.EXPIRED):
        stage.log_on(token=short.value)
    assert world.valid_tokens(stage.plain, stage.now) == []


def test_a_renewal_can_leave_the_token_as_it_is() -> None:
    for stage, new_token in ((Stage(), False), (Stage(Policy(renews=False)), True)):
        value = stage.token()
        access, renewed = stage.world.renew(value, stage.plain.steamid, stage.now, new_token=new_token)
        assert access
        assert renewed is None
        assert stage.world.tokens[value].state is TokenState.VALID
        with refused(Result.ACCESS_DENIED):
            stage.world.renew(value, stage.totp.steamid, stage.now, new_token=new_token)


def test_the_truth_about_logons() -> None:
    stage = Stage()
    world = stage.world
    token = stage.token()
    stage.log_on(token=token)
    stage.now += 10
    stage.log_on(token=token)
    with refused(Result.BUSY):
        world.log_on(stage.plain.steamid, token, 1, stage.now, verdict=Result.BUSY)
    assert world.logons() == {"Plain": 2}
    assert world.logons(LogonKind.PASSWORD) == world.logons(LogonKind.TOKEN) == {"Plain": 1}
    assert world.logon_times() == [stage.now - 10, stage.now, stage.now]
    assert [each.result for each in world.attempts] == [Result.OK, Result.OK, Result.BUSY]
    assert world.logged_on() == ["Plain"]


def test_the_same_login_id_replaces_and_another_one_does_not() -> None:
    stage = Stage()
    first = stage.log_on(login_id=1)
    second = stage.log_on(login_id=2)
    assert stage.heard() == []
    third = stage.log_on(login_id=1)
    assert stage.heard() == [Kicked(first, Result.LOGON_SESSION_REPLACED)]
    assert stage.world.sessions_of(stage.plain) == [second, third]
    assert first.ended == Result.LOGON_SESSION_REPLACED
    stage.world.kick(first, Result.FAIL)
    stage.world.leave(first)
    assert stage.heard() == []


def test_one_session_of_an_account_plays() -> None:
    stage = Stage()
    world = stage.world
    first, second = stage.log_on(login_id=1), stage.log_on(login_id=2)
    world.play(first, (APP,))
    assert stage.heard() == [
        GamesChanged(first, started=(APP,)),
        PlayingChanged(first, blocked=False, app=APP),
        PlayingChanged(second, blocked=True, app=APP),
    ]
    world.play(first, (APP,))
    assert stage.heard() == []
    world.play(second, (APP,))
    assert stage.heard() == [PlayingChanged(second, blocked=True, app=APP)]
    assert (world.playing_blocked(second), world.playing_blocked(first)) == (APP, 0)
    world.take_over(second)
    assert stage.heard() == [
        GamesChanged(first, stopped=(APP,)),
        PlayingChanged(second, blocked=False, app=0),
        Kicked(first, Result.LOGGED_IN_ELSEWHERE),
    ]
    world.play(second, (APP, 440))
    world.play(second, ())
    assert stage.heard()[-2:] == [
        GamesChanged(second, stopped=(APP, 440)),
        PlayingChanged(second, blocked=False, app=0),
    ]


def test_an_address_that_logs_on_too_often_is_paused_and_tries_lengthen_the_pause() -> None:
    stage = Stage()
    limit = stage.world.logon_limit = RateLimit(2, 60.0, pause_s=100.0)
    stage.log_on()
    stage.log_on(stage.totp)
    with refused(Result.RATE_LIMIT_EXCEEDED):
        stage.log_on(stage.mailed)
    stage.now += 99.0
    with refused(Result.RATE_LIMIT_EXCEEDED):
        stage.log_on(stage.mailed)
    assert limit.paused_until("10.0.0.1") == stage.now + 100.0
    stage.world.log_on(stage.mailed.steamid, stage.token(stage.mailed), 1, stage.now, address="10.0.0.2")
    stage.now += 100.0
    stage.log_on(stage.mailed)


def test_a_slow_address_is_never_limited() -> None:
    scene = Scene()
    scene.world.begin_limit = RateLimit(2, 60.0)
    for _ in range(6):
        scene.begin(scene.plain, address="10.0.0.1")
        scene.now += 30.0
    scene.begin(scene.plain, address="10.0.0.1")
    scene.begin(scene.plain, address="10.0.0.2")
    with refused(Result.RATE_LIMIT_EXCEEDED):
        scene.begin(scene.plain, address="10.0.0.1")
