"""Races that a bot follows: from the lists and sockets to the store, and the chat to the handler."""

import asyncio

from exporter.model import events as ev
from exporter.model.status import RaceView
from exporter.platforms.racetime.handlers import LiveRoom
from exporter.platforms.racetime.rooms import RoomTiming
from tests.eventually import eventually
from tests.protocol.racetime_rig import QUICK, Diary, Rig


async def test_a_race_is_followed_through_all_its_states_and_back(rig: Rig) -> None:
    diary = Diary()
    first, second = rig.scene.racers[:2]
    async with rig.running(rig.guest(handlers=lambda _: diary)) as guest:
        race = rig.room(invitational=True)
        await eventually(lambda: rig.connected(race))
        assert rig.state(race) == "invitational"
        await eventually(lambda: guest.record.state == "in_race")
        rig.world.make_open(race, rig.scene.owner, rig.now)
        await eventually(lambda: rig.state(race) == "open")
        rig.start(race)
        await eventually(lambda: rig.state(race) == "in_progress")
        rig.world.done(race, first, rig.now)
        rig.world.done(race, second, rig.now)
        await eventually(lambda: rig.state(race) == "finished")
        await eventually(lambda: guest.record.state == "online")
        record = rig.race(race)
        assert record is not None
        assert [each.place for each in record.view.entrants] == [1, 2]
        rig.world.undone(race, second, rig.now)
        await eventually(lambda: rig.state(race) == "in_progress")
        await eventually(lambda: guest.record.state == "in_race")
        rig.world.done(race, second, rig.now)
        await eventually(lambda: rig.state(race) == "finished")
        rig.world.record(race, rig.scene.mod, rig.now)
        await eventually(lambda: not rig.connected(race))
        await eventually(lambda: diary.ends == 1)
        record = rig.race(race)
        assert record is not None
        assert record.view.recorded
        polls = rig.simulator.stats.polls["testcat"]
        await eventually(lambda: rig.simulator.stats.polls["testcat"] > polls + 2)
        assert rig.simulator.stats.sockets_opened[race.slug] == 1  # it is not entered again
    wanted = ["invitational", "open", "pending", "in_progress", "finished", "in_progress", "finished"]
    assert [state for i, state in enumerate(diary.states) if diary.states[i - 1 : i] != [state]] == wanted
    assert len(diary.rooms) == 1


async def test_an_unlisted_room_is_found(rig: Rig) -> None:
    race = rig.room(unlisted=True)
    async with rig.running(rig.guest()):
        await eventually(lambda: rig.connected(race))
        record = rig.race(race)
        assert record is not None
        assert record.view.unlisted
        assert record.view.url == f"{rig.simulator.url}/{race}"


async def test_a_room_is_left_after_a_cancel_and_forgotten_later(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=0.02, most_retry_s=0.1, stagger_s=0.0, linger_s=0.3)
    race = rig.room()
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))
        rig.world.cancel(race, rig.scene.mod, rig.now)
        await eventually(lambda: rig.state(race) == "cancelled" and not rig.connected(race))
        assert list(guest.record.races) == [str(race)]
        await eventually(lambda: rig.race(race) is None)
        assert not guest.record.races


async def test_a_finished_room_is_left_when_nothing_can_be_undone_any_more(rig: Rig) -> None:
    race = rig.room()
    async with rig.running(rig.guest()):
        await eventually(lambda: rig.connected(race))
        rig.start(race)
        await eventually(lambda: rig.state(race) == "in_progress")
        for racer in rig.scene.racers[:2]:
            rig.world.done(race, racer, rig.now)
        await eventually(lambda: rig.state(race) == "finished")
        assert rig.connected(race)
        rig.clock.jump(601)
        await eventually(lambda: rig.race(race) is None and not rig.simulator.open_sockets())


async def test_a_forfeit_that_is_undone_brings_the_bot_back_into_the_room(rig: Rig) -> None:
    race = rig.room()
    async with rig.running(rig.guest()):
        await eventually(lambda: rig.connected(race))
        rig.start(race)
        await eventually(lambda: rig.state(race) == "in_progress")
        for racer in rig.scene.racers[:2]:
            rig.world.forfeit(race, racer, rig.now)
        await eventually(lambda: rig.state(race) == "cancelled" and not rig.connected(race))
        rig.world.unforfeit(race, rig.scene.racers[0], rig.now)
        await eventually(lambda: rig.state(race) == "in_progress" and rig.connected(race))


