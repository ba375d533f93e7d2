"""Every way in which racetime.gg can be in trouble, and what an operator then sees: judged from outside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.errors import OrderInDoubt
from exporter.model import events as ev
from exporter.model.states import BotStatus
from exporter.platforms.racetime.bot import RacetimeBot
from exporter.platforms.racetime.client import Patience
from exporter.runner import RetryPolicy
from tests.eventually import eventually
from tests.protocol.fleet_rig import CATEGORIES, QUICK_PATIENCE, Fleet, objects_alive, racetime_fleet

VICTIM, OTHERS = "alttpr", ("ootr", "smz3")


@dataclass(frozen=True)
class Case:
    """A fault at the victim's own poll, and the verdict that it must lead to."""

    kind: str
    detail: str
    status: str
    reason: str
    says: str
    route: str = "category"


# racetime protocol notes, sections 3, 4 and 10.
CASES = (
    Case("refuse_tokens", "", "auth_failed", "wrong_category", "does not let this bot see category alttpr"),
    Case("http_status", "503", "connection_error", "http_5xx", "answered 503"),
    Case("http_status", "500", "connection_error", "http_5xx", "answered 500"),
    Case("too_many", "1", "connection_error", "service_unavailable", "slow down (429)"),
    Case("challenge", "", "connection_error", "protocol", "answered 403"),
    Case("redirect", "", "connection_error", "protocol", "answered 301"),
    Case("hang", "", "connection_error", "timeout", "no answer"),
    Case("slow", "5", "connection_error", "timeout", "no answer"),
    Case("trickle", "5", "connection_error", "timeout", "no answer"),
    Case("drop_before", "", "connection_error", "other", "connection was lost"),
    Case("lose_answer", "", "connection_error", "other", "connection was lost"),
    Case("drop_middle", "", "connection_error", "protocol", "no valid HTTP"),
    Case("not_json", "", "connection_error", "protocol", "broken JSON"),
    Case("html_page", "", "connection_error", "protocol", "text/html, not JSON"),
    Case("truncated", "", "connection_error", "protocol", "broken JSON"),
    Case("wrong_types", "list", "connection_error", "protocol", "no JSON object"),
    Case("huge_body", "9", "connection_error", "protocol", "over 8388608 bytes"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.detail}".rstrip("-"))
async def test_a_fault_at_one_bot_is_told_as_what_it_is_and_touches_no_other(case: Case, tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        with fleet.site.faults.during(case.kind, f"{case.route}@demo-{VICTIM}", case.detail):
            bot = await fleet.until(VICTIM, lambda bot: bot["status_name"] == case.status and bot["next_retry_at"])
            assert (bot["status_reason"], bot["state"]) == (case.reason, "disconnected")
            assert case.says in bot["status_message"]
            assert bot["last_error"] == bot["status_message"]
            truth = fleet.site.truth(f"demo-{VICTIM}")
            assert truth.doubtful or not truth.can_poll
            await fleet.untouched(*OTHERS)
        await fleet.healthy()
        await fleet.agree()
        await fleet.untouched(*OTHERS)
        assert (await fleet.bot(VICTIM))["reconnects"] >= 1


# racetime protocol notes, section 3: only a 401 speaks of credentials.
TOKEN_CASES = (
    Case("http_status", "400", "connection_error", "protocol", "token: racetime.gg answered 400"),
    Case("http_status", "403", "connection_error", "protocol", "token: racetime.gg answered 403"),
    Case("http_status", "404", "connection_error", "protocol", "is racetime.url the site's own address?"),
    Case("http_status", "503", "connection_error", "http_5xx", "token: racetime.gg answered 503"),
    Case("hang", "", "connection_error", "timeout", "no answer"),
    Case("not_json", "", "connection_error", "protocol", "token: the answer is broken JSON"),
    Case("missing_fields", "access_token", "connection_error", "protocol", "holds no usable token"),
)


@pytest.mark.parametrize("case", TOKEN_CASES, ids=lambda case: f"{case.kind}-{case.detail}".rstrip("-"))
async def test_a_token_endpoint_in_trouble_says_nothing_of_credentials(case: Case, tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        with fleet.site.faults.during(case.kind, f"token@demo-{VICTIM}", case.detail):
            fleet.site.faults.on("revoke_tokens", f"bot@demo-{VICTIM}")
            bot = await fleet.until(VICTIM, lambda bot: bot["next_retry_at"] is not None)
            assert (bot["status_name"], bot["status_reason"]) == (case.status, case.reason)
            assert case.says in bot["status_message"]
            await fleet.untouched(*OTHERS)
        await fleet.healthy()
        await fleet.agree()


HARMLESS = (
    ("unknown_words", "category", ""),
    ("extra_fields", "category", ""),
    ("wrong_types", "category", "values"),
    ("missing_fields", "category", "status"),
    ("nulls", "category", "current_races"),
    ("hang", "public", ""),
    ("http_status", "public", "502"),
    ("not_json", "race", ""),
    ("http_status", "token", "503"),
    ("hang", "token", ""),
)


@pytest.mark.parametrize(("kind", "route", "detail"), HARMLESS, ids=lambda word: word or "default")
async def test_what_need_not_hurt_does_not(kind: str, route: str, detail: str, tmp_path: Path) -> None:
    """Unknown things, a public list that fails, and a token endpoint in trouble while the token is good."""
    async with racetime_fleet(tmp_path) as fleet:
        target = route if route == "public" else f"{route}@{VICTIM}"  # the public list is that of all
        with fleet.site.faults.during(kind, target, detail):
            seen = fleet.site.stats.polls[VICTIM]
            await eventually(lambda: fleet.site.stats.polls[VICTIM] >= seen + 5)
            assert (await fleet.bot(VICTIM))["healthy"]
        await fleet.healthy()
        await fleet.agree()
        await fleet.untouched(*CATEGORIES)


@pytest.mark.parametrize("end", ["deactivate_bot", "refuse_credentials"])
async def test_a_bot_that_its_owner_deactivates(end: str, tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        faults = fleet.site.faults
        target = f"bot@demo-{VICTIM}" if end == "deactivate_bot" else f"token@demo-{VICTIM}"
        with faults.during(end, target):
            if end == "refuse_credentials":
                faults.on("revoke_tokens", f"bot@demo-{VICTIM}")
            bot = await fleet.until(VICTIM, lambda bot: bot["status_name"] == "auth_failed" and bot["next_retry_at"])
            assert bot["status_reason"] == "invalid_credentials"
            assert "they are wrong, or the bot was deactivated" in bot["status_message"]
            assert "manage/bots" in bot["status_message"]
            assert not fleet.site.truth(f"demo-{VICTIM}").credentials_ok
            await fleet.untouched(*OTHERS)
        await fleet.healthy()
        await fleet.agree()


async def test_a_reactivated_bot_has_new_credentials_and_a_changed_secret_file_is_tried_at_once(tmp_path: Path) -> None:
    slow = RetryPolicy(first_s=0.05, most_s=0.3, auth_s=600.0, credentials_check_s=0.05)
    async with racetime_fleet(tmp_path, retry=slow) as fleet:
        world = fleet.site.world
        account = world.bots[f"demo-{VICTIM}"]
        world.deactivate_bot(account)
        bot = await fleet.until(VICTIM, lambda bot: bot["status_name"] == "auth_failed" and bot["next_retry_at"])
        tries = fleet.site.stats.tokens[f"demo-{VICTIM}"]
        world.reactivate_bot(account, client_id=f"demo-{VICTIM}", client_secret="brand-new-secret")
        (fleet.secrets / VICTIM).write_text("brand-new-secret\n")
        bot = await fleet.until(VICTIM, lambda bot: bot["healthy"])
        assert fleet.site.stats.tokens[f"demo-{VICTIM}"] == tries + 1
        assert bot["reconnects"] == 1
        await fleet.healthy()
        await fleet.untouched(*OTHERS)


async def test_revoked_tokens_are_replaced_without_anybody_noticing(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        fleet.site.faults.on("revoke_tokens")
        await eventually(lambda: all(fleet.site.stats.tokens[f"demo-{name}"] == 2 for name in CATEGORIES))
        await fleet.healthy()
        # The site judges a socket by the token of its start: every room must have come back with the new one.
        live = {token.value for token in fleet.site.world.tokens.values() if not token.revoked}
        await eventually(lambda: {each.token for each in fleet.site.open_sockets()} == live)
        await fleet.healthy()
        await fleet.untouched(*CATEGORIES)
        await fleet.agree()


CLOSES = [("close_sockets", code) for code in ("1000", "1001", "1008 policy", "1011", "1012", "1013 later", "4000 odd")]


@pytest.mark.parametrize(("kind", "detail"), [*CLOSES, ("drop_sockets", "")], ids=lambda word: word or "1006")
async def test_sockets_closed_with_each_code_come_back_and_miss_nothing(kind: str, detail: str, tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path, rooms_each=2) as fleet:
        opened = sum(fleet.site.stats.sockets_opened.values())
        fleet.site.faults.on(kind, "socket", detail)
        await eventually(lambda: sum(fleet.site.stats.sockets_opened.values()) == opened + 6)
        await fleet.healthy()
        await fleet.untouched(*CATEGORIES)
        await fleet.agree()


@pytest.mark.parametrize(
    "kind", ["close_on_accept", "close_when_idle", "http_status", "redirect", "hang", "drop_before"]
)
async def test_a_room_that_cannot_be_entered_does_not_make_the_bot_unhealthy(kind: str, tmp_path: Path) -> None:
    """Its polls prove that the bot works; the lost room shows as room_connected false and in bot_race_rooms."""
    async with racetime_fleet(tmp_path) as fleet:
        (room,) = fleet.site.open_rooms(VICTIM)
        detail = {"close_when_idle": "0.05", "http_status": "502"}.get(kind, "")
        with fleet.site.faults.during(kind, f"socket@{VICTIM}", detail):
            fleet.site.faults.on("drop_sockets", f"socket@{VICTIM}")
            # Both accept-then-close and an idle close let the socket through for a moment, again and again.
            await eventually(lambda: not fleet.app.store.races[room].connected)
            bot = await fleet.bot(VICTIM)
            assert (bot["healthy"], bot["state"]) == (True, "in_race")
        await fleet.healthy()
        await fleet.untouched(*CATEGORIES)
        await fleet.agree()


async def test_pages_of_many_races_that_hang_do_not_keep_the_polls_waiting(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path, poll_s=0.2, patience=Patience(0.2, 0.2, 0.1), rooms_each=12) as fleet:
        faults = fleet.site.faults
        with (
            faults.during("nulls", f"category@demo-{VICTIM}", "current_races"),  # so every room has to be looked at
            faults.during("http_status", f"socket@{VICTIM}", "502"),
            faults.during("hang", f"race@{VICTIM}"),
        ):
            faults.on("drop_sockets", f"socket@{VICTIM}")
            seen = fleet.site.stats.polls[VICTIM]
            await eventually(lambda: fleet.site.stats.polls[VICTIM] >= seen + 4)
        await fleet.healthy()
        await fleet.untouched(*CATEGORIES)


async def test_a_hung_server_is_noticed_by_its_unanswered_pings(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        with fleet.site.faults.during("silence", "socket"):
            began = fleet.clock.monotonic()
            await eventually(lambda: not any(race.connected for race in fleet.app.store.races.values()))
            # ping_s until the ping, ping_s for the pong, each found by the next sweep, close_s for the close
            assert fleet.clock.monotonic() - began < 2 * (2 * QUICK_PATIENCE.ping_s + QUICK_PATIENCE.close_s)
        await fleet.healthy()


async def test_the_shipped_patience_notices_a_hung_server_within_15_s(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path, patience=Patience()) as fleet:
        (room,) = fleet.site.open_rooms(VICTIM)
        with fleet.site.faults.during("silence", f"socket@{VICTIM}"):
            began = fleet.clock.monotonic()
            await eventually(lambda: not fleet.app.store.races[room].connected)
            assert fleet.clock.monotonic() - began < 15
        await fleet.healthy()


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("frame_not_json", "json"),
        ("frame_binary", "binary"),
        ("frame_wrong_shape", "type"),
        ("frame_wrong_types", "shape"),
        ("frame_unknown_words", "unknown_value"),
        ("frame_huge", "oversized"),
        ("frame_deep", "json"),
        ("frame_unknown_type", None),
        ("frame_extra_fields", None),
        ("frame_missing_fields", None),
        ("frame_nulls", None),
        ("frame_flood", None),
    ],
)
async def test_garbage_frames_are_counted_and_break_nothing(kind: str, counted: str | None, tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        stats = fleet.app.supervisor.stats[VICTIM]
        before = stats.messages_received
        fleet.site.faults.on(kind, f"socket@{VICTIM}")
        if counted is not None:
            await eventually(lambda: stats.protocol_errors[counted] > 0)
            metrics = await fleet.metrics()
            key = frozenset({("bot", VICTIM), ("platform", "racetime"), ("kind", counted)})
            assert metrics["bot_protocol_errors_total", key] >= 1
        else:
            await eventually(lambda: stats.messages_received > before)
        race = fleet.site.world.races_of(fleet.site.world.categories[VICTIM], current=True)[0]
        fleet.site.world.cancel(race, None, fleet.clock.now())
        await eventually(lambda: fleet.app.store.races[str(race)].view.state == "cancelled")
        await fleet.healthy()
        await fleet.untouched(*CATEGORIES)
        assert fleet.app.supervisor.stats["ootr"].protocol_errors == {}


@pytest.mark.parametrize("kind", ["crash", "refuse_connections"])
async def test_an_outage_is_one_condition_and_comes_back_without_a_storm(kind: str, tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        outage = ("bot_racetime_outage", frozenset[tuple[str, str]]())
        assert (await fleet.metrics())[outage] == 0
        with capture_logs() as logs:
            async with site_down(fleet, kind):
                for name in CATEGORIES:
                    bot = await fleet.until(name, lambda bot: bot["status_name"] == "connection_error")
                    assert bot["status_reason"] == "refused"
                assert (await fleet.metrics())[outage] == 1
                assert not any(fleet.site.truth(f"demo-{name}").reachable for name in CATEGORIES)
                await fleet.agree()
                tokens = dict(fleet.site.stats.tokens)
            await fleet.healthy()
        assert (await fleet.metrics())[outage] == 0
        assert dict(fleet.site.stats.tokens) == tokens  # a token survives its site's restart
        told = [entry for entry in logs if entry.get("component") == "outage"]
        assert [entry["log_level"] for entry in told] == ["warning", "info"]
        await fleet.agree()


@asynccontextmanager
async def site_down(fleet: Fleet, kind: str) -> AsyncIterator[None]:
    if kind == "crash":
        await fleet.site.crash()
        yield
        await fleet.site.start()
    else:
        with fleet.site.faults.during(kind):
            yield


async def test_a_blip_is_quiet(tmp_path: Path) -> None:
    """One failed poll is noted as an error and changes no verdict, no metric that alerts look at, and no state."""
    async with racetime_fleet(tmp_path, poll_s=0.4) as fleet:
        fleet.changes.clear()
        with fleet.site.faults.during("http_status", "category", "502"):
            await eventually(lambda: any(isinstance(change.event, ev.CheckFailed) for change in fleet.changes))
        seen = dict(fleet.site.stats.polls)
        await eventually(lambda: all(fleet.site.stats.polls[name] >= seen[name] + 2 for name in CATEGORIES))
        verdicts = {
            change.after.status.word
            for change in fleet.changes
            if isinstance(change, ev.BotChange) and change.after is not None
        }
        assert verdicts == {"connected"}
        assert (await fleet.metrics())["bot_racetime_outage", frozenset()] == 0


@pytest.mark.parametrize("crash", [True, False], ids=["crash", "graceful"])
async def test_a_site_that_restarts_in_waves(crash: bool, tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path, rooms_each=3) as fleet:
        await fleet.site.restart(4, down_s=0.1, up_s=0.2, crash=crash)
        await fleet.healthy()
        assert len(fleet.site.open_sockets()) == 9
        await fleet.agree()


async def test_a_lost_answer_to_an_order_is_in_doubt_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        bot = fleet.app.supervisor.bot(VICTIM)
        assert isinstance(bot, RacetimeBot)
        goal = next(iter(fleet.site.world.categories[VICTIM].goals))
        with fleet.site.faults.during("lose_answer", f"startrace@demo-{VICTIM}"), pytest.raises(OrderInDoubt):
            await bot.open_race({"goal": goal})
        assert sum(fleet.site.stats.startraces.values()) == 1
        rooms = fleet.site.open_rooms(VICTIM)
        assert len(rooms) == 2  # it was carried out
        await fleet.healthy()  # and the polls have found it
        assert sum(fleet.site.stats.startraces.values()) == 1


async def test_a_race_that_a_bot_opened_while_it_was_stopped_shows_once_it_runs(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        supervisor = fleet.app.supervisor
        bot = supervisor.bot(VICTIM)
        assert isinstance(bot, RacetimeBot)
        goal = next(iter(fleet.site.world.categories[VICTIM].goals))
        faults = fleet.site.faults
        with (
            faults.during("nulls", f"category@demo-{VICTIM}", "current_races"),
            faults.during("nulls", "public", "races"),
            faults.during("slow", f"race@{VICTIM}", "0.3"),
        ):
            opening = asyncio.create_task(bot.open_race({"goal": goal}))
            await eventually(lambda: fleet.site.stats.startraces[VICTIM] == 1)
            await supervisor.stop(VICTIM)
            view = await opening
        assert (await fleet.bot(VICTIM))["races"] == []
        assert {race.view.category for race in fleet.app.store.races.values()} == set(OTHERS)
        await supervisor.start(VICTIM)
        await fleet.healthy()
        assert fleet.app.store.races[view.name].connected


async def test_nothing_is_left_behind_by_an_hour_of_rooms_and_faults(tmp_path: Path) -> None:
    before = objects_alive()
    async with racetime_fleet(tmp_path) as fleet:
        settled, stats = objects_alive(), fleet.site.stats.sockets_opened
        for kind in ("drop_sockets", "close_sockets", "frame_huge", "frame_flood") * 3:
            opened = sum(stats.values())
            fleet.site.faults.on(kind, "socket")
            if kind in {"drop_sockets", "close_sockets", "frame_huge"}:
                await eventually(lambda stats=stats, n=opened: sum(stats.values()) > n)  # type: ignore[misc]
            await fleet.healthy()
        assert objects_alive() == settled
    del fleet
    assert objects_alive() <= before


async def test_a_stop_while_a_failing_bot_closes_its_sockets_is_not_lost(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        failing = asyncio.Event()

        def note(change: ev.Change) -> None:
            """After this one the bot's run ends, which takes as long as its silent sockets take to close."""
            told = isinstance(change, ev.BotChange) and isinstance(change.event, ev.CheckFailed)
            if told and change.name == VICTIM and fleet.app.store.bots[VICTIM].status is BotStatus.CONNECTION_ERROR:
                failing.set()

        fleet.app.store.subscribe(note)
        with (
            fleet.site.faults.during("hang", f"category@demo-{VICTIM}"),
            fleet.site.faults.during("silence", f"socket@{VICTIM}"),
        ):
            await failing.wait()
            async with asyncio.timeout(10):
                await fleet.app.supervisor.stop(VICTIM)
        bot = await fleet.bot(VICTIM)
        assert (bot["status_name"], bot["is_active"]) == ("disconnected", False)
        await fleet.untouched(*OTHERS)


async def test_bots_that_are_stopped_in_the_middle_of_trouble_stop(tmp_path: Path) -> None:
    async with racetime_fleet(tmp_path) as fleet:
        with (
            fleet.site.faults.during("hang", "*"),
            fleet.site.faults.during("silence", "socket"),
        ):
            async with asyncio.timeout(10):
                await asyncio.gather(*(fleet.app.supervisor.stop(name) for name in CATEGORIES))
        for name in CATEGORIES:
            bot = await fleet.bot(name)
            assert (bot["status_name"], bot["status_message"], bot["races"]) == (
                "disconnected",
                "Bot stopped manually",
                [],
            )
        assert fleet.app.store.races == {}
