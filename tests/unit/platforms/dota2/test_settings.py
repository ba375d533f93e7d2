"""What somebody may ask of a lobby."""

import pytest

from exporter.errors import OrderRefused
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.settings import (
    LobbySettings,
    check_account_id,
    check_expected,
    check_steam_id,
    lobby_has,
    lobby_settings,
)

PLAYER = 76561197960287930
SECRET = "open sesame"


def test_names_short_forms_and_numbers_are_all_taken() -> None:
    for region, mode in ((2, 22), ("us_east", "all_draft"), ("use", "ALL_DRAFT"), ("2", "22")):
        settings = lobby_settings({"name": "finals", "server_region": region, "game_mode": mode})
        assert (settings.server_region, settings.game_mode) == (2, 22)


def test_every_problem_is_named_at_once_and_no_password_is_shown() -> None:
    given = {
        "name": " ",
        "password": SECRET * 10,
        "server_region": "atlantis",
        "allow_cheats": "yes",
        "league_id": -1,
        "dota_tv_delay": True,
        "colour": "red",
    }
    with pytest.raises(OrderRefused) as refused:
        lobby_settings(given)
    fields = [each.partition(":")[0] for each in refused.value.errors]
    assert sorted(word.split(" ")[0] for word in fields) == [
        "allow_cheats",
        "colour",
        "dota_tv_delay",
        "league_id",
        "name",
        "password",
        "server_region",
    ]
    assert SECRET not in str(refused.value)


def test_a_name_is_needed() -> None:
    with pytest.raises(OrderRefused, match="name: is missing; game_mode"):
        lobby_settings({"game_mode": "chess"})


@pytest.mark.parametrize("value", ["", "x" * 101, "a\nb", 7, "\ud800"])
def test_names_that_cannot_be(value: object) -> None:
    with pytest.raises(OrderRefused, match="name"):
        lobby_settings({"name": value})


def test_the_message_carries_all_of_it_and_a_lobby_gives_it_back() -> None:
    settings = LobbySettings("finals", SECRET, 3, 2, True, False, 42, 1, 2, 3, 1, 1)
    said = settings.details(5)
    assert (said.lobby_id, said.game_name, said.pass_key, said.leagueid) == (5, "finals", SECRET, 42)
    assert (said.dota_tv_delay, said.visibility, said.pause_setting, said.selection_priority_rules) == (3, 2, 1, 1)
    assert (said.allow_cheats, said.allow_spectating, said.series_type, said.fill_with_bots) == (True, False, 1, False)
    lobby = pb.CSODOTALobby(
        game_name="finals",
        pass_key=SECRET,
        server_region=3,
        game_mode=2,
        allow_cheats=True,
        allow_spectating=False,
        leagueid=42,
        series_type=1,
        visibility=2,
        dota_tv_delay=3,
        pause_setting=1,
        selection_priority_rules=1,
    )
    assert lobby_has(lobby) == settings
    assert settings.shown_by(lobby)
    assert SECRET not in repr(settings)


def test_changes_leave_the_rest() -> None:
    settings = LobbySettings("finals", SECRET)
    assert settings.changed({"game_mode": "CM"}) == LobbySettings("finals", SECRET, game_mode=2)
    with pytest.raises(OrderRefused, match="visibility"):
        settings.changed({"visibility": "secret"})


def test_who_is_expected() -> None:
    assert check_expected(None) is None
    assert check_expected(10) == 10
    assert check_expected([PLAYER, PLAYER]) == (PLAYER,)
    for wrong in (0, 11, True, [], [5], range(PLAYER, PLAYER + 11)):
        with pytest.raises(OrderRefused, match="expected_players"):
            check_expected(wrong)


def test_ids() -> None:
    assert check_steam_id("invite", PLAYER) == PLAYER
    assert check_account_id(22202) == 22202
    for wrong in (22202, 2**64, "76561197960287930", None):
        with pytest.raises(OrderRefused, match="invite"):
            check_steam_id("invite", wrong)
    for wrong in (0, -1, PLAYER, True, "22202"):
        with pytest.raises(OrderRefused, match="account_id"):
            check_account_id(wrong)
