"""A racetime bot from its token to its end: health, credentials, outages."""

import asyncio
import logging
import random
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.config import load
from exporter.errors import AuthError, AuthReason, FailureReason, TransientError, leading
from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.platforms import PLATFORMS
from exporter.platforms.base import BotContext
from exporter.secrets import hide_nothing
from exporter.stats import BotStats
from tests.eventually import eventually
from tests.protocol.racetime_rig import Rig


async def test_a_good_poll_makes_it_online_and_connected(rig: Rig) -> None:
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: guest.record.state == "online")
        assert guest.record.status is BotStatus.CONNECTED
        assert guest.record.token_expires_at == pytest.approx(rig.clock.now() + 36000, abs=5)
        first = guest.record.last_status_check_at
        await eventually(lambda: guest.record.last_status_check_at != first)
    assert [type(each) for each in guest.events[:4]] == [
        ev.ConnectStarted,
        ev.TokenIssued,
        ev.HealthProved,
        ev.StateEntered,
    ]
    assert guest.seen(ev.HealthProved)[0].valid_s == pytest.approx(3 * rig.poll_s)
    assert rig.simulator.stats.tokens == {"bot-1": 1}


async def test_a_wrong_secret_is_a_matter_of_credentials(rig: Rig) -> None:
    guest = rig.guest(secret="made-up-and-wrong")
    with pytest.raises(AuthError) as caught:
        await guest.run()
    assert (caught.value.reason, caught.value.forgivable) == (AuthReason.INVALID_CREDENTIALS, True)
    assert "made-up" not in str(caught.value)


async def test_a_403_costs_one_fresh_token_and_a_second_one_is_final(rig: Rig) -> None:
    stranger = rig.scene.other_bot
    guest = rig.guest(stranger)
    stranger.category = rig.scene.category
    with pytest.raises(AuthError) as caught:
        await guest.run()
    assert caught.value.reason is AuthReason.WRONG_CATEGORY
    assert rig.simulator.stats.tokens["bot-2"] == 2


async def test_an_unknown_category_is_a_wrong_one(rig: Rig) -> None:
    rig.scene.category.active = False
    with pytest.raises(AuthError, match="testcat") as caught:
        await rig.guest().run()
    assert caught.value.reason is AuthReason.WRONG_CATEGORY


async def test_a_token_that_died_is_replaced_and_the_rooms_come_back_with_the_new_one(rig: Rig) -> None:
    race = rig.room()
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))
        rig.world.expire_tokens(rig.scene.bot, rig.now)
        await eventually(lambda: rig.simulator.stats.tokens["bot-1"] == 2)
        await eventually(lambda: rig.simulator.stats.sockets_opened[race.slug] == 2 and rig.connected(race))
        assert (await guest.bot.send_message(race.slug, "still here"))["message"]
        assert guest.record.status is BotStatus.CONNECTED


async def test_a_deactivated_bot_ends_as_refused_credentials(rig: Rig) -> None:
    guest = rig.guest()
    task = asyncio.create_task(guest.run())
    await eventually(lambda: guest.record.state == "online")
    rig.world.deactivate_bot(rig.scene.bot)
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(task, 60)
    error = leading(caught.value)
    assert isinstance(error, AuthError)
    assert error.reason is AuthReason.INVALID_CREDENTIALS


async def test_the_token_is_renewed_at_half_life_and_every_room_takes_the_new_one(rig: Rig) -> None:
    rooms = [rig.room(by=racer) for racer in rig.scene.racers[:3]]
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: all(rig.connected(each) for each in rooms))
        first = guest.seen(ev.TokenIssued)[0].expires_at
        rig.clock.jump(18_001)
        await eventually(lambda: len(guest.seen(ev.TokenIssued)) == 2)
        await eventually(lambda: all(rig.simulator.stats.sockets_opened[each.slug] == 2 for each in rooms))
        await eventually(lambda: all(rig.connected(each) for each in rooms))
        assert guest.record.token_expires_at is not None
        assert guest.record.token_expires_at > first
        newest = list(rig.world.tokens)[-1]
        assert {each.token for each in rig.simulator.open_sockets()} == {newest}
    assert guest.record.reconnects == 0


async def test_an_outage_is_reported_poll_by_poll_and_then_ends_the_run(rig: Rig) -> None:
    guest = rig.guest()
    task = asyncio.create_task(guest.run())
    await eventually(lambda: guest.record.state == "online")
    await rig.simulator.crash()
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(task, 60)
    error = leading(caught.value)
    assert isinstance(error, TransientError)
    assert error.reason is FailureReason.REFUSED
    failed = guest.seen(ev.CheckFailed)
    assert len(failed) >= 3
    assert {each.reason for each in failed} <= {FailureReason.REFUSED, FailureReason.OTHER}
    await rig.simulator.start()
    async with rig.running(guest):
        await eventually(lambda: guest.record.state == "online")
    assert rig.simulator.stats.tokens["bot-1"] == 1  # the token was still good


async def test_a_site_that_is_down_is_refused_at_once(rig: Rig) -> None:
    await rig.simulator.stop()
    with pytest.raises(TransientError) as caught:
        await rig.guest().run()
    assert caught.value.reason is FailureReason.REFUSED
    await rig.simulator.start()


