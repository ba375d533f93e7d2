"""The simulated site without sockets: rooms, people, bots."""

from typing import Any

import pytest

from exporter.simulators.racetime import (
    BOT_ACTIONS,
    USER_DEEDS,
    EntryState,
    FormInvalid,
    Race,
    RaceState,
    Refused,
    ServerCrash,
    wire,
)
from tests.unit.simulators.racetime_scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()


def refusal(call: Any, *args: Any, **facts: Any) -> tuple[str, ...]:
    with pytest.raises(Refused) as refused:
        call(*args, **facts)
    return refused.value.errors


def words(race: Race) -> list[str]:
    return [wire.entrant_word(race, each) for each in race.entrants]


# the state machine


def test_a_race_goes_from_open_to_recorded_with_the_sites_words(scene: Scene) -> None:
    race = scene.running(*scene.racers[:2])
    first, second = scene.racers[:2]
    scene.world.done(race, first, scene.now)
    scene.wait(61)
    scene.world.done(race, second, scene.now)
    scene.wait(0.2)
    scene.world.record(race, scene.mod, scene.now)
    assert [line.partition(" in 0:01:07.")[0] for line in scene.lines()] == [
        "Racer1#7717 joins the race.",
        "Racer1#7717 is ready! (0 remaining)",
        "Racer2#3764 joins the race.",
        "Racer2#3764 is ready! (0 remaining)",
        "Everyone is ready. The race will begin in 10 seconds!",
        *(f"{seconds}…" for seconds in (10, 5, 4, 3, 2, 1)),
        "The race has begun! Good luck and have fun.",
        "Racer1#7717 has ##good##finished## in 1st place with a time of 0:00:06!",
        "Racer2#3764 has ##good##finished## in 2nd place with a time of 0:01:07!",
        "Race finished",
        "Race result recorded by Mod#3153",
    ]
    assert (race.state, race.recorded, words(race)) == (RaceState.FINISHED, True, ["done", "done"])
    assert scene.world.current == {}


def test_each_change_is_a_line_then_the_race_then_the_renders(scene: Scene) -> None:
    race = scene.room()
    scene.seen.clear()
    scene.world.join(race, scene.racers[1], scene.now)
    assert [each.type for each in scene.seen] == ["chat.message", "race.data", "race.renders"]
    assert {each.body.get("version") for each in scene.seen} == {None, 2}


def test_a_race_does_not_start_by_itself_without_auto_start_or_with_one_entrant(scene: Scene) -> None:
    alone, manual = scene.room(), scene.room(auto_start=False)
    scene.enter(alone, scene.racers[0])
    scene.enter(manual, *scene.racers[1:3])
    scene.wait(1)
    assert (alone.state, manual.state) == (RaceState.OPEN, RaceState.OPEN)
    scene.world.begin(manual, scene.bot, scene.now)
    assert manual.state is RaceState.PENDING
    assert manual.started_at == pytest.approx(scene.now + 10)


def test_all_forfeits_cancel_a_race_unless_it_completes_by_itself(scene: Scene) -> None:
    for auto_complete, state in ((False, RaceState.CANCELLED), (True, RaceState.FINISHED)):
        race = scene.running(*scene.racers[:2], time_limit_auto_complete=auto_complete)
        for user in scene.racers[:2]:
            scene.world.forfeit(race, user, scene.now)
        scene.wait(0.2)
        assert (race.state, race.recordable) == (state, auto_complete)


@pytest.mark.parametrize(("first", "undo"), [("done", "undone"), ("forfeit", "unforfeit")])
def test_an_ended_race_restarts_when_an_entrant_takes_it_back(scene: Scene, first: str, undo: str) -> None:
    race = scene.running(*scene.racers[:2])
    for user in scene.racers[:2]:
        USER_DEEDS[first](scene.world, race, user, scene.now)
    scene.wait(0.2)
    assert race.is_done
    scene.wait(590)
    USER_DEEDS[undo](scene.world, race, scene.racers[0], scene.now)
    assert (race.state, race.ended_at, race.cancelled_at) == (RaceState.IN_PROGRESS, None, None)
    assert scene.lines()[-1] == "Race timer restarted."
    assert str(race) in scene.world.current
    scene.world.done(race, scene.racers[0], scene.now)
    scene.wait(0.2)
    assert (race.state, race.recordable) == (RaceState.FINISHED, True)


