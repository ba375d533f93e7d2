"""What a page says of lobbies."""

from exporter.errors import FailureReason
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import LOBBY_OUTCOMES, CreateFailure, LobbyState
from tests.unit.metrics.rig import STEAM, Rig, connected, lobby, racer

BOT = {"bot": "dire", "platform": "dota2"}
WAITING, READY, PLAYING, OVER = LobbyState.WAITING, LobbyState.READY, LobbyState.IN_GAME, LobbyState.FINISHED


def host(name: str = "dire") -> Rig:
    rig = Rig(traits=(STEAM,))
    rig.apply(ev.BotAdded(name, 1.0, STEAM, name, active=True), *connected(name, "lounge"))
    return rig


async def test_everything_is_there_from_the_start_with_zero() -> None:
    page = await host().page()
    assert page.by("state", "bot_lobbies") == dict.fromkeys(map(str, LobbyState), 0)
    assert page.by("team", "bot_lobby_players", **BOT) == dict.fromkeys(
        ("radiant", "dire", "spectator", "unassigned"), 0
    )
    assert page.value("bot_lobbies_created_total", **BOT) == 0
    assert page.by("outcome", "bot_lobbies_finished_total", **BOT) == dict.fromkeys(LOBBY_OUTCOMES, 0)
    assert page.by("reason", "bot_lobby_create_failures_total", **BOT) == dict.fromkeys(map(str, CreateFailure), 0)
    assert page.value("bot_lobby_create_duration_seconds_count", platform="dota2") == 0
    assert page.by("state", "bot_lobby_state_duration_seconds_count") == dict.fromkeys(
        ("creating", "waiting", "ready", "in_game"), 0
    )
    assert page.series("bot_lobby_info") == {}
    assert page.series("bot_lobby_state_since") == {}


async def test_a_fleet_without_dota_2_has_none_of_it() -> None:
    rig = Rig()
    rig.apply(racer("alpha"))
    page = await rig.page()
    assert [name for name, _ in page.series("bot_lobb")] == []


async def test_an_open_lobby() -> None:
    rig = host()
    people = ("radiant", "radiant", "dire", "spectator", "unassigned")
    rig.apply(ev.LobbyUpdated("dire", 20.0, lobby("dire", 29, READY, *people)))
    page = await rig.page()
    assert page.value("bot_lobby_info", lobby_id="29", server_region="EUW", game_mode="99", **BOT) == 1
    teams = {"radiant": 2, "dire": 1, "spectator": 1, "unassigned": 1}
    assert page.by("team", "bot_lobby_players", **BOT) == teams
    assert page.value("bot_lobby_state_since_timestamp_seconds", state="ready", **BOT) == 20.0
    assert page.value("bot_lobbies", platform="dota2", state="ready") == 1


async def test_a_lobby_that_is_asked_for_has_no_id_yet() -> None:
    rig = host()
    asked = replace(lobby("dire", 0, LobbyState.CREATING), key="dire", lobby_id=None)
    rig.apply(ev.LobbyUpdated("dire", 20.0, asked))
    page = await rig.page()
    assert page.series("bot_lobby_info") == {}
    assert page.value("bot_lobbies", platform="dota2", state="creating") == 1
    assert page.value("bot_available", **BOT) == 0


async def test_a_finished_lobby_is_counted_once_and_has_no_info_any_more() -> None:
    rig = host()
    over = replace(lobby("dire", 29, OVER, "radiant", match_outcome="radiant"), state_since=50.0)
    rig.apply(
        ev.LobbyCreated("dire", 20.0, 29, took_s=0.4),
        ev.LobbyUpdated("dire", 20.0, lobby("dire", 29, WAITING)),
        ev.LobbyUpdated("dire", 30.0, replace(lobby("dire", 29, PLAYING), state_since=30.0)),
        ev.LobbyUpdated("dire", 50.0, over),
        ev.LobbyUpdated("dire", 51.0, replace(over, watched=False)),
    )
    page = await rig.page()
    assert page.value("bot_lobbies_created_total", **BOT) == 1
    assert page.value("bot_lobbies_finished_total", outcome="radiant", **BOT) == 1
    assert page.value("bot_lobbies", platform="dota2", state="finished") == 1
    assert page.series("bot_lobby_info") == {}
    assert page.by("team", "bot_lobby_players", **BOT)["radiant"] == 0
    assert page.value("bot_lobby_create_duration_seconds_sum", platform="dota2") == 0.4
    sums = page.by("state", "bot_lobby_state_duration_seconds_sum")
    assert sums == {"creating": 0.4, "waiting": 10.0, "ready": 0.0, "in_game": 20.0}
    assert rig.counters.lobbies_created == 1


async def test_one_that_is_over_when_it_is_first_seen_was_counted_before() -> None:
    rig = host()
    rig.apply(ev.LobbyUpdated("dire", 20.0, lobby("dire", 29, OVER, match_outcome="dire")))
    assert (await rig.page()).by("outcome", "bot_lobbies_finished_total", **BOT)["dire"] == 0


async def test_failures_and_a_lost_coordinator() -> None:
    rig = host()
    rig.apply(
        ev.LobbyCreateFailed("dire", 20.0, CreateFailure.TIMEOUT, "no confirmation"),
        ev.LobbyCreateFailed("dire", 21.0, CreateFailure.REFUSED, "busy"),
        ev.ServiceLost("dire", 22.0, FailureReason.OTHER, "the coordinator is away"),
    )
    page = await rig.page()
    reasons = page.by("reason", "bot_lobby_create_failures_total", **BOT)
    assert {word for word, count in reasons.items() if count} == {"timeout", "refused"}
    assert page.value("bot_connection_failures_total", reason="other", **BOT) == 1
    assert page.value("bot_up", **BOT) == 0


async def test_the_count_of_lobbies_outlives_the_bot() -> None:
    rig = host()
    rig.apply(ev.LobbyCreated("dire", 20.0, 29, took_s=0.4), ev.BotRemoved("dire", 21.0))
    assert rig.counters.lobbies_created == 1