async def test_after_a_crash_the_room_is_entered_again_and_no_line_is_lost_or_doubled(rig: Rig) -> None:
    diary = Diary()
    rig.poll_s = 0.3
    race = rig.room()
    racer = rig.scene.racers[0]
    async with rig.running(rig.guest(handlers=lambda _: diary)) as guest:
        rig.world.chat(race, racer, "before we came", rig.now)
        await eventually(lambda: rig.connected(race))
        rig.world.chat(race, racer, "one", rig.now)
        await eventually(lambda: diary.lines == ["one"])
        await rig.simulator.crash()
        await eventually(lambda: not rig.connected(race))
        for line in ("two", "three"):
            rig.world.chat(race, racer, line, rig.now)
        await rig.simulator.start()
        await eventually(lambda: diary.lines == ["one", "two", "three"])
        rig.world.chat(race, racer, "four", rig.now)
        await eventually(lambda: "four" in diary.lines)
        assert diary.lines == ["one", "two", "three", "four"]
        assert len(diary.rooms) == 1  # nobody is greeted twice
    assert len(guest.seen(ev.RoomDisconnected)) == 2
    assert len(guest.seen(ev.RoomConnected)) == 2


async def test_lines_missed_before_the_first_was_seen_come_too(rig: Rig) -> None:
    diary = Diary()
    rig.poll_s = 0.3
    race = rig.room()
    rig.world.chat(race, rig.scene.racers[0], "before we came", rig.now)
    async with rig.running(rig.guest(handlers=lambda _: diary)):
        await eventually(lambda: rig.connected(race))
        await rig.simulator.crash()
        await eventually(lambda: not rig.connected(race))
        rig.world.chat(race, rig.scene.racers[0], "while we were away", rig.now)
        await rig.simulator.start()
        await eventually(lambda: diary.lines)
        assert diary.lines == ["while we were away"]


async def test_a_race_that_ended_while_the_bot_was_away_is_learned_from_its_page(rig: Rig) -> None:
    race = rig.room()
    guest = rig.guest()
    async with rig.running(guest):
        await eventually(lambda: rig.connected(race))
    assert not rig.connected(race)
    rig.world.cancel(race, rig.scene.mod, rig.now)
    async with rig.running(guest):
        await eventually(lambda: rig.state(race) == "cancelled")


async def test_a_deleted_race_is_forgotten(rig: Rig) -> None:
    race = rig.room()
    guest = rig.guest()
    async with rig.running(guest):
        await eventually(lambda: rig.connected(race))
    rig.world.forget_race(race)
    async with rig.running(guest):
        await eventually(lambda: rig.race(race) is None)


async def test_a_race_that_is_deleted_under_the_bot_is_given_up(rig: Rig) -> None:
    race = rig.room()
    async with rig.running(rig.guest()):
        await eventually(lambda: rig.connected(race))
        rig.world.forget_race(race)
        for socket in rig.simulator.open_sockets():
            socket.close(1011)
        await eventually(lambda: rig.race(race) is None)
        opened = rig.simulator.stats.requests.total()
        await eventually(lambda: rig.simulator.stats.requests.total() > opened + 4)
        assert not [task for task in asyncio.all_tasks() if race.slug in task.get_name()]


async def test_a_failing_handler_does_not_disturb_its_room(rig: Rig) -> None:
    diary = Diary(fault="boom")
    race = rig.room()
    async with rig.running(rig.guest(handlers=lambda _: diary)):
        await eventually(lambda: rig.connected(race))
        for line in ("boom", "fine"):
            rig.world.chat(race, rig.scene.racers[0], line, rig.now)
        await eventually(lambda: diary.lines == ["fine"])
        assert rig.connected(race)


async def test_a_handler_may_give_its_room_orders(rig: Rig) -> None:
    rig.room()

    class Greeter(Diary):
        async def race_data(self, view: RaceView) -> None:
            if not self.states:
                self.states.append(view.state.value)
                await guest.bot.send_message(view.slug, "welcome")

    diary = Greeter()
    guest = rig.guest(handlers=lambda _: diary)
    async with rig.running(guest):
        await eventually(lambda: diary.lines == ["welcome"])


async def test_sockets_that_the_site_closes_at_once_are_tried_with_growing_pauses(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=0.01, most_retry_s=30.0, stagger_s=0.0)
    race = rig.room()
    async with rig.running(rig.guest()) as guest:
        for n in range(1, 5):
            await eventually(lambda n=n: len(guest.seen(ev.RoomConnected)) == n)  # type: ignore[misc]
            for socket in rig.simulator.open_sockets(race):
                socket.close(1011)
            await eventually(lambda n=n: len(guest.seen(ev.RoomDisconnected)) == n)  # type: ignore[misc]
        room = guest.bot.room(race.slug)
        assert room is not None
        assert room.failures == 4  # a connection that did not live long is no reason to begin anew


async def test_frames_that_make_no_sense_are_counted_and_break_nothing(rig: Rig) -> None:
    race = rig.room()
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))
        (socket,) = rig.simulator.open_sockets(race)
        for frame in (
            "{",
            "[]",
            '{"type": "race.data", "race": 5}',
            '{"type": "new.thing"}',
            '{"type":"race.data","race":{}}',
        ):
            socket.put(frame)
        rig.world.chat(race, rig.scene.racers[0], "hello", rig.now)
        await eventually(lambda: guest.stats.messages_received >= 8)
        assert guest.stats.unknown_messages == 1
        assert guest.stats.protocol_errors["json"] == 1
        assert guest.stats.protocol_errors["type"] == 1
        assert guest.stats.protocol_errors["shape"] >= 2
        assert rig.connected(race)
    assert len(guest.seen(ev.RoomConnected)) == 1