def test_nothing_is_taken_back_after_ten_minutes_or_once_recorded(scene: Scene) -> None:
    late, recorded = scene.running(*scene.racers[:2]), scene.running(*scene.racers[2:4])
    for race, users in ((late, scene.racers[:2]), (recorded, scene.racers[2:4])):
        for user in users:
            scene.world.done(race, user, scene.now)
    scene.wait(0.2)
    scene.world.record(recorded, scene.mod, scene.now)
    words_then = ("You cannot undo your finish at this time. Refresh to continue.",)
    assert refusal(scene.world.undone, recorded, scene.racers[2], scene.now) == words_then
    scene.now += 601
    assert refusal(scene.world.undone, late, scene.racers[0], scene.now) == words_then
    assert refusal(scene.world.record, recorded, scene.mod, scene.now) == (
        "Race is not recordable or already recorded.",
    )


def test_places_are_counted_again_when_a_finish_goes_away(scene: Scene) -> None:
    race = scene.running(*scene.racers[:3])
    for user in scene.racers[:3]:
        scene.world.done(race, user, scene.now)
        scene.wait(1)
    assert [each.place for each in race.entrants] == [1, 2, 3]
    scene.world.undone(race, scene.racers[0], scene.now)
    entrant = race.entrant_of(scene.racers[1])
    assert entrant is not None
    scene.world.disqualify(race, entrant, scene.mod, scene.now)
    assert [each.place for each in race.entrants] == [None, None, 1]
    assert words(race) == ["in_progress", "dq", "done"]


def test_nobody_finishes_or_forfeits_in_the_first_five_seconds(scene: Scene) -> None:
    race = scene.room()
    scene.enter(race, *scene.racers[:2])
    scene.wait(13)
    assert race.state is RaceState.IN_PROGRESS
    assert refusal(scene.world.done, race, scene.racers[0], scene.now)[0].startswith("You cannot finish this early.")
    assert refusal(scene.world.forfeit, race, scene.racers[0], scene.now)[0].startswith(
        "You cannot forfeit this early."
    )


def test_lonely_and_dead_rooms_are_cancelled(scene: Scene) -> None:
    lonely, dead = scene.room(), scene.room(auto_start=False)
    scene.enter(dead, *scene.racers[1:3])
    start = scene.now
    for moment in (1500, 1501, 1800, 14400):
        scene.world.tick(start + moment)
    assert (lonely.state, dead.state) == (RaceState.CANCELLED, RaceState.CANCELLED)
    assert scene.lines()[-3:] == [
        "Warning: this race will be automatically cancelled in 5 minutes unless at least two entrants join.",
        "This race has been cancelled. Reason: less than 2 entrants joined.",
        "This race has been cancelled. Reason: dead race room.",
    ]


def test_the_time_limit_ends_a_race(scene: Scene) -> None:
    race = scene.running(*scene.racers[:2], time_limit_h=1)
    scene.world.done(race, scene.racers[0], scene.now)
    scene.world.tick(scene.now + 3400)
    scene.world.tick(scene.now + 3700)
    assert (race.state, words(race)) == (RaceState.FINISHED, ["done", "dnf"])
    assert scene.lines()[-3].startswith("Warning: this race will reach its time limit in 5 minutes.")
    scene.now += 3700
    assert refusal(scene.world.undone, race, scene.racers[0], scene.now) == (
        "You cannot undo your finish as the race time limit has expired.",
    )


def test_a_started_race_that_is_cancelled_leaves_its_runners_unfinished(scene: Scene) -> None:
    race = scene.running(*scene.racers[:2], unlisted=True)
    scene.world.cancel(race, scene.bot, scene.now)
    assert (words(race), race.ended_at, race.settings.unlisted) == (["dnf", "dnf"], scene.now, False)
    assert scene.lines()[-1] == "This race has been cancelled by TestBot1."
    assert refusal(scene.world.cancel, race, scene.bot, scene.now) == (
        "Cannot cancel a race that is in cancelled state.",
    )


def test_a_ladder_room_becomes_hidden_rooms_of_two(scene: Scene) -> None:
    race = scene.room(partitionable=True)
    for user in scene.racers[:5]:
        scene.world.join(race, user, scene.now)
    scene.world.act(race, scene.bot, "begin", None, scene.now)
    children = list(scene.world.current.values())
    assert (race.state, len(race.entrants), len(children)) == (RaceState.PARTITIONED, 4, 2)
    assert all(len(child.entrants) == 2 and child.is_anonymous for child in children)
    assert [each.type for each in scene.seen].count("chat.dm") == 4
    data = wire.race(children[0], scene.now)
    assert {each["user"]["id"] for each in data["entrants"]} == {""}


# people


