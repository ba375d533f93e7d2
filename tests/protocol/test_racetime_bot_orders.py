"""Orders that a racetime bot takes, and the site's own words when it refuses."""

import asyncio

import pytest

from exporter.errors import OrderInDoubt, OrderRefused
from exporter.model import events as ev
from exporter.platforms.racetime.rooms import RoomTiming
from exporter.simulators.racetime import Race
from tests.eventually import eventually
from tests.protocol.racetime_rig import Guest, Rig


async def entered(rig: Rig, **facts: object) -> Race:
    race = rig.room(**facts)
    await eventually(lambda: rig.connected(race))
    return race


async def test_a_message_comes_back_as_the_room_shows_it(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        answer = await guest.bot.send_message(race.slug, "  glhf & have <fun> \u00e9 ")
        message = answer["message"]
        assert isinstance(message, dict)
        assert message["text"] == "glhf & have <fun> \u00e9"
        assert message["id"] == race.messages[-1].id
        assert guest.stats.messages_sent == 2


async def test_a_direct_message_is_answered_without_its_text(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        to = rig.scene.racers[1].id
        answer = await guest.bot.act(race.slug, "message", {"message": "psst", "direct_to": to})
        assert answer == {"message": {"id": race.messages[-1].id, "direct_to": to}}


async def test_refusals_carry_the_sites_own_words(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        refused = {
            ("begin", ""): "Race cannot be started yet.",
            ("make_open", ""): "Race is not an invitational.",
            ("invite", "nobody"): "No user found matching the given ID.",
            ("accept_request", rig.scene.racers[3].id): "Specified user is not a race entrant.",
        }
        for (action, user), words in refused.items():
            with pytest.raises(OrderRefused, match=words) as caught:
                await guest.bot.act(race.slug, action, {"user": user} if user else None)
            assert caught.value.errors == (words,)
        with pytest.raises(OrderRefused, match="Could not find a message with that ID"):
            await guest.bot.act(race.slug, "pin_message", {"message": "nope"})
        assert rig.connected(race)


async def test_orders_given_at_once_each_get_their_own_answer(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        orders = [guest.bot.send_message(race.slug, f"line {n}") for n in range(5)]
        orders.insert(2, guest.bot.act(race.slug, "make_open"))
        answers = await asyncio.gather(*orders, return_exceptions=True)
        assert isinstance(answers.pop(2), OrderRefused)
        texts = [each["message"]["text"] for each in answers]  # type: ignore[index]
        assert texts == [f"line {n}" for n in range(5)]


async def test_every_action_of_the_set_can_be_done(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        bot, slug = guest.bot, race.slug
        first, second, third = rig.scene.racers[:3]
        said = await bot.act(
            slug, "message", {"message": "pin me", "pinned": True, "actions": {"Go": {"message": "!go"}}}
        )
        line = said["message"]
        assert isinstance(line, dict)
        await bot.act(slug, "unpin_message", {"message": line["id"]})
        await bot.act(slug, "pin_message", {"message": line["id"]})
        await bot.set_info(slug, bot="seed 1", user="have fun")
        await bot.act(slug, "setmeta", {"seed": 1})
        assert race.bot_meta == {"seed": 1}
        await bot.act(slug, "make_invitational")
        await bot.invite(slug, third.id)
        rig.world.request_invite(race, second, rig.now)
        await bot.act(slug, "accept_request", {"user": second.id})
        await bot.act(slug, "make_open")
        rig.world.join(race, first, rig.now)
        rig.world.ready(race, first, rig.now)
        await bot.act(slug, "force_unready", {"user": first.id})
        await bot.act(slug, "add_monitor", {"user": first.id})
        await bot.act(slug, "remove_monitor", {"user": first.id})
        await bot.act(slug, "remove_entrant", {"user": third.id})
        rig.world.ready(race, first, rig.now)
        rig.world.ready(race, second, rig.now)
        history = await bot.act(slug, "gethistory")
        assert isinstance(history["messages"], list)
        assert "pin me" in [each["text"] for each in history["messages"]]
        answer = await bot.act(slug, "getrace")
        assert isinstance(answer["race"], dict)
        assert answer["race"]["info_bot"] == "seed 1"
        await eventually(lambda: rig.state(race) in ("pending", "in_progress"))
        await bot.cancel(slug)
        await eventually(lambda: rig.state(race) == "cancelled" and not rig.connected(race))


async def test_begin_forces_the_start(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig, auto_start=False)
        rig.scene.now = rig.now
        rig.scene.enter(race, *rig.scene.racers[:2])
        await guest.bot.begin(race.slug)
        await eventually(lambda: rig.state(race) == "pending")


async def test_shapes_that_would_kill_the_socket_are_not_sent(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        wrong: list[tuple[str, dict[str, object] | None]] = [
            ("message", None),
            ("message", {"message": "x", "guid": 5}),
            ("invite", {}),
            ("fly", None),
            ("getrace", {"x": 1}),
        ]
        for action, data in wrong:
            with pytest.raises(OrderRefused):
                await guest.bot.act(race.slug, action, data)
        assert guest.stats.messages_sent == 0
        assert rig.simulator.stats.sockets_opened[race.slug] == 1


async def test_without_a_room_or_socket_an_order_is_refused(rig: Rig) -> None:
    guest = rig.guest()
    with pytest.raises(OrderRefused, match="not connected"):
        await guest.bot.open_race({"goal": "Any%"})
    async with rig.running(guest):
        race = await entered(rig)
        with pytest.raises(OrderRefused, match="does not follow"):
            await guest.bot.send_message("no-such-room", "x")
    with pytest.raises(OrderRefused, match="not open"):
        await guest.bot.send_message(race.slug, "x")


async def test_a_refused_token_is_replaced_for_the_next_order(rig: Rig) -> None:
    rig.poll_s = 60.0
    race = rig.room()
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))
        rig.world.expire_tokens(rig.scene.bot, rig.now)
        with pytest.raises(OrderRefused, match="Permission denied"):
            await guest.bot.send_message(race.slug, "one")
        await eventually(lambda: rig.simulator.stats.sockets_opened[race.slug] == 2 and rig.connected(race))
        await guest.bot.send_message(race.slug, "two")
        assert rig.simulator.stats.tokens["bot-1"] == 2


async def test_a_connection_that_drops_leaves_an_order_in_doubt(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        rig.simulator.silent_in_rooms = True
        order = asyncio.create_task(guest.bot.act(race.slug, "message", {"message": "x"}))
        await eventually(lambda: rig.simulator.stats.actions["message"])
        await rig.simulator.crash()
        with pytest.raises(OrderInDoubt, match="before an answer came"):
            await order
        rig.simulator.silent_in_rooms = False
        await rig.simulator.start()


async def test_a_silent_room_leaves_an_order_in_doubt_and_the_next_gets_its_own_answer(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=0.02, most_retry_s=0.1, stagger_s=0.0, order_s=0.3)
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        rig.simulator.silent_in_rooms = True
        with pytest.raises(OrderInDoubt, match="in time"):
            await guest.bot.begin(race.slug)
        rig.simulator.silent_in_rooms = False
        for socket in rig.simulator.open_sockets(race):
            socket.put('{"type": "error", "errors": ["late words"]}')
            socket.put('{"type": "pong"}')
        await guest.bot.act(race.slug, "make_invitational")


async def test_a_repeated_guid_is_in_doubt_because_the_site_is_silent(rig: Rig) -> None:
    rig.timing = RoomTiming(first_retry_s=0.02, most_retry_s=0.1, stagger_s=0.0, order_s=0.3)
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        again = {"message": "x", "guid": "same"}
        await guest.bot.act(race.slug, "message", again)
        with pytest.raises(OrderInDoubt):
            await guest.bot.act(race.slug, "message", again)
        assert (await guest.bot.send_message(race.slug, "y"))["message"]


async def opened(guest: Guest, **fields: object) -> str:
    view = await guest.bot.open_race({"goal": "Any%", **fields})
    return view.slug


async def test_a_race_is_opened_entered_and_edited_without_losing_a_field(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.state == "online")
        slug = await opened(
            guest, unlisted=True, streaming_required=False, info_bot="seed", time_limit=5, allow_comments=False
        )
        race = rig.world.race("testcat", slug)
        assert race is not None
        await eventually(lambda: rig.connected(race))
        assert [each.race for each in guest.seen(ev.RaceCreated)] == [str(race)]
        assert guest.record.state == "in_race"
        chosen = race.settings
        assert (chosen.unlisted, chosen.streaming_required, chosen.time_limit_h) == (True, False, 5)
        await guest.bot.set_info(slug, bot="seed 2")
        await guest.bot.edit_race(slug, {"custom_goal": "Something else"})
        chosen = race.settings
        assert (chosen.goal, chosen.custom_goal, chosen.info_bot) == (None, "Something else", "seed 2")
        assert (chosen.unlisted, chosen.streaming_required, chosen.time_limit_h) == (True, False, 5)
        assert not chosen.allow_comments


async def test_the_sites_form_errors_come_through(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.state == "online")
        with pytest.raises(OrderRefused, match="You need to set a goal for this race"):
            await guest.bot.open_race({"goal": "No such goal"})
        with pytest.raises(OrderRefused) as caught:
            await guest.bot.open_race({"goal": "Any%", "start_delay": 5, "time_limit": 100})
        assert {each.partition(":")[0] for each in caught.value.errors} == {"start_delay", "time_limit"}
        slug = await opened(guest)
        with pytest.raises(OrderRefused, match="start_delay"):
            await guest.bot.edit_race(slug, {"start_delay": 99})
        await guest.bot.edit_race(slug, {"start_delay": 20})
        assert rig.simulator.stats.startraces["testcat"] == 3


async def test_a_room_of_somebody_else_needs_the_whole_form(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        race = await entered(rig)
        with pytest.raises(OrderRefused, match="unlisted"):
            await guest.bot.edit_race(race.slug, {"goal": "Any%"})
        assert rig.simulator.stats.edits["testcat"] == 0


async def test_a_narrow_permission_is_a_refusal(rig: Rig) -> None:
    rig.poll_s = 60.0
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.state == "online")
        rig.world.expire_tokens(rig.scene.bot, rig.now)
        with pytest.raises(OrderRefused, match="403"):
            await guest.bot.open_race({"goal": "Any%"})
        await eventually(lambda: len(guest.seen(ev.TokenIssued)) == 2)
        assert await opened(guest)


async def test_opening_is_never_sent_twice_when_the_answer_is_lost(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.state == "online")
        rig.simulator.deaf_to.add("/o/testcat/startrace")
        with pytest.raises(OrderInDoubt, match="no answer"):
            await guest.bot.open_race({"goal": "Any%"})
        await eventually(lambda: any(rig.connected(each) for each in rig.world.races.values()))
        assert rig.simulator.stats.startraces["testcat"] == 1
        assert len(rig.world.races) == 1


async def test_an_order_that_cannot_reach_the_site_is_refused(rig: Rig) -> None:
    rig.poll_s = 60.0
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.state == "online")
        await rig.simulator.stop()
        with pytest.raises(OrderRefused, match="cannot be reached"):
            await guest.bot.open_race({"goal": "Any%"})
        await rig.simulator.start()


async def test_a_draining_process_opens_and_enters_no_new_room(rig: Rig) -> None:
    first = rig.room(by=rig.scene.racers[0])
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(first))
        rig.draining = True
        rig.room(by=rig.scene.racers[1])
        with pytest.raises(OrderRefused, match="draining"):
            await guest.bot.open_race({"goal": "Any%"})
        polled = guest.record.last_status_check_at
        await eventually(lambda: guest.record.last_status_check_at not in (polled, None))
        assert list(rig.store.races) == [str(first)]
        assert rig.connected(first)
    assert rig.simulator.stats.startraces == {}
