"""The /status routes over a real socket: every key, every filter, every 404."""

import random
from typing import Any

import pytest

from exporter.errors import AuthReason, FailureReason
from exporter.model import events as ev
from exporter.model.states import BotStatus, DisconnectReason
from exporter.model.status import Maintenance
from tests.web.fleet import DOTA2, LOBBY_ID, NOW, RACETIME, Fleet, lobby, race_view

BOT = {
    "name", "platform", "state", "status", "status_name", "status_display", "status_icon", "status_message",
    "status_reason", "healthy", "available", "is_active", "maintenance", "last_error", "last_error_time",
    "connected_since", "last_activity", "last_connected_at", "last_status_check_at", "next_retry_at", "reconnects",
}  # fmt: skip
RACETIME_BOT = BOT | {"category", "races", "last_poll_at", "token_expires_at"}
DOTA2_BOT = BOT | {"username", "steam_connected", "gc_connected", "current_lobby_id"}
LOBBY = {
    "lobby_id", "name", "state", "bot", "bot_username", "server_region", "server_region_name", "game_mode",
    "game_mode_name", "has_password", "players", "radiant_count", "dire_count", "spectator_count", "created_at",
    "match_id", "match_outcome", "bot_team", "watched",
}  # fmt: skip
RACE = {
    "name", "category", "slug", "bot", "state", "goal", "info", "url", "unlisted", "recorded", "opened_by_bot",
    "opened_at", "started_at", "ended_at", "entrants_count", "entrants_count_finished", "entrants_count_inactive",
    "entrants", "room_connected",
}  # fmt: skip
SYSTEM = {
    "uptime_seconds", "started_at", "total_bots", "available_bots", "busy_bots", "disconnected_bots", "active_lobbies",
    "total_lobbies_created", "active_races", "bot_state_summary", "bot_status_summary", "version", "draining",
    "draining_waits_for", "steam",
}  # fmt: skip
ENTRANT = {"user_id", "name", "team", "status", "place", "finish_time_seconds"}


async def test_everything_is_in_one_answer(fleet: Fleet) -> None:
    whole: Any = await fleet.get("/status")
    assert set(whole) == {"system", "bots", "lobbies", "races"}
    assert whole["system"] == await fleet.get("/status/system")
    assert {"bots": whole["bots"]} == await fleet.get("/status/bots")
    assert {"lobbies": whole["lobbies"]} == await fleet.get("/status/lobbies")
    assert {"races": whole["races"]} == await fleet.get("/status/races")


async def test_an_empty_fleet_has_every_key_too() -> None:
    async with Fleet() as fleet:
        whole: Any = await fleet.get("/status")
    assert set(whole["system"]) == SYSTEM
    assert whole["bots"] == whole["lobbies"] == whole["races"] == []
    assert whole["system"]["total_bots"] == 0
    assert whole["system"]["steam"] is None


async def test_a_racetime_bot(fleet: Fleet) -> None:
    bot = await fleet.get("/status/bots/alttpr")
    assert set(bot) == RACETIME_BOT
    assert bot["platform"] == "racetime"
    assert bot["category"] == "alttpr"
    assert bot["status"] == 1
    assert bot["status_name"] == "connected"
    assert bot["status_display"] == "Connected"
    assert bot["status_icon"] == "check_circle"
    assert bot["healthy"] is bot["available"] is bot["is_active"] is True
    assert bot["races"] == ["alttpr/lucky-link-1"]
    assert bot["last_poll_at"] == bot["connected_since"] == "2027-01-15T08:00:00.000Z"
    assert bot["token_expires_at"] == "2027-01-15T18:00:00.000Z"
    assert bot["next_retry_at"] is bot["maintenance"] is bot["last_error"] is None


async def test_a_bot_with_refused_credentials(fleet: Fleet) -> None:
    bot = await fleet.get("/status/bots/sm")
    assert set(bot) == RACETIME_BOT
    assert bot["status"] == 2
    assert bot["status_name"] == "auth_failed"
    assert bot["status_display"] == "Auth Failed"
    assert bot["status_reason"] == "invalid_credentials"
    assert bot["status_message"] == bot["last_error"] == "Invalid client secret"
    assert bot["next_retry_at"] == "2027-01-15T08:10:00.000Z"
    assert bot["healthy"] is bot["available"] is False


