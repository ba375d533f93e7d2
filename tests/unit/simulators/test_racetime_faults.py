"""The table of faults, the switchboard, spoilt bodies and the scenario with trouble; no sockets."""

from typing import Any

import orjson
import pytest

from exporter.simulators.faults import Effect, Fault, FaultSchedule
from exporter.simulators.racetime import KINDS, Faults, trouble
from exporter.simulators.racetime.holds import Holds
from exporter.simulators.racetime.http_faults import BEFORE, SEND, SPOIL
from exporter.simulators.racetime.kinds import ROUTES
from exporter.simulators.racetime.spoilt import FRAMES, UNKNOWN_WORD, wrong_types
from exporter.simulators.racetime.trouble import SCHEDULE
from tests.clock import ManualClock
from tests.unit.simulators.racetime_scene import NOW, Scene

DONE_ELSEWHERE = {
    "deactivate_bot",
    "revoke_tokens",
    "refuse_connections",
    "silence",
    "close_on_accept",
    "close_when_idle",
    "close_sockets",
    "drop_sockets",
}


SECRET = "secret-1"


class Board:
    """A switchboard over the scene, with a clock that stands still."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.clock = ManualClock(NOW)
        self.world = self.scene.world
        self.faults = Faults(self.world, Holds(self.clock), self.clock.now, list)

    def credentials_work(self, client_id: str = "bot-1", secret: str = SECRET) -> bool:
        return self.world.authenticate(client_id, secret) is not None


def test_every_kind_of_the_table_is_done_in_one_place() -> None:
    places = [*BEFORE, *SPOIL, *SEND, *FRAMES, *DONE_ELSEWHERE]
    assert sorted(places) == sorted(KINDS)
    for name, kind in KINDS.items():
        assert kind.routes <= ROUTES, name
        for detail in kind.details:
            Fault(name, detail=detail).check(KINDS)
    assert {"token", "category", "public", "race", "startrace", "edit", "socket"} <= ROUTES


def test_a_deactivated_bot_comes_back_with_the_same_or_new_credentials() -> None:
    board = Board()
    token = board.world.token_of(board.scene.bot, NOW)
    switch = board.faults.on("deactivate_bot", "*@bot-1")
    assert not board.credentials_work()
    assert board.world.live_token(token, NOW) is None
    assert board.credentials_work("bot-2", "secret-2")
    assert board.faults.deactivated("bot-1") is board.scene.bot
    board.faults.off(switch)
    assert board.credentials_work()
    assert board.world.live_token(token, NOW) is None
    with board.faults.during("deactivate_bot", "bot@testcat", "new"):
        assert not board.credentials_work()
    assert not board.credentials_work()
    bot = board.scene.bot
    assert board.credentials_work(bot.client_id, bot.client_secret)


def test_a_bot_that_two_faults_keep_away_comes_back_after_both() -> None:
    board = Board()
    one = board.faults.on("deactivate_bot", "*@testcat")
    everybody = board.faults.on("deactivate_bot")
    board.faults.off(one)
    assert board.world.bots == {}
    board.faults.off(everybody)
    board.faults.off(everybody)
    assert set(board.world.bots) == {"bot-1", "bot-2", "bot-5"}


def test_a_bot_reactivated_by_hand_keeps_what_it_got() -> None:
    board = Board()
    with board.faults.during("deactivate_bot", "*@bot-1"):
        board.world.reactivate_bot(board.scene.bot, client_id="bot-1", client_secret="by hand")
    assert board.credentials_work("bot-1", "by hand")


def test_tokens_are_revoked_of_one_bot_or_of_all() -> None:
    board = Board()
    bots = (board.scene.bot, board.scene.other_bot)

    def alive() -> list[bool]:
        return [board.world.live_token(value, NOW) is not None for value in tokens]

    tokens = [board.world.token_of(bot, NOW) for bot in bots]
    assert not board.faults.on("revoke_tokens", "*@bot-2").on
    assert alive() == [True, False]
    board.faults.on("revoke_tokens")
    assert alive() == [False, False]
    assert board.faults.active == ()


def test_a_schedule_switches_on_and_off_with_the_clock() -> None:
    board = Board()
    board.faults.play(
        FaultSchedule(
            (
                Fault("hang", "token", 5.0, 10.0),
                Fault("deactivate_bot", "*@bot-1", 8.0, 4.0),
                Fault("revoke_tokens", start_s=20.0),
            )
        )
    )
    seen = {}
    for second in (4, 5, 9, 13, 15, 19):
        board.faults.advance(NOW + second)
        seen[second] = [each.kind for each in board.faults.active]
    assert seen == {4: [], 5: ["hang"], 9: ["hang", "deactivate_bot"], 13: ["hang"], 15: [], 19: []}
    assert board.credentials_work()
    assert board.faults.playing
    token = board.world.token_of(board.scene.bot, NOW)
    board.faults.advance(NOW + 20)
    assert board.world.live_token(token, NOW) is None
    assert not board.faults.playing


def test_a_duration_ends_what_was_switched_on_by_hand() -> None:
    board = Board()
    board.faults.on("hang", "token", duration_s=3.0)
    board.faults.advance(NOW + 2.9)
    assert board.faults.active
    board.faults.advance(NOW + 3.0)
    assert board.faults.active == ()


def test_clear_ends_everything_also_what_is_to_come() -> None:
    board = Board()
    board.faults.on("deactivate_bot")
    board.faults.on("hang")
    board.faults.play(FaultSchedule((Fault("hang", start_s=1.0),), repeat_s=2.0))
    board.faults.clear()
    board.faults.advance(NOW + 100)
    assert board.faults.active == ()
    assert board.credentials_work()


def test_nonsense_is_refused_before_it_plays() -> None:
    board = Board()
    with pytest.raises(ValueError, match="no such kind"):
        board.faults.play(FaultSchedule((Fault("hang"), Fault("flood", start_s=100.0))))
    with pytest.raises(ValueError, match="does not strike at 'token'"):
        board.faults.on("silence", "token")
    with pytest.raises(ValueError, match="needs a number"):
        board.faults.on("slow", detail="very")
    assert not board.faults.playing


def test_any_random_schedule_ends_with_a_site_that_is_well() -> None:
    for seed in range(20):
        board = Board()
        schedule = FaultSchedule.random(seed, KINDS, length_s=300.0, count=60, who=("bot-1", "testcat2"))
        board.faults.play(schedule)
        for second in range(302):
            board.faults.advance(NOW + second)
        assert board.faults.active == (), schedule.dumps()
        assert not board.faults.playing
        assert len(board.world.bots) == 3


BODY: dict[str, Any] = {
    "status": {"value": "open"},
    "name": "a/b",
    "n": 1,
    "races": [{"status": {"value": "open"}, "name": None}],
}


@pytest.mark.parametrize("kind", sorted(FRAMES))
def test_frames_are_made_for_a_room(kind: str) -> None:
    scene = Scene()
    room = scene.room()
    scene.enter(room, *scene.racers[:2])
    for detail in KINDS[kind].details:
        frames = FRAMES[kind](room, NOW, detail)
        assert frames == FRAMES[kind](room, NOW, detail)
        assert frames


def test_what_the_frames_contain() -> None:
    scene = Scene()
    room = scene.room()
    scene.enter(room, scene.racers[0])

    def race_of(kind: str, detail: str) -> Any:
        (frame,) = FRAMES[kind](room, NOW, detail)
        content = orjson.loads(frame)
        assert content["type"] == "race.data"
        return content["race"]

    race = race_of("frame_unknown_words", "")
    assert race["status"]["value"] == race["entrants"][0]["status"]["value"] == UNKNOWN_WORD
    race = race_of("frame_nulls", "status")
    assert race["status"] is race["entrants"][0]["status"] is None
    assert "goal" not in race_of("frame_missing_fields", "goal info")
    assert "new_in_2031" in race_of("frame_extra_fields", "")["entrants"][0]["user"]
    assert len(FRAMES["frame_huge"](room, NOW, "20")[0]) > 20_000_000
    assert len(FRAMES["frame_flood"](room, NOW, "1000")) == 1000
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(FRAMES["frame_deep"](room, NOW, "100000")[0])
    assert isinstance(FRAMES["frame_binary"](room, NOW, "")[0], bytes)


def test_wrong_types_leave_no_value_as_it_was() -> None:
    spoilt = wrong_types(BODY, "values")
    assert set(spoilt) == set(BODY)
    assert all(type(spoilt[name]) is not type(BODY[name]) for name in BODY)
    assert [wrong_types(BODY, what) for what in ("list", "null", "number")] == [[BODY], None, 7]


def test_trouble_comes_and_goes_in_a_loop() -> None:
    scenario = trouble(NOW)
    world = scenario.world
    assert scenario.schedule is SCHEDULE
    faults = Faults(world, Holds(ManualClock(NOW)), lambda: NOW, list)
    faults.play(SCHEDULE)
    seen: list[set[str]] = []
    for round_ in range(2):
        kinds: set[str] = set()
        calm = 0
        for second in range(1200):
            faults.advance(NOW + 1200 * round_ + second)
            active = [each for each in faults.active if KINDS[each.kind].effect is Effect.FATAL]
            kinds |= {each.kind for each in active}
            calm += not active
        seen.append(kinds)
        assert 600 < calm < 900
    assert seen[0] == seen[1] >= {"refuse_connections", "refuse_credentials", "http_status", "silence"}
    assert faults.playing
