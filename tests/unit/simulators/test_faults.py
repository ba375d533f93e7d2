"""Faults and their schedules, without any simulator."""

import math

import pytest

from exporter.simulators.faults import Fault, FaultSchedule, Kind, Switch, Target, Timeline

KINDS = {
    "hang": Kind("never answers", frozenset({"token", "list"})),
    "status": Kind("answers this", frozenset({"list"}), ("503", "500 with words")),
    "cut": Kind("cuts once", frozenset({"socket"}), lasting=False),
}


@pytest.mark.parametrize(
    ("text", "route", "names", "struck"),
    [
        ("*", "token", set(), True),
        ("token", "token", set(), True),
        ("token", "list", set(), False),
        ("*@cat", "list", {"cat", "bot-1"}, True),
        ("@cat", "list", {"cat"}, True),
        ("list@cat", "list", {"dog"}, False),
        ("list@cat", "token", {"cat"}, False),
    ],
)
def test_a_target_names_a_route_and_whom_it_strikes(text: str, route: str, names: set[str], struck: bool) -> None:
    assert Target.parse(text).matches(route, names) is struck
    assert Target.parse(str(Target.parse(text))) == Target.parse(text)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("explode"), "no such kind of fault: 'explode'"),
        (Fault("status", "token"), "does not strike at 'token' but at list"),
        (Fault("status", detail="never"), "needs a number in front, as in '503'"),
        (Fault("status", detail="."), "needs a number in front"),
        (Fault("status", detail=" "), "needs a number in front"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: Fault, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fault.check(KINDS)


def test_the_default_detail_is_filled_in() -> None:
    switch = Switch(Fault("status").check(KINDS), math.inf)
    assert (switch.number, switch.words) == (503.0, "")
    switch = Switch(Fault("status", detail="500 with words").check(KINDS), math.inf)
    assert (switch.number, switch.words) == (500.0, "with words")


def draw(seed: int, count: int = 40) -> FaultSchedule:
    return FaultSchedule.random(seed, KINDS, length_s=60.0, count=count, who=("cat", "dog"), longest_s=20.0)


def test_a_random_schedule_is_sound_and_repeatable() -> None:
    for seed in range(50):
        schedule = draw(seed)
        assert schedule == draw(seed)
        assert [fault.check(KINDS) for fault in schedule.faults] == list(schedule.faults)
        assert [each.start_s for each in schedule.faults] == sorted(each.start_s for each in schedule.faults)
        assert all(each.start_s + each.duration_s <= 60.001 for each in schedule.faults)
        assert {each.duration_s for each in schedule.faults if each.kind == "cut"} <= {0.0}
    assert draw(1) != draw(2)


def test_a_schedule_survives_printing() -> None:
    for schedule in (draw(3), FaultSchedule((Fault("hang", "*@cat"),), repeat_s=30.0), FaultSchedule(())):
        assert FaultSchedule.loads(schedule.dumps()) == schedule
    assert len(draw(3).dumps().splitlines()) == 42


def test_a_timeline_gives_each_fault_once_at_its_time() -> None:
    first, second = Fault("hang", start_s=5.0, duration_s=2.0), Fault("cut", start_s=1.0, duration_s=0.0)
    line = Timeline(FaultSchedule((first, second)), 100.0)
    assert list(line.due(100.9)) == []
    assert (list(line.due(101.0)), line.over) == ([(second, 101.0)], False)
    assert (list(line.due(200.0)), line.over) == ([(first, 107.0)], True)
    assert list(line.due(300.0)) == []


def test_a_timeline_repeats_and_catches_up() -> None:
    fault = Fault("hang", start_s=5.0, duration_s=1.0)
    line = Timeline(FaultSchedule((fault,), repeat_s=10.0), 0.0)
    assert [ends_at for _, ends_at in line.due(30.0)] == [6.0, 16.0, 26.0]
    assert [ends_at for _, ends_at in line.due(36.0)] == [36.0]
    assert not line.over
    assert Timeline(FaultSchedule((), repeat_s=10.0), 0.0).over