def test_invitational_rooms_are_entered_by_request_or_invitation(scene: Scene) -> None:
    race = scene.room(invitational=True)
    opener, guest, asker, loser = scene.racers[:4]
    scene.world.join(race, opener, scene.now)
    assert refusal(scene.world.join, race, guest, scene.now) == ("You are not eligible to join this race.",)
    scene.world.invite(race, guest, opener, scene.now)
    scene.world.accept_invite(race, guest, scene.now)
    entrant = scene.world.request_invite(race, asker, scene.now)
    scene.world.accept_request(race, entrant, scene.mod, scene.now)
    scene.world.request_invite(race, loser, scene.now)
    scene.world.cancel_invite(race, loser, scene.now)
    scene.world.invite(race, loser, opener, scene.now)
    scene.world.decline_invite(race, loser, scene.now)
    assert [each.user for each in race.entrants] == [opener, guest, asker]
    assert all(each.state is EntryState.JOINED for each in race.entrants)


def test_one_race_at_a_time_and_no_banned_or_streamless_racers(scene: Scene) -> None:
    race, other, strict = scene.room(), scene.room(), scene.room(streaming_required=True)
    scene.world.join(race, scene.racers[0], scene.now)
    assert not scene.world.may_join(other, scene.racers[0])
    scene.racers[1].banned_from.add("testcat")
    assert not scene.world.may_join(other, scene.racers[1])
    assert not scene.world.may_join(strict, scene.racers[2])
    scene.racers[2].twitch_name = "Racer2TV"
    scene.world.join(strict, scene.racers[2], scene.now)
    assert refusal(scene.world.ready, strict, scene.racers[2], scene.now) == (
        "You cannot ready up at this time. Refresh to continue.",
    )
    entrant = strict.entrants[0]
    assert wire.entrant_actions(strict, entrant, scene.now) == ["not_live", "leave"]
    scene.world.act(strict, scene.bot, "override_stream", {"user": scene.racers[2].id}, scene.now)
    scene.world.ready(strict, scene.racers[2], scene.now)
    assert words(strict) == ["ready"]


def test_a_user_who_goes_live_may_get_ready(scene: Scene) -> None:
    race = scene.room(streaming_required=True)
    scene.racers[0].twitch_name = "one"
    scene.world.join(race, scene.racers[0], scene.now)
    scene.seen.clear()
    scene.world.go_live(scene.racers[0], scene.now)
    assert [each.type for each in scene.seen] == ["race.data", "race.renders"]
    scene.world.ready(race, scene.racers[0], scene.now)
    scene.world.unready(race, scene.racers[0], scene.now)
    scene.world.leave(race, scene.racers[0], scene.now)
    assert race.entrants == []


def test_team_races_need_teams_and_even_ones_if_asked(scene: Scene) -> None:
    race = scene.room(team_race=True, require_even_teams=True)
    for user in scene.racers[:3]:
        scene.world.join(race, user, scene.now)
    assert refusal(scene.world.ready, race, scene.racers[0], scene.now) == ("You must join a team before readying up.",)
    team = scene.world.set_team(race, scene.racers[0], scene.now)
    scene.world.set_team(race, scene.racers[1], scene.now, team)
    scene.world.set_team(race, scene.racers[2], scene.now)
    for user in scene.racers[:3]:
        scene.world.ready(race, user, scene.now)
    scene.wait(1)
    states = [race.state]
    scene.world.leave(race, scene.racers[1], scene.now)
    scene.wait(1)
    assert [*states, race.state] == [RaceState.OPEN, RaceState.PENDING]


def test_begin_leaves_behind_who_is_not_ready(scene: Scene) -> None:
    race = scene.room(auto_start=False)
    scene.enter(race, *scene.racers[:2])
    scene.world.join(race, scene.racers[2], scene.now)
    scene.seen.clear()
    scene.world.begin(race, scene.mod, scene.now)
    counts = [each.body["race"]["entrants_count"] for each in scene.seen if each.type == "race.data"]
    assert (counts, words(race)) == ([3, 2], ["ready", "ready"])


# chat


def test_chat_shows_who_wrote_and_what_is_hidden(scene: Scene) -> None:
    race = scene.room(chat_message_delay_s=5)
    user = scene.racers[2]
    scene.world.chat(race, user, "##good##psst##", scene.now)
    message = scene.seen[-1].body["message"]
    assert (message["is_monitor"], message["delay"], message["message_plain"]) == (False, 5, "psst")
    scene.world.chat(race, scene.mod, "hush", scene.now)
    message = scene.seen[-1].body["message"]
    assert (message["is_monitor"], message["delay"]) == (True, 0)
    scene.world.chat(race, user, "secret", scene.now, to=scene.mod)
    assert scene.seen[-1].type == "chat.dm"
    assert "secret" not in str(scene.seen[-1].body)
    assert [each["message"] for each in wire.history(race)] == ["##good##psst##", "hush"]