async def test_one_bad_secret_does_not_touch_the_others(rig: Rig) -> None:
    bad = rig.guest(rig.scene.other_bot, name="bad", secret="wrong")
    async with rig.running(rig.guest(name="good")) as good:
        await eventually(lambda: good.record.state == "online")
        for _ in range(3):
            with pytest.raises(AuthError):
                await bad.run()
        proofs = len(good.seen(ev.HealthProved))
        await eventually(lambda: len(good.seen(ev.HealthProved)) > proofs)
        assert good.record.status is BotStatus.CONNECTED
    assert good.seen(ev.CheckFailed) == []


async def test_a_board_that_cannot_be_read_hurts_nobody(rig: Rig) -> None:
    race = rig.room()
    rig.simulator.deaf_to.add("/races/data")
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))
        await eventually(lambda: len(guest.seen(ev.HealthProved)) > 3)
    assert guest.seen(ev.CheckFailed) == []


async def test_no_secret_and_no_token_shows_anywhere(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    race = rig.room()
    guest = rig.guest()
    bad = rig.guest(rig.scene.other_bot, name="bad", secret="a-secret-of-ours")
    with capture_logs() as logs:
        async with rig.running(guest):
            await eventually(lambda: rig.connected(race))
            await rig.simulator.crash()
            await eventually(lambda: guest.seen(ev.CheckFailed))
            await rig.simulator.start()
            await eventually(lambda: rig.connected(race))
        with pytest.raises(AuthError) as caught:
            await bad.run()
    everything = f"{guest.events} {bad.events} {logs} {caplog.text} {caught.value!r} {guest.bot.credentials()}"
    assert logs
    for secret in (*rig.world.tokens, rig.scene.bot.client_secret, "a-secret-of-ours"):
        assert secret not in everything


async def test_from_the_configuration_to_a_working_bot(rig: Rig, tmp_path: Path) -> None:
    """The row of the PLATFORMS table, used as the program uses it."""
    (tmp_path / "secret").write_text(f"{rig.scene.bot.client_secret}\n")
    file = tmp_path / "config.yaml"
    file.write_text(
        f"racetime: {{url: '{rig.simulator.url}', poll_interval: 50ms}}\n"
        "bots: [{name: a, platform: racetime, category: testcat, client_id: bot-1, client_secret_file: secret}]\n"
    )
    config = load(file)
    platform = PLATFORMS["racetime"]
    events: list[ev.Event] = []
    options = platform.parse(config.bots[0])
    assert options.subject == "testcat"
    log = structlog.get_logger()
    async with platform.open_service(config, rig.clock, tmp_path) as service:
        context = BotContext(
            "a", events.append, BotStats(), rig.clock, random.Random(1), log, hide_nothing, lambda: False
        )
        bot = service.bot(options, context)
        before = bot.credentials()
        task = asyncio.create_task(bot.run())
        await eventually(lambda: len([each for each in events if isinstance(each, ev.HealthProved)]) > 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (tmp_path / "secret").unlink()
        assert bot.credentials() != before
        with pytest.raises(AuthError, match="secret file"):
            await bot.run()


async def test_a_renewal_that_is_refused_costs_nothing_while_the_old_token_is_good(rig: Rig) -> None:
    guest = rig.guest()
    async with rig.running(guest):
        await eventually(lambda: guest.record.healthy)
        rig.scene.bot.client_secret = "changed-at-the-site"
        with capture_logs() as logs:
            rig.clock.jump(18001)  # half of the token's life
            await eventually(lambda: rig.simulator.stats.tokens["bot-1"] == 2)
            polled = guest.record.last_status_check_at
            await eventually(lambda: guest.record.last_status_check_at != polled)
        assert guest.record.healthy
        assert rig.simulator.stats.tokens["bot-1"] == 2  # not asked again at each poll
    told = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [entry["event"] for entry in told] == ["the token cannot be renewed yet"]


async def test_every_secret_that_the_bot_learns_is_hidden_from_the_log(rig: Rig) -> None:
    guest = rig.guest()
    async with rig.running(guest):
        await eventually(lambda: guest.record.healthy)
    assert guest.hidden == {rig.scene.bot.client_secret, *(token.value for token in rig.world.tokens.values())}


async def test_a_room_is_entered_with_the_token_in_the_header_and_without_compression(rig: Rig) -> None:
    """A token in the address would end up in access logs; compression triples the memory of an idle socket."""
    race = rig.room()
    async with rig.running(rig.guest()):
        await eventually(lambda: rig.connected(race))
    (handshake,) = rig.simulator.handshakes
    assert handshake.query_string == ""
    assert handshake.headers["Authorization"].startswith("Bearer ")
    assert "Sec-WebSocket-Extensions" not in handshake.headers


async def test_rooms_hear_of_a_new_token_though_the_poll_that_brought_it_failed(rig: Rig) -> None:
    rig.poll_s = 0.4  # long enough that one failed poll does not end the run
    race = rig.room()
    async with rig.running(rig.guest()) as guest:
        await eventually(lambda: rig.connected(race))

        def cut_off(change: ev.Change) -> None:
            if isinstance(change.event, ev.TokenIssued):
                rig.simulator.faults.on("http_status", "category", "502", duration_s=0.1)

        rig.store.subscribe(cut_off)
        rig.simulator.faults.on("revoke_tokens")
        await eventually(lambda: len(guest.seen(ev.TokenIssued)) == 2 and guest.seen(ev.CheckFailed))
        newest = list(rig.world.tokens)[-1]
        await eventually(lambda: {each.token for each in rig.simulator.open_sockets()} == {newest})