async def test_rooms_of_a_run_are_closed_with_it(rig: Rig) -> None:
    races = [rig.room(by=racer) for racer in rig.scene.racers]
    rig.timing = QUICK
    async with rig.running(rig.guest()):
        await eventually(lambda: all(rig.connected(each) for each in races))
    assert not any(rig.connected(each) for each in races)


async def test_a_frame_beyond_all_measure_is_counted_and_the_room_entered_again(rig: Rig) -> None:
    race = rig.room()
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))
        for socket in rig.simulator.open_sockets(race):
            socket.put("x" * (8 * 1024 * 1024 + 1))
        await eventually(lambda: guest.stats.protocol_errors["oversized"] == 1)
        await eventually(lambda: rig.simulator.stats.sockets_opened[race.slug] == 2 and rig.connected(race))
        await eventually(lambda: len(rig.simulator.open_sockets()) == 1)


async def test_a_handler_that_hangs_is_ended_with_its_race(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=0.02, most_retry_s=0.1, stagger_s=0.0, linger_s=0.2)
    started = asyncio.Event()

    class Sleeper(Diary):
        async def begin(self, _: LiveRoom) -> None:
            started.set()
            await asyncio.Event().wait()

    race = rig.room()
    async with rig.running(rig.guest(handlers=lambda _: Sleeper())):
        await started.wait()
        rig.world.cancel(race, rig.scene.mod, rig.now)
        await eventually(lambda: rig.race(race) is None)


async def test_rooms_that_could_not_be_reached_hurry_once_one_is_in(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=600.0, most_retry_s=600.0, stagger_s=0.01)
    races = [rig.room(by=racer) for racer in rig.scene.racers[:3]]
    shut = [f"socket@{race}" for race in races]
    async with rig.running(rig.guest()) as guest:
        with rig.simulator.faults.during("http_status", shut[0]), rig.simulator.faults.during("http_status", shut[1]):
            await eventually(lambda: rig.connected(races[2]))
            rooms = [guest.bot.room(race.slug) for race in races]
            await eventually(lambda: all(room is not None and room.kept_out for room in rooms[:2]))
        assert not any(rig.connected(race) for race in races[:2])
        fourth = rig.room(by=rig.scene.racers[3], unlisted=True)
        await eventually(lambda: rig.connected(fourth) and all(rig.connected(race) for race in races))


async def test_rooms_that_could_not_be_reached_hurry_once_a_poll_succeeds_again(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=600.0, most_retry_s=600.0, stagger_s=0.01)
    rig.poll_s = 0.2
    races = [rig.room(by=racer) for racer in rig.scene.racers[:2]]
    async with rig.running(rig.guest()) as guest:
        with rig.simulator.faults.during("http_status", "socket"):
            await eventually(lambda: guest.record.state == "in_race")
            rooms = [guest.bot.room(race.slug) for race in races]
            await eventually(lambda: all(room is not None and room.kept_out for room in rooms))
            with rig.simulator.faults.during("http_status", "category"):
                await eventually(lambda: guest.seen(ev.CheckFailed))
        await eventually(lambda: all(rig.connected(race) for race in races))


async def test_rooms_whose_sockets_are_closed_at_once_do_not_hurry_each_other(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=0.05, most_retry_s=30.0, stagger_s=0.0)
    races = [rig.room(by=racer) for racer in rig.scene.racers[:4]]
    with rig.simulator.faults.during("close_on_accept", "socket"):
        async with rig.running(rig.guest()) as guest:
            await eventually(lambda: guest.record.state == "in_race")
            opened = rig.simulator.stats.sockets_opened
            await eventually(lambda: all(opened[race.slug] >= 3 for race in races))
            for race in races:
                room = guest.bot.room(race.slug)
                assert room is not None
                assert not room.kept_out
                assert room.failures >= opened[race.slug] - 1  # each time it was let in cost it a longer pause


async def test_activity_of_all_rooms_is_told_now_and_then(rig: Rig) -> None:
    races = [rig.room(by=racer) for racer in rig.scene.racers[:3]]
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: all(rig.connected(race) for race in races))
        for race in races * 3:
            rig.world.chat(race, rig.scene.racers[0], "hello", rig.now)
        await eventually(lambda: guest.stats.messages_received >= 3 * 5)
        assert not guest.seen(ev.ActivitySeen)  # that the races were described has told it
        for n in (1, 2):
            rig.clock.jump(10.0)
            for race in races:
                rig.world.chat(race, rig.scene.racers[0], "later", rig.now)
            await eventually(lambda n=n: guest.stats.messages_received >= 3 * (5 + n))  # type: ignore[misc]
            assert len(guest.seen(ev.ActivitySeen)) == n