def test_history_is_the_last_hundred_then_the_pinned(scene: Scene) -> None:
    race = scene.room()
    lines = [scene.world.chat(race, scene.racers[0], f"line {number}", scene.now) for number in range(110)]
    scene.world.set_pin(race, lines[0], scene.now, pinned=True)
    scene.world.set_pin(race, lines[0], scene.now, pinned=True)
    assert [each.type for each in scene.seen].count("chat.pin") == 1
    texts = [each["message"] for each in wire.history(race)]
    assert (len(texts), texts[0], texts[-1]) == (101, "line 10", "line 0")
    assert [each["message"] for each in wire.history(race, lines[107].id)] == ["line 108", "line 109"]
    assert len(wire.history(race, "nonsense")) == 101


def test_deleted_and_purged_lines_leave_the_history(scene: Scene) -> None:
    race = scene.room()
    user = scene.racers[0]
    lines = [scene.world.chat(race, user, text, scene.now) for text in ("one", "two")]
    scene.world.delete_message(race, lines[0], scene.mod, scene.now)
    assert [each["message"] for each in wire.history(race)] == ["two"]
    scene.world.purge(race, user, scene.mod, scene.now)
    assert wire.history(race) == []
    assert [each.type for each in scene.seen[-2:]] == ["chat.delete", "chat.purge"]
    scene.world.split(race, user, "Level 1", "-", scene.now)
    assert scene.seen[-1].body["split"] == {
        "split_name": "level 1",
        "split_time": "-",
        "is_undo": True,
        "is_finish": False,
        "user_id": user.id,
    }


def test_restricted_chat_is_for_monitors(scene: Scene) -> None:
    race = scene.room(allow_prerace_chat=False)
    assert refusal(scene.world.chat, race, scene.racers[1], "hi", scene.now)
    scene.world.chat(race, scene.racers[0], "hi", scene.now)


# bots


def test_bots_have_sixteen_actions_besides_the_three_of_the_socket() -> None:
    assert len(BOT_ACTIONS) == 16


def test_a_guid_is_remembered_for_five_minutes(scene: Scene) -> None:
    race = scene.room()

    def send() -> int:
        scene.world.act(race, scene.bot, "message", {"message": "x", "guid": "g-1"}, scene.now)
        return len(race.messages)

    assert (send(), send()) == (1, 1)
    scene.now += 300
    assert send() == 2


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("message", None),
        ("message", {"message": "x", "guid": 5}),
        ("invite", None),
        ("setmeta", "abc"),
        ("setinfo", []),
        ("pin_message", None),
    ],
)
def test_some_input_kills_the_real_server(scene: Scene, action: str, data: object) -> None:
    with pytest.raises(ServerCrash):
        scene.world.act(scene.room(), scene.bot, action, data, scene.now)


def test_a_private_message_of_a_bot_loses_its_pin_and_buttons(scene: Scene) -> None:
    race = scene.room()
    data = {"message": "x", "guid": "g", "pinned": True, "actions": {"a": {"message": "m"}}}
    scene.world.act(race, scene.bot, "message", {**data, "direct_to": scene.racers[0].id}, scene.now)
    line = race.messages[-1]
    assert (line.pinned, line.actions, line.direct_to) == (False, {}, scene.racers[0])


def test_the_bots_own_data_is_merged_silently_and_limited(scene: Scene) -> None:
    race = scene.room()
    scene.world.act(race, scene.bot, "setmeta", {"a": 1}, scene.now)
    scene.world.act(race, scene.bot, "setmeta", {"b": 2}, scene.now)
    assert (race.bot_meta, race.version, scene.seen) == ({"a": 1, "b": 2}, 3, [])
    assert refusal(scene.world.act, race, scene.bot, "setmeta", {"c": "x" * 2048}, scene.now) == (
        "Data provided is too large to save.",
    )


def test_an_empty_info_changes_nothing_but_is_announced(scene: Scene) -> None:
    race = scene.room(info_bot="seed")
    scene.world.act(race, scene.bot, "setinfo", {"info_bot": ""}, scene.now)
    assert (race.settings.info_bot, scene.lines()[-1]) == (
        "seed",
        "##bot##TestBot1## updated the race information.",
    )