async def test_a_dota2_bot_is_found_by_name_and_by_username(fleet: Fleet) -> None:
    bot = await fleet.get("/status/bots/dire")
    assert set(bot) == DOTA2_BOT
    assert bot == await fleet.get("/status/bots/dire_account")
    assert bot["username"] == "dire_account"
    assert bot["steam_connected"] is bot["gc_connected"] is True
    assert bot["current_lobby_id"] == str(LOBBY_ID)
    assert bot["available"] is False


async def test_a_category_is_no_name_of_a_bot() -> None:
    async with Fleet() as fleet:
        fleet.add("racer", subject="smw")
        assert (await fleet.call("/status/bots/smw")).status == 404


async def test_maintenance_is_shown(fleet: Fleet) -> None:
    fleet.store.apply(ev.MaintenanceBegan("alttpr", NOW, Maintenance(NOW + 60, "new seeds", "boss")))
    bot = await fleet.get("/status/bots/alttpr")
    assert bot["maintenance"] == {"until": "2027-01-15T08:01:00.000Z", "reason": "new seeds", "by": "boss"}
    assert bot["available"] is False


async def test_a_lobby(fleet: Fleet) -> None:
    found: Any = await fleet.get(f"/status/lobbies/{LOBBY_ID}")
    assert set(found) == LOBBY
    assert found["lobby_id"] == str(LOBBY_ID)
    assert found["bot_username"] == "dire_account"
    assert (found["server_region"], found["game_mode_name"]) == (1, "AP")
    assert (found["radiant_count"], found["dire_count"], found["spectator_count"]) == (1, 1, 1)
    assert found["players"][0] == {"steam_id": "76561198000000001", "name": "Puck", "team": "radiant", "slot": 0}


async def test_a_lobby_without_an_id_is_only_in_the_list(fleet: Fleet) -> None:
    fleet.store.apply(ev.LobbyForgotten("dire", NOW, str(LOBBY_ID)))
    fleet.store.apply(ev.LobbyUpdated("dire", NOW, lobby(lobby_id=None)))
    listed: Any = await fleet.get("/status/lobbies")
    assert [each["lobby_id"] for each in listed["lobbies"]] == [None]
    assert (await fleet.call("/status/lobbies/None")).status == 404
    assert (await fleet.call("/status/lobbies/dire")).status == 404


async def test_a_race(fleet: Fleet) -> None:
    race: Any = await fleet.get("/status/races/alttpr/lucky-link-1")
    assert set(race) == RACE
    assert race["bot"] == "alttpr"
    assert race["goal"] == {"name": "Beat the game", "custom": False}
    assert race["room_connected"] is True
    assert race["started_at"] is None
    assert [set(each) for each in race["entrants"]] == [ENTRANT]


async def test_the_system(fleet: Fleet) -> None:
    system: Any = await fleet.get("/status/system")
    assert set(system) == SYSTEM
    assert system["uptime_seconds"] == 3600
    assert system["started_at"] == "2027-01-15T07:00:00.000Z"
    assert (system["total_bots"], system["available_bots"], system["busy_bots"]) == (3, 1, 1)
    assert system["disconnected_bots"] == 1
    assert (system["active_lobbies"], system["active_races"], system["total_lobbies_created"]) == (1, 1, 15)
    assert system["bot_state_summary"] == {
        **dict.fromkeys((*DOTA2.states, *RACETIME.states), 0),
        "disconnected": 1,
        "in_lobby": 1,
        "online": 1,
    }
    assert set(system["bot_status_summary"]) == {status.word for status in BotStatus}
    assert system["draining"] is False
    assert system["draining_waits_for"] == []
    assert system["steam"] == {"logon_queue_length": 7, "logon_cooldown_until": "2027-01-15T08:25:00.000Z"}


async def test_nothing_is_available_while_draining(fleet: Fleet) -> None:
    fleet.process.draining = True
    whole: Any = await fleet.get("/status")
    system = whole["system"]
    assert system["draining"] is True
    assert system["draining_waits_for"] == [str(LOBBY_ID), "alttpr/lucky-link-1"]
    assert (system["available_bots"], system["busy_bots"], system["disconnected_bots"]) == (0, 1, 2)
    assert not any(bot["available"] for bot in whole["bots"])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"alttpr", "sm", "dire"}),
        ("status=auth_failed", {"sm"}),
        ("healthy=false", {"sm"}),
        ("healthy=true", {"alttpr", "dire"}),
        ("platform=racetime", {"alttpr", "sm"}),
        ("platform=racetime&healthy=true", {"alttpr"}),
        ("status=auth_failed&status=connected&platform=dota2", {"dire"}),
        ("status=auth_failed&platform=&healthy=false", {"sm"}),
        ("status=unknown", set()),
    ],
)
async def test_filters(fleet: Fleet, query: str, names: set[str]) -> None:
    found: Any = await fleet.get(f"/status/bots?{query}")
    assert {bot["name"] for bot in found["bots"]} == names


