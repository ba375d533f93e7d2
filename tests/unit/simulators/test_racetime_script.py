"""The demo plays by itself: an hour of it, checked at every step."""

from collections import Counter

import pytest

from exporter.simulators.racetime import SCENARIOS, Broadcast, RaceState, demo, quiet, wire

NOW = 1_800_000_000.0


def test_there_is_a_demo_and_a_quiet_scenario() -> None:
    assert set(SCENARIOS) == {"demo", "quiet", "trouble"}
    for make in SCENARIOS.values():
        world = make(NOW, 1).world
        assert list(world.categories) == ["alttpr", "ootr", "smz3", "sm"]
        assert world.categories["alttpr"].name == "A Link to the Past Randomizer"
        assert all(world.authenticate(f"demo-{slug}", f"demo-{slug}-secret") for slug in world.categories)
        assert len(world.users) >= 12
        assert any("<b>" in user.name for user in world.users.values())


def test_the_quiet_scenario_stays_quiet() -> None:
    scenario = quiet(NOW)
    scenario.advance(NOW + 3600)
    assert (scenario.world.races, scenario.waiting) == ({}, 0)


def test_a_newcomer_finds_rooms_in_several_states() -> None:
    for seed in range(5):
        states = {race.state for race in demo(NOW, seed).world.races.values()}
        assert len(states) >= 3


@pytest.mark.parametrize("seed", [1, 2])
def test_an_hour_of_the_demo_keeps_every_promise(seed: int) -> None:
    scenario = demo(NOW, seed)
    world = scenario.world
    seen: set[str] = set()
    kinds: Counter[str] = Counter()
    ended: set[str] = set()
    lives: list[float] = []

    def watch(news: Broadcast) -> None:
        kinds[news.type] += 1
        if news.type != "race.data":
            return
        data = news.body["race"]
        seen.add(data["status"]["value"])
        count, done, out = (data[f"entrants_count{kind}"] for kind in ("", "_finished", "_inactive"))
        words = Counter(each["status"]["value"] for each in data["entrants"])
        assert count == len(data["entrants"]) - words["requested"] - words["invited"]
        assert (done, out) == (words["done"], words["dnf"] + words["dq"])
        places = sorted(each["place"] for each in data["entrants"] if each["place"])
        assert places == list(range(1, done + 1))
        if data["status"]["value"] == "finished" and data["recorded"]:
            lives.append(news.at - news.race.opened_at)

    world.subscribe(watch)
    oldest = 0.0
    for half_seconds in range(7200):
        now = NOW + half_seconds / 2
        scenario.advance(now)
        world.tick(now)
        assert len(world.current) <= 12
        for race in world.current.values():
            oldest = max(oldest, now - race.opened_at)
        ended |= {str(race) for race in world.races.values() if race.is_done}

    assert seen == {state.value for state in RaceState} - {"partitioned"}
    assert {"chat.message", "race.data", "race.renders"} <= set(kinds)
    assert oldest < 300
    assert len(ended) > 200
    assert 60 <= sorted(lives)[len(lives) // 2] <= 90
    # A long run keeps its size: old races are forgotten, new ones go on.
    assert len(world.races) < 150
    assert world.current


def test_the_same_seed_plays_the_same_races() -> None:
    def play() -> list[tuple[str, str, int]]:
        scenario = demo(NOW, 3)
        for second in range(120):
            scenario.advance(NOW + second)
            scenario.world.tick(NOW + second)
        return [(str(race), race.state.value, race.version) for race in scenario.world.races.values()]

    assert play() == play()


def test_people_come_to_a_room_that_a_bot_opened() -> None:
    scenario = demo(NOW, 1)
    world = scenario.world
    bot = world.bots["demo-sm"]
    race = world.start_race(bot, bot.category, {"goal": "Any%"}, NOW)
    for half_seconds in range(300):
        now = NOW + half_seconds / 2
        scenario.advance(now)
        world.tick(now)
    assert len(race.entrants) >= 2
    assert race.started_at is not None
    assert wire.race(race, now)["opened_by_bot"] == "SMBot"