# the form


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("0", True), ("on", True), ("false", False), ("False", False), ("", False)]
)
def test_booleans_are_read_as_the_site_reads_them(scene: Scene, text: str, value: bool) -> None:
    form = {"goal": "Any%", "auto_start": text, "ranked": text, "invitational": text}
    race = scene.world.start_race(scene.bot, scene.category, form, scene.now)
    assert (race.settings.auto_start, race.recordable, race.state is RaceState.INVITATIONAL) == (value,) * 3
    assert race.settings.streaming_required is True


@pytest.mark.parametrize(
    ("form", "errors"),
    [
        ({"start_delay": "soon"}, {"start_delay": ["Enter a whole number."]}),
        ({"time_limit": "0"}, {"time_limit": ["Ensure this value is greater than or equal to 1:00:00."]}),
        ({"info_bot": "x" * 1001}, {"info_bot": ["Ensure this value has at most 1000 characters (it has 1001)."]}),
        (
            {"team_race": "true", "partitionable": "true"},
            {"__all__": ["Team races are not compatible with 1v1 ladder races."]},
        ),
    ],
)
def test_a_bad_form_is_refused_by_field(scene: Scene, form: dict[str, str], errors: dict[str, list[str]]) -> None:
    with pytest.raises(FormInvalid) as invalid:
        scene.world.start_race(scene.bot, scene.category, {"goal": "Any%", **form}, scene.now)
    assert invalid.value.errors == errors


def test_beta_fields_are_ignored_where_the_category_has_them_not(scene: Scene) -> None:
    scene.category.allow_hide_entrants = scene.category.allow_partitionable = False
    form = {"goal": "Any%", "hide_entrants": "true", "partitionable": "true"}
    race = scene.world.start_race(scene.bot, scene.category, form, scene.now)
    assert (race.settings.hide_entrants, race.settings.partitionable) == (False, False)


def test_an_edit_tells_what_changed_or_only_the_race(scene: Scene) -> None:
    race = scene.world.start_race(scene.bot, scene.category, {"goal": "Any%"}, scene.now)
    scene.seen.clear()
    scene.world.edit_race(scene.bot, race, {"goal": "Any%"}, scene.now)
    assert [each.type for each in scene.seen] == ["race.data", "race.renders"]
    form = {"custom_goal": "Mine", "streaming_required": "false", "chat_message_delay": "9"}
    scene.world.edit_race(scene.bot, race, form, scene.now)
    assert scene.lines() == [
        "TestBot1 set a new goal: Mine",
        "Streaming is now NOT required for this race.",
        "Chat delay is now 9 seconds.",
    ]
    assert race.recordable is False


def test_after_the_start_an_edit_reaches_only_some_fields(scene: Scene) -> None:
    race = scene.running(*scene.racers[:2], info_bot="seed")
    scene.world.edit_race(scene.bot, race, {"info_user": "new", "start_delay": "60", "goal": "x"}, scene.now)
    chosen = race.settings
    assert (chosen.info_user, chosen.info_bot, chosen.start_delay_s, chosen.goal) == ("new", "seed", 10, "Any%")


# small print


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(15, "P0DT00H00M15S"), (86400, "P1DT00H00M00S"), (5.722589, "P0DT00H00M05.722589S"), (None, None)],
)
def test_durations_are_written_as_captured(seconds: float | None, text: str | None) -> None:
    assert wire.duration(seconds) == text


def test_datetimes_lose_their_fraction_on_a_whole_second() -> None:
    assert (wire.race_time(1_800_000_000.0), wire.race_time(1_800_000_000.2955)) == (
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:00:00.295Z",
    )
    assert wire.exact_time(1_800_000_000.5) == "2027-01-15T08:00:00.500000+00:00"


def test_ordinals() -> None:
    texts = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]
    assert [wire.ordinal(place) for place in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == texts


def test_a_token_lives_ten_hours(scene: Scene) -> None:
    token = scene.world.issue_token(scene.bot, scene.now)
    assert scene.world.live_token(token.value, scene.now + 35999) is token
    assert scene.world.live_token(token.value, scene.now + 36000) is None


def test_hostile_names_are_escaped_in_html(scene: Scene) -> None:
    user = scene.world.add_user('<b>"x"&', discriminator=None)
    race = scene.room()
    scene.world.join(race, user, scene.now)
    assert "<b>" not in str(wire.race_renders(race)["renders"])
    assert wire.user(user, scene.category)["name"] == '<b>"x"&'  # type: ignore[index]


def test_listeners_can_stop_listening(scene: Scene) -> None:
    heard: list[Any] = []
    stop = scene.world.subscribe(heard.append)
    race = scene.room()
    scene.world.say(race, "one", scene.now)
    stop()
    scene.world.say(race, "two", scene.now)
    assert len(heard) == 1