@pytest.mark.parametrize(
    ("query", "help_"),
    [
        ("status=broken", "unknown, connected, auth_failed, connection_error, disconnected"),
        ("platform=chess", "dota2, racetime"),
        ("healthy=0", "true, false"),
        ("helthy=false", "status, platform, healthy"),
    ],
)
async def test_a_wrong_filter_is_told_what_is_possible(fleet: Fleet, query: str, help_: str) -> None:
    answer = await fleet.call(f"/status/bots?{query}")
    assert answer.status == 400
    assert help_ in (await answer.json())["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/status/bots/nobody",
        "/status/lobbies/7",
        "/status/races/alttpr/none",
        "/status/bots/%ED%A0%80",
        "/status/bots/%00%22%3Cscript%3E",
    ],
)
async def test_unknown_things_are_problems(fleet: Fleet, path: str) -> None:
    answer = await fleet.call(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = await answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert problem["type"] == "about:blank"
    assert problem["title"] == "Not Found"
    assert problem["instance"].startswith("/status/")
    assert "/status/" in problem["detail"]


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"};alert(1)//',
    "\u202etxt.exe",
    "\x00\x1b[31m",
    "half \ud83d pair",
    "💥" * 50,
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_names_stay_data(fleet: Fleet, name: str) -> None:
    fleet.store.apply(ev.LobbyUpdated("dire", NOW, lobby(player=name)))
    fleet.store.apply(ev.RaceUpdated("alttpr", NOW, race_view(name=name)))
    whole: Any = await fleet.get("/status")
    expected = name.replace("\ud83d", "?")
    assert whole["lobbies"][0]["players"][0]["name"] == expected
    assert whole["races"][0]["entrants"][0]["name"] == expected


async def test_the_figures_always_add_up() -> None:
    rng = random.Random(20260101)
    async with Fleet() as fleet:
        names = [f"bot{number}" for number in range(200)]
        for number, name in enumerate(names):
            fleet.add(name, DOTA2 if number % 2 else RACETIME)
        for step in range(1500):
            name = rng.choice(names)
            at = NOW + step
            if name not in fleet.store.bots:
                fleet.add(name, rng.choice((DOTA2, RACETIME)), at=at)
                continue
            traits = fleet.store.bots[name].traits
            fleet.store.apply(
                rng.choice(
                    (
                        ev.ConnectStarted(name, at),
                        ev.StateEntered(name, at, rng.choice(traits.states)),
                        ev.StateEntered(name, at, traits.ready),
                        ev.HealthProved(name, at, 90.0),
                        ev.HealthProved(name, at, 90.0),
                        ev.ConnectionFailed(name, at, FailureReason.REFUSED, "no", at + 1, DisconnectReason.NETWORK),
                        ev.CredentialsRefused(name, at, AuthReason.OTHER, "no", None),
                        ev.BotStopped(name, at),
                        ev.BotStarted(name, at),
                        ev.MaintenanceBegan(name, at, Maintenance(None, "m", None)),
                        ev.MaintenanceEnded(name, at),
                        ev.BotRemoved(name, at),
                    )
                )
            )
            if step % 25:
                continue
            fleet.process.draining = rng.random() < 0.2
            whole: Any = await fleet.get("/status")
            system, bots = whole["system"], whole["bots"]
            parts = system["available_bots"], system["busy_bots"], system["disconnected_bots"]
            assert min(parts) >= 0
            assert sum(parts) == system["total_bots"] == len(bots)
            assert system["available_bots"] == sum(bot["available"] for bot in bots)
            assert sum(system["bot_state_summary"].values()) == len(bots)
            assert sum(system["bot_status_summary"].values()) == len(bots)
            assert system["bot_status_summary"]["connected"] == sum(bot["healthy"] for bot in bots)
